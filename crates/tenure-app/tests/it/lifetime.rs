//! How long an application session lasts, and what counts as activity.

use crate::login::{KEEPS, open_world};
use crate::world::{Op, SCRIPT, TENANT};
use http::{Method, StatusCode};
use tenure_app::Keep;

#[tokio::test]
async fn activity_renews_a_rolling_session_until_its_absolute_end() {
    for keep in KEEPS {
        let world = open_world(keep, |config| {
            config.session.rolling_duration = Some(60);
            config.session.absolute_duration = Some(200);
        })
        .await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let start = world.now();
        for _ in 0..3 {
            world.advance(59);
            assert_eq!(ada.visit("/").await.body, "auth0|ada");
        }
        let status = ada.status().await;
        assert_eq!(status["absolute_expires_at"], start + 200);
        assert_eq!(status["idle_expires_at"], start + 177 + 60);
        assert_eq!(status["expires_at"], start + 200);
        assert_eq!(status["will_end"]["rule"], "absolute_duration");
        assert_eq!(status["limits"]["idle_timeout"]["seconds"], 60);
        assert_eq!(status["limits"]["idle_timeout"]["since"], start + 177);
        assert_eq!(status["limits"]["absolute_lifetime"]["seconds"], 200);
        assert_eq!(ada.ask("/session/status").await.json(), status);
        world.advance(23);
        assert_eq!(ada.visit("/").await.body, "nobody");
        let status = ada.status().await;
        assert_eq!(status["active"], false);
        assert_eq!(
            (status["reason"].as_str(), status["rule"].as_str()),
            (Some("absolute"), Some("absolute_duration"))
        );
        assert_eq!(status["ended_at"], start + 200);
        world.stop().await;
    }
}

#[tokio::test]
async fn polling_and_reading_the_status_are_no_activity() {
    for keep in KEEPS {
        let world = open_world(keep, |config| {
            config.session.rolling_duration = Some(60);
            config.session.passive_paths = vec!["/poll".to_owned()];
        })
        .await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let start = world.now();
        world.advance(30);
        assert_eq!(ada.ask("/poll").await.body, "polled");
        let mut passive = SCRIPT.to_vec();
        passive.push(("tenure-passive", "1"));
        let url = ada.shop("/account");
        assert_eq!(
            ada.request(Method::GET, &url, &passive, String::new())
                .await
                .status,
            StatusCode::OK
        );
        assert_eq!(ada.status().await["idle_expires_at"], start + 60);
        world.advance(30);
        assert_eq!(ada.status().await["reason"], "idle");
        assert_eq!(ada.ask("/account").await.json()["reason"], "idle");
        world.stop().await;
    }
}

#[tokio::test]
async fn an_extension_is_an_activity_that_only_our_own_pages_can_make() {
    for keep in KEEPS {
        let world = open_world(keep, |config| config.session.rolling_duration = Some(60)).await;
        let mut ada = world.browser();
        let nobody = ada.status().await;
        assert_eq!(nobody["error"], "login_required");
        ada.sign_in("/login").await;
        let start = world.now();
        world.advance(30);
        let url = ada.shop("/session/extend");
        let json = ("content-type", "application/json");
        let ours = ("origin", world.op.shop.as_str());
        for headers in [
            vec![json],
            vec![ours, ("content-type", "text/plain")],
            vec![json, ("origin", "https://evil.example")],
            vec![json, ("sec-fetch-site", "same-site")],
        ] {
            let refused = ada
                .request(Method::POST, &url, &headers, String::new())
                .await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{headers:?}");
        }
        assert_eq!(ada.status().await["idle_expires_at"], start + 60);
        let extended = ada
            .request(Method::POST, &url, &[json, ours], String::new())
            .await;
        assert_eq!(extended.json()["idle_expires_at"], start + 90);
        assert_eq!(ada.status().await["idle_expires_at"], start + 90);
        world.advance(60);
        let late = ada
            .request(Method::POST, &url, &[json, ours], String::new())
            .await;
        assert_eq!(
            (
                late.json()["active"].as_bool(),
                late.json()["reason"].as_str()
            ),
            (Some(false), Some("idle"))
        );
        world.stop().await;
    }
}

