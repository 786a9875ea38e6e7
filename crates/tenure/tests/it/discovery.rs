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
