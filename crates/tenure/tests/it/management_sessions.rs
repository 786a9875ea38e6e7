//! Sessions in the hands of an operator's program.

use crate::operator::{Operator, refusal};
use crate::world::{OFFLINE, PASSWORD, World, authorize, spa};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tenure_protocol::Sid;

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

impl Operator<'_> {
    /// Every page of a list, and how many there were.
    async fn pages(&self, path: &str, name: &str) -> (Vec<Value>, usize) {
        let (mut items, mut count, mut from) = (Vec::new(), 0, String::new());
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let answer = self.get(&format!("{path}{mark}from={from}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            let page = answer.json();
            items.extend(page[name].as_array().unwrap().clone());
            count += 1;
            match page.as_object().unwrap().get("next") {
                Some(next) => next.as_str().unwrap().clone_into(&mut from),
                None => return (items, count),
            }
        }
    }

    async fn status(&self, method: &str, path: &str) -> u16 {
        self.call(method, path, None).await.status.as_u16()
    }
}

fn ids(items: &[Value]) -> BTreeSet<String> {
    let ids = items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned());
    ids.collect()
}

/// Several people, several browsers.
async fn signed_in(world: &World, user: &str, count: usize) -> BTreeSet<String> {
    let mut sids = BTreeSet::new();
    for _ in 0..count {
        let mut browser = world.browser();
        browser.sign_in_as(&spa(&[]), user).await;
        sids.insert(browser.sid().to_string());
    }
    sids
}

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

