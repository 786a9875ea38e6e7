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

/// Guesses sent at once must not pass before the first of them is counted.
#[tokio::test]
async fn parallel_guesses_are_counted_before_they_are_checked() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    let (action, csrf) = page.form("name=\"password\"");
    let cookie = format!("tenure-form_7100={}", browser.cookies["tenure-form_7100"]);
    let headers = [("cookie", cookie.as_str())];
    let guess = [
        ("csrf", csrf.as_str()),
        ("username", "ada"),
        ("password", "wrong"),
    ];
    let guesses = (0..90).map(|_| world.post_from(&action, &guess, &headers));
    let answers = crate::refresh_races::futures_join(guesses).await;
    let count = |status| answers.iter().filter(|a| a.status == status).count();
    assert_eq!(count(StatusCode::UNAUTHORIZED), 20);
    assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 70);
    assert_eq!(world.log("fp").await.len(), 20);
}

#[tokio::test]
async fn a_right_password_takes_its_attempt_back() {
    let world = World::new().await;
    for _ in 0..120 {
        world.browser().sign_in(&spa(&[])).await;
    }
    let row = world
        .app
        .store
        .read(|tx| tx.throttle("address:127.0.0.1"))
        .await
        .unwrap();
    assert_eq!(row.map(|row| row.failures), Some(0));
}

/// How long a wrong login takes follows from the hashes that the installation holds, and those are
/// known from the instant that they are stored.
#[tokio::test]
async fn the_cost_of_imported_hashes_is_known_before_anybody_signs_in() {
    let world = World::new().await;
    let hash = "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie";
    world
        .apply(&format!(
            "users: [{{user_id: eve, email: eve@example.com, password_hash: {hash}}}]"
        ))
        .await;
    let import = r#"[{"email": "old@example.com", "custom_password_hash": {"algorithm": "pbkdf2",
        "hash": {"value": "$pbkdf2-sha256$i=1000,l=16$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg"}}}]"#;
    let (store, clock) = (world.app.store.clone(), world.clock.clone());
    let imported = tokio::task::spawn_blocking(move || {
        tenure::import::run(&store, import.as_bytes(), false, &clock, |_, _| {}, |_| {})
    });
    assert_eq!(imported.await.unwrap().unwrap().created, 1);
    let known = world
        .app
        .store
        .read(|tx| tx.meta_with_prefix("password_cost_"));
    let known = known.await.unwrap();
    let known: Vec<_> = known
        .iter()
        .map(|(kind, work)| (kind.as_str(), work.as_str()))
        .filter(|(kind, _)| *kind != "argon2")
        .collect();
    assert_eq!(known, [("bcrypt", "4"), ("pbkdf2-sha256", "1000")]);
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    for name in ["ada", "eve@example.com", "old@example.com", "nobody"] {
        let wrong = browser.submit_login(&page, name, "wrong").await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "{name}");
    }
}

/// People type passwords into the field for the name.
#[tokio::test]
async fn a_name_that_is_nobodys_is_not_written_down() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    let long = "my secret ".repeat(5_000);
    for _ in 0..21 {
        browser.submit_login(&page, &long, "wrong").await;
    }
    browser.submit_login(&page, "Ada", "wrong").await;
    let unknown = world.log("fu").await;
    assert_eq!(unknown.len(), 20);
    for entry in &unknown {
        assert!(!entry.to_string().contains("secret"), "{entry}");
        assert_eq!(entry["details"]["name_tag"].as_str().unwrap().len(), 22);
    }
    assert_eq!(world.log("fp").await[0]["user_name"], "Ada");
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
