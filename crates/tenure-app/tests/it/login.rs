//! Signing in and out.

use crate::world::{Browser, Op, PAGE, World};
use http::{Method, StatusCode};
use tenure_app::{Config, Keep};

pub const KEEPS: [Keep; 2] = [Keep::Cookie, Keep::Store];

/// An application that shows pages to anybody.
pub async fn open_world(keep: Keep, change: impl FnOnce(&mut Config)) -> World {
    let op = Op::start().await;
    let mut config = op.config();
    config.auth_required = false;
    change(&mut config);
    let layer = op.layer(config, keep);
    op.world(layer)
}

#[tokio::test]
async fn a_person_signs_in_is_known_and_signs_out() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let mut ada = world.browser();
        assert_eq!(ada.visit("/").await.body, "nobody");
        let account = ada.sign_in("/account?x=1").await;
        assert_eq!(ada.place(), "/account?x=1");
        assert_eq!(account.json()["name"], "Ada Lovelace");
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
        let status = ada.status().await;
        assert_eq!(status["active"], true);
        assert_eq!(status["idle_expires_at"], world.now() + 86_400);
        let held = ada.clone();
        let out = ada.visit("/logout").await;
        assert_eq!((out.body.as_str(), ada.place().as_str()), ("nobody", "/"));
        assert_eq!(ada.ask("/account").await.status, StatusCode::UNAUTHORIZED);
        // Whoever kept the cookies has nothing, and hears why.
        let mut thief = held;
        assert_eq!(thief.ask("/account").await.json()["reason"], "user_logout");
        assert_eq!(thief.status().await["rule"], "logout");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_public_client_needs_no_secret() {
    let world = open_world(Keep::Cookie, |config| {
        config.client_id = "public".to_owned();
        config.client_secret = None;
    })
    .await;
    let mut ada = world.browser();
    assert_eq!(ada.sign_in("/account").await.json()["sub"], "auth0|ada");
    world.stop().await;
}

#[tokio::test]
async fn cve_2021_41246_every_login_has_a_session_of_its_own() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        ada.post("/cart").await;
        let mut before = ada.clone();
        // The provider knows ada: no page is shown, and yet the session is a new one.
        ada.visit("/login?returnTo=/account").await;
        assert_ne!(session_cookies(&ada), session_cookies(&before));
        assert_eq!(
            ada.ask("/account").await.json()["items"],
            1,
            "the same person keeps the cart"
        );
        assert_eq!(before.status().await["reason"], "superseded");
        assert_eq!(
            before.ask("/account").await.status,
            StatusCode::UNAUTHORIZED
        );

        // Somebody else in the same browser gets nothing of it.
        ada.forget_op();
        ada.sign_in_as("/login?returnTo=/account", "bob@example.com")
            .await;
        let account = ada.ask("/account").await.json();
        assert_eq!(
            (account["sub"].as_str(), account["items"].as_u64()),
            (Some("auth0|bob"), None)
        );
        world.stop().await;
    }
}

