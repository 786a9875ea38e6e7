//! The scenarios of two integration guides, each by its own words.

use crate::login::{KEEPS, open_world};
use crate::tokens::{families, offline_world};
use crate::world::{Op, PAGE, TENANT, World};
use http::{Method, StatusCode};
use std::sync::atomic::Ordering;
use tenure_app::{Keep, MachineTokens};

/// Whether the provider still knows the browser: a new login needs no page.
async fn provider_knows(browser: &crate::world::Browser<'_>) -> bool {
    let mut probe = browser.clone();
    let page = probe.visit("/login").await;
    !page.body.contains("name=\"password\"")
}

#[tokio::test]
async fn seed3_the_application_session_may_end_while_the_providers_goes_on() {
    for keep in KEEPS {
        let world = open_world(keep, |config| config.session.rolling_duration = Some(60)).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        world.advance(60);
        assert_eq!(ada.visit("/").await.body, "nobody");
        assert!(provider_knows(&ada).await);
        world.stop().await;
    }
}

#[tokio::test]
async fn seed3_the_providers_session_may_end_while_the_applications_goes_on() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        ada.forget_op();
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
        assert!(!provider_knows(&ada).await);
        world.stop().await;
    }
}

#[tokio::test]
async fn seed3_by_default_a_logout_leaves_the_providers_session_alone() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        assert_eq!(ada.visit("/logout").await.body, "nobody");
        assert!(provider_knows(&ada).await);
        world.stop().await;
    }
}

#[tokio::test]
async fn seed3_idp_logout_ends_both_sessions() {
    for keep in KEEPS {
        let world = open_world(keep, |config| config.idp_logout = true).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let out = ada.visit("/logout").await;
        // The provider believes the ID token: it does not ask, and it leads back here.
        assert_eq!(out.body, "nobody", "{out:?}");
        assert!(
            ada.trail
                .iter()
                .any(|url| url.contains("/oidc/logout") && url.contains("id_token_hint="))
        );
        assert!(!provider_knows(&ada).await);
        world.stop().await;
    }
}

#[tokio::test]
async fn seed3_the_integration_renews_the_access_token_when_it_has_expired() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        for _ in 0..4 {
            world.advance(300);
            assert!(ada.ask("/token").await.json()["token"].is_string());
        }
        assert_eq!(world.refreshes(), 4);
        world.stop().await;
    }
}

#[tokio::test]
async fn seed3_an_api_that_allows_no_offline_access_gives_no_refresh_token() {
    let tenant = GUIDE.replace("allow_offline_access: true", "allow_offline_access: false");
    let op = Op::with(&tenant).await;
    let config = op.offline();
    let layer = op.layer(config, Keep::Store);
    let world = op.world(layer);
    let mut ada = world.browser();
    ada.sign_in("/").await;
    world.advance(60);
    assert!(ada.ask("/token").await.json()["token"].is_null());
    assert_eq!(world.refreshes(), 0);
    world.stop().await;
}

/// The settings of "force customer logout after inactivity", as the guide lists them.
const GUIDE: &str = r#"
tenant: { friendly_name: Acme, idle_session_lifetime_in_minutes: 1, session_lifetime_in_minutes: 1 }
clients:
  - client_id: shop
    client_secret: "s3cr-et~1 x"
    name: Shop
    callbacks: ["{app}/callback"]
    allowed_logout_urls: ["{app}"]
    refresh_token: { rotation_type: rotating, expiration_type: expiring, idle_token_lifetime: 120, token_lifetime: 2592000 }
resourceServers:
  - identifier: https://api.example.com
    name: API
    allow_offline_access: true
    token_lifetime: 60
    token_lifetime_for_web: 60
users:
  - { user_id: ada, email: ada@example.com, email_verified: true, password: correct horse }
"#;

async fn guided(keep: Keep, rolling: i64) -> World {
    let op = Op::with(GUIDE).await;
    let mut config = op.offline();
    config.session.rolling_duration = Some(rolling);
    let layer = op.layer(config, keep);
    op.world(layer)
}

