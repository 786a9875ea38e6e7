//! The signature of logout tokens. `openidconnect` has no logout tokens, and its ID tokens need a `sub`.

use super::{FRESH, Metadata, Provider, ProviderError, WORTH_ANOTHER_LOOK, chain};
use jsonwebtoken::jwk::JwkSet;
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
    let key = match &header.kid {
        Some(kid) => keys.find(kid),
        None => keys.keys.first().filter(|_| keys.keys.len() == 1),
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
