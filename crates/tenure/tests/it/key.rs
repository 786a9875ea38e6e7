//! A key whose holder proves it (RFC 9449): proofs without a clock or an application around them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub struct Key(EcdsaKeyPair);

impl Key {
    pub fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// A proof that says this.
    pub fn sign(&self, claims: &Value) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = self.0.public_key().as_ref();
        let (x, y) = (text(&point[1..33]), text(&point[33..]));
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
        let parts = [&header, claims].map(|part| text(part.to_string().as_bytes()));
        let message = parts.join(".");
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes());
        format!("{message}.{}", text(signature.unwrap().as_ref()))
    }
}