#[tokio::test]
async fn seed3_a_customer_is_logged_out_after_a_minute_of_inactivity() {
    for keep in KEEPS {
        let world = guided(keep, 60).await;
        let mut ada = world.browser();
        ada.sign_in("/").await;
        // Whoever shops is left alone, long after the provider's session of a minute is over.
        for _ in 0..6 {
            world.advance(50);
            assert_eq!(ada.open("/").await.body, "auth0|ada");
        }
        world.advance(60);
        let page = ada.visit("/").await;
        assert!(page.body.contains("name=\"password\""), "{page:?}");
        assert_eq!(ada.status().await["reason"], "idle");
        world.stop().await;
    }
}

#[tokio::test]
async fn seed3_with_the_providers_settings_alone_the_refresh_tokens_two_minutes_count() {
    for keep in KEEPS {
        let world = guided(keep, 86_400).await;
        let mut ada = world.browser();
        ada.sign_in("/").await;
        world.advance(119);
        assert_eq!(ada.open("/").await.body, "auth0|ada");
        world.advance(120);
        let page = ada.visit("/").await;
        assert!(page.body.contains("name=\"password\""), "{page:?}");
        assert_eq!(ada.status().await["rule"], "refresh_token");
        world.stop().await;
    }
}

#[tokio::test]
async fn seed4_machine_clients_never_use_refresh_tokens() {
    let op = Op::start().await;
    let mut config = op.config();
    config.client_id = "machine".to_owned();
    config.client_secret = Some("machine-secret".to_owned());
    let params = [
        ("audience", "https://api.example.com"),
        ("scope", "openid offline_access read:x"),
    ];
    config.authorization_params = params.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    let machine = MachineTokens::new(config, op.clock()).unwrap();
    let first = machine.access_token().await.unwrap();
    op.clock.advance(200);
    assert_eq!(machine.access_token().await.unwrap(), first);
    // When it expires, a new one is asked for with id and secret.
    op.clock.advance(90);
    let second = machine.access_token().await.unwrap();
    assert_ne!(second, first);
    // Where the provider does not answer, whoever asks next does not wait for it too.
    op.clock.advance(300);
    op.switches.down.store(true, Ordering::SeqCst);
    assert!(machine.access_token().await.is_err());
    op.switches.down.store(false, Ordering::SeqCst);
    assert!(machine.access_token().await.is_err());
    op.clock.advance(6);
    assert_ne!(machine.access_token().await.unwrap(), second);
    assert_eq!(*op.switches.issued.lock().unwrap(), Vec::<String>::new());
    let layer = op.layer(op.config(), Keep::Store);
    let world = op.world(layer);
    assert_eq!(world.refreshes(), 0);
    world.stop().await;
}

#[tokio::test]
async fn seed4_on_logout_the_refresh_token_is_revoked() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        ada.visit("/logout").await;
        let token = world.op.switches.issued.lock().unwrap()[0].clone();
        assert_eq!(use_it(&world, &token).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(families(&world).await, 0);
        world.stop().await;
    }
}

