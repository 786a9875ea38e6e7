//! The back button, reload, a second tab, a page left open overnight: honest people do all of it, and
//! none of it may end in an error.

use crate::world::{Answer, OFFLINE, PASSWORD, World, authorize, silent, spa};
use http::StatusCode;

const CB: &str = "http://localhost:3000/cb";

fn forum() -> String {
    authorize("forum", "http://localhost:3002/cb", &[])
}

fn sid(world: &crate::world::Browser<'_>) -> String {
    let cookie = &world.cookies["tenure_7100"];
    cookie.split('.').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_reload_of_the_login_page_after_the_login_goes_straight_on() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    browser.submit_login(&page, "ada", PASSWORD).await;
    let (action, _) = page.form("name=\"password\"");
    let again = browser.get(&action).await;
    let answer = browser.get(again.location()).await;
    assert_eq!(answer.answered("state").unwrap(), "a==");
    let tokens = browser.exchange("spa", CB, &answer.code()).await;
    assert_eq!(tokens.status, StatusCode::OK);
}

#[tokio::test]
async fn the_form_submitted_twice_signs_in_twice_into_one_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&OFFLINE)).await;
    let first = browser.submit_login(&page, "ada", PASSWORD).await;
    let before = sid(&browser);
    let second = browser.submit_login(&page, "ada", PASSWORD).await;
    assert_eq!(sid(&browser), before);
    // Whichever answer the application sees, it gets its tokens.
    for answer in [&second, &first] {
        let tokens = browser.exchange("spa", CB, &answer.code()).await;
        assert_eq!(tokens.status, StatusCode::OK, "{tokens:?}");
    }
    assert!(browser.get(&silent(&[])).await.message().0["code"].is_string());
}

/// A double click: both requests are on their way before either is answered.
#[tokio::test]
async fn two_submits_at_once_both_sign_in() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    let (action, csrf) = page.form("name=\"password\"");
    let cookie = format!("tenure-form_7100={}", browser.cookies["tenure-form_7100"]);
    let headers = [("cookie", cookie.as_str())];
    let credentials = [
        ("csrf", csrf.as_str()),
        ("username", "ada"),
        ("password", PASSWORD),
    ];
    let (first, second) = tokio::join!(
        world.post_from(&action, &credentials, &headers),
        world.post_from(&action, &credentials, &headers)
    );
    for answer in [first, second] {
        let tokens = browser.exchange("spa", CB, &answer.code()).await;
        assert_eq!(tokens.status, StatusCode::OK, "{tokens:?}");
    }
}

#[tokio::test]
async fn two_login_pages_of_one_browser_both_sign_in_into_one_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    let (one, two) = (browser.get(&spa(&[])).await, browser.get(&forum()).await);
    let first = browser.submit_login(&one, "ada", PASSWORD).await;
    let before = sid(&browser);
    let second = browser.submit_login(&two, "ada", PASSWORD).await;
    assert_eq!(sid(&browser), before);
    for (client, callback, answer) in [
        ("spa", CB, &first),
        ("forum", "http://localhost:3002/cb", &second),
    ] {
        let tokens = browser.exchange(client, callback, &answer.code()).await;
        assert_eq!(tokens.status, StatusCode::OK, "{client} {tokens:?}");
    }
}

/// The second page is only reloaded: it has nothing to ask any more.
#[tokio::test]
async fn a_login_page_that_waited_while_another_tab_signed_in_goes_straight_on() {
    let world = World::new().await;
    let mut browser = world.browser();
    let (one, two) = (browser.get(&spa(&[])).await, browser.get(&forum()).await);
    browser.submit_login(&one, "ada", PASSWORD).await;
    let (action, _) = two.form("name=\"password\"");
    let again = browser.get(&action).await;
    let answer = browser.get(again.location()).await;
    assert!(
        answer
            .location()
            .starts_with("http://localhost:3002/cb?code=")
    );
}

/// The page that says that its predecessor expired is a fresh one.
#[tokio::test]
async fn a_login_page_left_open_overnight_asks_once_more_and_then_signs_in() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    world.clock.advance(13 * 3600);
    let stale: Answer = browser.submit_login(&page, "ada", PASSWORD).await;
    assert_eq!(stale.status, StatusCode::BAD_REQUEST);
    assert!(stale.body.contains("value=\"ada\""), "the name stays");
    let answer = browser.submit_login(&stale, "ada", PASSWORD).await;
    let tokens = browser.exchange("spa", CB, &answer.code()).await;
    assert_eq!(tokens.status, StatusCode::OK, "{tokens:?}");
}

/// Two tabs that were opened at once: the later form cookie replaces the earlier one.
#[tokio::test]
async fn a_form_whose_cookie_was_replaced_asks_once_more_and_then_signs_in() {
    let world = World::new().await;
    let (mut browser, mut other) = (world.browser(), world.browser());
    let page = browser.get(&spa(&[])).await;
    other.get(&spa(&[])).await;
    browser.cookies.extend(other.cookies.clone());
    let again = browser.submit_login(&page, "ada", PASSWORD).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    let answer = browser.submit_login(&again, "ada", PASSWORD).await;
    assert!(answer.answered("code").is_some(), "{answer:?}");
}

/// With several servers a key that one just made may be presented to another that has not looked yet.
#[tokio::test]
async fn a_key_that_nobody_knows_yet_is_looked_for() {
    let world = World::new().await;
    let app = &world.app;
    let entropy = app.entropy.clone();
    let made = tenure::crypto::keys::new_refresh_key(
        7,
        "next",
        (&app.master, &entropy),
        world.clock.now(),
    );
    let stored = app.store.write(move |tx| {
        tx.put_key(&made)?;
        tx.configuration_changed()
    });
    stored.await.unwrap();
    assert!(app.ring().refresh_key(7).is_none());
    let ring = app.ring_with(|ring| ring.refresh_key(7).is_some()).await;
    assert!(ring.refresh_key(7).is_some());
}
