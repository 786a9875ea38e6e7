//! Answers that come as a form (`response_mode=form_post`), in front of an application with https.

use crate::login::KEEPS;
use crate::world::{Answer, Browser, Op, PAGE, World};
use http::{Method, StatusCode};
use tenure_app::{Config, Keep};

async fn world(keep: Keep, change: impl FnOnce(&mut Config)) -> World {
    let op = Op::secure().await;
    let mut config = op.config();
    config.auth_required = false;
    let mode = ("response_mode".to_owned(), "form_post".to_owned());
    config.authorization_params = [mode].into();
    change(&mut config);
    let layer = op.layer(config, keep);
    op.world(layer)
}

fn logins<'b>(browser: &'b Browser<'_>) -> Vec<&'b str> {
    let names = browser.cookies.keys().map(String::as_str);
    names.filter(|name| name.contains("_tx_")).collect()
}

#[tokio::test]
async fn a_person_signs_in_and_no_address_has_the_code() {
    for keep in KEEPS {
        let world = world(keep, |_| {}).await;
        let mut ada = world.browser();
        let begun = ada.open("/login").await;
        let line = begun.cookies()[0].to_owned();
        assert!(
            line.starts_with("__Host-appSession_tx_") && line.contains("SameSite=None; Secure"),
            "{line}"
        );
        assert_eq!(ada.sign_in("/account?x=1").await.json()["sub"], "auth0|ada");
        assert_eq!(ada.place(), "/account?x=1");
        assert!(
            ada.trail
                .iter()
                .any(|url| url.contains("response_mode=form_post"))
        );
        assert!(
            !ada.trail.iter().any(|url| url.contains("code=")),
            "{:?}",
            ada.trail
        );
        assert_eq!(
            logins(&ada).len(),
            1,
            "the other one, which was not answered"
        );
        // The session that there was is known, although its cookie does not come with the form.
        ada.post("/cart").await;
        let mut before = ada.clone();
        ada.visit("/login?returnTo=/account").await;
        assert_eq!(ada.ask("/account").await.json()["items"], 1);
        assert_eq!(before.status().await["reason"], "superseded");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_silent_login_is_answered_as_a_form_too() {
    let world = world(Keep::Cookie, |config| config.attempt_silent_login = true).await;
    let mut ada = world.browser();
    assert_eq!(ada.visit("/?x=1").await.body, "nobody");
    assert_eq!(ada.place(), "/?x=1");
    world.stop().await;
}

/// A login that is under way, and the provider's answer to it.
async fn half_way<'w>(world: &'w World, user: &str) -> (Browser<'w>, String, String) {
    let mut browser = world.browser();
    browser.sign_in_as("/login", user).await;
    let begun = browser.open("/login").await;
    let url = begun.header("location").to_owned();
    let page = browser
        .request(Method::GET, &url, &PAGE, String::new())
        .await;
    let (action, body) = crate::browser::filled_in(&page.body);
    (browser, action, body)
}

fn assert_refused(answer: &Answer, word: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert!(answer.body.contains(word), "{word}: {answer:?}");
}

#[tokio::test]
async fn an_answer_that_this_browser_did_not_ask_for_signs_nobody_in() {
    let world = world(Keep::Store, |_| {}).await;
    let (mut ada, action, body) = half_way(&world, "ada@example.com").await;
    // Another page sends somebody else's browser the answer.
    let mut bob = world.browser();
    let refused = bob.post_from_elsewhere(&action, body.clone()).await;
    assert_refused(&refused, "not begun in this browser");
    bob.open("/login").await;
    let refused = bob.post_from_elsewhere(&action, body.clone()).await;
    assert_refused(&refused, "not begun in this browser");
    assert_eq!(bob.visit("/").await.body, "nobody");
    // Not a form, and too large a form.
    let json = [("content-type", "application/json"), PAGE[3]];
    let refused = ada
        .clone()
        .request(Method::POST, &action, &json, body.clone())
        .await;
    assert_eq!(
        refused.status,
        StatusCode::SEE_OTHER,
        "whoever is signed in goes on"
    );
    let large = format!("{body}&error={}", "x".repeat(4000));
    let refused = ada.clone().post_from_elsewhere(&action, large).await;
    assert_refused(&refused, "too large");
    // What was asked for as a form does not count in an address.
    let refused = ada.clone().visit(&format!("/callback?{body}")).await;
    assert_refused(&refused, "another way");
    // Other methods do nothing at all.
    let put = ada
        .clone()
        .request(Method::PUT, &action, &PAGE, body.clone())
        .await;
    assert_eq!(
        (put.status, put.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "GET, POST")
    );
    // The answer itself is still good.
    let kept = ada.post_from_elsewhere(&action, body.clone()).await;
    let line = kept.cookies()[0].to_owned();
    assert!(
        line.contains("SameSite=Lax") && line.contains("Max-Age=120"),
        "{line}"
    );
    let path = kept.header("location").to_owned();
    ada.visit(&path).await;
    assert_eq!(ada.place(), "/");
    // The same form once more, as a reload would send it: the login is over.
    let again = ada.post_from_elsewhere(&action, body).await;
    assert_refused(&again, "not begun in this browser");
    assert_eq!(ada.visit("/").await.body, "auth0|ada");
    world.stop().await;
}

#[tokio::test]
async fn a_form_answers_no_login_that_asked_for_an_address() {
    let world = world(Keep::Store, |config| config.authorization_params.clear()).await;
    let mut ada = world.browser();
    let begun = ada.open("/login").await;
    let state = begun.answered("state").unwrap();
    let url = ada.shop("/callback");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("state={state}&code=c");
    let refused = ada.request(Method::POST, &url, &headers, body).await;
    assert_refused(&refused, "another way");
    world.stop().await;
}
