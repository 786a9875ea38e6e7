//! Wrong input of every kind gets the RFC's error, never a 500, and leaves nothing changed.
//! (That no answer is a 500 is asserted for every request of every journey.)

use crate::world::{OFFLINE, VERIFIER, World, authorize, silent, spa};
use axum::body::Body;
use http::{Request, StatusCode};

#[tokio::test]
async fn requests_at_authorize_that_cannot_be_redirected() {
    let world = World::new().await;
    let table = [
        "/authorize".to_owned(),
        spa(&[("client_id", "")]),
        spa(&[("client_id", "nobody")]),
        spa(&[("redirect_uri", "https://evil.example/cb")]),
        spa(&[("redirect_uri", "http://localhost:3000/cb/")]),
        spa(&[("redirect_uri", "http://localhost:3000/cb?x=1")]),
        spa(&[("redirect_uri", "http://localhost:3000/CB")]),
        spa(&[("redirect_uri", "http://LOCALHOST:3000/cb")]),
        spa(&[("redirect_uri", "http://localhost:3000\\@evil.example/cb")]),
        spa(&[("redirect_uri", "")]),
        format!("{}&client_id=spa", spa(&[])),
        format!("{}&redirect_uri=https://evil.example", spa(&[])),
        format!("{}&nonce=%FF%FE", spa(&[("client_id", "nobody")])),
        format!(
            "{}&nonce=%FF%FE",
            spa(&[("redirect_uri", "https://evil.example/cb")])
        ),
        format!(
            "{}&request_uri=urn:x",
            spa(&[("redirect_uri", "https://evil.example/cb")])
        ),
    ];
    for path in table {
        let answer = world.get(&path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.location(), "", "{path}");
        assert!(
            !answer.body.contains("evil.example"),
            "nothing is reflected: {path}"
        );
    }
}

