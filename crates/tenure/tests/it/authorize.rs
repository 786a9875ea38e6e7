//! `/authorize`: rows B1, B5, C1-C3, C5, G1, G7, K1 and what the specs say of prompt, max_age and hints.

use crate::world::{ISSUER, World, authorize, claims, silent, spa};
use http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn b1_redirect_login_returns_code_and_state_untouched() {
    let world = World::new().await;
    let mut browser = world.browser();
    let answer = browser
        .sign_in(&spa(&[
            ("state", "a=+/&b=="),
            ("auth0Client", "e30="),
            ("foo", "bar"),
        ]))
        .await;
    assert!(
        answer
            .location()
            .starts_with("http://localhost:3000/cb?code="),
        "{answer:?}"
    );
    assert_eq!(answer.answered("state").unwrap(), "a=+/&b==");
    assert!(answer.location().contains("%3D%3D"));
    assert_eq!(answer.answered("iss").unwrap(), ISSUER);
    assert!(browser.has_session_cookie());
}

#[tokio::test]
async fn b5_cancel_goes_back_with_access_denied_and_changes_nothing() {
    // CVE-2023-6787: cancelling a re-authentication leaves the session as it was.
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let before = browser.cookies.clone();
    let page = browser.get(&spa(&[("prompt", "login")])).await;
    let (action, csrf) = page.form("value=\"cancel\"");
    let answer = browser
        .post(&action, &[("csrf", &csrf), ("action", "cancel")])
        .await;
    assert_eq!(answer.answered("error").unwrap(), "access_denied");
    assert_eq!(answer.answered("state").unwrap(), "a==");
    assert_eq!(browser.cookies["tenure_7100"], before["tenure_7100"]);
    assert!(browser.get(&silent(&[])).await.message().0["code"].is_string());
}

#[tokio::test]
async fn c1_silent_with_a_session_posts_a_code_to_the_application_alone() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let answer = browser.get(&silent(&[])).await;
    let (message, origin) = answer.message();
    assert!(message["code"].is_string());
    assert_eq!(message["state"], "a==");
    assert_eq!(origin, "http://localhost:3000");
    assert!(
        answer
            .header("content-security-policy")
            .contains("frame-ancestors http://localhost:3000;")
    );
    assert_eq!(answer.header("x-frame-options"), "");
}

#[tokio::test]
async fn c2_silent_without_a_session_says_login_required() {
    let world = World::new().await;
    let (message, _) = world.browser().get(&silent(&[])).await.message();
    assert_eq!(
        message,
        json!({"error": "login_required", "error_description": "Login required", "iss": ISSUER, "state": "a=="})
    );
}

#[tokio::test]
async fn c3_silent_from_an_origin_that_is_not_registered_names_the_setting() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let request = authorize(
        "native",
        "http://127.0.0.1:5555/cb",
        &[("prompt", "none"), ("response_mode", "web_message")],
    );
    let (message, origin) = browser.get(&request).await.message();
    assert!(message.get("code").is_none());
    assert!(
        message["error_description"]
            .as_str()
            .unwrap()
            .contains("web_origins")
    );
    assert_eq!(origin, "http://127.0.0.1:5555");
}

#[tokio::test]
async fn c5_popup_shows_the_login_page_then_posts_the_message() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[("response_mode", "web_message")])).await;
    assert!(
        page.header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(
        page.header("cross-origin-opener-policy"),
        "",
        "a popup must keep its opener"
    );
    let answer = browser.submit_login(&page, "ada", "correct horse").await;
    assert!(answer.message().0["code"].is_string());
}

