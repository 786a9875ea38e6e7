//! Proofs of possession of a key (RFC 9449): taking one apart and judging what it says. Whether its
//! signature is valid is checked by the caller, who has the cryptography.

use crate::model::{Api, Client};
use crate::{RefusalReason, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use url::Url;

/// Seconds by which `iat` may differ from now, either way, in a proof without a nonce.
pub const CLOCK_WINDOW: i64 = 60;

/// Seconds for which a nonce of ours is good: longer than most access tokens, since a browser that must
/// be asked for another one in between may lose its refresh token over the question (decision 0090).
pub const NONCE_LIFETIME: i64 = 3_600;

/// Seconds by which `iat` may lie ahead of now beside a nonce of ours: such a proof would be good once more
/// when its instant comes, and is remembered until then, which must not be for ever.
pub const FARTHEST_AHEAD: i64 = 30 * 86_400;

/// `dpop_signing_alg_values_supported`: asymmetric algorithms only.
pub const ALGORITHMS: [&str; 4] = ["ES256", "RS256", "EdDSA", "Ed25519"];

/// Characters of a `jti` at most; a random one has 22 to 43.
const LONGEST_ID: usize = 256;

/// What is wrong with a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProofFault {
    /// None came, where one is required.
    Missing,
    Twice,
    Malformed,
    Algorithm,
    /// No key, a private one, or one that does not fit the algorithm.
    Key,
    Signature,
    Method,
    Address,
    /// `iat` lies further ahead than any clock that can be asked for a nonce.
    Ahead,
    /// `ath` is not the hash of the access token.
    Token,
    Replayed,
    /// The code was bound to another key.
    OtherKey,
}

impl ProofFault {
    /// Fixed text, for the wire.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => "A DPoP proof is required",
            Self::Twice => "More than one DPoP proof was sent",
            Self::Malformed => "The DPoP proof is malformed",
            Self::Algorithm => "The DPoP proof's algorithm is not supported",
            Self::Key => "The DPoP proof's jwk is not a public key for its algorithm",
            Self::Signature => "The DPoP proof's signature is not valid",
            Self::Method => "The DPoP proof's htm is not the request's method",
            Self::Address => "The DPoP proof's htu is not the request's address",
            Self::Ahead => "The DPoP proof's iat lies more than 30 days ahead",
            Self::Token => "The DPoP proof's ath is not the hash of the access token",
            Self::Replayed => "The DPoP proof was used before",
            Self::OtherKey => "The authorization code is bound to another DPoP key",
        }
    }
}

/// The kinds of keys, each with the members that its thumbprint covers, in their order (RFC 7638
/// section 3.2, RFC 8037 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    P256,
    Rsa,
    Ed25519,
}

impl KeyKind {
    /// By the algorithm; the key must say the same of itself.
    fn of(algorithm: &str) -> Option<Self> {
        match algorithm {
            "ES256" => Some(Self::P256),
            "RS256" => Some(Self::Rsa),
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            _ => None,
        }
    }

    const fn members(self) -> &'static [&'static str] {
        match self {
            Self::P256 => &["crv", "kty", "x", "y"],
            Self::Rsa => &["e", "kty", "n"],
            Self::Ed25519 => &["crv", "kty", "x"],
        }
    }

    const fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::P256 => ("EC", Some("P-256")),
            Self::Rsa => ("RSA", None),
            Self::Ed25519 => ("OKP", Some("Ed25519")),
        }
    }
}

/// Members of private and symmetric keys (RFC 7518 section 6).
const SECRETS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A proof taken apart. It proves nothing until its signature is verified with `key`.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    pub kind: KeyKind,
    /// The public key: exactly the members that its thumbprint covers.
    pub key: Map<String, Value>,
    /// The key's thumbprint (RFC 7638, SHA-256, base64url): what tokens are bound to.
    pub jkt: String,
    pub jti: String,
    pub nonce: Option<String>,
    method: String,
    address: String,
    token_hash: Option<String>,
    /// Seconds.
    issued_at: f64,
}

/// What a proof must fit.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    pub method: &'a str,
    /// The endpoint's own address, made from the base URL and never from the request.
    pub address: &'a str,
    /// The access token that it accompanies, at a resource.
    pub access_token: Option<&'a str>,
    /// Whether the proof carries a nonce of ours that is not too old.
    pub has_fresh_nonce: bool,
}

