//! The demo's panel: who gets in, and what each deed does.

use crate::world::{Answer, PASSWORD, World, authorize};
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;
use tenure::demo::{Addresses, Demo, Secrets, api, tenant};
use tenure::http::Peer;
use tenure_protocol::session::EndReason;
use tower::ServiceExt as _;

pub const SHOP: &str = "http://localhost:7101";
pub const FORUM: &str = "http://localhost:7102";
const AUDIENCE: &str = "http://localhost:7103/";

pub struct Stage {
    pub world: World,
    pub demo: Arc<Demo>,
    api: Router,
}

/// A request, as far as the guard looks at it.
#[derive(Clone)]
struct Knock<'a> {
    peer: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
}

impl Knock<'_> {
    /// From the shop's page, in a browser on this machine.
    fn good() -> Self {
        Self {
            peer: Some("127.0.0.1:5000"),
            headers: vec![("origin", SHOP), ("content-type", "application/json")],
        }
    }
}

impl Stage {
    pub async fn set() -> Self {
        let at = Addresses::from_port(7100);
        let secrets = Secrets {
            password: PASSWORD.to_owned(),
            client: "client-secret".to_owned(),
        };
        let world = World::with(&tenant::file(&at, &secrets)).await;
        let demo = Demo::new(world.app.clone(), at, secrets);
        let api = api::router(&demo);
        Self { world, demo, api }
    }

    async fn knock(&self, path: &str, knock: Knock<'_>, body: &Value) -> Answer {
        let mut request = Request::post(path);
        for (name, value) in knock.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(Body::from(body.to_string())).unwrap();
        if let Some(peer) = knock.peer {
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        }
        send(&self.api, request).await
    }

    pub async fn panel(&self, deed: &str, body: Value) -> Answer {
        let path = format!("/demo/{deed}");
        self.knock(&path, Knock::good(), &body).await
    }

    /// An access token of the shop's, as it asks for one.
    pub async fn token(&self, extra: &[(&str, &str)]) -> (String, tenure_protocol::Sid) {
        let redirect = format!("{SHOP}/");
        let mut wish = vec![("audience", AUDIENCE), ("scope", "openid read:orders")];
        wish.extend(extra);
        let mut browser = self.world.browser();
        let code = browser
            .sign_in(&authorize("shop", &redirect, &wish))
            .await
            .code();
        let tokens = browser.exchange("shop", &redirect, &code).await.json();
        let token = tokens["access_token"].as_str().unwrap().to_owned();
        (token, browser.sid())
    }

    pub async fn ask(&self, path: &str, authorization: Option<&str>) -> Answer {
        let mut request = Request::get(path).header("origin", FORUM);
        if let Some(text) = authorization {
            request = request.header(header::AUTHORIZATION, text);
        }
        send(&self.api, request.body(Body::empty()).unwrap()).await
    }
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

#[tokio::test]
async fn the_panel_answers_only_the_demos_sites_on_this_machine() {
    let stage = Stage::set().await;
    let (_, sid) = stage.token(&[]).await;
    let with = |name: &'static str, value: &'static str| {
        let mut knock = Knock::good();
        knock.headers.retain(|(known, _)| *known != name);
        knock.headers.push((name, value));
        knock
    };
    let without = |name: &str| {
        let mut knock = Knock::good();
        knock.headers.retain(|(known, _)| *known != name);
        knock
    };
    let twice = {
        let mut knock = Knock::good();
        knock.headers.push(("origin", FORUM));
        knock
    };
    let from = |peer| Knock {
        peer,
        ..Knock::good()
    };
    let table = [
        ("no peer is known", from(None)),
        ("a peer elsewhere", from(Some("192.0.2.1:5000"))),
        ("no origin", without("origin")),
        ("another origin", with("origin", "https://evil.example")),
        ("the server's own", with("origin", "http://localhost:7100")),
        (
            "an origin that begins alike",
            with("origin", "http://localhost:71011"),
        ),
        ("an opaque origin", with("origin", "null")),
        ("two origins", twice),
        ("through a proxy", with("x-forwarded-for", "127.0.0.1")),
        ("no content type", without("content-type")),
        ("what a form sends", with("content-type", "text/plain")),
    ];
    let deeds = [
        ("look", json!({ "sid": sid.to_string() })),
        ("clock", json!({ "advance_seconds": 60 })),
        (
            "limits",
            json!({ "idle_timeout": 60, "absolute_lifetime": 600 }),
        ),
        (
            "end",
            json!({ "by": "administrator", "sid": sid.to_string() }),
        ),
        ("end", json!({ "by": "password_change" })),
        ("drop-cookie", json!({})),
    ];
    let (now, version) = (
        stage.world.clock.now(),
        stage.world.app.settings.current().version,
    );
    for (what, knock) in &table {
        for (deed, body) in &deeds {
            let answer = stage
                .knock(&format!("/demo/{deed}"), knock.clone(), body)
                .await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{what}, {deed}: {answer:?}"
            );
            assert!(answer.headers.get("set-cookie").is_none(), "{what}, {deed}");
        }
    }
    assert_eq!(stage.world.clock.now(), now);
    stage.world.app.reload_if_changed().await.unwrap();
    assert_eq!(stage.world.app.settings.current().version, version);
    assert_eq!(stage.world.session(sid).await.end, None);
}

