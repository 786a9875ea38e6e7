//! Sessions in the hands of an operator's program.

use crate::operator::{ids, refusal, signed_in};
use crate::world::{OFFLINE, World, authorize};
use http::StatusCode;
use serde_json::{Map, Value, json};

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
        "session_metadata": {},
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

const FORUM: &str = "http://localhost:3002/cb";

#[tokio::test]
async fn i2_a_users_sessions_page_by_page_and_nobody_elses() {
    let world = World::new().await;
    let operator = world.operator().await;
    let of_ada = signed_in(&world, "ada@example.com", 5).await;
    let of_bob = signed_in(&world, "bob@example.com", 1).await;
    for (take, expected) in [
        ("", 1),
        ("?take=2", 3),
        ("?take=5", 1),
        ("?take=4", 2),
        ("?take=1", 5),
    ] {
        let (items, pages) = operator
            .pages(&format!("/users/auth0%7Cada/sessions{take}"), "sessions")
            .await;
        assert_eq!((ids(&items), pages), (of_ada.clone(), expected), "{take}");
        assert!(items.iter().all(|item| item["user_id"] == "auth0|ada"));
        assert!(
            items
                .iter()
                .all(|item| item["clients"] == json!([{"client_id": "spa"}]))
        );
    }
    // Not encoded, it is the same user.
    assert_eq!(
        ids(&operator
            .pages("/users/auth0|bob/sessions", "sessions")
            .await
            .0),
        of_bob
    );
    let total = operator
        .get("/users/auth0%7Cada/sessions?take=1&include_totals=true")
        .await
        .json();
    assert_eq!(
        (&total["total"], total["sessions"].as_array().unwrap().len()),
        (&json!(5), 1)
    );
    let one = of_ada.first().unwrap();
    assert_eq!(
        operator.status("DELETE", &format!("/sessions/{one}")).await,
        204
    );
    let (items, _) = operator
        .pages("/users/auth0%7Cada/sessions", "sessions")
        .await;
    assert_eq!(items.len(), 4);
    let unknown = operator.get("/users/auth0%7Cnobody/sessions").await;
    assert_eq!(refusal(&unknown), (404, "inexistent_user".to_owned()));
    for wrong in [
        "take=0",
        "take=101",
        "take=x",
        "take=1&take=2",
        "from=x",
        "include_totals=1",
        "take=%ff",
    ] {
        let answer = operator
            .get(&format!("/users/auth0%7Cada/sessions?{wrong}"))
            .await;
        assert_eq!(
            refusal(&answer),
            (400, "invalid_query_string".to_owned()),
            "{wrong}"
        );
    }
    // Of a user who is blocked nothing lives, though nobody has noticed yet.
    world
        .apply("users: [{user_id: 'auth0|ada', email: ada@example.com, blocked: true}]")
        .await;
    let page = operator
        .get("/users/auth0%7Cada/sessions?include_totals=true")
        .await
        .json();
    assert_eq!(page, json!({"sessions": [], "total": 0}));
}

#[tokio::test]
async fn who_is_signed_in_now_page_by_page() {
    let world = World::new().await;
    let operator = world.operator().await;
    let mut all = signed_in(&world, "ada@example.com", 3).await;
    all.extend(signed_in(&world, "bob@example.com", 4).await);
    for (query, expected) in [("", 1), ("?take=3", 3), ("?take=100", 1)] {
        let (items, pages) = operator
            .pages(&format!("/sessions{query}"), "sessions")
            .await;
        assert_eq!((ids(&items), pages), (all.clone(), expected), "{query}");
    }
    world
        .apply("users: [{user_id: 'auth0|bob', email: bob@example.com, blocked: true}]")
        .await;
    assert_eq!(
        operator.pages("/sessions?take=2", "sessions").await.0.len(),
        3
    );
    world.clock.advance(3_600);
    let operator = world.operator().await;
    assert_eq!(
        operator.get("/sessions").await.json(),
        json!({"sessions": []})
    );
}

#[tokio::test]
async fn i2_metadata_is_replaced_as_a_whole_or_not_at_all() {
    let world = World::new().await;
    let operator = world.operator().await;
    let mut browser = world.browser();
    browser.tokens(&[]).await;
    let sid = browser.sid();
    let path = format!("/sessions/{sid}");
    let patch = async |body: Value| operator.call("PATCH", &path, Some(&body)).await;
    world.clock.advance(5);
    let changed = patch(json!({"session_metadata": {"desk": "3", "é": ""}})).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let expected = json!({"desk": "3", "é": ""});
    assert_eq!(changed.json()["session_metadata"], expected);
    assert_eq!(changed.json()["updated_at"], "2026-01-01T00:00:05.000Z");
    assert_eq!(
        changed.json()["last_interacted_at"],
        "2026-01-01T00:00:00.000Z"
    );
    let many: Map<String, Value> = (0..26).map(|n| (n.to_string(), json!("x"))).collect();
    for wrong in [
        json!({"session_metadata": {"a": 1}}),
        json!({"session_metadata": {"a": "x".repeat(256)}}),
        json!({"session_metadata": many}),
        json!({"session_metadata": ["a"]}),
        json!({"session_metadata": {"a": "b"}, "expires_at": "2030-01-01T00:00:00.000Z"}),
        json!([]),
        json!("x"),
    ] {
        let refused = patch(wrong.clone()).await;
        assert_eq!(
            refusal(&refused),
            (400, "invalid_body".to_owned()),
            "{wrong}"
        );
    }
    let large = patch(json!({"session_metadata": {"a": "x".repeat(70_000)}})).await;
    assert_eq!(refusal(&large), (413, "invalid_body".to_owned()));
    assert_eq!(large.header("connection"), "close");
    assert_eq!(
        operator.get(&path).await.json()["session_metadata"],
        expected
    );
    assert_eq!(
        operator.get(&format!("{path}/graph")).await.json()["session_metadata"],
        expected
    );
    // An activity leaves it alone.
    browser.get(&authorize("forum", FORUM, &[])).await.code();
    assert_eq!(patch(json!({})).await.json()["session_metadata"], expected);
    assert_eq!(
        patch(json!({"session_metadata": {"b": "c"}})).await.json()["session_metadata"],
        json!({"b": "c"})
    );
    for none in [json!(null), json!({})] {
        patch(json!({"session_metadata": {"b": "c"}})).await;
        assert_eq!(
            patch(json!({ "session_metadata": none })).await.json()["session_metadata"],
            json!({})
        );
    }
    let log = world.log("sapi").await;
    let entry = log
        .iter()
        .find(|entry| entry["session_id"] == sid.to_string())
        .unwrap();
    assert_eq!(
        (&entry["client_id"], &entry["user_id"]),
        (&json!("machine"), &json!("auth0|ada"))
    );
    operator.delete(&path).await;
    let late = patch(json!({"session_metadata": {"b": "c"}})).await;
    assert_eq!(refusal(&late), (404, "inexistent_session".to_owned()));
}
