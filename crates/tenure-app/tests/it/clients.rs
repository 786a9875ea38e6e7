//! Clients that prove themselves by a key, and logins whose parameters are pushed.

use crate::world::{Op, TENANT, World};
use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _, EcPrivateKeyBin};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use tenure_app::{Config, Keep, MachineTokens};

/// A private key as the application is given it, and its public half as the provider knows it.
struct Pair {
    private: String,
    public: Value,
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

fn rsa() -> Pair {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    Pair {
        private: pem("PRIVATE KEY", pair.as_der().unwrap().as_ref()),
        public: json!({
            "kty": "RSA", "kid": "k1",
            "n": text(public.modulus().big_endian_without_leading_zero()),
            "e": text(public.exponent().big_endian_without_leading_zero()),
        }),
    }
}

fn elliptic() -> Pair {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let mut jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "x": text(&point[1..33]), "y": text(&point[33..])});
    let public = jwk.clone();
    let private: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    jwk["d"] = text(private.as_ref()).into();
    Pair {
        private: jwk.to_string(),
        public,
    }
}

fn edwards() -> Pair {
    let pair = Ed25519KeyPair::generate().unwrap();
    let public = pair.public_key().as_ref();
    Pair {
        private: pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()),
        public: json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": text(public)}),
    }
}

/// A provider that knows the public half, and an application with the private one.
async fn keyed(pair: &Pair, change: impl FnOnce(&mut Config)) -> World {
    let method = format!(
        "token_endpoint_auth_method: private_key_jwt\n    jwks: {}",
        json!({"keys": [pair.public]})
    );
    let tenant = TENANT.replace("client_secret: \"s3cr-et~1 x\"", &method);
    let op = Op::with(&tenant).await;
    let mut config = op.offline();
    config.auth_required = false;
    config.client_secret = None;
    config.client_assertion_signing_key = Some(pair.private.clone());
    change(&mut config);
    let layer = op.layer(config, Keep::Cookie);
    op.world(layer)
}

#[tokio::test]
async fn a_key_stands_for_a_secret_everywhere() {
    for (pair, alg) in [
        (rsa(), None),
        (rsa(), Some("PS256")),
        (elliptic(), None),
        (edwards(), None),
    ] {
        let world = keyed(&pair, |config| {
            config.client_assertion_signing_alg = alg.map(str::to_owned);
            config.pushed_authorization_requests = true;
        })
        .await;
        let mut ada = world.browser();
        assert_eq!(ada.sign_in("/account").await.json()["sub"], "auth0|ada");
        world.advance(300);
        assert!(ada.ask("/token").await.json()["token"].is_string());
        assert_eq!(world.refreshes(), 1);
        assert_eq!(crate::tokens::families(&world).await, 1);
        ada.visit("/logout").await;
        assert_eq!(crate::tokens::families(&world).await, 0);
        world.stop().await;
    }
}

#[tokio::test]
async fn another_key_signs_nobody_in() {
    let (known, other) = (elliptic(), elliptic());
    let world = keyed(&known, |config| {
        config.client_assertion_signing_key = Some(other.private.clone());
    })
    .await;
    let mut ada = world.browser();
    let refused = ada.sign_in("/login").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ada.visit("/").await.body, "nobody");
    world.stop().await;
}

#[tokio::test]
async fn a_machine_may_have_a_key() {
    let pair = edwards();
    let method = format!(
        "token_endpoint_auth_method: private_key_jwt\n    jwks: {}",
        json!({"keys": [pair.public]})
    );
    let op = Op::with(&TENANT.replace("client_secret: machine-secret", &method)).await;
    let mut config = op.config();
    config.client_id = "machine".to_owned();
    config.client_secret = None;
    let audience = "https://api.example.com".to_owned();
    config.authorization_params = [("audience".to_owned(), audience)].into();
    assert!(MachineTokens::new(config.clone(), op.clock()).is_err());
    config.client_assertion_signing_key = Some(pair.private);
    let machine = MachineTokens::new(config.clone(), op.clock()).unwrap();
    assert!(machine.access_token().await.is_ok());
    // With one that the provider does not know.
    config.client_assertion_signing_key = Some(edwards().private);
    let machine = MachineTokens::new(config, op.clock()).unwrap();
    let refused = machine.access_token().await.unwrap_err().to_string();
    assert!(refused.contains("invalid_client"), "{refused}");
    let layer = op.layer(op.config(), Keep::Cookie);
    op.world(layer).stop().await;
}

async fn pushing(tenant: &str, change: impl FnOnce(&mut Config)) -> World {
    let op = Op::with(tenant).await;
    let mut config = op.config();
    config.auth_required = false;
    change(&mut config);
    let layer = op.layer(config, Keep::Cookie);
    op.world(layer)
}

#[tokio::test]
async fn a_pushed_login_shows_the_browser_a_reference_only() {
    for client in ["shop", "public"] {
        let world = pushing(TENANT, |config| {
            config.pushed_authorization_requests = true;
            config.client_id = client.to_owned();
            config.client_secret = config.client_secret.take().filter(|_| client == "shop");
        })
        .await;
        let mut ada = world.browser();
        let begun = ada.open("/login?returnTo=/account").await;
        let url = url::Url::parse(begun.header("location")).unwrap();
        let names: Vec<String> = url
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        assert_eq!(names, ["client_id", "request_uri"], "{url}");
        assert_eq!(ada.sign_in("/account").await.json()["sub"], "auth0|ada");
        // A recent login is demanded by parameters, too.
        world.advance(301);
        let page = ada.visit("/pay").await;
        assert!(page.body.contains("name=\"password\""), "{page:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_provider_that_requires_pushed_requests_gets_them() {
    let world = pushing(TENANT, |_| {}).await;
    world
        .op
        .switches
        .requires_pushes
        .store(true, Ordering::SeqCst);
    let begun = world.browser().open("/login").await;
    assert!(begun.answered("request_uri").is_some(), "{begun:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_login_that_cannot_be_pushed_does_not_begin() {
    let without = TENANT.replace(
        "tenant:",
        "tenant:\n  pushed_authorization_requests_supported: false",
    );
    let wrong_secret = |config: &mut Config| config.client_secret = Some("wrong".to_owned());
    for (tenant, secret) in [(without.as_str(), None), (TENANT, Some(wrong_secret))] {
        let world = pushing(tenant, |config| {
            config.pushed_authorization_requests = true;
            if let Some(change) = secret {
                change(config);
            }
        })
        .await;
        let mut ada = world.browser();
        let refused = ada.open("/login").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.cookies(), Vec::<&str>::new());
        world.stop().await;
    }
}