#[tokio::test]
async fn requests_at_authorize_that_are_answered_at_the_application() {
    let world = World::new().await;
    let table: [(&[(&str, &str)], &str); 16] = [
        (&[("response_type", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (
            &[("response_type", "code token")],
            "unsupported_response_type",
        ),
        (
            &[("response_type", "id_token"), ("nonce", "")],
            "invalid_request",
        ),
        (
            &[("response_type", "id_token"), ("response_mode", "query")],
            "invalid_request",
        ),
        (&[("response_mode", "pigeon")], "invalid_request"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "create")], "invalid_request"),
        (&[("max_age", "-1")], "invalid_request"),
        (&[("claims", "[1]")], "invalid_request"),
        (&[("scope", "openid \"x")], "invalid_scope"),
        (&[("request", "a.b.c")], "request_not_supported"),
    ];
    for (extra, error) in table {
        let answer = world.get(&spa(extra)).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{extra:?}");
        assert_eq!(
            answer.answered("error").as_deref(),
            Some(error),
            "{extra:?}"
        );
        assert_eq!(
            answer.answered("state").as_deref(),
            Some("a=="),
            "{extra:?}"
        );
    }
    let doubled = world.get(&format!("{}&nonce=other", spa(&[]))).await;
    assert_eq!(doubled.answered("error").unwrap(), "invalid_request");
    let silent = world
        .get(&spa(&[
            ("prompt", "none"),
            ("response_mode", "web_message"),
            ("code_challenge", ""),
        ]))
        .await;
    assert_eq!(
        silent.message().0["error"],
        "invalid_request",
        "a silent request always gets a message"
    );
    let unknown = world
        .get(&spa(&[
            ("prompt", "dance"),
            ("display", "touch"),
            ("ui_locales", "zz"),
        ]))
        .await;
    assert_eq!(unknown.status, StatusCode::OK, "unknown values are ignored");
}

#[tokio::test]
async fn a_silent_request_of_a_known_application_is_answered_there_however_broken_it_is() {
    let world = World::new().await;
    let unknown = "urn:ietf:params:oauth:request_uri:unknown";
    let table = [
        ("acr_values=%FF%FE", "invalid_request"),
        ("%FF=x", "invalid_request"),
        ("foo=%00", "invalid_request"),
        ("request_uri=urn:x", "request_uri_not_supported"),
        (
            "request_uri=https://evil.example/r",
            "request_uri_not_supported",
        ),
        (&format!("request_uri={unknown}"), "invalid_request_uri"),
        (
            &format!("request_uri={unknown}&request_uri=x"),
            "invalid_request",
        ),
    ];
    for (extra, error) in table {
        let answer = world.get(&format!("{}&{extra}", silent(&[]))).await;
        let (message, origin) = answer.message();
        assert_eq!(message["error"], error, "{extra}");
        assert_eq!(message["state"], "a==", "{extra}");
        assert_eq!(origin, "http://localhost:3000", "{extra}");
        let visible = world.get(&format!("{}&{extra}", spa(&[]))).await;
        assert_eq!(
            visible.answered("error").as_deref(),
            Some(error),
            "a visible one by its own response mode: {extra}"
        );
    }
    let unreadable = world
        .get(&format!("{}&state=%FF", silent(&[("state", "")])))
        .await;
    assert!(unreadable.message().0.get("state").is_none());
}

#[tokio::test]
async fn requests_at_the_token_endpoint() {
    let world = World::new().await;
    let send = |media: &'static str, body: Vec<u8>| {
        Request::post("/oauth/token")
            .header("content-type", media)
            .body(Body::from(body))
            .unwrap()
    };
    let form = "application/x-www-form-urlencoded";
    let table: [(&str, &[u8], u16, &str); 17] = [
        (form, b"", 400, "invalid_request"),
        (form, b"grant_type=refresh_token", 401, "invalid_client"),
        (
            form,
            b"grant_type=refresh_token&client_id=nobody&refresh_token=x",
            401,
            "invalid_client",
        ),
        (
            form,
            b"grant_type=refresh_token&client_id=spa",
            400,
            "invalid_request",
        ),
        (
            form,
            b"grant_type=refresh_token&client_id=spa&refresh_token=x",
            400,
            "invalid_grant",
        ),
        (
            form,
            b"grant_type=refresh_token&grant_type=x&client_id=spa",
            400,
            "invalid_request",
        ),
        (
            form,
            b"grant_type=password&client_id=spa&username=ada&password=x",
            400,
            "unsupported_grant_type",
        ),
        (
            form,
            b"grant_type=authorization_code&client_id=spa",
            400,
            "invalid_request",
        ),
        (
            form,
            b"grant_type=authorization_code&client_id=spa&code=%00",
            400,
            "invalid_request",
        ),
        (
            form,
            b"grant_type=authorization_code&client_id=spa&code=\xff\xfe",
            400,
            "invalid_request",
        ),
        (
            form,
            b"grant_type=client_credentials&client_id=web",
            401,
            "invalid_client",
        ),
        ("application/json", b"{", 400, "invalid_request"),
        ("application/json", b"[]", 400, "invalid_request"),
        (
            "application/json",
            br#"{"grant_type": "refresh_token", "grant_type": "x", "client_id": "spa"}"#,
            400,
            "invalid_request",
        ),
        (
            "application/json",
            br#"{"grant_type": "refresh_token", "client_id": "spa", "refresh_token": ["x"]}"#,
            400,
            "invalid_request",
        ),
        (
            "application/json",
            br#"{"grant_type": {}, "client_id": "spa"}"#,
            400,
            "invalid_request",
        ),
        (
            "text/plain",
            b"grant_type=refresh_token",
            400,
            "invalid_request",
        ),
    ];
    for (media, body, status, error) in table {
        let answer = world.send(send(media, body.to_vec())).await;
        let text = String::from_utf8_lossy(body).into_owned();
        assert_eq!(
            (answer.status.as_u16(), answer.error().as_str()),
            (status, error),
            "{text}"
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{text}");
    }
    let large = world.send(send(form, vec![b'a'; 70_000])).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let twice = Request::post("/oauth/token")
        .header("content-type", form)
        .header("authorization", "Basic d2ViOnM=")
        .body(Body::from(
            "grant_type=client_credentials&client_id=web&client_secret=s",
        ));
    assert_eq!(
        world.send(twice.unwrap()).await.error(),
        "invalid_request",
        "two ways at once"
    );
    let missing = world
        .send(send(
            form,
            b"grant_type=refresh_token&client_id=spa".to_vec(),
        ))
        .await;
    assert_eq!(
        missing.json()["error_description"],
        "The parameter refresh_token is missing"
    );
    for (header, challenge) in [
        ("Basic", true),
        ("Basic !!!", true),
        ("Basic bm9jb2xvbg==", true),
        ("basic d2ViOndyb25n", true),
        ("Bearer x", false),
    ] {
        let request = Request::post("/oauth/token")
            .header("content-type", form)
            .header("authorization", header);
        let answer = world
            .send(
                request
                    .body(Body::from("grant_type=client_credentials"))
                    .unwrap(),
            )
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{header}");
        assert_eq!(answer.error(), "invalid_client", "{header}");
        let basic = answer.header("www-authenticate");
        assert_eq!(basic.starts_with("Basic realm="), challenge, "{header}");
    }
    assert_eq!(
        world.get("/oauth/token").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn nothing_of_it_leaves_a_trace() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    let state = || async {
        world
            .app
            .store
            .read(|tx| {
                let filter = tenure_store::SessionFilter {
                    limit: 100,
                    ..Default::default()
                };
                let sessions = tx.sessions(&filter)?;
                let families = tx.families_of_user("auth0|ada")?;
                Ok(format!("{sessions:?} {families:?}"))
            })
            .await
            .unwrap()
    };
    let before = state().await;
    for path in [
        spa(&[("prompt", "none login")]),
        spa(&[("redirect_uri", "https://evil.example")]),
        authorize("nobody", "x", &[]),
    ] {
        browser.get(&path).await;
    }
    for pairs in [
        vec![
            ("grant_type", "refresh_token"),
            ("client_id", "forum"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ],
        vec![
            ("grant_type", "authorization_code"),
            ("client_id", "spa"),
            ("code", "x"),
            ("code_verifier", VERIFIER),
        ],
    ] {
        world.post("/oauth/token", &pairs).await;
    }
    browser
        .get("/v2/logout?returnTo=https://evil.example")
        .await;
    browser.get("/oidc/logout?client_id=nobody").await;
    assert_eq!(state().await, before);
}