#[tokio::test]
async fn g1_id_token_by_form_post() {
    let world = World::new().await;
    let request = authorize(
        "web",
        "http://localhost:3001/callback",
        &[
            ("response_type", "id_token"),
            ("response_mode", "form_post"),
            ("code_challenge", ""),
            ("code_challenge_method", ""),
        ],
    );
    let mut browser = world.browser();
    let page = browser.get(&request).await;
    let answer = browser
        .submit_login(&page, "ada@example.com", "correct horse")
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer
            .body
            .contains("action=\"http://localhost:3001/callback\"")
    );
    assert!(
        answer
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    let token = answer
        .body
        .split("name=\"id_token\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let claims = claims(token);
    assert_eq!(claims["aud"], "web");
    assert_eq!(claims["nonce"], "n-1");
    assert!(claims["sid"].is_string() && claims.get("at_hash").is_none());
}

#[tokio::test]
async fn hybrid_answers_in_the_fragment_with_c_hash() {
    let world = World::new().await;
    let request = authorize(
        "web",
        "http://localhost:3001/callback",
        &[("response_type", "code id_token")],
    );
    let mut browser = world.browser();
    let answer = browser.sign_in(&request).await;
    assert!(
        answer
            .location()
            .starts_with("http://localhost:3001/callback#code=")
    );
    assert!(claims(&answer.answered("id_token").unwrap())["c_hash"].is_string());
}

#[tokio::test]
async fn g7_silent_by_redirect_never_shows_a_page() {
    let world = World::new().await;
    let answer = world.browser().get(&spa(&[("prompt", "none")])).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.answered("error").unwrap(), "login_required");
    assert_eq!(answer.answered("iss").unwrap(), ISSUER);
}

#[tokio::test]
async fn k1_one_session_serves_two_applications() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let answer = browser
        .get(&authorize("forum", "http://localhost:3002/cb", &[]))
        .await;
    assert_eq!(answer.status, StatusCode::FOUND, "no page: {answer:?}");
    let sid = browser.cookies["tenure_7100"]
        .split('.')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let participants = world
        .app
        .store
        .read(move |tx| tx.participants(&sid))
        .await
        .unwrap();
    let clients: Vec<_> = participants.iter().map(|p| p.client_id.as_str()).collect();
    assert_eq!(clients, ["forum", "spa"]);
}

#[tokio::test]
async fn prompt_login_re_authenticates_with_a_later_auth_time_and_the_same_sid() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = claims(browser.tokens(&[]).await["id_token"].as_str().unwrap());
    let old_cookie = browser.cookies["tenure_7100"].clone();
    // At the very same instant: `auth_time` has a resolution of a second and is later all the same.
    let second = claims(
        browser.tokens(&[("prompt", "login")]).await["id_token"]
            .as_str()
            .unwrap(),
    );
    assert_eq!(first["sid"], second["sid"]);
    assert!(second["auth_time"].as_i64() > first["auth_time"].as_i64());
    assert_ne!(
        browser.cookies["tenure_7100"], old_cookie,
        "the cookie's secret is renewed"
    );
    // CVE-2024-7341, CVE-2026-7507: the old cookie is worth nothing any more.
    let mut thief = world.browser();
    thief.cookies.insert("tenure_7100".to_owned(), old_cookie);
    assert_eq!(
        thief.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
}

#[tokio::test]
async fn max_age_decides_whether_to_re_authenticate() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = claims(browser.tokens(&[]).await["id_token"].as_str().unwrap());
    world.clock.advance(10);
    let recent = browser.get(&spa(&[("max_age", "10000")])).await;
    assert_eq!(recent.status, StatusCode::FOUND);
    let tokens = browser
        .exchange("spa", "http://localhost:3000/cb", &recent.code())
        .await
        .json();
    assert_eq!(
        claims(tokens["id_token"].as_str().unwrap())["auth_time"],
        first["auth_time"]
    );
    assert_eq!(
        browser.get(&spa(&[("max_age", "9")])).await.status,
        StatusCode::OK,
        "the login page"
    );
    let refused = browser.get(&silent(&[("max_age", "9")])).await.message().0;
    assert_eq!(refused["error"], "login_required");
    let zero = browser.tokens(&[("max_age", "0")]).await;
    assert!(
        claims(zero["id_token"].as_str().unwrap())["auth_time"].as_i64()
            > first["auth_time"].as_i64()
    );
}

#[tokio::test]
async fn cve_2026_4349_an_id_token_hint_names_whom_to_expect_and_authenticates_nobody() {
    let world = World::new().await;
    let mut ada = world.browser();
    let hint = ada.tokens(&[]).await["id_token"]
        .as_str()
        .unwrap()
        .to_owned();
    world.clock.advance(86_400);
    // No cookie: the hint alone signs nobody in, however authentic.
    let mut stranger = world.browser();
    assert_eq!(
        stranger
            .get(&silent(&[("id_token_hint", &hint)]))
            .await
            .message()
            .0["error"],
        "login_required"
    );
    let mut bob = world.browser();
    bob.sign_in_as(&spa(&[]), "bob@example.com").await;
    assert_eq!(
        bob.get(&silent(&[("id_token_hint", &hint)]))
            .await
            .message()
            .0["error"],
        "login_required"
    );
    // Signing in as somebody else than the hint names is refused, too.
    let page = bob.get(&spa(&[("id_token_hint", &hint)])).await;
    let answer = bob
        .submit_login(&page, "bob@example.com", "correct horse")
        .await;
    assert_eq!(answer.answered("error").unwrap(), "login_required");
    let mut forged = hint.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    assert_eq!(
        bob.get(&silent(&[("id_token_hint", &forged)]))
            .await
            .message()
            .0["error"],
        "invalid_request"
    );
}

