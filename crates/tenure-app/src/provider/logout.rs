//! The signature of logout tokens. `openidconnect` has no logout tokens, and its ID tokens need a `sub`.

use super::{FRESH, Metadata, Provider, ProviderError, WORTH_ANOTHER_LOOK, chain};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, Validation};
use serde_json::{Map, Value};

impl Provider {
    /// Verifies the signature of a logout token, and answers its claims.
    pub async fn verify_logout(&self, token: &str) -> Result<Map<String, Value>, ProviderError> {
        for within in [FRESH, WORTH_ANOTHER_LOOK] {
            let looked = self.look(within).await?;
            match logout_claims(&looked.metadata, token) {
                Ok(claims) => return Ok(claims),
                Err(Mistrust::Other(why)) => return Err(ProviderError::Untrusted(why)),
                Err(Mistrust::UnknownKey) if looked.is_new => {
                    let why = "no key of the provider fits".to_owned();
                    return Err(ProviderError::Untrusted(why));
                }
                Err(Mistrust::UnknownKey) => {}
            }
        }
        // The key may be newer than what we know. A refusal would be final, and the logout lost.
        let why = "an unknown key, and no new key set can be had yet".to_owned();
        Err(ProviderError::Unavailable(why))
    }
}

enum Mistrust {
    UnknownKey,
    Other(String),
}

/// The claims of a logout token whose signature is right. The provider's document says which algorithms
/// may be, never the token alone, and a secret that both know is none of them.
fn logout_claims(metadata: &Metadata, token: &str) -> Result<Map<String, Value>, Mistrust> {
    let other = |error: &dyn std::error::Error| Mistrust::Other(chain(error));
    let header = jsonwebtoken::decode_header(token).map_err(|error| other(&error))?;
    let kind = header.typ.as_deref().map(str::to_ascii_lowercase);
    if !matches!(kind.as_deref(), None | Some("logout+jwt" | "jwt")) {
        return Err(Mistrust::Other("typ is not logout+jwt".to_owned()));
    }
    // RFC 7515 section 4.1.11: who does not know what it demands refuses it.
    if header.crit.is_some() {
        return Err(Mistrust::Other(
            "crit demands what is not known here".to_owned(),
        ));
    }
    let name = serde_json::to_value(header.alg).unwrap_or_default();
    let supported = metadata.id_token_signing_alg_values_supported();
    let listed = serde_json::to_value(supported).unwrap_or_default();
    let listed = listed.as_array().is_some_and(|all| all.contains(&name));
    if !listed || header.alg.family() == AlgorithmFamily::Hmac {
        return Err(Mistrust::Other(
            "its algorithm is not the provider's".to_owned(),
        ));
    }
    let keys = serde_json::to_value(metadata.jwks()).map_err(|error| other(&error))?;
    let keys: JwkSet = serde_json::from_value(keys).map_err(|error| other(&error))?;
    let signs = |key: &&Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let mut signing = keys.keys.iter().filter(signs);
    let key = match &header.kid {
        Some(kid) => signing.find(|key| key.common.key_id.as_ref() == Some(kid)),
        None => signing.next().filter(|_| signing.next().is_none()),
    };
    let key =
        DecodingKey::from_jwk(key.ok_or(Mistrust::UnknownKey)?).map_err(|error| other(&error))?;
    let mut validation = Validation::new(header.alg);
    // The claims are judged by `logout_token::judge`, with the application's clock.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation)
        .map(|decoded| decoded.claims)
        .map_err(|error| other(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    fn text(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn key() -> EcdsaKeyPair {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
    }

    fn jwk(pair: &EcdsaKeyPair, kid: &str, use_: &str) -> Value {
        let point = pair.public_key().as_ref();
        let (x, y) = (text(&point[1..33]), text(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": use_, "x": x, "y": y})
    }

    /// What a provider says that signs with ES256, and names HS256 as well.
    fn metadata(keys: &[Value]) -> Metadata {
        let document = json!({
            "issuer": "https://op.example/",
            "authorization_endpoint": "https://op.example/authorize",
            "jwks_uri": "https://op.example/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256"],
        });
        let metadata: Metadata = serde_json::from_value(document).unwrap();
        metadata.set_jwks(serde_json::from_value(json!({ "keys": keys })).unwrap())
    }

    fn signed(pair: &EcdsaKeyPair, header: &Value) -> String {
        let parts = [header, &json!({"sid": "s"})].map(|part| text(part.to_string().as_bytes()));
        let message = parts.join(".");
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes());
        format!("{message}.{}", text(signature.unwrap().as_ref()))
    }

    #[test]
    fn the_signature_is_the_providers_or_nobodys() {
        let (ours, other) = (key(), key());
        let one = metadata(&[jwk(&ours, "k1", "sig")]);
        let two = metadata(&[jwk(&ours, "k1", "sig"), jwk(&other, "k2", "sig")]);
        let sealing = metadata(&[jwk(&ours, "k1", "enc")]);
        let mixed = metadata(&[jwk(&other, "k2", "enc"), jwk(&ours, "k1", "sig")]);
        let table = [
            (&one, json!({"alg": "ES256", "kid": "k1"}), Ok(())),
            (
                &one,
                json!({"alg": "ES256", "kid": "k1", "typ": "Logout+JWT"}),
                Ok(()),
            ),
            (&one, json!({"alg": "ES256"}), Ok(())),
            (&mixed, json!({"alg": "ES256"}), Ok(())),
            // Which of several keys it is has to be said.
            (&two, json!({"alg": "ES256"}), Err(None)),
            (&one, json!({"alg": "ES256", "kid": "k3"}), Err(None)),
            (
                &two,
                json!({"alg": "ES256", "kid": "k2"}),
                Err(Some("ignature")),
            ),
            (&sealing, json!({"alg": "ES256", "kid": "k1"}), Err(None)),
            (
                &one,
                json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}),
                Err(Some("typ")),
            ),
            (
                &one,
                json!({"alg": "ES256", "kid": "k1", "crit": ["exp"]}),
                Err(Some("crit")),
            ),
            // Algorithms that the provider does not name, and one that it names and that no logout has.
            (
                &one,
                json!({"alg": "ES384", "kid": "k1"}),
                Err(Some("algorithm")),
            ),
            (
                &one,
                json!({"alg": "HS256", "kid": "k1"}),
                Err(Some("algorithm")),
            ),
        ];
        for (metadata, header, expected) in table {
            let found = logout_claims(metadata, &signed(&ours, &header));
            match (found, expected) {
                (Ok(claims), Ok(())) => assert_eq!(claims["sid"], "s"),
                (Err(Mistrust::UnknownKey), Err(None)) => {}
                (Err(Mistrust::Other(why)), Err(Some(word))) => {
                    assert!(why.contains(word), "{why}")
                }
                (found, _) => panic!("{header}: {}", found.is_ok()),
            }
        }
    }

    /// The public key as the secret of an HMAC: everybody has it.
    #[test]
    fn a_public_key_is_no_secret() {
        let ours = key();
        let header = json!({"alg": "HS256", "kid": "k1"});
        let parts = [&header, &json!({"sid": "s"})].map(|part| text(part.to_string().as_bytes()));
        let message = parts.join(".");
        let secret =
            aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, ours.public_key().as_ref());
        let tag = aws_lc_rs::hmac::sign(&secret, message.as_bytes());
        let forged = format!("{message}.{}", text(tag.as_ref()));
        let found = logout_claims(&metadata(&[jwk(&ours, "k1", "sig")]), &forged);
        assert!(matches!(found, Err(Mistrust::Other(_))));
    }
}
