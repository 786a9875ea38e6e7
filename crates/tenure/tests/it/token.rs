//! The code exchange and the tokens: rows A3, B2-B4, B6, G2, H1, J and claims.

use crate::world::{ISSUER, START, VERIFIER, World, authorize, claims, header_of, spa};
use http::{Request, StatusCode};
use serde_json::json;

const CB: &str = "http://localhost:3000/cb";

#[tokio::test]
async fn b2_code_exchange_by_form() {
    let world = World::new().await;
    let mut browser = world.browser();
    let code = browser.sign_in(&spa(&[])).await.code();
    let answer = browser.exchange("spa", CB, &code).await;
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 300);
    assert_eq!(tokens["scope"], "openid profile email");
    assert!(tokens.get("refresh_token").is_none(), "absent, never null");
    let id = tokens["id_token"].as_str().unwrap();
    assert_eq!(header_of(id)["alg"], "RS256");
    let id = claims(id);
    assert_eq!(
        (id["iss"].as_str(), id["aud"].as_str(), id["nonce"].as_str()),
        (Some(ISSUER), Some("spa"), Some("n-1"))
    );
    assert_eq!(id["sub"], "auth0|ada");
    assert_eq!(id["name"], "Ada Lovelace");
    assert_eq!(id["email"], "Ada@example.com");
    assert_eq!(id["iat"], START);
    assert_eq!(id["auth_time"], START);
    assert_eq!(id["amr"], json!(["pwd"]));
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(header_of(access)["typ"], "at+jwt");
    let access = claims(access);
    assert_eq!(access["aud"], format!("{ISSUER}userinfo"));
    assert_eq!(access["client_id"], "spa");
    assert_eq!(access["sid"], id["sid"]);
    assert!(access["jti"].is_string());
}

