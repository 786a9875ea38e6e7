//! The provider tells of a session's end.

use crate::login::{KEEPS, open_world};
use crate::world::{Answer, Browser, Op, World};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::sync::atomic::Ordering;
use tenure::crypto::jwt::TokenKind;
use tenure_app::Keep;
use tenure_protocol::model::SigningAlg;

/// A token of the provider's, signed with its own key.
fn signed(world: &World, kind: TokenKind, changes: &Value) -> String {
    let now = world.now();
    let mut claims = json!({
        "iss": format!("{}/", world.op.base), "aud": "shop", "iat": now, "exp": now + 120,
        "jti": format!("j{now}"),
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let claims: Map<String, Value> = claims.as_object().unwrap().clone();
    world
        .op
        .app
        .ring()
        .sign(SigningAlg::RS256, kind, &claims)
        .unwrap()
}

/// Sends a logout token as the provider would, from nowhere near a browser.
async fn tell(world: &World, token: &str) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", token)
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let url = format!("{}/backchannel-logout", world.op.shop);
    let answer = world
        .browser()
        .request(Method::POST, &url, &headers, body)
        .await;
    assert_eq!(answer.header("cache-control"), "no-store");
    answer
}

async fn sid(browser: &mut Browser<'_>) -> String {
    browser.status().await["op_sid"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_logout_elsewhere_reaches_the_application() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let (mut ada, mut elsewhere) = (world.browser(), world.browser());
        ada.sign_in("/login").await;
        elsewhere.sign_in("/login").await;
        let sid = sid(&mut ada).await;
        // Another application signs ada out at the provider.
        let url = format!(
            "{}/oidc/logout?client_id=forum&logout_hint={sid}",
            world.op.base
        );
        let out = ada
            .request(Method::GET, &url, &crate::world::PAGE, String::new())
            .await;
        assert_ne!(out.status, StatusCode::BAD_REQUEST, "{out:?}");
        let over = ada.status().await;
        assert_eq!(
            (over["active"].as_bool(), over["reason"].as_str()),
            (Some(false), Some("user_logout"))
        );
        assert_eq!(over["rule"], "backchannel_logout");
        assert_eq!(ada.visit("/").await.body, "nobody");
        // A sid names one session: another browser of the same person goes on.
        assert_eq!(elsewhere.visit("/").await.body, "auth0|ada");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_logout_of_a_user_ends_every_session_and_no_later_one() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let (mut ada, mut elsewhere, mut bob) = (world.browser(), world.browser(), world.browser());
        ada.sign_in("/login").await;
        elsewhere.sign_in("/login").await;
        bob.sign_in_as("/login", "bob@example.com").await;
        world.advance(5);
        let token = signed(
            &world,
            TokenKind::Logout,
            &json!({"sub": "auth0|ada", "reason": "credential_change"}),
        );
        assert_eq!(tell(&world, &token).await.status, StatusCode::OK);
        world.advance(1);
        assert_eq!(ada.status().await["reason"], "credential_change");
        assert_eq!(bob.visit("/").await.body, "auth0|bob");
        // The next login is a new session, and does not revive the others.
        ada.visit("/login").await;
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
        assert_eq!(elsewhere.visit("/").await.body, "nobody");
        // The same token again is answered alike and ends nothing.
        assert_eq!(tell(&world, &token).await.status, StatusCode::OK);
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
        world.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_logout_token_of_the_providers_ends_nothing() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let sid = sid(&mut ada).await;
        let mine = json!({ "sid": sid });
        let good = signed(&world, TokenKind::Logout, &mine);
        let mut parts: Vec<&str> = good.split('.').collect();
        let none = "eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9";
        let unsigned = format!("{none}.{}.", parts[1]);
        let other = signed(&world, TokenKind::Logout, &json!({"sid": "other"}));
        parts[2] = other.split('.').nth(2).unwrap();
        let forged = parts.join(".");
        let with = |changes: Value| {
            let mut all = mine.clone();
            for (name, value) in changes.as_object().unwrap() {
                all[name] = value.clone();
            }
            signed(&world, TokenKind::Logout, &all)
        };
        let now = world.now();
        for (what, token) in [
            ("nothing", String::new()),
            ("no token", "x.y.z".to_owned()),
            ("no signature", unsigned),
            ("another signature", forged),
            ("an access token", signed(&world, TokenKind::Access, &mine)),
            ("another audience", with(json!({"aud": "forum"}))),
            (
                "another issuer",
                with(json!({"iss": "https://other.example/"})),
            ),
            ("too old", with(json!({"iat": now - 600, "exp": now + 60}))),
            ("expired", with(json!({"exp": now - 61}))),
            ("from the future", with(json!({"iat": now + 600}))),
            ("a nonce", with(json!({"nonce": "n"}))),
            ("no event", with(json!({"events": {}}))),
        ] {
            let refused = tell(&world, &token).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{what}");
            assert_eq!(refused.json()["error"], "invalid_request", "{what}");
        }
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
        assert_eq!(tell(&world, &good).await.status, StatusCode::OK);
        assert_eq!(ada.visit("/").await.body, "nobody");
        world.stop().await;
    }
}

#[tokio::test]
async fn jellyfin_1060_a_logout_whose_key_cannot_be_had_may_be_tried_again() {
    let op = Op::start().await;
    let mut config = op.config();
    config.auth_required = false;
    let layer = op.layer(config, Keep::Store);
    let world = op.world(layer);
    // The application has just started and knows no key yet.
    world.op.switches.down.store(true, Ordering::SeqCst);
    let token = signed(&world, TokenKind::Logout, &json!({"sid": "s"}));
    assert_eq!(
        tell(&world, &token).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    world.op.switches.down.store(false, Ordering::SeqCst);
    world.advance(6);
    assert_eq!(tell(&world, &token).await.status, StatusCode::OK);
    world.stop().await;
}

/// Back-Channel Logout 1.0 section 2.4: only without a `sid` are all sessions of the person meant. Most
/// providers send both.
#[tokio::test]
async fn a_token_that_names_session_and_user_ends_that_session_alone() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let (mut ada, mut elsewhere) = (world.browser(), world.browser());
        ada.sign_in("/login").await;
        elsewhere.sign_in("/login").await;
        let both = json!({"sid": sid(&mut ada).await, "sub": "auth0|ada"});
        let token = signed(&world, TokenKind::Logout, &both);
        assert_eq!(tell(&world, &token).await.status, StatusCode::OK);
        assert_eq!(ada.visit("/").await.body, "nobody");
        assert_eq!(elsewhere.visit("/").await.body, "auth0|ada");
        world.stop().await;
    }
}

/// A provider may roll its key over and sign a logout with the new one a moment after we read the set.
#[tokio::test]
async fn a_logout_with_a_key_that_may_be_new_is_not_refused_for_good() {
    let world = open_world(Keep::Store, |_| {}).await;
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    let token = || {
        let token = signed(&world, TokenKind::Logout, &json!({"sub": "auth0|ada"}));
        let rest = token.split_once('.').unwrap().1.to_owned();
        let header = json!({"alg": "RS256", "typ": "logout+jwt", "kid": "rolled-over"});
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    world.advance(30);
    let early = tell(&world, &token()).await;
    assert_eq!(early.status, StatusCode::SERVICE_UNAVAILABLE);
    // By now the set is worth another look, and the key is not in it.
    world.advance(31);
    assert_eq!(tell(&world, &token()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ada.visit("/").await.body, "auth0|ada");
    world.stop().await;
}