#[tokio::test]
async fn the_providers_session_expiry_is_a_ceiling() {
    for keep in KEEPS {
        let world = open_world(keep, |config| {
            config.session.rolling_duration = Some(36_000)
        })
        .await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let start = world.now();
        let status = ada.status().await;
        assert_eq!(status["expires_at"], start + 8 * 3600);
        assert_eq!(status["will_end"]["rule"], "session_expiry");
        world.advance(8 * 3600);
        assert_eq!(ada.visit("/").await.body, "nobody");
        assert_eq!(ada.status().await["rule"], "session_expiry");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_lowered_limit_bites_at_the_next_request() {
    let op = Op::start().await;
    let mut config = op.config();
    config.auth_required = false;
    config.session.rolling_duration = Some(600);
    let before = op.layer(config.clone(), Keep::Cookie);
    config.session.rolling_duration = Some(60);
    let after = op.layer(config, Keep::Cookie);
    let mut world = op.world(before);
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    let cookies = ada.cookies;
    // The application restarts with another configuration.
    world.restart(after);
    let mut ada = world.browser();
    ada.cookies = cookies;
    world.advance(59);
    assert_eq!(ada.visit("/").await.body, "auth0|ada");
    world.advance(60);
    assert_eq!(ada.visit("/").await.body, "nobody");
    world.stop().await;
}

#[tokio::test]
async fn without_rolling_only_the_absolute_duration_counts() {
    let world = open_world(Keep::Store, |config| {
        config.session.rolling = false;
        config.session.absolute_duration = Some(100);
    })
    .await;
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    world.advance(99);
    let page = ada.visit("/").await;
    assert_eq!(page.body, "auth0|ada");
    assert_eq!(page.cookies(), Vec::<&str>::new());
    assert_eq!(
        ada.status().await["idle_expires_at"],
        serde_json::Value::Null
    );
    world.advance(1);
    assert_eq!(ada.visit("/").await.body, "nobody");
    world.stop().await;
}

#[tokio::test]
async fn a_busy_session_outlives_the_age_that_its_cookie_had_at_the_login() {
    for keep in KEEPS {
        let told = "    oidc_logout: { backchannel_logout_urls: [\"{app}/backchannel-logout\"] }\n";
        assert!(TENANT.contains(told));
        let op = Op::with(&TENANT.replace(told, "    session_expiry: \"off\"\n")).await;
        let mut config = op.config();
        config.auth_required = false;
        config.session.rolling_duration = Some(3600);
        config.session.absolute_duration = None;
        let layer = op.layer(config, keep);
        let world = op.world(layer);
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        for _ in 0..40 {
            world.advance(3000);
            assert_eq!(ada.visit("/").await.body, "auth0|ada");
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn a_page_knows_each_session_by_a_name_of_its_own() {
    for keep in KEEPS {
        let world = open_world(keep, |config| config.session.rolling_duration = Some(60)).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let first = ada.status().await;
        let cookies = ada.cookies.clone();
        assert_eq!(ada.post("/logout").await.status, StatusCode::SEE_OTHER);
        // The provider's session goes on: a new session here, of the same one there.
        ada.visit("/login").await;
        let second = ada.status().await;
        assert_eq!(second["op_sid"], first["op_sid"]);
        assert_ne!(second["sid"], first["sid"]);
        // An end names the session that it ended, whether an act or time did it.
        let mut slow = world.browser();
        slow.cookies = cookies;
        let over = slow.status().await;
        assert_eq!(over["reason"], "user_logout");
        assert_eq!(over["sid"], first["sid"]);
        world.advance(60);
        let over = ada.status().await;
        assert_eq!(over["reason"], "idle");
        assert_eq!(over["sid"], second["sid"]);
        // It says nothing of the ticket, and is no key to anything.
        assert!(
            !ada.cookies
                .values()
                .any(|value| value.contains(over["sid"].as_str().unwrap()))
        );
        world.stop().await;
    }
}