impl Proof {
    /// Takes a proof apart (RFC 9449 section 4.2).
    ///
    /// # Errors
    /// It is no proof, or by a key that cannot be used.
    pub fn parse(text: &str) -> Result<Self, ProofFault> {
        let bad = ProofFault::Malformed;
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad);
        };
        let (header, claims) = (object(header).ok_or(bad)?, object(claims).ok_or(bad)?);
        if header.get("typ").and_then(Value::as_str) != Some("dpop+jwt") {
            return Err(bad);
        }
        // RFC 7515 section 4.1.11: what must be understood, and is not, makes it invalid.
        if header.contains_key("crit") {
            return Err(bad);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(bad)?;
        let kind = KeyKind::of(algorithm).ok_or(ProofFault::Algorithm)?;
        let jwk = header.get("jwk").and_then(Value::as_object);
        let key = public_key(kind, jwk.ok_or(ProofFault::Key)?).ok_or(ProofFault::Key)?;
        let owned = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(bad),
        };
        let jti = owned("jti")?.ok_or(bad)?;
        if jti.is_empty() || jti.len() > LONGEST_ID {
            return Err(bad);
        }
        Ok(Self {
            kind,
            jkt: thumbprint(kind, &key),
            key,
            jti,
            nonce: owned("nonce")?,
            method: owned("htm")?.ok_or(bad)?,
            address: owned("htu")?.ok_or(bad)?,
            token_hash: owned("ath")?,
            issued_at: claims.get("iat").and_then(Value::as_f64).ok_or(bad)?,
        })
    }

    /// Whether the proof is for this request and made now (RFC 9449 section 4.3).
    ///
    /// A nonce of ours tells when a proof was made better than the clock of a stranger's machine: with
    /// one `iat` does not count, and a clock that is off is answered by asking for one. Where `iat` is
    /// good none is needed, so an old one does no harm.
    ///
    /// # Errors
    /// It is for another request, or not provably made now.
    pub fn judge(&self, demand: &Demand<'_>, now: Timestamp) -> Result<(), RefusalReason> {
        if self.method != demand.method {
            return Err(RefusalReason::DpopProof(ProofFault::Method));
        }
        if !same_address(&self.address, demand.address) {
            return Err(RefusalReason::DpopProof(ProofFault::Address));
        }
        let hash = demand.access_token.map(hash_of_token);
        if hash.is_some() && hash != self.token_hash {
            return Err(RefusalReason::DpopProof(ProofFault::Token));
        }
        if self.issued_at > seconds(now) + FARTHEST_AHEAD as f64 {
            return Err(RefusalReason::DpopProof(ProofFault::Ahead));
        }
        if demand.has_fresh_nonce || self.is_of(now) {
            Ok(())
        } else {
            Err(RefusalReason::DpopNonceNeeded)
        }
    }

    /// When the proof can no longer be accepted, whatever it says: until then it is remembered.
    pub fn accepted_until(&self, now: Timestamp) -> Timestamp {
        let by_nonce = match self.nonce {
            Some(_) => now.plus(NONCE_LIFETIME),
            None => now,
        };
        // Made ahead by a clock that is fast, it is good until that clock's minute is over, nonce or not.
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
        let by_clock = Timestamp::from_seconds(self.issued_at.ceil() as i64).plus(CLOCK_WINDOW);
        by_nonce.max(by_clock).plus(1)
    }

    fn is_of(&self, now: Timestamp) -> bool {
        // Not a number is never within.
        (self.issued_at - seconds(now)).abs() <= CLOCK_WINDOW as f64
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 are exact for 285,000 years"
)]
fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1_000.0
}

/// Whether a client's tokens, or tokens for an API, are issued only with a proof.
pub fn is_required(client: &Client, api: Option<&Api>) -> bool {
    let by_api = api
        .and_then(|api| api.proof_of_possession.as_ref())
        .is_some_and(|possession| possession.demands_dpop_of(client.is_public()));
    client.require_proof_of_possession || by_api
}

/// `dpop_jkt` of an authorization request: the base64url of a SHA-256 (RFC 9449 section 10).
pub fn is_thumbprint(text: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(text)
        .is_ok_and(|bytes| bytes.len() == 32)
}

/// `ath` (RFC 9449 section 4.2).
pub fn hash_of_token(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The members that count, each of them checked; `None`: a private key, or another kind of key.
fn public_key(kind: KeyKind, jwk: &Map<String, Value>) -> Option<Map<String, Value>> {
    if SECRETS.iter().any(|name| jwk.contains_key(*name)) {
        return None;
    }
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let (kty, crv) = kind.names();
    if text("kty") != Some(kty) || (crv.is_some() && text("crv") != crv) {
        return None;
    }
    let mut key = Map::new();
    for name in kind.members() {
        let value = text(name)?;
        let is_name = matches!(*name, "kty" | "crv");
        // Decoded for its alphabet: what is signed for must not smuggle anything into the thumbprint.
        if !is_name && URL_SAFE_NO_PAD.decode(value).ok()?.is_empty() {
            return None;
        }
        key.insert((*name).to_owned(), value.into());
    }
    Some(key)
}

fn thumbprint(kind: KeyKind, key: &Map<String, Value>) -> String {
    // No member needs escaping: names are fixed, values are base64url.
    let members: Vec<String> = kind
        .members()
        .iter()
        .filter_map(|name| Some(format!("\"{name}\":\"{}\"", key.get(*name)?.as_str()?)))
        .collect();
    let canonical = format!("{{{}}}", members.join(","));
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}

/// Compares without query and fragment, after normalization (RFC 9449 section 4.3, RFC 3986 sections
/// 6.2.2 and 6.2.3): case of scheme and host, default ports, dot segments.
fn same_address(said: &str, ours: &str) -> bool {
    let plain = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        (url.username().is_empty() && url.password().is_none()).then_some(url)
    };
    matches!((plain(said), plain(ours)), (Some(said), Some(ours)) if said == ours)
}