#[tokio::test]
async fn b3_b4_code_exchange_by_json_with_unknown_parameters() {
    let world = World::new().await;
    let mut browser = world.browser();
    let code = browser.sign_in(&spa(&[])).await.code();
    let body = json!({"grant_type": "authorization_code", "client_id": "spa", "code": code, "code_verifier": VERIFIER,
                      "redirect_uri": CB, "max_age": 300, "organization": "x", "foo": {"bar": 1}});
    let request = Request::post("/oauth/token")
        .header("content-type", "application/json; charset=utf-8")
        .header("origin", "http://localhost:3000");
    let answer = world
        .send(request.body(body.to_string().into()).unwrap())
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "http://localhost:3000"
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[tokio::test]
async fn b6_a_replayed_code_is_refused_and_revokes_what_it_gave() {
    let world = World::new().await;
    let mut browser = world.browser();
    let code = browser.sign_in(&spa(&crate::world::OFFLINE)).await.code();
    let tokens = browser.exchange("spa", CB, &code).await.json();
    assert_eq!(
        world
            .userinfo(tokens["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::OK
    );
    world.clock.advance(40);
    let replay = browser.exchange("spa", CB, &code).await;
    assert_eq!(
        (replay.status.as_u16(), replay.error().as_str()),
        (400, "invalid_grant")
    );
    assert_eq!(replay.header("www-authenticate"), "");
    assert_eq!(
        world
            .userinfo(tokens["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        browser
            .refresh("spa", tokens["refresh_token"].as_str().unwrap())
            .await
            .error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn a_code_is_bound_to_client_redirect_verifier_and_a_minute() {
    // CVE-2026-55672: and a stranger who tries it spoils nothing.
    let world = World::new().await;
    let mut browser = world.browser();
    let code = browser.sign_in(&spa(&[])).await.code();
    let good = [
        ("grant_type", "authorization_code"),
        ("client_id", "spa"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CB),
    ];
    let with = |name: &'static str, value: &'static str| {
        let mut pairs = good.to_vec();
        pairs.retain(|(n, _)| *n != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
        pairs
    };
    let table = [
        (with("client_id", "forum"), "Invalid authorization code"),
        (
            with("redirect_uri", "http://localhost:3000"),
            "Invalid authorization code",
        ),
        (with("redirect_uri", ""), "Invalid authorization code"),
        (
            with(
                "code_verifier",
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyZ",
            ),
            "Failed to verify code verifier",
        ),
        (with("code_verifier", ""), "Failed to verify code verifier"),
        (
            with("code_verifier", "short"),
            "Failed to verify code verifier",
        ),
    ];
    for (pairs, description) in table {
        let refused = world.post("/oauth/token", &pairs).await;
        assert_eq!(
            refused.json(),
            json!({"error": "invalid_grant", "error_description": description}),
            "{pairs:?}"
        );
    }
    world.clock.advance(59);
    assert_eq!(
        world.post("/oauth/token", &good).await.status,
        StatusCode::OK,
        "nothing of that spoilt the code"
    );
    let late = browser.get(&spa(&[])).await.code();
    world.clock.advance(60);
    assert_eq!(
        browser.exchange("spa", CB, &late).await.error(),
        "invalid_grant"
    );
    assert_eq!(
        browser
            .exchange("spa", CB, &late[..late.len() - 1])
            .await
            .error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn a_code_dies_with_its_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    let code = browser.sign_in(&spa(&[])).await.code();
    browser.get("/v2/logout").await;
    let refused = browser.exchange("spa", CB, &code).await;
    assert_eq!(refused.json()["reason"], "user_logout");
}

#[tokio::test]
async fn g2_basic_credentials_encoded_or_raw() {
    use base64::Engine as _;
    let world = World::new().await;
    let mut browser = world.browser();
    let secrets = [
        "web:s3cr%2Det%7E1+x",
        "web:s3cr-et~1%20x",
        "web:s3cr-et~1 x",
    ];
    for secret in secrets {
        let code = browser.tokens_code("web").await;
        let basic = base64::engine::general_purpose::STANDARD.encode(secret);
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("code_verifier", VERIFIER),
            ("redirect_uri", "http://localhost:3001/callback"),
        ];
        let answer = world
            .post_from(
                "/oauth/token",
                &pairs,
                &[("authorization", &format!("Basic {basic}"))],
            )
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{secret}: {answer:?}");
    }
    let wrong = base64::engine::general_purpose::STANDARD.encode("web:nope");
    let refused = world
        .post_from(
            "/oauth/token",
            &[("grant_type", "client_credentials")],
            &[("authorization", &format!("Basic {wrong}"))],
        )
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.error().as_str()),
        (401, "invalid_client")
    );
    // RFC 6749 section 5.2: a challenge for Basic, and only for it (contract 0.12).
    assert_eq!(
        refused.header("www-authenticate"),
        "Basic realm=\"tenure\", charset=\"UTF-8\""
    );
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", "web"),
        ("client_secret", "nope"),
    ];
    let refused = world.post("/oauth/token", &fields).await;
    assert_eq!(refused.status.as_u16(), 401);
    assert_eq!(refused.header("www-authenticate"), "");
}

#[tokio::test]
async fn an_api_with_openid_gives_both_audiences_and_its_own_rules() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser
        .tokens(&[
            ("scope", "openid read:x nonsense"),
            ("audience", "https://api.example.com"),
        ])
        .await;
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(
        access["aud"],
        json!(["https://api.example.com", format!("{ISSUER}userinfo")])
    );
    assert_eq!(access["scope"], "openid read:x");
    assert_eq!(access["tier"], "gold");
    assert_eq!(
        access["sub"], "auth0|ada",
        "custom claims replace none of the protocol's"
    );
    let tokens = browser
        .tokens(&[
            ("scope", "openid admin user"),
            ("audience", "https://rbac.example.com"),
            ("prompt", "login"),
        ])
        .await;
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(header_of(token)["alg"], "ES256");
    assert_eq!(claims(token)["permissions"], json!(["user"]));
    assert_eq!(claims(token)["scope"], "openid user");
    let unknown = browser
        .get(&spa(&[("audience", "https://nowhere.example")]))
        .await;
    assert_eq!(unknown.answered("error").unwrap(), "invalid_request");
}

#[tokio::test]
async fn offline_access_is_dropped_silently_where_the_api_forbids_it() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser
        .tokens(&[
            ("scope", "openid offline_access"),
            ("audience", "https://no-offline.example.com"),
        ])
        .await;
    assert!(tokens.get("refresh_token").is_none());
    assert_eq!(tokens["scope"], "openid");
}

/// CVE-2024-49755: our own endpoints use the one validator of access tokens.
#[tokio::test]
async fn keys_roll_over_without_breaking_anyone() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&crate::world::OFFLINE).await;
    let kid = header_of(tokens["id_token"].as_str().unwrap())["kid"].clone();
    let app = world.app.clone();
    let now = world.clock.now();
    let rows = app.store.read(|tx| tx.keys()).await.unwrap();
    let made =
        tenure::crypto::rollover::missing(&rows, "next", (&app.master, &app.entropy), now).unwrap();
    app.store
        .write(move |tx| made.iter().try_for_each(|key| tx.put_key(key)))
        .await
        .unwrap();
    app.reload_if_changed().await.unwrap();
    let published = world.get("/.well-known/jwks.json").await.json()["keys"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(
        published, 6,
        "the successors are published before they sign"
    );
    let second = browser
        .refresh("spa", tokens["refresh_token"].as_str().unwrap())
        .await
        .json();
    assert_eq!(header_of(second["id_token"].as_str().unwrap())["kid"], kid);
    let mut in_use = tenure::work::keys::InUse::default();
    world.clock.advance(600);
    let later = world.clock.now();
    tenure::work::keys::roll(&app, &mut in_use, now, later)
        .await
        .unwrap();
    let third = browser
        .refresh("spa", second["refresh_token"].as_str().unwrap())
        .await
        .json();
    assert_ne!(header_of(third["id_token"].as_str().unwrap())["kid"], kid);
    // The refresh token of the old server key was accepted, and its successor names the new one.
    let fourth = browser
        .refresh("spa", third["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(fourth.status, StatusCode::OK);
    // An ID token of the old key still verifies as a hint.
    let hint = [("id_token_hint", tokens["id_token"].as_str().unwrap())];
    assert!(browser.get(&crate::world::silent(&hint)).await.message().0["code"].is_string());
}

impl crate::world::Browser<'_> {
    async fn tokens_code(&mut self, client: &str) -> String {
        let request = authorize(client, "http://localhost:3001/callback", &[]);
        match self.has_session_cookie() {
            true => self.get(&request).await.code(),
            false => self.sign_in(&request).await.code(),
        }
    }
}
