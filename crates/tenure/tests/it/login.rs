//! The login page: stale forms, other people's forms, throttling, no enumeration, languages, K4.

use crate::world::{PASSWORD, World, silent, spa};
use http::{Method, StatusCode};

#[tokio::test]
async fn wrong_password_and_unknown_user_look_alike() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    let wrong = browser
        .submit_login(&page, "ada@example.com", "wrong")
        .await;
    let unknown = browser
        .submit_login(&page, "nobody@example.com", "wrong")
        .await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(unknown.status, wrong.status);
    let scrub = |answer: &crate::world::Answer| {
        let cut = |text: &str, from: &str, to: char| {
            let mut out = String::new();
            for (i, part) in text.split(from).enumerate() {
                out.push_str(if i == 0 {
                    part
                } else {
                    part.split_once(to).unwrap().1
                });
            }
            out
        };
        cut(&cut(&answer.body, "request=", '"'), "value=", '>')
    };
    assert_eq!(scrub(&wrong), scrub(&unknown));
    assert!(!browser.has_session_cookie());
    // The page that failed still signs in: nothing was used up.
    let answer = browser
        .submit_login(&wrong, "ADA@example.com ", PASSWORD)
        .await;
    assert!(answer.answered("code").is_some(), "{answer:?}");
    assert_eq!(world.log("fp").await.len(), 1);
    assert_eq!(world.log("fu").await.len(), 1);
}

#[tokio::test]
async fn a_form_from_elsewhere_signs_nobody_in() {
    let world = World::new().await;
    let mut attacker = world.browser();
    let page = attacker.get(&spa(&[])).await;
    let (action, csrf) = page.form("name=\"password\"");
    let credentials = [
        ("csrf", csrf.as_str()),
        ("username", "bob@example.com"),
        ("password", PASSWORD),
    ];
    // Login CSRF: the attacker's form, posted by the victim's browser, which has another cookie or none.
    let mut victim = world.browser();
    let refused = victim.post(&action, &credentials).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(!victim.has_session_cookie());
    let cross = attacker
        .request(
            Method::POST,
            &action,
            &credentials,
            &[("origin", "https://evil.example")],
        )
        .await;
    assert_eq!(cross.status, StatusCode::BAD_REQUEST);
    // The page that it shows instead works.
    assert!(
        victim
            .submit_login(&refused, "ada", PASSWORD)
            .await
            .answered("code")
            .is_some()
    );
}

#[tokio::test]
async fn a_bookmarked_or_reloaded_login_page_starts_again_instead_of_failing() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    let (action, _) = page.form("name=\"password\"");
    let again = browser.get(&action).await;
    assert!(again.location().starts_with("/authorize?"), "{again:?}");
    assert_eq!(browser.get(again.location()).await.status, StatusCode::OK);
    world.clock.advance(13 * 3600);
    let stale = browser.submit_login(&page, "ada", PASSWORD).await;
    assert_eq!(stale.status, StatusCode::BAD_REQUEST);
    assert!(stale.body.contains("expired"));
    let anew = browser.submit_login(&stale, "ada", PASSWORD).await;
    assert!(!anew.code().is_empty(), "what is shown anew can be sent");
    let nothing = browser.get("/login").await;
    assert!(nothing.body.contains("Please start again"), "{nothing:?}");
    let unknown = browser.get("/login?request=AAAA").await;
    assert!(unknown.body.contains("Please start again"), "{unknown:?}");
}

#[tokio::test]
async fn failures_are_throttled_after_twenty_and_nobody_is_locked_out_for_good() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    for _ in 0..20 {
        assert_eq!(
            browser
                .submit_login(&page, "ada@example.com", "wrong")
                .await
                .status,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        browser
            .submit_login(&page, "ada@example.com", PASSWORD)
            .await
            .status,
        StatusCode::TOO_MANY_REQUESTS
    );
    // An account that does not exist is throttled alike.
    for _ in 0..20 {
        browser
            .submit_login(&page, "nobody@example.com", "wrong")
            .await;
    }
    assert_eq!(
        browser
            .submit_login(&page, "nobody@example.com", "x")
            .await
            .status,
        StatusCode::TOO_MANY_REQUESTS
    );
    world.clock.advance(2);
    assert!(
        browser
            .submit_login(&page, "ada@example.com", PASSWORD)
            .await
            .answered("code")
            .is_some()
    );
}

#[tokio::test]
async fn k4_another_user_in_the_same_browser_gets_a_session_of_their_own() {
    // CVE-2025-12390: a fresh id at every login of another user; the old session ends.
    let world = World::new().await;
    let mut browser = world.browser();
    let ada = browser.tokens(&crate::world::OFFLINE).await;
    let old = browser.cookies["tenure_7100"].clone();
    browser
        .sign_in_as(&spa(&[("prompt", "login")]), "bob@example.com")
        .await;
    let new = browser.cookies["tenure_7100"].clone();
    assert_ne!(old.split('.').next(), new.split('.').next());
    let sid: tenure_protocol::Sid = old.split('.').next().unwrap().parse().unwrap();
    let session = world
        .app
        .store
        .read(move |tx| tx.session(&sid))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(session.end.unwrap().reason.name(), "superseded");
    // An offline family is ada's and lives on: its tokens say ada.
    let again = browser
        .refresh("spa", ada["refresh_token"].as_str().unwrap())
        .await
        .json();
    let token = crate::world::claims(again["id_token"].as_str().unwrap());
    assert_eq!(token["sub"], "auth0|ada");
}

#[tokio::test]
async fn pages_speak_the_language_that_is_asked_for_and_reflect_nothing_unescaped() {
    let world = World::new().await;
    let german = world.get(&spa(&[("ui_locales", "fr-CA de-AT")])).await;
    assert!(german.body.contains("<html lang=\"de\">") && german.body.contains("Anmelden"));
    let hint = "\"><script>alert(1)</script>";
    let page = world
        .get(&spa(&[("login_hint", hint), ("state", hint)]))
        .await;
    assert!(!page.body.contains("<script>alert"), "{page:?}");
    let message = world
        .get(&silent(&[("state", "</script><script>alert(1)</script>")]))
        .await;
    assert!(!message.body.contains("</script><script>"), "{message:?}");
    assert_eq!(
        message.message().0["state"],
        "</script><script>alert(1)</script>"
    );
}

#[tokio::test]
async fn a_blocked_user_cannot_sign_in_and_the_reason_is_not_shown() {
    let world = World::new().await;
    world
        .apply("users: [{user_id: ada, email: ada@example.com, blocked: true}]")
        .await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    let refused = browser
        .submit_login(&page, "ada@example.com", PASSWORD)
        .await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(!refused.body.contains("blocked"));
}
