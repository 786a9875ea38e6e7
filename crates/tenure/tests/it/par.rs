//! Pushed authorization requests (RFC 9126).

use crate::world::World;
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
    assert_eq!(
        used.answered("error").as_deref(),
        Some("invalid_request_uri"),
        "used up"
    );
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
