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
    /// Opens the keys of the database: what is current signs, what is not retired is published, and
    /// whatever we ever signed with is recognised.
    ///
    /// # Errors
    /// A key cannot be opened: the master key is not the one it was sealed under, or the row is damaged.
    pub fn open(rows: &[KeyRow], master: &Master) -> anyhow::Result<Self> {
        let mut ring = Self::default();
        let mut published = Vec::new();
        for row in rows {
            if row.usage == REFRESH {
                let id = refresh_id(&row.kid)?;
                ring.refresh
                    .insert(id, MacKey::from_bytes(&open_secret(row, master)?));
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
            if row.state == "current" {
                let pair = Pair::parse(alg, &open_secret(row, master)?)?;
                ring.signers.insert(alg, Signer::new(&row.kid, alg, pair));
            }
            if row.state != "retired" {
                published.push(jwk);
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

    /// Whether a JWT that looks like ours names a key that this ring has. What does not look like ours
    /// needs no key.
    pub fn knows(&self, token: &str) -> bool {
        let Ok(header) = jsonwebtoken::decode_header(token) else {
            return true;
        };
        let ours = TokenKind::ALL
            .into_iter()
            .any(|kind| header.typ.as_deref() == Some(kind.typ()));
        header
            .kid
            .is_none_or(|kid| !ours || self.verifiers.contains_key(&kid))
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
    (master, entropy): (&Master, &Entropy),
    now: Timestamp,
) -> anyhow::Result<KeyRow> {
    let pkcs8 = Pair::generate(alg)?;
    let mut jwk = Pair::parse(alg, &pkcs8)?.public_jwk();
    let kid = thumbprint(&jwk).context("a new key without a thumbprint")?;
    jwk.insert("kid".to_owned(), kid.clone().into());
    jwk.insert("alg".to_owned(), alg.name().into());
    jwk.insert("use".to_owned(), "sig".into());
    Ok(KeyRow {
        usage: SIGNING.to_owned(),
        alg: alg.name().to_owned(),
        state: state.to_owned(),
        public: serde_json::to_string(&jwk)?,
        sealed: master.seal(&context(SIGNING, &kid), &pkcs8, entropy),
        created_at: now,
        activated_at: (state == "current").then_some(now),
        retired_at: None,
        kid,
    })
}

/// The thumbprint of a public key (RFC 7638): the hash of its required members in lexical order.
pub fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let members: Option<Vec<String>> = names
        .iter()
        .map(|name| Some(format!("\"{name}\":{}", jwk.get(*name)?)))
        .collect();
    let text = format!("{{{}}}", members?.join(","));
    Some(URL_SAFE_NO_PAD.encode(sha256(text.as_bytes())))
}

/// A new key for refresh tokens.
pub fn new_refresh_key(
    id: u32,
    state: &str,
    (master, entropy): (&Master, &Entropy),
    now: Timestamp,
) -> KeyRow {
    let kid = format!("r{id}");
    let secret = entropy.bytes::<32>();
    KeyRow {
        usage: REFRESH.to_owned(),
        alg: "HS256".to_owned(),
        state: state.to_owned(),
        public: String::new(),
        sealed: master.seal(&context(REFRESH, &kid), &secret, entropy),
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

fn open_secret(row: &KeyRow, master: &Master) -> anyhow::Result<Vec<u8>> {
    master
        .open(&context(&row.usage, &row.kid), &row.sealed)
        .with_context(|| format!("the key {} cannot be opened with this master key", row.kid))
}

fn context(usage: &str, kid: &str) -> String {
    format!("key {usage} {kid}")
}

#[cfg(test)]
mod tests {
    use super::super::rollover;
    use super::*;

    const ISSUER: &str = "https://id.example/";

    fn rows(master: &Master) -> Vec<KeyRow> {
        let sources = (master, &Entropy::system());
        rollover::missing(&[], "current", sources, Timestamp::from_seconds(0)).unwrap()
    }

    fn ring() -> KeyRing {
        let master = Master::from_bytes([7; 32]);
        KeyRing::open(&rows(&master), &master).unwrap()
    }

    #[test]
    fn a_token_is_verified_by_kind_issuer_and_signature() {
        let ring = ring();
        let now = Timestamp::from_seconds(1_000_000);
        for alg in ALGORITHMS {
            for kind in TokenKind::ALL {
                let claims = json!({"iss": ISSUER, "exp": 1_000_300});
                let token = ring.sign(alg, kind, &claims).unwrap();
                let verified = ring.verify(&token, kind, ISSUER).unwrap();
                assert!(is_current(&verified, now));
                assert!(!is_current(&verified, now.plus(300)));
                // An ID token is never taken for an access token, nor another issuer's for ours.
                for other in TokenKind::ALL.into_iter().filter(|other| *other != kind) {
                    assert!(ring.verify(&token, other, ISSUER).is_none());
                }
                assert!(ring.verify(&token, kind, "https://id.example").is_none());
                let cut = &token[..token.len() - 2];
                assert!(ring.verify(cut, kind, ISSUER).is_none());
                let foreign = self::ring().sign(alg, kind, &claims).unwrap();
                assert!(ring.verify(&foreign, kind, ISSUER).is_none());
            }
        }
    }

    /// CVE-2026-18569: no algorithm, no entry; nor one that the key is not for.
    #[test]
    fn the_header_does_not_choose_the_algorithm() {
        let ring = ring();
        let claims = json!({"iss": ISSUER, "exp": 1_000_300});
        let token = ring
            .sign(SigningAlg::RS256, TokenKind::Access, &claims)
            .unwrap();
        let mut parts = token.split('.');
        let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
        let signature = parts.next().unwrap();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        let public = ring.jwks()["keys"][0]["n"].as_str().unwrap().to_owned();
        for alg in [
            "none", "None", "HS256", "RS384", "PS256", "ES256", "EdDSA", "",
        ] {
            let mut forged = header.clone();
            forged["alg"] = alg.into();
            let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
            // The public key as an HMAC secret: the classic confusion.
            let mac = MacKey::from_bytes(public.as_bytes())
                .mac_bytes(format!("{forged}.{claims}").as_bytes());
            for signature in ["", signature, &URL_SAFE_NO_PAD.encode(mac)] {
                let token = format!("{forged}.{claims}.{signature}");
                assert!(
                    ring.verify(&token, TokenKind::Access, ISSUER).is_none(),
                    "{alg} {token}"
                );
            }
        }
        for nonsense in ["", ".", "..", "a.b.c", "ä.ö.ü", &token.replace('.', "")] {
            assert!(ring.verify(nonsense, TokenKind::Access, ISSUER).is_none());
        }
    }

    #[test]
    fn public_members_only_are_published_and_all_that_relying_parties_need() {
        let ring = ring();
        let keys = ring.jwks()["keys"].as_array().unwrap();
        let table = [
            (
                "RS256",
                "RSA",
                &["alg", "e", "kid", "kty", "n", "use"] as &[&str],
            ),
            (
                "ES256",
                "EC",
                &["alg", "crv", "kid", "kty", "use", "x", "y"],
            ),
            ("EdDSA", "OKP", &["alg", "crv", "kid", "kty", "use", "x"]),
        ];
        assert_eq!(keys.len(), table.len());
        for (alg, kty, members) in table {
            let key = keys
                .iter()
                .find(|key| key["alg"] == alg)
                .unwrap()
                .as_object()
                .unwrap();
            let mut names: Vec<&str> = key.keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, members);
            assert_eq!(
                (key["kty"].as_str(), key["use"].as_str()),
                (Some(kty), Some("sig"))
            );
            assert_eq!(key["kid"].as_str(), thumbprint(key).as_deref());
        }
    }

    #[test]
    fn what_each_state_of_a_key_may_still_do() {
        let master = Master::from_bytes([7; 32]);
        let mut rows = rows(&master);
        rows.retain(|row| row.alg == "RS256");
        let signed = KeyRing::open(&rows, &master)
            .unwrap()
            .sign(SigningAlg::RS256, TokenKind::Id, &json!({"iss": ISSUER}))
            .unwrap();
        // state, signs, published, verifies
        let table = [
            ("next", false, true, true),
            ("current", true, true, true),
            ("previous", false, true, true),
            ("retired", false, false, true),
        ];
        for (state, signs, published, verifies) in table {
            rows[0].state = state.to_owned();
            let ring = KeyRing::open(&rows, &master).unwrap();
            let token = ring.sign(SigningAlg::RS256, TokenKind::Id, &json!({}));
            assert_eq!(token.is_ok(), signs, "{state}");
            assert_eq!(
                !ring.jwks()["keys"].as_array().unwrap().is_empty(),
                published,
                "{state}"
            );
            assert_eq!(
                ring.verify(&signed, TokenKind::Id, ISSUER).is_some(),
                verifies,
                "{state}"
            );
        }
    }

    #[test]
    fn another_master_key_opens_nothing() {
        let rows = rows(&Master::from_bytes([7; 32]));
        let refused = KeyRing::open(&rows, &Master::from_bytes([8; 32])).unwrap_err();
        assert!(refused.to_string().contains("this master key"), "{refused}");
    }

    #[test]
    fn the_thumbprint_of_rfc_7638() {
        // The example of section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
        assert_eq!(
            thumbprint(jwk.as_object().unwrap()).as_deref(),
            Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        );
        let unknown = json!({"kty": "oct", "k": "AQAB"});
        assert_eq!(thumbprint(unknown.as_object().unwrap()), None);
    }
}
