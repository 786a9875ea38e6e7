//! Pushed authorization requests (RFC 9126).

use crate::world::{PASSWORD, World};
use http::StatusCode;

#[tokio::test]
async fn pushed_requests_are_bound_used_once_and_survive_a_reload() {
    let world = World::new().await;
    let push = [
        ("client_id", "web"),
        ("client_secret", "s3cr-et~1 x"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("redirect_uri", "http://localhost:3001/callback"),
        ("state", "s"),
    ];
    let pushed = world.post("/oauth/par", &push).await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{pushed:?}");
    let reference = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let path = |client: &str| {
        format!(
            "/authorize?{}",
            crate::world::form(&[("client_id", client), ("request_uri", &reference)])
        )
    };
    let mut browser = world.browser();
    assert_eq!(
        browser.get(&path("spa")).await.status,
        StatusCode::BAD_REQUEST,
        "another client's"
    );
    let page = browser.get(&path("web")).await;
    assert_eq!(
        browser.get(&path("web")).await.status,
        StatusCode::OK,
        "a reload"
    );
    let answer = browser.submit_login(&page, "ada", "correct horse").await;
    assert!(
        answer
            .location()
            .starts_with("http://localhost:3001/callback?code="),
        "{answer:?}"
    );
    let used = browser.get(&path("web")).await;
    assert!(used.body.contains("Please start again"), "used up");
    let nested = world
        .post(
            "/oauth/par",
            &[
                ("client_id", "web"),
                ("client_secret", "s3cr-et~1 x"),
                ("request_uri", &reference),
            ],
        )
        .await;
    assert_eq!(nested.error(), "request_uri_not_supported");
    assert_eq!(
        world.post("/oauth/par", &push[..2]).await.error(),
        "invalid_request"
    );
}

/// Pushes a request of the client `web`, and answers its address.
async fn pushed(world: &World) -> String {
    let push = [
        ("client_id", "web"),
        ("client_secret", "s3cr-et~1 x"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("redirect_uri", "http://localhost:3001/callback"),
    ];
    let reference = world.post("/oauth/par", &push).await.json()["request_uri"].clone();
    let named = [
        ("client_id", "web"),
        ("request_uri", reference.as_str().unwrap()),
    ];
    format!("/authorize?{}", crate::world::form(&named))
}

#[tokio::test]
async fn the_back_button_and_a_bookmark_after_a_pushed_request_end_in_no_error() {
    let world = World::new().await;
    let mut browser = world.browser();
    let address = pushed(&world).await;
    let page = browser.get(&address).await;
    let (login, _) = page.form("name=\"password\"");
    browser.submit_login(&page, "ada", PASSWORD).await.code();
    let before = browser.cookies.clone();
    for again in [
        browser.get(&address).await,
        browser.get(&login).await,
        browser.submit_login(&page, "ada", PASSWORD).await,
    ] {
        assert_eq!(again.status, StatusCode::OK, "{again:?}");
        assert!(again.body.contains("Please start again"), "{again:?}");
    }
    assert_eq!(browser.cookies, before, "nobody signed in a second time");
    let silent = browser.get(&format!("{address}&prompt=none")).await;
    assert_eq!(silent.answered("error").unwrap(), "invalid_request_uri");
    world
        .apply("clients: [{client_id: web, initiate_login_uri: 'https://shop.example/start?a=b'}]")
        .await;
    let there = "https://shop.example/start?a=b&iss=http%3A%2F%2Flocalhost%3A7100%2F";
    for again in [
        browser.get(&address).await,
        browser.get(&login).await,
        browser.submit_login(&page, "ada", PASSWORD).await,
    ] {
        assert_eq!(again.location(), there);
    }
}

#[tokio::test]
async fn a_login_that_takes_longer_than_the_reference_lives_is_answered_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&pushed(&world).await).await;
    let (login, _) = page.form("name=\"password\"");
    world.clock.advance(601);
    let reloaded = browser.get(&login).await;
    assert_eq!(reloaded.status, StatusCode::OK);
    let code = browser
        .submit_login(&reloaded, "ada", PASSWORD)
        .await
        .code();
    assert!(!code.is_empty());
    let again = browser.submit_login(&page, "ada", PASSWORD).await;
    assert!(again.body.contains("Please start again"), "{again:?}");
    let other = browser.get(&pushed(&world).await).await;
    assert!(!other.code().is_empty(), "another request is answered");
    world.clock.advance(13 * 3600);
    let stale = browser.submit_login(&page, "ada", PASSWORD).await;
    assert!(stale.body.contains("Please start again"), "{stale:?}");
}

#[tokio::test]
async fn a_request_that_cannot_be_answered_is_refused_when_it_is_pushed() {
    let world = World::new().await;
    let push = |extra: (&'static str, &'static str)| {
        let world = &world;
        async move {
            let fields = [
                ("client_id", "web"),
                ("client_secret", "s3cr-et~1 x"),
                ("response_type", "code"),
                ("scope", "openid"),
                ("redirect_uri", "http://localhost:3001/callback"),
                extra,
            ];
            world.post("/oauth/par", &fields).await
        }
    };
    for extra in [
        ("audience", "https://nowhere.example.com"),
        ("response_mode", "web_message"),
    ] {
        let answer = push(extra).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{extra:?}");
        assert_eq!(answer.error(), "invalid_request", "{extra:?}");
    }
    let known = push(("audience", "https://api.example.com")).await;
    assert_eq!(known.status, StatusCode::CREATED, "{known:?}");
}

#[tokio::test]
async fn a_tenant_that_has_them_off_has_no_endpoint_for_them() {
    let world = World::new().await;
    let address = pushed(&world).await;
    let off = "tenant: {pushed_authorization_requests_supported: false}";
    world.apply(off).await;
    let document = world.get("/.well-known/openid-configuration").await.json();
    assert!(
        document
            .get("pushed_authorization_request_endpoint")
            .is_none()
    );
    let answer = world.post("/oauth/par", &[("client_id", "spa")]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = world.get(&address).await;
    assert_eq!(
        answer.answered("error").unwrap(),
        "request_uri_not_supported"
    );
}

/// Anybody can speak for a public client, and what is pushed is stored: 16 kB for ten minutes each. RFC
/// 9126 section 2.3 has 429 for it.
#[tokio::test]
async fn strangers_push_a_hundred_requests_at_once_and_ten_a_second() {
    let world = World::new().await;
    let push = async || {
        let request = [
            ("client_id", "spa"),
            ("response_type", "code"),
            ("scope", "openid"),
            ("redirect_uri", "http://localhost:3000/cb"),
            (
                "code_challenge",
                "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            ),
            ("code_challenge_method", "S256"),
        ];
        world.post("/oauth/par", &request).await
    };
    for _ in 0..100 {
        let pushed = push().await;
        assert_eq!(pushed.status, StatusCode::CREATED, "{pushed:?}");
    }
    let refused = push().await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.error(), "temporarily_unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    // A client that proves itself is answerable for what it pushes.
    let web = [
        ("client_id", "web"),
        ("client_secret", "s3cr-et~1 x"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("redirect_uri", "http://localhost:3001/callback"),
    ];
    let pushed = world.post("/oauth/par", &web).await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{pushed:?}");
    world.clock.advance(1);
    let mut again = 0;
    while push().await.status == StatusCode::CREATED {
        again += 1;
    }
    assert_eq!(again, 10);
}
