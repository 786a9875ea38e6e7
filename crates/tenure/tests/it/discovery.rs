//! Discovery and keys.

use crate::world::{BASE, ISSUER, World};
use serde_json::json;

#[tokio::test]
async fn discovery_is_complete_in_both_places() {
    let world = World::new().await;
    let document = world.get("/.well-known/openid-configuration").await;
    assert_eq!(document.header("access-control-allow-origin"), "*");
    let json = document.json();
    assert_eq!(json["issuer"], ISSUER);
    assert_eq!(json["jwks_uri"], format!("{BASE}/.well-known/jwks.json"));
    assert_eq!(json["request_uri_parameter_supported"], false);
    assert_eq!(json["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(
        world
            .get("/.well-known/oauth-authorization-server")
            .await
            .json(),
        json
    );
    let keys = world.get("/.well-known/jwks.json").await.json();
    let rsa = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|k| k["kty"] == "RSA")
        .unwrap()
        .clone();
    assert!(
        rsa["kid"].is_string()
            && rsa["alg"] == "RS256"
            && rsa["use"] == "sig"
            && rsa["n"].is_string()
    );
}

#[tokio::test]
async fn discovery_names_what_there_is_and_nothing_else() {
    let world = World::new().await;
    let json = world.get("/.well-known/openid-configuration").await.json();
    let has = |member: &str, value: &str| {
        let list = json[member].as_array().unwrap();
        list.iter().any(|v| v == value)
    };
    assert!(!has("scopes_supported", "address"), "it has no claim");
    for alg in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    ] {
        assert!(
            has("token_endpoint_auth_signing_alg_values_supported", alg),
            "{alg}"
        );
    }
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let claims = crate::world::claims(tokens["id_token"].as_str().unwrap());
    for name in claims.as_object().unwrap().keys() {
        assert!(has("claims_supported", name), "{name}");
    }
    for name in [
        "acr",
        "c_hash",
        "nonce",
        "phone_number",
        "preferred_username",
    ] {
        assert!(has("claims_supported", name), "{name}");
    }
}