/// An end through this API goes the way of every end: the cookie, the relying parties, the reason.
#[tokio::test]
async fn i2_a_session_ends_everywhere_and_once_more_does_no_harm() {
    let world = World::new().await;
    let operator = world.operator().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    let answer = browser.get(&authorize("forum", FORUM, &OFFLINE)).await;
    let forum = browser
        .exchange("forum", FORUM, &answer.code())
        .await
        .json();
    let (sid, access) = (browser.sid(), tokens["access_token"].as_str().unwrap());
    let path = format!("/sessions/{sid}");
    let mut notices = world.app.store.subscribe();
    let ended = operator.delete(&path).await;
    assert_eq!(
        (ended.status, ended.body.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    assert!(notices.try_recv().is_ok(), "who listens is told");
    let whole = operator.get(&format!("{path}/graph")).await.json();
    let end = json!({"at": "2026-01-01T00:00:00.000Z", "reason": "admin_revoked", "by": "machine",
        "from": "127.0.0.1", "rule": "management API"});
    assert_eq!(whole["end"], end);
    for application in whole["applications"].as_array().unwrap() {
        assert_eq!(application["delivery"]["state"], "pending", "{application}");
    }
    for again in [
        operator.delete(&path).await,
        operator.call("POST", &format!("{path}/revoke"), None).await,
    ] {
        assert_eq!(again.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(
        operator.get(&format!("{path}/graph")).await.json()["end"],
        end
    );
    assert_eq!(world.log("session_revoked").await.len(), 1);
    assert_eq!(
        refusal(&operator.get(&path).await),
        (404, "inexistent_session".to_owned())
    );
    assert_eq!(
        world.userinfo(access).await.status,
        StatusCode::UNAUTHORIZED
    );
    let page = browser.get(&spa(&[])).await;
    assert!(page.body.contains("name=\"password\""), "{page:?}");
    // A revocation takes along what a deletion spared: the forum says that its tokens outlive a logout.
    assert_eq!(
        browser
            .refresh("forum", forum["refresh_token"].as_str().unwrap())
            .await
            .error(),
        "invalid_grant"
    );
    assert_eq!(world.log("srrt").await.len(), 1);
    for method in ["DELETE", "POST"] {
        let more = if method == "POST" { "/revoke" } else { "" };
        let nobody = format!("/sessions/{}{more}", "A".repeat(22));
        assert_eq!(operator.status(method, &nobody).await, 404);
    }
}

#[tokio::test]
async fn a_deletion_spares_what_a_revocation_takes() {
    let world = World::new().await;
    let operator = world.operator().await;
    for (method, more, lives) in [("DELETE", "", true), ("POST", "/revoke", false)] {
        let mut browser = world.browser();
        let tokens = browser.tokens(&OFFLINE).await;
        let answer = browser.get(&authorize("forum", FORUM, &OFFLINE)).await;
        let forum = browser
            .exchange("forum", FORUM, &answer.code())
            .await
            .json();
        let path = format!("/sessions/{}{more}", browser.sid());
        assert_eq!(operator.status(method, &path).await, 204);
        // A single-page application's ends with the session either way (design 1.6).
        assert_eq!(
            browser
                .refresh("spa", tokens["refresh_token"].as_str().unwrap())
                .await
                .status,
            StatusCode::BAD_REQUEST
        );
        let refreshed = browser
            .refresh("forum", forum["refresh_token"].as_str().unwrap())
            .await;
        assert_eq!(refreshed.status == StatusCode::OK, lives, "{refreshed:?}");
    }
}

/// One whose time was over before is told the truth about that.
#[tokio::test]
async fn an_expired_session_stays_expired() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.tokens(&[]).await;
    world.clock.advance(3_700);
    let operator = world.operator().await;
    let path = format!("/sessions/{}", browser.sid());
    assert_eq!(operator.status("DELETE", &path).await, 204);
    let end = operator.get(&format!("{path}/graph")).await.json()["end"].clone();
    let expected =
        json!({"at": "2026-01-01T01:00:00.000Z", "reason": "idle", "rule": "stored_idle"});
    assert_eq!(end, expected);
}

#[tokio::test]
async fn i2_all_sessions_of_a_user_and_no_others() {
    let world = World::new().await;
    let operator = world.operator().await;
    // More than one transaction ends at once.
    let mut of_ada = signed_in(&world, "ada@example.com", 2).await;
    let one: Sid = of_ada.first().unwrap().parse().unwrap();
    let like = world.session(one).await;
    let copies: Vec<_> = (0..120_u8)
        .map(|n| tenure_protocol::session::Session {
            sid: Sid::from_bytes([n; 16]),
            ..like.clone()
        })
        .collect();
    of_ada.extend(copies.iter().map(|session| session.sid.to_string()));
    let insert = move |tx: &tenure_store::Tx<'_>| {
        copies
            .iter()
            .try_for_each(|session| tx.insert_session(session))
    };
    world.app.store.write(insert).await.unwrap();
    let of_bob = signed_in(&world, "bob@example.com", 1).await;
    assert_eq!(
        operator
            .pages("/users/auth0%7Cada/sessions", "sessions")
            .await
            .0
            .len(),
        122
    );
    assert_eq!(
        operator
            .status("DELETE", "/users/auth0%7Cada/sessions")
            .await,
        204
    );
    assert_eq!(
        ids(&operator.pages("/sessions", "sessions").await.0),
        of_bob
    );
    assert_eq!(world.log("session_revoked").await.len(), of_ada.len());
    assert_eq!(
        operator
            .status("DELETE", "/users/auth0%7Cada/sessions")
            .await,
        204
    );
    assert_eq!(
        operator
            .status("DELETE", "/users/auth0%7Cnobody/sessions")
            .await,
        404
    );
    // And the person can sign in again.
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    browser.submit_login(&page, "ada", PASSWORD).await.code();
}

#[tokio::test]
async fn revoke_access_ends_one_session_or_all_and_keeps_tokens_where_asked() {
    let world = World::new().await;
    let operator = world.operator().await;
    let path = "/users/auth0%7Cada/revoke-access";
    let post = async |body: Value| operator.call("POST", path, Some(&body)).await;
    let enter = async || {
        let mut browser = world.browser();
        browser.tokens(&OFFLINE).await;
        let answer = browser.get(&authorize("forum", FORUM, &OFFLINE)).await;
        let forum = browser
            .exchange("forum", FORUM, &answer.code())
            .await
            .json();
        let token = forum["refresh_token"].as_str().unwrap().to_owned();
        (browser.sid(), token)
    };
    let alive =
        async |sid: Sid| operator.get(&format!("/sessions/{sid}")).await.status == StatusCode::OK;
    let refreshes =
        async |token: &str| world.refresh("forum", token).await.status == StatusCode::OK;
    let (first, second) = (enter().await, enter().await);
    for wrong in [
        json!({"session": "x"}),
        json!([]),
        json!({"session_id": 1}),
        json!({"preserve_refresh_tokens": "yes"}),
    ] {
        assert_eq!(
            refusal(&post(wrong).await),
            (400, "invalid_body".to_owned())
        );
    }
    let bare = operator.call("POST", path, None).await;
    assert_eq!(refusal(&bare), (400, "invalid_body".to_owned()));
    let bob = signed_in(&world, "bob@example.com", 1).await;
    for other in [bob.first().unwrap().as_str(), "x"] {
        let refused = post(json!({"session_id": other})).await;
        assert_eq!(refusal(&refused), (404, "inexistent_session".to_owned()));
    }
    assert!(alive(bob.first().unwrap().parse().unwrap()).await);
    assert!(alive(first.0).await && alive(second.0).await);
    let kept = json!({"session_id": first.0.to_string(), "preserve_refresh_tokens": true});
    assert_eq!(post(kept).await.status, StatusCode::NO_CONTENT);
    assert!(!alive(first.0).await && alive(second.0).await);
    let tokens = world.session(first.0).await;
    assert_eq!(tokens.end.unwrap().rule, "management API");
    // Even the single-page application's token is kept.
    let whole = operator
        .get(&format!("/sessions/{}/graph", first.0))
        .await
        .json();
    let ends: Vec<_> = whole["refresh_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["end"].clone())
        .collect();
    assert_eq!(ends, [Value::Null, Value::Null]);
    assert_eq!(post(json!({})).await.status, StatusCode::NO_CONTENT);
    assert!(!alive(second.0).await);
    assert!(!refreshes(&first.1).await && !refreshes(&second.1).await);
    assert!(alive(bob.first().unwrap().parse().unwrap()).await);
}