#[tokio::test]
async fn preflights_are_answered_for_the_sites_and_nobody_else() {
    let stage = Stage::set().await;
    for (path, origin, readable) in [
        ("/demo/look", SHOP, true),
        ("/demo/look", FORUM, true),
        ("/demo/look", "https://evil.example", false),
        ("/orders", FORUM, true),
        ("/orders", "https://evil.example", false),
    ] {
        let mut request = Request::options(path)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .unwrap();
        let peer = Peer("127.0.0.1:5000".parse().unwrap());
        request.extensions_mut().insert(peer);
        let answer = send(&stage.api, request).await;
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(
            allowed,
            if readable { origin } else { "" },
            "{path} {origin}"
        );
    }
}

#[tokio::test]
async fn the_panel_looks_at_a_session_and_at_none() {
    let stage = Stage::set().await;
    let nobody = stage.panel("look", json!({})).await.json();
    assert_eq!(nobody["graph"], Value::Null);
    assert_eq!(nobody["today"]["idle_timeout"], 300);
    let (_, sid) = stage.token(&[]).await;
    let seen = stage
        .panel("look", json!({ "sid": sid.to_string() }))
        .await
        .json();
    assert_eq!(seen["session"]["sid"], sid.to_string());
    assert_eq!(seen["graph"]["ends_first"]["rule"], "stored_idle");
    assert_eq!(seen["graph"]["applications"][0]["client_id"], "shop");
    for wrong in [json!({ "sid": "x" }), json!({ "side": 1 }), json!([])] {
        let answer = stage.panel("look", wrong.clone()).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{wrong}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn limits_change_as_by_a_tenant_file_and_wrong_ones_change_nothing() {
    let stage = Stage::set().await;
    let today = || {
        let limits = stage
            .world
            .app
            .settings
            .current()
            .limits(true, &stage.world.app.config.caps);
        (limits.idle_timeout, limits.absolute_lifetime)
    };
    let table = [
        (
            json!({ "idle_timeout": 90, "absolute_lifetime": 600 }),
            (90, 600),
        ),
        (json!({ "profile": "sensitive" }), (3_600, 28_800)),
        (json!({ "profile": "long-lived" }), (8_640_000, 31_536_000)),
        (json!({ "profile": "short-lived" }), (300, 31_536_000)),
        (json!({ "profile": "start" }), (300, 3_600)),
    ];
    for (wanted, limits) in table {
        let answer = stage.panel("limits", wanted.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{wanted}: {answer:?}");
        assert_eq!(today(), limits, "{wanted}");
    }
    for wrong in [
        json!({ "idle_timeout": 0, "absolute_lifetime": 600 }),
        json!({ "idle_timeout": 4_000_000_000_u32, "absolute_lifetime": 600 }),
        json!({ "idle_timeout": 60 }),
        json!({ "profile": "native" }),
        json!({}),
    ] {
        let answer = stage.panel("limits", wrong.clone()).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{wrong}: {answer:?}"
        );
        assert_eq!(today(), (300, 3_600), "{wrong}");
    }
}

#[tokio::test]
async fn the_panel_moves_the_clock_forward() {
    let stage = Stage::set().await;
    let before = stage.world.clock.now();
    let moved = stage
        .panel("clock", json!({ "advance_seconds": 600 }))
        .await;
    assert_eq!(moved.status, StatusCode::OK, "{moved:?}");
    assert_eq!(stage.world.clock.now(), before.plus(600));
    for wrong in [
        json!({ "advance_seconds": -1 }),
        json!({ "advance_seconds": "1" }),
        json!({}),
    ] {
        let answer = stage.panel("clock", wrong.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(stage.world.clock.now(), before.plus(600));
}

#[tokio::test]
async fn an_administrator_ends_a_session_once() {
    let stage = Stage::set().await;
    let (_, sid) = stage.token(&[]).await;
    let end = json!({ "by": "administrator", "sid": sid.to_string() });
    let ended = stage.panel("end", end.clone()).await;
    assert_eq!(ended.status, StatusCode::OK, "{ended:?}");
    let stored = stage.world.session(sid).await.end.unwrap();
    assert_eq!(stored.reason, EndReason::AdminRevoked);
    let again = stage.panel("end", end).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "{again:?}");
}

#[tokio::test]
async fn a_password_change_ends_everything_and_the_printed_password_stays() {
    let stage = Stage::set().await;
    let (_, sid) = stage.token(&[]).await;
    stage.world.clock.advance(10);
    let changed = stage.panel("end", json!({ "by": "password_change" })).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let look = stage
        .panel("look", json!({ "sid": sid.to_string() }))
        .await
        .json();
    assert_eq!(look["graph"]["end"]["reason"], "credential_change");
    // Whoever signs in anew is not touched by it.
    stage.world.clock.advance(10);
    let (_, fresh) = stage.token(&[]).await;
    assert_ne!(fresh, sid);
    let look = stage
        .panel("look", json!({ "sid": fresh.to_string() }))
        .await
        .json();
    assert_eq!(look["graph"]["end"], Value::Null);
}

#[tokio::test]
async fn the_servers_cookie_is_taken_away_and_the_session_lives_on() {
    let stage = Stage::set().await;
    let (_, sid) = stage.token(&[]).await;
    let answer = stage.panel("drop-cookie", json!({})).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("tenure_7100=; Max-Age=0"), "{cookie}");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!(stage.world.session(sid).await.end, None);
}
