//! For operators: health, metrics, the clock, what a wrong start says.

use crate::world::{BASE, START, World, spa};
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;
use tenure::config::{BaseUrl, ConfigFile, DatabaseUrl};

#[tokio::test]
async fn health_readiness_and_metrics() {
    let world = World::new().await;
    world.browser().sign_in(&spa(&[])).await;
    assert_eq!(world.get("/healthz").await.body, "ok\n");
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    let ask = |peer: &str, header: Option<&str>| {
        let mut request =
            Request::get("/metrics").extension(tenure::http::Peer(peer.parse().unwrap()));
        if let Some(forwarded) = header {
            request = request.header("x-forwarded-for", forwarded);
        }
        request.body(Body::empty()).unwrap()
    };
    let text = world.send(ask("127.0.0.1:9", None)).await.body;
    assert!(
        text.contains("tenure_logins_total{outcome=\"ok\"} 1"),
        "{text}"
    );
    assert!(text.contains("route=\"/login\",status=\"303\""), "{text}");
    assert_eq!(
        world.send(ask("198.51.100.1:9", None)).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world
            .send(ask("127.0.0.1:9", Some("198.51.100.1")))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_clock_moves_forward_only_and_for_no_web_page() {
    let world = World::new().await;
    assert_eq!(world.get("/dev/clock").await.json(), json!({"now": START}));
    let post = |body: &'static str, headers: Vec<(&'static str, &'static str)>| {
        let mut request = Request::post("/dev/clock")
            .extension(tenure::http::Peer("127.0.0.1:9".parse().unwrap()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(Body::from(body)).unwrap()
    };
    let json_type = ("content-type", "application/json");
    let hour = r#"{"advance_seconds": 3600}"#;
    assert_eq!(
        world.send(post(hour, vec![json_type])).await.json(),
        json!({"now": START + 3600})
    );
    for headers in [
        vec![("content-type", "text/plain")],
        vec![],
        vec![json_type, ("origin", BASE)],
        vec![json_type, ("x-forwarded-for", "127.0.0.1")],
        vec![json_type, ("forwarded", "for=127.0.0.1")],
    ] {
        assert_eq!(
            world.send(post(hour, headers)).await.status,
            StatusCode::FORBIDDEN
        );
    }
    for body in [
        r#"{"advance_seconds": -1}"#,
        "{}",
        "x",
        r#"{"advance_seconds": 1.5}"#,
    ] {
        assert_eq!(
            world.send(post(body, vec![json_type])).await.status,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
    assert_eq!(
        world.get("/dev/clock").await.json(),
        json!({"now": START + 3600})
    );
    let offset = world
        .app
        .store
        .read(|tx| tx.meta("clock_offset_ms"))
        .await
        .unwrap();
    assert_eq!(offset.as_deref(), Some("3600000"), "kept in the database");
}

#[tokio::test]
async fn every_answer_has_its_safety_headers() {
    let world = World::new().await;
    for path in ["/healthz", "/nothing", "/.well-known/jwks.json", "/login"] {
        assert_eq!(
            world.get(path).await.header("x-content-type-options"),
            "nosniff",
            "{path}"
        );
    }
    let page = world.get(&spa(&[])).await;
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' http://localhost:3000")
    );
    assert_eq!(
        world.get("/assets/tenure.css").await.header("content-type"),
        "text/css; charset=utf-8"
    );
}

#[test]
fn wrong_configurations_say_what_to_write_instead() {
    let table = [
        ("http://id.example.com", "must be https"),
        ("https://id.example.com/path", "must not have a path"),
        ("id.example.com", "is not a URL"),
        ("ftp://id.example.com", "must start with https://"),
    ];
    for (text, expected) in table {
        let error = BaseUrl::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    // CVE-2026-48794: a host is made canonical once, here.
    assert_eq!(
        BaseUrl::parse("https://ID.example.com:443")
            .unwrap()
            .issuer(),
        "https://id.example.com/"
    );
    let error = ConfigFile::parse(
        "listen = \"127.0.0.1:7100\"\n\n[outbound]\nalow = []\n",
        "tenure.toml",
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("tenure.toml, line 4") && error.contains("alow"),
        "{error}"
    );
    assert!(
        DatabaseUrl::parse("mysql://x")
            .unwrap_err()
            .to_string()
            .contains("sqlite:PATH")
    );
}