fn session_cookies(browser: &Browser<'_>) -> Vec<(String, String)> {
    let all = browser.cookies.iter();
    let ours = all.filter(|(name, _)| name.starts_with("appSession") && !name.contains("_tx_"));
    ours.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[tokio::test]
async fn a_cookie_of_somebody_elses_making_is_no_session() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        for (name, value) in session_cookies(&ada) {
            for other in ["", "x", &value[1..], &format!("{value}A"), &"A".repeat(43)] {
                let mut mallory = world.browser();
                mallory.cookies.insert(name.clone(), other.to_owned());
                assert_eq!(mallory.visit("/").await.body, "nobody", "{other}");
            }
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn cve_2020_10734_another_page_signs_nobody_out() {
    let world = open_world(Keep::Cookie, |_| {}).await;
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    let url = ada.shop("/logout");
    let mut cross = PAGE;
    cross[3] = ("sec-fetch-site", "cross-site");
    let mut sibling = PAGE;
    sibling[3] = ("sec-fetch-site", "same-site");
    let foreign = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    for (method, headers) in [
        (Method::GET, cross.as_slice()),
        (Method::GET, &sibling),
        (Method::GET, &[]),
        (Method::POST, &foreign),
        (Method::POST, &[("origin", "null")]),
    ] {
        let asked = ada.request(method, &url, headers, String::new()).await;
        assert_eq!(asked.status, StatusCode::OK, "{asked:?}");
        assert!(asked.body.contains("Do you want to sign out?"));
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
    }
    // An image in a page of the application itself, which some customer wrote, and a browser that is ahead of its person.
    for (name, value) in [
        ("sec-fetch-dest", "image"),
        ("sec-purpose", "prefetch;prerender"),
    ] {
        let mut early = vec![("sec-fetch-site", "same-origin")];
        early.push((name, value));
        let asked = ada.request(Method::GET, &url, &early, String::new()).await;
        assert!(asked.body.contains("Do you want to sign out?"), "{asked:?}");
        assert_eq!(ada.visit("/").await.body, "auth0|ada", "{name}");
    }
    // The page's own button.
    let out = ada.post("/logout").await;
    assert_eq!(
        (out.status, out.header("location")),
        (
            StatusCode::SEE_OTHER,
            format!("{}/", world.op.shop).as_str()
        )
    );
    assert_eq!(ada.visit("/").await.body, "nobody");
    world.stop().await;
}

#[tokio::test]
async fn cve_2024_39694_a_login_leads_into_the_application_and_nowhere_else() {
    let world = open_world(Keep::Cookie, |_| {}).await;
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    for (target, arrives) in [
        ("/account?x=1", "/account?x=1"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        // Its own routes would go round in circles, or sign out at once.
        ("/login", "/"),
        ("/logout", "/"),
        ("/callback?error=x", "/"),
    ] {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("returnTo", target)
            .finish();
        ada.visit(&format!("/login?{query}")).await;
        assert_eq!(ada.place(), arrives, "{target}");
    }
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_this_browser_did_not_ask_for_signs_nobody_in() {
    let world = open_world(Keep::Cookie, |_| {}).await;
    let mut ada = world.browser();
    // Ada's answer, stopped on its way.
    ada.sign_in("/login").await;
    let answer = ada
        .trail
        .iter()
        .find(|url| url.contains("/callback?"))
        .unwrap()
        .clone();
    let path = answer.strip_prefix(&world.op.shop).unwrap();
    let mut bob = world.browser();
    let refused = bob.visit(path).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        refused.body.contains("not begun in this browser"),
        "{refused:?}"
    );
    // The back button of somebody who is signed in does no harm.
    ada.visit(path).await;
    assert_eq!(ada.place(), "/");
    world.stop().await;
}

#[tokio::test]
async fn two_tabs_sign_in_side_by_side_and_old_logins_are_forgotten() {
    let world = open_world(Keep::Cookie, |_| {}).await;
    let mut ada = world.browser();
    let one = ada.visit("/login?returnTo=/account?tab=1").await;
    let mut first = ada.trail.clone();
    ada.sign_in("/login?returnTo=/account?tab=2").await;
    assert_eq!(ada.place(), "/account?tab=2");
    ada.forget_op();
    std::mem::swap(&mut ada.trail, &mut first);
    ada.submit_login(&one, "ada@example.com").await;
    assert_eq!(ada.place(), "/account?tab=1");
    for _ in 0..9 {
        ada.open("/login").await;
    }
    let under_way = ada
        .cookies
        .keys()
        .filter(|name| name.contains("_tx_"))
        .count();
    assert_eq!(under_way, 4);
    world.stop().await;
}

#[tokio::test]
async fn what_the_provider_refuses_is_said_and_nothing_of_it_is_repeated() {
    let world = open_world(Keep::Cookie, |_| {}).await;
    let mut ada = world.browser();
    let begun = ada.open("/login").await;
    let state = begun.answered("state").unwrap();
    let issuer = format!("{}/", world.op.base);
    let answer = |pairs: &[(&str, &str)]| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("state", &state).extend_pairs(pairs);
        format!("/callback?{}", form.finish())
    };
    let mut other = ada.clone();
    let refused = other
        .open(&answer(&[
            ("iss", &issuer),
            ("error", "access_denied"),
            ("error_description", "<b>x</b>"),
        ]))
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        refused.body.contains("cancelled") && !refused.body.contains("<b>"),
        "{refused:?}"
    );
    assert_eq!(
        other.cookies.len(),
        ada.cookies.len() - 1,
        "a login is answered once"
    );
    // Another provider's answer (RFC 9207): with its name, or without any where one is promised.
    for pairs in [
        &[("iss", "https://other.example/"), ("code", "c")],
        &[("x", "y"), ("code", "c")],
    ] {
        let mut other = ada.clone();
        let refused = other.open(&answer(pairs)).await;
        assert!(refused.body.contains("not this provider"), "{refused:?}");
    }
    // A code that the provider does not know.
    let refused = ada.open(&answer(&[("iss", &issuer), ("code", "c")])).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    world.stop().await;
}

#[tokio::test]
async fn a_silent_login_is_tried_once() {
    let world = open_world(Keep::Cookie, |config| config.attempt_silent_login = true).await;
    let mut ada = world.browser();
    // The provider knows nobody: the page is shown, and the next one asks no more.
    assert_eq!(ada.visit("/?x=1").await.body, "nobody");
    assert_eq!(ada.place(), "/?x=1");
    assert!(ada.trail.iter().any(|url| url.contains("prompt=none")));
    assert_eq!(ada.open("/").await.body, "nobody");
    ada.sign_in("/login").await;
    // Another browser that the provider knows is signed in without a page.
    let mut again = world.browser();
    let port = world.op.base.rsplit_once(':').unwrap().1.to_owned();
    let cookie = format!("tenure_{port}");
    again
        .cookies
        .insert(cookie.clone(), ada.cookies[&cookie].clone());
    assert_eq!(again.visit("/").await.body, "auth0|ada");
    // Who signed out stays signed out.
    again.visit("/logout").await;
    assert_eq!(again.visit("/").await.body, "nobody");
    // A script is never redirected.
    assert_eq!(world.browser().ask("/").await.body, "nobody");
    world.stop().await;
}

#[tokio::test]
async fn what_needs_a_user_sends_people_to_the_login_and_answers_scripts_401() {
    for keep in KEEPS {
        let op = Op::start().await;
        let layer = op.layer(op.config(), keep);
        let world = op.world(layer);
        let mut ada = world.browser();
        let script = ada.ask("/").await;
        assert_eq!(
            (script.status, script.json()["error"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("login_required"))
        );
        assert_eq!(ada.post("/cart").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(ada.ask("/nowhere").await.status, StatusCode::UNAUTHORIZED);
        ada.sign_in("/?y=2").await;
        assert_eq!(ada.place(), "/?y=2");
        assert_eq!(ada.ask("/nowhere").await.status, StatusCode::NOT_FOUND);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_said_so() {
    let world = open_world(Keep::Cookie, |_| {}).await;
    world
        .op
        .switches
        .down
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let mut ada = world.browser();
    assert_eq!(
        ada.open("/login").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(ada.visit("/").await.body, "nobody");
    world
        .op
        .switches
        .down
        .store(false, std::sync::atomic::Ordering::SeqCst);
    world.advance(6);
    ada.sign_in("/account").await;
    // A session that is there needs no provider.
    world
        .op
        .switches
        .down
        .store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(ada.visit("/").await.body, "auth0|ada");
    assert_eq!(ada.visit("/logout").await.body, "nobody");
    world.stop().await;
}

/// Lesson CVE-2024-39694: a path that begins with two slashes is a path here, and a host in a `Location`.
#[tokio::test]
async fn cve_2024_39694_no_address_of_the_application_leads_elsewhere_after_the_login() {
    let op = Op::start().await;
    let layer = op.layer(op.config(), Keep::Cookie);
    let world = op.world(layer);
    for path in [
        "//evil.example/",
        "//evil.example/pay?x=1",
        "/.//evil.example",
    ] {
        let mut ada = world.browser();
        let asked = ada.open(path).await;
        let url = asked.header("location").to_owned();
        assert!(url.starts_with(&world.op.base), "{path}: {asked:?}");
        ada.trail = vec![url.clone()];
        let page = ada.request(Method::GET, &url, &PAGE, String::new()).await;
        ada.submit_login(&page, "ada@example.com").await;
        assert_eq!(ada.place(), "/", "{path}: {:?}", ada.trail);
    }
    world.stop().await;
}
