//! Mistakes of other products that are about the whole way of a request, each as the journey that
//! would show it here. `docs/lessons.md` has the rules.

use crate::world::{Browser, OFFLINE, PASSWORD, TENANT, World, authorize, claims, silent, spa};
use http::StatusCode;
use tenure_protocol::Sid;

const COOKIE: &str = "tenure_7100";

fn sid(cookie: &str) -> Sid {
    cookie.split('.').next().unwrap().parse().unwrap()
}

fn third() -> String {
    authorize("third", "http://localhost:3003/cb", &[])
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser.get(&silent(&[])).await.message().0["code"].is_string()
}

/// A neighbouring host cannot plant a cookie whose name begins so.
#[tokio::test]
async fn cve_2024_28197_cookies_of_an_https_host_are_pinned_to_it() {
    let world = World::at("https://id.example.com", TENANT).await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    let answer = browser.submit_login(&page, "ada", PASSWORD).await;
    for answer in [&page, &answer] {
        for cookie in answer.headers.get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            assert!(text.starts_with("__Host-tenure"), "{text}");
            assert!(text.contains("; Path=/; HttpOnly; Secure"), "{text}");
            assert!(!text.contains("Domain"), "{text}");
        }
    }
    assert!(browser.cookies.contains_key("__Host-tenure"));
    // What such a neighbour can plant is not looked at.
    let mut planted = world.browser();
    let value = browser.cookies["__Host-tenure"].clone();
    planted.cookies.insert("tenure".to_owned(), value);
    let answer = planted.get(&silent(&[])).await;
    assert_eq!(answer.message().0["error"], "login_required");
}

/// The `sid` is public: it stands in tokens. Whatever changes a session needs the cookie's secret.
#[tokio::test]
async fn cve_2025_53895_a_sid_without_its_secret_changes_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let cookie = browser.cookies[COOKIE].clone();
    let sid = sid(&cookie);
    let before = world.app.store.read(move |tx| tx.session(&sid)).await;
    world.clock.advance(60);
    let (public, secret) = cookie.split_once('.').unwrap();
    let wrong = format!("{public}.{}", "A".repeat(secret.len()));
    for forged in [wrong, public.to_owned(), format!("{public}.")] {
        let mut thief = world.browser();
        thief.cookies.insert(COOKIE.to_owned(), forged);
        for path in ["/v2/logout?client_id=spa", "/oidc/logout"] {
            thief.get(path).await;
        }
        assert!(!is_signed_in(&mut thief).await);
        let page = thief.get(&spa(&[])).await;
        thief.submit_login(&page, "bob@example.com", PASSWORD).await;
    }
    let after = world.app.store.read(move |tx| tx.session(&sid)).await;
    assert_eq!(before.unwrap(), after.unwrap());
}

/// Also CVE-2021-41246 and CVE-2026-7507: a session that somebody planted in a browser does not become the
/// session of who signs in there.
#[tokio::test]
async fn cve_2024_7341_a_planted_session_is_not_the_victims() {
    let world = World::new().await;
    let (mut attacker, mut victim) = (world.browser(), world.browser());
    attacker.sign_in_as(&spa(&[]), "bob@example.com").await;
    let planted = attacker.cookies[COOKIE].clone();
    victim.cookies.insert(COOKIE.to_owned(), planted.clone());
    victim.sign_in(&spa(&[("prompt", "login")])).await;
    assert_ne!(sid(&victim.cookies[COOKIE]), sid(&planted));
    assert!(!is_signed_in(&mut attacker).await);
    // Of the same user, too: the secret that the planter knows is renewed.
    attacker.sign_in(&spa(&[])).await;
    let planted = attacker.cookies[COOKIE].clone();
    victim.cookies.insert(COOKIE.to_owned(), planted);
    victim.sign_in(&spa(&[("prompt", "login")])).await;
    assert!(!is_signed_in(&mut attacker).await);
    assert!(is_signed_in(&mut victim).await);
}

/// A re-authentication that another browser takes over, cancels or finishes is nothing to the session
/// it began in.
#[tokio::test]
async fn cve_2023_6787_another_browser_cannot_finish_or_cancel_a_re_authentication() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let page = browser.get(&spa(&[("prompt", "login")])).await;
    let (action, _) = page.form("value=\"cancel\"");
    let before = browser.cookies[COOKIE].clone();
    let mut other = world.browser();
    // The address alone, as it leaks from a history: the request begins anew there.
    let begun = other.get(&action).await;
    let theirs = other.get(begun.location()).await;
    let (their_action, csrf) = theirs.form("value=\"cancel\"");
    for action in [&action, &their_action] {
        let cancelled = other
            .post(action, &[("csrf", &csrf), ("action", "cancel")])
            .await;
        assert_eq!(cancelled.answered("error").unwrap(), "access_denied");
    }
    other
        .submit_login(&theirs, "bob@example.com", PASSWORD)
        .await;
    assert_eq!(browser.cookies[COOKIE], before);
    let answer = browser.get(&silent(&[])).await;
    let code = answer.message().0["code"].as_str().unwrap().to_owned();
    let tokens = browser
        .exchange("spa", "http://localhost:3000/cb", &code)
        .await
        .json();
    let sub = claims(tokens["id_token"].as_str().unwrap())["sub"].clone();
    assert_eq!(sub, "auth0|ada");
}

