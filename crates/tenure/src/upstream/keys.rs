//! Checking what another provider signed.

use crate::crypto::jwt::{self, ASYMMETRIC};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

/// Why a token was not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// No JWT, or an algorithm that is not allowed.
    Malformed,
    /// The set has no key that it names: a newer set may have.
    NoKey,
    /// The key that it names did not sign it.
    Signature,
}

/// The claims of a token that a key of the set signed: the one that the header names, or any when it
/// names none.
pub fn verify(set: &Value, token: &str) -> Result<Map<String, Value>, Unverified> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Unverified::Malformed)?;
    // Lesson CVE-2026-18569.
    if !ASYMMETRIC.contains(&header.alg) {
        return Err(Unverified::Malformed);
    }
    let keys = set.get("keys").and_then(Value::as_array);
    let mut fitting = keys
        .into_iter()
        .flatten()
        .filter(|key| fits(key, header.kid.as_deref()))
        .filter_map(|key| serde_json::from_value(key.clone()).ok())
        .filter_map(|jwk| DecodingKey::from_jwk(&jwk).ok())
        .peekable();
    if fitting.peek().is_none() {
        return Err(Unverified::NoKey);
    }
    let verified = fitting.find_map(|key| jwt::verify_signature(token, header.alg, &key));
    // Without a name, the key that signed it may be one that came later.
    let otherwise = match header.kid {
        Some(_) => Unverified::Signature,
        None => Unverified::NoKey,
    };
    verified.ok_or(otherwise)
}

fn fits(key: &Value, wanted: Option<&str>) -> bool {
    let signs = key.get("use").and_then(Value::as_str) != Some("enc");
    let kid = key.get("kid").and_then(Value::as_str);
    signs && wanted.is_none_or(|wanted| kid.is_none_or(|kid| kid == wanted))
}
