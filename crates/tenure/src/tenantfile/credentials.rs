//! The public keys of an export.

use super::Findings;
use super::read::Object;
use serde_json::{Value, json};

/// Auth0's `client_authentication_methods.private_key_jwt.credentials[].pem` become the client's key set.
pub(super) fn adopt_credentials(object: &mut Object, findings: &mut Findings) {
    let pointer = "/private_key_jwt/credentials";
    let methods = object.body.get("client_authentication_methods");
    let Some(credentials) = methods
        .and_then(|m| m.pointer(pointer))
        .and_then(Value::as_array)
    else {
        return;
    };
    let mut keys = Vec::new();
    for credential in credentials {
        let pem = credential.get("pem").and_then(Value::as_str);
        let kid = credential.get("kid").and_then(Value::as_str);
        match pem.map(|pem| crate::crypto::pem::public_jwk(pem, kid)) {
            Some(Ok(jwk)) => keys.push(jwk),
            Some(Err(problem)) => {
                let line = object.line_of("client_authentication_methods");
                findings.error(line, format!("client_authentication_methods: the pem of a credential: {problem}"));
            }
            // An export has only the ids of credentials, never the keys.
            None => findings.warn(
                object.line_of("client_authentication_methods"),
                "the export has no public key for private_key_jwt: add pem: to the credential, or jwks: to the client",
            ),
        }
    }
    if !keys.is_empty() {
        object
            .body
            .insert("jwks".to_owned(), json!({ "keys": keys }));
        object
            .body
            .entry("token_endpoint_auth_method")
            .or_insert_with(|| "private_key_jwt".into());
    }
}
