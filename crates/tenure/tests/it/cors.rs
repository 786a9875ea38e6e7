//! Which pages may read answers: row A3.

use crate::world::World;
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::Value;

#[tokio::test]
async fn a3_preflight_for_registered_origins_only() {
    let world = World::new().await;
    let ask = |origin: &'static str| {
        Request::options("/oauth/token")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "auth0-client,content-type",
            )
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let allowed = world.send(ask("http://localhost:3000")).await;
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "http://localhost:3000"
    );
    let headers = allowed.header("access-control-allow-headers");
    assert!(
        ["content-type", "auth0-client", "authorization", "dpop"]
            .iter()
            .all(|h| headers.contains(h))
    );
    for origin in [
        "https://evil.example",
        "http://localhost:3000.evil.example",
        "null",
    ] {
        assert_eq!(
            world
                .send(ask(origin))
                .await
                .header("access-control-allow-origin"),
            "",
            "{origin}"
        );
    }
    // Answers, too, are readable only by the client's own origins.
    let foreign = world
        .post_from(
            "/oauth/token",
            &[("client_id", "spa")],
            &[("origin", "http://localhost:3002")],
        )
        .await;
    assert_eq!(foreign.header("access-control-allow-origin"), "");
}

const SHOP: &str = "http://localhost:3000";

#[tokio::test]
async fn errors_can_be_read_however_early_they_are() {
    let world = World::new().await;
    let large = "a".repeat(70_000);
    for path in ["/oauth/token", "/oauth/revoke", "/userinfo"] {
        for (media, body) in [
            ("text/plain", "x"),
            ("application/json", "{"),
            ("application/x-www-form-urlencoded", "a=%FF"),
            ("application/x-www-form-urlencoded", large.as_str()),
        ] {
            let request = Request::post(path)
                .header("content-type", media)
                .header("origin", SHOP)
                .body(Body::from(body.to_owned()));
            let answer = world.send(request.unwrap()).await;
            assert!(answer.status.is_client_error(), "{path} {media}");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                SHOP,
                "{path} {media}"
            );
        }
    }
}

#[tokio::test]
async fn what_everybody_may_read_has_a_preflight_as_well() {
    let world = World::new().await;
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
    ] {
        let request = Request::options(path)
            .header("origin", "https://anywhere.example")
            .header("access-control-request-headers", "auth0-client");
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), "*", "{path}");
    }
}

/// The origins in the log, once as many entries have arrived: they are written in batches.
async fn refused_origins(world: &World, expected: usize) -> Vec<Value> {
    loop {
        let entries = world.log("fco").await;
        if entries.len() >= expected {
            return entries;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a3_a_refused_origin_is_logged_once_a_minute() {
    let world = World::new().await;
    let evil = "https://evil.example";
    let ask = || async {
        let preflight = Request::options("/oauth/token").header("origin", evil);
        world.send(preflight.body(Body::empty()).unwrap()).await;
        let fields = [("client_id", "spa")];
        world
            .post_from("/oauth/token", &fields, &[("origin", evil)])
            .await;
    };
    ask().await;
    ask().await;
    world.clock.advance(60);
    ask().await;
    let own = [("origin", SHOP)];
    world
        .post_from("/oauth/token", &[("client_id", "spa")], &own)
        .await;
    world.clock.advance(1);
    // One of another kind after them all: what is in the log before it is complete.
    world
        .post_from(
            "/oauth/token",
            &[("client_id", "spa")],
            &[("origin", "http://localhost:3002")],
        )
        .await;
    let entries = refused_origins(&world, 3).await;
    let origins: Vec<_> = entries
        .iter()
        .map(|entry| entry["details"]["origin"].as_str().unwrap())
        .collect();
    assert_eq!(origins, [evil, evil, "http://localhost:3002"]);
    assert_eq!(entries[2]["client_id"], "spa");
}