#[tokio::test]
async fn an_essential_acr_that_cannot_be_reached_is_its_own_error() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let claims = r#"{"id_token":{"acr":{"essential":true,"values":["urn:gold"]}}}"#;
    assert_eq!(
        browser
            .get(&silent(&[("claims", claims)]))
            .await
            .message()
            .0["error"],
        "unmet_authentication_requirements"
    );
    assert!(
        browser
            .get(&silent(&[("acr_values", "urn:gold")]))
            .await
            .message()
            .0["code"]
            .is_string()
    );
}

#[tokio::test]
async fn third_party_clients_need_consent_which_is_remembered() {
    let world = World::new().await;
    let request = |extra: &[(&str, &str)]| authorize("third", "http://localhost:3003/cb", extra);
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let silent = browser.get(&request(&[("prompt", "none")])).await;
    assert_eq!(silent.answered("error").unwrap(), "consent_required");
    let page = browser.get(&request(&[])).await;
    assert!(page.body.contains("Third party") && page.body.contains("See your e-mail address"));
    let (action, csrf) = page.form("value=\"accept\"");
    let denied = browser
        .post(&action, &[("csrf", &csrf), ("action", "deny")])
        .await;
    assert_eq!(denied.answered("error").unwrap(), "access_denied");
    // A form that another site made is not an answer.
    let foreign = browser
        .request(
            http::Method::POST,
            &action,
            &[("csrf", "x"), ("action", "accept")],
            &[("origin", "https://evil.example")],
        )
        .await;
    assert!(foreign.location().starts_with("/authorize?"), "{foreign:?}");
    let accepted = browser
        .post(&action, &[("csrf", &csrf), ("action", "accept")])
        .await;
    assert!(
        accepted
            .location()
            .starts_with("http://localhost:3003/cb?code="),
        "{accepted:?}"
    );
    assert!(
        browser
            .get(&request(&[("prompt", "none")]))
            .await
            .answered("code")
            .is_some()
    );
    let again = browser.get(&request(&[("prompt", "consent")])).await;
    assert_eq!(again.status, StatusCode::OK, "asked again");
    assert!(again.body.contains("See your e-mail address"), "{again:?}");
    // A first-party client too can have people asked, about what it asks for.
    let own = browser.get(&spa(&[("prompt", "consent")])).await;
    assert!(own.body.contains("See your e-mail address"), "{own:?}");
    let more = browser
        .get(&request(&[("prompt", "none"), ("scope", "openid phone")]))
        .await;
    assert_eq!(more.answered("error").unwrap(), "consent_required");
}

#[tokio::test]
async fn a_native_loopback_redirect_may_have_any_port_and_nothing_else() {
    let world = World::new().await;
    let table = [
        ("http://127.0.0.1:50123/cb", true),
        ("http://127.0.0.1/cb", true),
        ("http://127.0.0.1:50123/other", false),
        ("http://localhost:50123/cb", false),
        ("http://127.0.0.1.evil.example/cb", false),
        ("http://127.0.0.1:50123/cb?x=1", false),
    ];
    for (uri, allowed) in table {
        let answer = world.get(&authorize("native", uri, &[])).await;
        let expected = if allowed {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        };
        assert_eq!(answer.status, expected, "{uri}");
    }
}

#[tokio::test]
async fn a_posted_request_goes_on_as_a_get() {
    let world = World::new().await;
    let query = spa(&[]);
    let pairs: Vec<_> = form_urlencoded::parse(query.split_once('?').unwrap().1.as_bytes())
        .into_owned()
        .collect();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let answer = world.post("/authorize", &pairs).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(world.get(answer.location()).await.status, StatusCode::OK);
}