/// On a shared computer the next person does not get the last one's tokens, nor the other way round.
#[tokio::test]
async fn cve_2022_3916_a_refresh_speaks_for_the_user_of_its_grant_alone() {
    let world = World::new().await;
    let mut browser = world.browser();
    let ada = browser.tokens(&OFFLINE).await;
    browser
        .sign_in_as(&spa(&[("prompt", "login")]), "bob@example.com")
        .await;
    let token = ada["refresh_token"].as_str().unwrap();
    let again = browser.refresh("spa", token).await.json();
    let now = claims(again["id_token"].as_str().unwrap());
    assert_eq!(now["sub"], "auth0|ada");
    assert_eq!(
        now["sid"],
        claims(ada["id_token"].as_str().unwrap())["sid"],
        "not the session of bob"
    );
    let mine = world
        .userinfo(again["access_token"].as_str().unwrap())
        .await
        .json();
    assert_eq!(mine["sub"], "auth0|ada");
}

#[tokio::test]
async fn cve_2025_53942_a_blocked_user_is_authorized_nowhere() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    let code = browser.get(&spa(&[])).await.code();
    world
        .apply("users: [{user_id: ada, email: ada@example.com, blocked: true}]")
        .await;
    assert!(!is_signed_in(&mut browser).await);
    let elsewhere = authorize("forum", "http://localhost:3002/cb", &[("prompt", "none")]);
    let elsewhere = browser.get(&elsewhere).await;
    assert_eq!(elsewhere.answered("error").unwrap(), "login_required");
    let cb = "http://localhost:3000/cb";
    assert_ne!(
        browser.exchange("spa", cb, &code).await.status,
        StatusCode::OK
    );
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_ne!(browser.refresh("spa", token).await.status, StatusCode::OK);
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(
        world.userinfo(access).await.status,
        StatusCode::UNAUTHORIZED
    );
}

/// keycloak#46239, CVE-2025-12390: a logout leaves nothing behind that the next login could fall into.
/// A consent page that was open over it belongs to a session that is gone.
#[tokio::test]
async fn keycloak_46239_a_logout_ends_the_requests_that_were_under_way_too() {
    let world = World::new().await;
    let mut browser = world.browser();
    let login = browser.get(&third()).await;
    let consent = browser.submit_login(&login, "ada", PASSWORD).await;
    let (action, csrf) = consent.form("value=\"accept\"");
    let old = sid(&browser.cookies[COOKIE]);
    let accept = [("csrf", csrf.as_str()), ("action", "accept")];
    browser.get("/v2/logout?client_id=spa").await;
    let answer = browser.post(&action, &accept).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.form("name=\"password\"");
    // The next person: their own session, and nothing was consented to in their name.
    browser.sign_in_as(&spa(&[]), "bob@example.com").await;
    assert_ne!(sid(&browser.cookies[COOKIE]), old);
    let asked = browser.get(&third()).await;
    asked.form("value=\"accept\"");
    let consents = world.app.store.read(|tx| {
        Ok((
            tx.consent("auth0|ada", "third", "")?,
            tx.consent("auth0|bob", "third", "")?,
        ))
    });
    assert_eq!(consents.await.unwrap(), (None, None));
}

/// Who took part is known for as long as the session lives, not for as long as an access token does.
#[tokio::test]
async fn goauthentik_25826_participants_outlive_their_tokens() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    browser
        .get(&authorize("forum", "http://localhost:3002/cb", &[]))
        .await;
    let sid = sid(&browser.cookies[COOKIE]);
    // Seven hours of activity in one application, with access tokens of five minutes.
    for _ in 0..14 {
        world.clock.advance(1_800);
        assert!(is_signed_in(&mut browser).await);
    }
    let participants = || world.app.store.read(move |tx| tx.participants(&sid));
    assert_eq!(participants().await.unwrap().len(), 2);
    browser.get("/v2/logout?client_id=spa").await;
    assert_eq!(participants().await.unwrap().len(), 2);
}
