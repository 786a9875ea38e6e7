//! Signing and verifying our own JWTs: one signer and one verifier for all kinds of tokens
//! (lesson CVE-2026-18569), told apart by `typ`.

use anyhow::anyhow;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tenure_protocol::model::SigningAlg;

/// The kinds of tokens that we sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// `typ: JWT`.
    Id,
    /// `typ: at+jwt` (RFC 9068 section 2.1).
    Access,
    /// `typ: logout+jwt` (Back-Channel Logout 1.0 section 2.4).
    Logout,
    /// `typ: client-authentication+jwt`: how we prove ourselves to another provider (RFC 7523).
    ClientAssertion,
}

/// Signature algorithms that tokens of others may have: never a symmetric one, with which a public key
/// would be the secret.
pub const ASYMMETRIC: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

impl TokenKind {
    pub const ALL: [Self; 4] = [Self::Id, Self::Access, Self::Logout, Self::ClientAssertion];

    pub const fn typ(self) -> &'static str {
        match self {
            Self::Id => "JWT",
            Self::Access => "at+jwt",
            Self::Logout => "logout+jwt",
            Self::ClientAssertion => "client-authentication+jwt",
        }
    }
}

/// A parsed private key: parsing an RSA key for every signature would cost more than the bookkeeping around it.
pub enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair(…)")
    }
}

impl Pair {
    /// A new key as PKCS#8.
    pub fn generate(alg: SigningAlg) -> anyhow::Result<Vec<u8>> {
        use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
        use aws_lc_rs::rsa::KeySize;
        let failed = |_| anyhow!("generating a key failed");
        let random = SystemRandom::new();
        Ok(match alg {
            SigningAlg::RS256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)
                    .map_err(failed)?
                    .as_ref()
                    .to_vec()
            }
            SigningAlg::ES256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .map_err(failed)?
                    .as_ref()
                    .to_vec()
            }
            SigningAlg::EdDSA => Ed25519KeyPair::generate_pkcs8(&random)
                .map_err(failed)?
                .as_ref()
                .to_vec(),
        })
    }

    pub fn parse(alg: SigningAlg, pkcs8: &[u8]) -> anyhow::Result<Self> {
        let rejected = |error| anyhow!("a signing key in the database cannot be read: {error}");
        Ok(match alg {
            SigningAlg::RS256 => Self::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(rejected)?),
            SigningAlg::ES256 => Self::P256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                    .map_err(rejected)?,
            ),
            SigningAlg::EdDSA => {
                Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(rejected)?)
            }
        })
    }

    /// The public members of the JWK (RFC 7517), without `kid`.
    pub fn public_jwk(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let value = match self {
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
            Self::P256(pair) => {
                // An uncompressed point: 0x04, then both coordinates of 32 bytes.
                let point = pair.public_key().as_ref();
                let (x, y) = point
                    .get(1..)
                    .unwrap_or_default()
                    .split_at_checked(32)
                    .unwrap_or_default();
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
            }
        };
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn sign(&self, random: &SystemRandom, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let failed = |_| anyhow!("signing failed");
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Self::P256(pair) => pair
                .sign(random, message)
                .map(|s| s.as_ref().to_vec())
                .map_err(failed),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// A key that signs, with its encoded headers ready.
#[derive(Debug)]
pub struct Signer {
    pub kid: String,
    pair: Pair,
    headers: [(TokenKind, String); TokenKind::ALL.len()],
    random: SystemRandom,
}

impl Signer {
    pub fn new(kid: &str, alg: SigningAlg, pair: Pair) -> Self {
        let headers = TokenKind::ALL.map(|kind| {
            let header = json!({"alg": alg.name(), "typ": kind.typ(), "kid": kid});
            (kind, URL_SAFE_NO_PAD.encode(header.to_string()))
        });
        Self {
            kid: kid.to_owned(),
            pair,
            headers,
            random: SystemRandom::new(),
        }
    }

    /// The compact serialization (RFC 7515 section 3.1).
    pub fn sign(&self, kind: TokenKind, claims: &impl Serialize) -> anyhow::Result<String> {
        let header = self
            .headers
            .iter()
            .find(|(k, _)| *k == kind)
            .map_or("", |(_, text)| text);
        let claims = serde_json::to_vec(claims)?;
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 350);
        token.push_str(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.pair.sign(&self.random, token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

pub const fn algorithm(alg: SigningAlg) -> Algorithm {
    match alg {
        SigningAlg::RS256 => Algorithm::RS256,
        SigningAlg::ES256 => Algorithm::ES256,
        SigningAlg::EdDSA => Algorithm::EdDSA,
    }
}

/// Checks a signature with exactly this algorithm and key. Times are left to the caller, who has the clock.
pub fn verify_signature(
    token: &str,
    algorithm: Algorithm,
    key: &DecodingKey,
) -> Option<Map<String, Value>> {
    let mut validation = Validation::new(algorithm);
    validation.algorithms = vec![algorithm];
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode(token, key, &validation)
        .ok()
        .map(|data| data.claims)
}

/// `at_hash` and `c_hash` (OpenID Connect Core 3.1.3.6, 3.3.2.11): the left half of the digest that the algorithm uses.
pub fn half_hash(alg: SigningAlg, text: &str) -> String {
    match alg {
        SigningAlg::RS256 | SigningAlg::ES256 => {
            let digest = super::mac::sha256(text.as_bytes());
            URL_SAFE_NO_PAD.encode(digest.get(..16).unwrap_or_default())
        }
        // Ed25519 uses SHA-512 inside (RFC 8032), and so does its half hash in practice.
        SigningAlg::EdDSA => {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, text.as_bytes());
            URL_SAFE_NO_PAD.encode(digest.as_ref().get(..32).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_hashes_of_the_specification() {
        // OpenID Connect Core, appendix A.4 and A.6.
        let table = [
            (
                "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
                "77QmUPtjPfzWtF2AnpK9RQ",
            ),
            (
                "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk",
                "LDktKdoQak3Pk0cnXxCltA",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(half_hash(SigningAlg::RS256, text), expected);
            assert_eq!(half_hash(SigningAlg::ES256, text), expected);
            assert_eq!(half_hash(SigningAlg::EdDSA, text).len(), 43);
        }
    }

    #[test]
    fn a_signed_token_has_the_header_that_relying_parties_expect() {
        for alg in super::super::keys::ALGORITHMS {
            let pair = Pair::parse(alg, &Pair::generate(alg).unwrap()).unwrap();
            assert_eq!(format!("{pair:?}"), "Pair(…)");
            let token = Signer::new("k1", alg, pair)
                .sign(TokenKind::Access, &json!({"sub": "ü"}))
                .unwrap();
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!(header.alg, algorithm(alg));
            assert_eq!(header.typ.as_deref(), Some("at+jwt"));
            assert_eq!(header.kid.as_deref(), Some("k1"));
            // RFC 7515: three parts, base64url without padding.
            assert_eq!(token.split('.').count(), 3);
            assert!(!token.contains(['=', '+', '/']));
        }
    }
}
