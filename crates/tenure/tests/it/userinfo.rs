//! `/userinfo`: which tokens it takes, how, and what it answers.

use crate::world::{PASSWORD, VERIFIER, World, authorize, claims};
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;

#[tokio::test]
async fn userinfo_takes_only_its_own_access_tokens() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let answer = world
        .userinfo(tokens["access_token"].as_str().unwrap())
        .await;
    assert_eq!(answer.json()["sub"], "auth0|ada");
    assert_eq!(answer.json()["email"], "Ada@example.com");
    let id_token = world.userinfo(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(
        id_token.status,
        StatusCode::UNAUTHORIZED,
        "an ID token is no access token"
    );
    assert!(
        id_token
            .header("www-authenticate")
            .contains("invalid_token")
    );
    let without_openid = browser
        .tokens(&[
            ("prompt", "login"),
            ("scope", "read:x"),
            ("audience", "https://api.example.com"),
        ])
        .await;
    assert!(without_openid.get("id_token").is_none());
    assert_eq!(
        world
            .userinfo(without_openid["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(world.userinfo("").await.status, StatusCode::UNAUTHORIZED);
    let posted = world
        .post(
            "/userinfo",
            &[("access_token", tokens["access_token"].as_str().unwrap())],
        )
        .await;
    assert_eq!(posted.status, StatusCode::OK);
    let in_query = world
        .get(&format!(
            "/userinfo?access_token={}",
            tokens["access_token"].as_str().unwrap()
        ))
        .await;
    assert_eq!(in_query.status, StatusCode::UNAUTHORIZED, "never in a URL");
    world.clock.advance(300);
    assert_eq!(
        world
            .userinfo(tokens["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_request_without_a_token_hears_only_how_to_send_one() {
    let world = World::new().await;
    let answer = world.get("/userinfo").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer, DPoP algs=\"ES256 RS256 EdDSA Ed25519\""
    );
    assert_eq!(answer.body, "");
}

#[tokio::test]
async fn a_token_is_sent_in_one_way() {
    let world = World::new().await;
    let tokens = world.browser().tokens(&[]).await;
    let token = tokens["access_token"].as_str().unwrap();
    let form = |text: String| {
        Request::post("/userinfo")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(text))
            .unwrap()
    };
    let mut both = form(format!("access_token={token}"));
    let header = format!("Bearer {token}").parse().unwrap();
    both.headers_mut().insert("authorization", header);
    let twice = form(format!("access_token={token}&access_token={token}"));
    for request in [both, twice] {
        let answer = world.send(request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.error(), "invalid_request");
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.contains("error=\"invalid_request\""),
            "{challenge}"
        );
    }
}

const ASKED: &str = r#"{"userinfo": {"email": null, "name": {"essential": true}, "shoe_size": null},
    "id_token": {"preferred_username": null}}"#;

#[tokio::test]
async fn the_claims_parameter_adds_claims_here_also_after_a_refresh() {
    let world = World::new().await;
    let mut browser = world.browser();
    let asked = [("scope", "openid offline_access"), ("claims", ASKED)];
    let tokens = browser.tokens(&asked).await;
    let refreshed = browser
        .refresh("spa", tokens["refresh_token"].as_str().unwrap())
        .await
        .json();
    for tokens in [tokens, refreshed] {
        let answer = world
            .userinfo(tokens["access_token"].as_str().unwrap())
            .await;
        assert_eq!(
            answer.json(),
            json!({"sub": "auth0|ada", "email": "Ada@example.com", "name": "Ada Lovelace"})
        );
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!(id_token["preferred_username"], "ada");
        assert!(id_token.get("email").is_none(), "{id_token}");
    }
    let without = browser
        .tokens(&[("scope", "openid"), ("prompt", "login")])
        .await;
    let answer = world
        .userinfo(without["access_token"].as_str().unwrap())
        .await;
    assert_eq!(answer.json(), json!({"sub": "auth0|ada"}));
}

#[tokio::test]
async fn a_third_party_client_gets_by_name_nothing_that_nobody_consented_to() {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = authorize(
        "third",
        "http://localhost:3003/cb",
        &[("scope", "openid profile"), ("claims", ASKED)],
    );
    let page = browser.get(&request).await;
    let consent = browser.submit_login(&page, "ada", PASSWORD).await;
    let (action, csrf) = consent.form("value=\"accept\"");
    let accepted = browser
        .post(&action, &[("csrf", &csrf), ("action", "accept")])
        .await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "third"),
        ("client_secret", "third-secret"),
        ("code", &accepted.code()),
        ("code_verifier", VERIFIER),
        ("redirect_uri", "http://localhost:3003/cb"),
    ];
    let tokens = world.post("/oauth/token", &fields).await.json();
    let answer = world
        .userinfo(tokens["access_token"].as_str().unwrap())
        .await;
    assert_eq!(answer.json()["name"], "Ada Lovelace", "by scope");
    assert!(answer.json().get("email").is_none(), "{answer:?}");
}
