//! Public keys in PEM, as credentials for `private_key_jwt` are given.

use anyhow::bail;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// A public key as a JWK.
///
/// # Errors
/// The text is not the PEM of a public RSA, P-256 or Ed25519 key.
pub fn public_jwk(pem: &str, kid: Option<&str>) -> anyhow::Result<Value> {
    let text = pem.trim().as_bytes();
    if pem.contains("PRIVATE KEY") {
        bail!("this is a private key: give the public one");
    }
    let key = DecodingKey::from_rsa_pem(text).map(|key| (key, Algorithm::RS256));
    let key = key.or_else(|_| DecodingKey::from_ec_pem(text).map(|key| (key, Algorithm::ES256)));
    let key = key.or_else(|_| DecodingKey::from_ed_pem(text).map(|key| (key, Algorithm::EdDSA)));
    let Ok((key, algorithm)) = key else {
        bail!("expected -----BEGIN PUBLIC KEY----- with an RSA, P-256 or Ed25519 key");
    };
    let mut jwk = serde_json::to_value(Jwk::from_decoding_key(&key, Some(algorithm))?)?;
    if let Some(map) = jwk.as_object_mut() {
        // An RSA key serves PS256 as well as RS256: the assertion's header says which.
        map.remove("alg");
        if let Some(kid) = kid {
            map.insert("kid".to_owned(), kid.into());
        }
    }
    Ok(jwk)
}
