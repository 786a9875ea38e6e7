//! Checking what another provider signed.

use crate::crypto::jwt::{self, ASYMMETRIC};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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

/// The `typ` and the claims of a token that nobody has verified: enough to refuse it, and for nothing else.
pub fn peek(token: &str) -> Option<(Option<String>, Map<String, Value>)> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    if !ASYMMETRIC.contains(&header.alg) {
        return None;
    }
    let mut parts = token.split('.').skip(1);
    let (payload, _, None) = (parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    Some((header.typ, serde_json::from_slice(&payload).ok()?))
}

/// Whether a token that the key signed could be verified.
pub(super) fn is_usable(key: &Value) -> bool {
    let jwk = serde_json::from_value(key.clone()).ok();
    let decodes = jwk.is_some_and(|jwk| DecodingKey::from_jwk(&jwk).is_ok());
    let symmetric = key.get("kty").and_then(Value::as_str) == Some("oct");
    decodes && !symmetric && fits(key, None)
}

fn fits(key: &Value, wanted: Option<&str>) -> bool {
    let signs = key.get("use").and_then(Value::as_str) != Some("enc");
    let kid = key.get("kid").and_then(Value::as_str);
    signs && wanted.is_none_or(|wanted| kid.is_none_or(|kid| kid == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::jwt::{Pair, Signer, TokenKind};
    use serde_json::json;
    use tenure_protocol::model::SigningAlg;

    /// A signer and its public key.
    fn key(kid: &str, alg: SigningAlg) -> (Signer, Value) {
        let pair = Pair::parse(alg, &Pair::generate(alg).unwrap()).unwrap();
        let mut jwk = pair.public_jwk();
        jwk.insert("kid".to_owned(), kid.into());
        (Signer::new(kid, alg, pair), Value::Object(jwk))
    }

    fn set(keys: &[&Value]) -> Value {
        json!({ "keys": keys })
    }

    #[test]
    fn a_token_is_verified_by_the_key_that_it_names() {
        for alg in crate::crypto::keys::ALGORITHMS {
            let (signer, jwk) = key("a", alg);
            let (_, other) = key("b", alg);
            let token = signer.sign(TokenKind::Id, &json!({"sub": "ada"})).unwrap();
            let claims = verify(&set(&[&other, &jwk]), &token).unwrap();
            assert_eq!(claims["sub"], "ada");
            assert_eq!(verify(&set(&[&other]), &token), Err(Unverified::NoKey));
            assert_eq!(verify(&json!({}), &token), Err(Unverified::NoKey));
            // The same name on another key.
            let mut impostor = other.clone();
            impostor["kid"] = "a".into();
            assert_eq!(
                verify(&set(&[&impostor]), &token),
                Err(Unverified::Signature)
            );
            // A key for encryption signs nothing.
            let mut enc = jwk.clone();
            enc["use"] = "enc".into();
            assert_eq!(verify(&set(&[&enc]), &token), Err(Unverified::NoKey));
            // Sets without names, as some providers publish.
            let mut nameless = jwk.clone();
            nameless.as_object_mut().unwrap().remove("kid");
            assert!(verify(&set(&[&nameless]), &token).is_ok());
        }
    }

    /// Neither no algorithm, nor one whose secret would be the public key.
    #[test]
    fn cve_2026_18569_no_algorithm_chooses_itself() {
        let (signer, jwk) = key("a", SigningAlg::RS256);
        let token = signer.sign(TokenKind::Id, &json!({"sub": "ada"})).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "HS256", "kid": "a"}),
            json!({"alg": "RS256x", "kid": "a"}),
        ] {
            let header = URL_SAFE_NO_PAD.encode(header.to_string());
            for signature in ["", "AAAA"] {
                let forged = format!("{header}.{payload}.{signature}");
                assert_eq!(verify(&set(&[&jwk]), &forged), Err(Unverified::Malformed));
            }
        }
        for text in ["", "x", "a.b.c", "eyJhbGciOiJSUzI1NiJ9..x"] {
            assert!(verify(&set(&[&jwk]), text).is_err(), "{text}");
        }
        // Another algorithm than the key is for.
        let (ec, _) = key("a", SigningAlg::ES256);
        let token = ec.sign(TokenKind::Id, &json!({"sub": "ada"})).unwrap();
        assert!(verify(&set(&[&jwk]), &token).is_err());
    }
}