/// Uses a refresh token as somebody who has stolen it with the client's secret.
async fn use_it(world: &World, token: &str) -> (StatusCode, String) {
    let url = format!("{}/oauth/token", world.op.base);
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "refresh_token"),
            ("client_id", "shop"),
            ("client_secret", "s3cr-et~1 x"),
            ("refresh_token", token),
        ])
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = world
        .browser()
        .request(Method::POST, &url, &headers, body)
        .await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn seed4_a_failed_refresh_signs_the_user_out_immediately() {
    for keep in KEEPS {
        // Expired, revoked, or used elsewhere.
        for (how, wait) in [("expired", 1200), ("revoked", 300), ("stolen", 300)] {
            let world = offline_world(keep, |_| {}).await;
            let mut ada = world.browser();
            ada.sign_in("/login").await;
            let token = world.op.switches.issued.lock().unwrap()[0].clone();
            match how {
                "stolen" => assert_eq!(use_it(&world, &token).await.0, StatusCode::OK),
                "revoked" => {
                    let url = format!("{}/oauth/revoke", world.op.base);
                    let form = format!("client_id=shop&client_secret=s3cr-et~1+x&token={token}");
                    let kind = [("content-type", "application/x-www-form-urlencoded")];
                    let done = world
                        .browser()
                        .request(Method::POST, &url, &kind, form)
                        .await;
                    assert_eq!(done.status, StatusCode::OK, "{done:?}");
                }
                _ => {}
            }
            world.advance(wait);
            assert_eq!(
                ada.ask("/account").await.status,
                StatusCode::UNAUTHORIZED,
                "{how}"
            );
            let status = ada.status().await;
            assert_eq!(status["active"], false, "{how}");
            if how == "stolen" {
                // The provider names its reason, and the thief's token is dead as well.
                assert_eq!(status["reason"], "reuse_detected");
                let stolen = world.op.switches.issued.lock().unwrap()[1].clone();
                assert_eq!(use_it(&world, &stolen).await.0, StatusCode::BAD_REQUEST);
            }
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn seed4_the_refresh_token_has_an_absolute_lifetime_however_busy_its_user_is() {
    // Without back-channel logout: with it the application would hear that the provider's session went idle.
    let told = "    oidc_logout: { backchannel_logout_urls: [\"{app}/backchannel-logout\"] }\n";
    assert!(TENANT.contains(told));
    let op = Op::with(&TENANT.replace(told, "")).await;
    let layer = op.layer(op.offline(), Keep::Store);
    let world = op.world(layer);
    let mut ada = world.browser();
    ada.sign_in("/").await;
    // 20 minutes idle, 8 hours in all.
    for _ in 0..31 {
        world.advance(900);
        assert_eq!(ada.ask("/account").await.status, StatusCode::OK);
    }
    world.advance(900);
    assert_eq!(ada.ask("/account").await.status, StatusCode::UNAUTHORIZED);
    world.stop().await;
}

#[tokio::test]
async fn seed4_the_application_session_may_outlive_the_token_session_or_keep_step_with_it() {
    for keep in KEEPS {
        for follow in [false, true] {
            let op = Op::start().await;
            let mut config = op.config();
            config.auth_required = false;
            config.session.follow_tokens = follow;
            let api = ("audience".to_owned(), "https://api.example.com".to_owned());
            config.authorization_params = [api].into();
            let layer = op.layer(config, keep);
            let world = op.world(layer);
            let mut ada = world.browser();
            ada.sign_in("/login").await;
            world.advance(300);
            let expected = if follow { "nobody" } else { "auth0|ada" };
            assert_eq!(ada.visit("/").await.body, expected);
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn seed4_the_application_session_is_cleared_before_the_user_is_signed_out() {
    for keep in KEEPS {
        let world = offline_world(keep, |config| config.idp_logout = true).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let held = ada.clone();
        // The first answer clears the session; the provider has heard nothing of the logout yet.
        let first = ada.open("/logout").await;
        assert_eq!(first.status, StatusCode::SEE_OTHER);
        assert!(
            first
                .header("location")
                .starts_with(&format!("{}/oidc/logout?", world.op.base))
        );
        assert_eq!(ada.open("/").await.body, "nobody");
        let mut old = held;
        assert_eq!(old.open("/").await.body, "nobody");
        assert!(provider_knows(&ada).await);
        let url = first.header("location").to_owned();
        ada.request(Method::GET, &url, &PAGE, String::new()).await;
        assert!(!provider_knows(&ada).await);
        world.stop().await;
    }
}

#[tokio::test]
async fn seed4_a_back_channel_logout_clears_application_and_token_session() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let sid = ada.status().await["op_sid"].as_str().unwrap().to_owned();
        let url = format!(
            "{}/oidc/logout?client_id=forum&logout_hint={sid}",
            world.op.base
        );
        ada.request(Method::GET, &url, &PAGE, String::new()).await;
        assert_eq!(ada.open("/").await.body, "nobody");
        assert!(ada.ask("/token").await.json()["token"].is_null());
        world.stop().await;
    }
}
