//! The key ring: an immutable snapshot of the keys in the database, replaced when they change.

use super::jwt::{Pair, Signer, TokenKind, algorithm, verify_signature};
use super::mac::{MacKey, sha256};
use super::master::Master;
use crate::entropy::Entropy;
use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use tenure_protocol::Timestamp;
use tenure_protocol::model::SigningAlg;
use tenure_store::KeyRow;

pub const SIGNING: &str = "sig";
pub const REFRESH: &str = "refresh";
pub const ALGORITHMS: [SigningAlg; 3] = [SigningAlg::RS256, SigningAlg::ES256, SigningAlg::EdDSA];

#[derive(Debug, Default)]
pub struct KeyRing {
    signers: HashMap<SigningAlg, Signer>,
    verifiers: HashMap<String, (Algorithm, DecodingKey)>,
    refresh: HashMap<u32, MacKey>,
    refresh_current: u32,
    jwks: Value,
}

impl KeyRing {
    /// Opens every key of the database.
    ///
    /// # Errors
    /// A key cannot be opened: the master key is not the one it was sealed under, or the row is damaged.
    pub fn open(rows: &[KeyRow], master: &Master) -> anyhow::Result<Self> {
        let mut ring = Self::default();
        let mut published = Vec::new();
        for row in rows {
            let secret = master
                .open(&context(&row.usage, &row.kid), &row.sealed)
                .with_context(|| {
                    format!("the key {} cannot be opened with this master key", row.kid)
                })?;
            if row.usage == REFRESH {
                let id = refresh_id(&row.kid)?;
                ring.refresh.insert(id, MacKey::from_bytes(&secret));
                if row.state == "current" {
                    ring.refresh_current = id;
                }
                continue;
            }
            let alg = signing_alg(&row.alg)?;
            let jwk: Value = serde_json::from_str(&row.public)
                .with_context(|| format!("the public half of key {}", row.kid))?;
            let verifier = serde_json::from_value(jwk.clone())
                .map_err(anyhow::Error::from)
                .and_then(|jwk| DecodingKey::from_jwk(&jwk).map_err(Into::into))?;
            ring.verifiers
                .insert(row.kid.clone(), (algorithm(alg), verifier));
            published.push(jwk);
            if row.state == "current" {
                ring.signers
                    .insert(alg, Signer::new(&row.kid, alg, Pair::parse(alg, &secret)?));
            }
        }
        ring.jwks = json!({ "keys": published });
        Ok(ring)
    }

    /// The JWK set (RFC 7517 section 5), public members only.
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// Signs with the current key of an algorithm.
    pub fn sign(
        &self,
        alg: SigningAlg,
        kind: TokenKind,
        claims: &impl Serialize,
    ) -> anyhow::Result<String> {
        self.signers
            .get(&alg)
            .ok_or_else(|| anyhow!("there is no {} key", alg.name()))?
            .sign(kind, claims)
    }

    /// The claims of a token that we signed: its signature, `typ` and issuer hold. Whether it has
    /// expired is the caller's question, who has the clock: see [`is_current`].
    pub fn verify(&self, token: &str, kind: TokenKind, issuer: &str) -> Option<Map<String, Value>> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() != Some(kind.typ()) {
            return None;
        }
        let (algorithm, key) = self.verifiers.get(header.kid.as_deref()?)?;
        if header.alg != *algorithm {
            return None;
        }
        let claims = verify_signature(token, *algorithm, key)?;
        (claims.get("iss").and_then(Value::as_str) == Some(issuer)).then_some(claims)
    }

    pub fn refresh_key(&self, id: u32) -> Option<&MacKey> {
        self.refresh.get(&id)
    }

    /// The id of the key under which new refresh tokens are made.
    pub fn refresh_current(&self) -> u32 {
        self.refresh_current
    }
}

/// Whether `exp` lies ahead of `now`.
pub fn is_current(claims: &Map<String, Value>, now: Timestamp) -> bool {
    let expiry = claims.get("exp").and_then(Value::as_i64);
    expiry.is_some_and(|exp| now < Timestamp::from_seconds(exp))
}

/// A new signing key's row.
pub fn new_signing_key(
    alg: SigningAlg,
    state: &str,
    master: &Master,
    now: Timestamp,
) -> anyhow::Result<KeyRow> {
    let pkcs8 = Pair::generate(alg)?;
    let mut jwk = Pair::parse(alg, &pkcs8)?.public_jwk();
    // The thumbprint of RFC 7638: the required members in lexical order, which is how serde_json's map keeps them.
    let kid = URL_SAFE_NO_PAD.encode(sha256(serde_json::to_string(&jwk)?.as_bytes()));
    jwk.insert("kid".to_owned(), kid.clone().into());
    jwk.insert("alg".to_owned(), alg.name().into());
    jwk.insert("use".to_owned(), "sig".into());
    Ok(KeyRow {
        usage: SIGNING.to_owned(),
        alg: alg.name().to_owned(),
        state: state.to_owned(),
        public: serde_json::to_string(&jwk)?,
        sealed: master.seal(&context(SIGNING, &kid), &pkcs8, &Entropy::system()),
        created_at: now,
        activated_at: (state == "current").then_some(now),
        retired_at: None,
        kid,
    })
}

/// A new key for refresh tokens.
pub fn new_refresh_key(id: u32, state: &str, master: &Master, now: Timestamp) -> KeyRow {
    let kid = format!("r{id}");
    let secret = Entropy::system().bytes::<32>();
    KeyRow {
        usage: REFRESH.to_owned(),
        alg: "HS256".to_owned(),
        state: state.to_owned(),
        public: String::new(),
        sealed: master.seal(&context(REFRESH, &kid), &secret, &Entropy::system()),
        created_at: now,
        activated_at: (state == "current").then_some(now),
        retired_at: None,
        kid,
    }
}

pub fn refresh_id(kid: &str) -> anyhow::Result<u32> {
    kid.strip_prefix('r')
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| anyhow!("the refresh key {kid:?} has no number"))
}

pub fn signing_alg(name: &str) -> anyhow::Result<SigningAlg> {
    ALGORITHMS
        .into_iter()
        .find(|alg| alg.name() == name)
        .ok_or_else(|| anyhow!("a key in the database has the unknown algorithm {name:?}"))
}

fn context(usage: &str, kid: &str) -> String {
    format!("key {usage} {kid}")
}
