//! Sessions in the hands of an operator's program.

use crate::operator::refusal;
use crate::world::{OFFLINE, World};
use http::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn i2_a_live_session_in_auth0s_shape() {
    let world = World::new().await;
    let operator = world.operator().await;
    let mut browser = world.browser();
    browser.tokens(&OFFLINE).await;
    let sid = browser.sid().to_string();
    world.clock.advance(60);
    let answer = operator.get(&format!("/sessions/{sid}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let expected = json!({
        "id": sid,
        "user_id": "auth0|ada",
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
        "authenticated_at": "2026-01-01T00:00:00.000Z",
        "idle_expires_at": "2026-01-01T01:00:00.000Z",
        "expires_at": "2026-01-01T08:00:00.000Z",
        "last_interacted_at": "2026-01-01T00:00:00.000Z",
        "device": {
            "initial_ip": "127.0.0.1", "initial_user_agent": "Firefox",
            "last_ip": "127.0.0.1", "last_user_agent": "Firefox",
        },
        "clients": [{"client_id": "spa"}],
        "authentication": {"methods": [{"name": "pwd", "timestamp": "2026-01-01T00:00:00.000Z"}]},
        "cookie": {"mode": "persistent"},
    });
    assert_eq!(answer.json(), expected);
    // The cookie's secret is nowhere.
    let secret = browser.cookies["tenure_7100"].split_once('.').unwrap().1;
    assert!(!answer.body.contains(secret));
    // Looking is no activity: it ends when it would have.
    world.clock.advance(3_539);
    assert_eq!(
        operator.get(&format!("/sessions/{sid}")).await.status,
        StatusCode::UNAUTHORIZED
    );
    let operator = world.operator().await;
    assert_eq!(
        operator.get(&format!("/sessions/{sid}")).await.status,
        StatusCode::OK
    );
    world.clock.advance(1);
    // Nobody has noticed yet.
    let gone = operator.get(&format!("/sessions/{sid}")).await;
    assert_eq!(refusal(&gone), (404, "inexistent_session".to_owned()));
}

#[tokio::test]
async fn ids_that_name_nothing_all_sound_alike() {
    let world = World::new().await;
    let operator = world.operator().await;
    let nobody = "A".repeat(22);
    let mut heard = Vec::new();
    for id in ["x", &nobody, "%00", "a%2Fb", "..%2F..", &"x".repeat(3_000)] {
        for more in ["", "/graph"] {
            let answer = operator.get(&format!("/sessions/{id}{more}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
            heard.push(answer.body);
        }
    }
    heard.dedup();
    assert_eq!(heard.len(), 1, "{heard:?}");
}

#[tokio::test]
async fn the_graph_is_what_the_command_line_prints_also_after_the_end() {
    let world = World::new().await;
    let operator = world.operator().await;
    let mut browser = world.browser();
    browser.tokens(&OFFLINE).await;
    let sid = browser.sid();
    let path = format!("/sessions/{sid}/graph");
    let whole = operator.get(&path).await.json();
    let graph = world.graph(sid).await;
    for (name, value) in graph.as_object().unwrap() {
        assert_eq!(&whole[name], value, "{name}");
    }
    assert_eq!(whole["id"], sid.to_string());
    assert_eq!(whole["ends_first"]["rule"], "stored_idle");
    assert_eq!(whole["refresh_tokens"][0]["client_id"], "spa");
    world.clock.advance(3_600);
    tenure::work::expiry::round(&world.app).await.unwrap();
    let operator = world.operator().await;
    let whole = operator.get(&path).await.json();
    assert_eq!(whole["end"]["reason"], "idle");
    assert_eq!(whole["end"]["rule"], "stored_idle");
    assert_eq!(whole["ends_first"], Value::Null);
}
