//! Refresh tokens in the hands of an operator's program.

use crate::operator::{Operator, refusal};
use crate::world::{Answer, OFFLINE, World, authorize};
use http::StatusCode;
use serde_json::{Value, json};

const FORUM: &str = "http://localhost:3002/cb";
const API: &str = "https://api.example.com";

/// Everything that a person's browser and applications hold.
struct Person {
    sid: String,
    /// (client, refresh token)
    held: Vec<(&'static str, String)>,
}

/// Ada in a new browser: at the shop, at the forum, and at the forum for an API.
async fn ada(world: &World) -> Person {
    let mut browser = world.browser();
    let mut held = Vec::new();
    let token = |answer: Value| answer["refresh_token"].as_str().unwrap().to_owned();
    held.push(("spa", token(browser.tokens(&OFFLINE).await)));
    let at_api = [("scope", "openid read:x offline_access"), ("audience", API)];
    for extra in [&OFFLINE[..], &at_api] {
        let code = browser.get(&authorize("forum", FORUM, extra)).await.code();
        held.push((
            "forum",
            token(browser.exchange("forum", FORUM, &code).await.json()),
        ));
    }
    let sid = browser.sid().to_string();
    Person { sid, held }
}

impl Person {
    /// Which of what it holds can still be refreshed. Asking changes something: once, at the end.
    async fn alive(&self, world: &World) -> Vec<bool> {
        let mut alive = Vec::new();
        for (client, token) in &self.held {
            let answer = world.refresh(client, token).await;
            alive.push(answer.status == StatusCode::OK);
        }
        alive
    }
}

impl Operator<'_> {
    async fn tokens(&self, query: &str) -> Vec<Value> {
        let answer = self
            .get(&format!("/refresh-tokens?user_id=auth0%7Cada{query}"))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()["refresh_tokens"].as_array().unwrap().clone()
    }

    async fn revoke(&self, body: Value) -> Answer {
        self.call("POST", "/refresh-tokens/revoke", Some(&body))
            .await
    }
}

fn id(token: &Value) -> &str {
    token["id"].as_str().unwrap()
}

#[tokio::test]
async fn i3_a_live_refresh_token_in_auth0s_shape() {
    let world = World::new().await;
    let operator = world.operator().await;
    let person = ada(&world).await;
    world.clock.advance(60);
    let fresh = world.refresh("spa", &person.held[0].1).await.json();
    let tokens = operator.tokens("&client_id=spa").await;
    assert_eq!(tokens.len(), 1);
    let expected = json!({
        "id": tokens[0]["id"],
        "user_id": "auth0|ada",
        "client_id": "spa",
        "session_id": person.sid,
        "created_at": "2026-01-01T00:00:00.000Z",
        "last_exchanged_at": "2026-01-01T00:01:00.000Z",
        "idle_expires_at": "2026-01-01T02:01:00.000Z",
        "expires_at": "2026-01-02T00:00:00.000Z",
        "rotating": true,
        "device": {"last_ip": "127.0.0.1", "last_user_agent": ""},
        "resource_servers": [],
        "scope": "openid profile email offline_access",
        "kind": "offline",
        "refresh_token_metadata": {},
    });
    assert_eq!(tokens[0], expected);
    let path = format!("/refresh-tokens/{}", id(&tokens[0]));
    assert_eq!(operator.get(&path).await.json(), expected);
    // Its name is not the token, and does not work as one.
    let name = id(&tokens[0]);
    assert!(name.starts_with("rt_"));
    assert_eq!(world.refresh("spa", name).await.error(), "invalid_grant");
    assert_eq!(
        world
            .refresh("spa", fresh["refresh_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::OK
    );
    let at_api = operator.tokens("&client_id=forum").await;
    let servers: Vec<_> = at_api
        .iter()
        .map(|t| t["resource_servers"].clone())
        .collect();
    assert!(
        servers.contains(&json!([{"audience": API, "scopes": "openid read:x offline_access"}]))
    );
    // The graph names it too.
    let whole = operator
        .get(&format!("/sessions/{}/graph", person.sid))
        .await
        .json();
    let named: Vec<_> = whole["refresh_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["refresh_token_id"])
        .collect();
    assert!(named.contains(&&json!(name)));
}

#[tokio::test]
async fn i3_a_users_refresh_tokens_page_by_page() {
    let world = World::new().await;
    let operator = world.operator().await;
    for _ in 0..2 {
        ada(&world).await;
    }
    let all: Vec<String> = operator
        .tokens("")
        .await
        .iter()
        .map(|t| id(t).to_owned())
        .collect();
    assert_eq!(all.len(), 6);
    let by_user = operator
        .get("/users/auth0%7Cada/refresh-tokens?take=100")
        .await
        .json();
    let ids: Vec<&str> = by_user["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(id)
        .collect();
    assert_eq!(ids, all);
    assert!(by_user.get("next").is_none());
    let (mut seen, mut from, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = operator
            .get(&format!(
                "/refresh-tokens?user_id=auth0|ada&take=2&from={from}"
            ))
            .await
            .json();
        pages += 1;
        seen.extend(
            page["refresh_tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(|t| id(t).to_owned()),
        );
        match page.get("next") {
            Some(next) => next.as_str().unwrap().clone_into(&mut from),
            None => break,
        }
    }
    assert_eq!((seen, pages), (all, 3));
    let few = operator.tokens("&fields=id,client_id&take=1").await;
    assert_eq!(
        few[0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["client_id", "id"]
    );
    let rest = operator
        .tokens("&fields=id,client_id&include_fields=false&take=1")
        .await;
    assert!(rest[0].get("id").is_none() && rest[0].get("user_id").is_some());
    assert_eq!(operator.tokens("&client_id=nobody").await, [Value::Null; 0]);
    let missing = operator.get("/refresh-tokens").await;
    assert_eq!(refusal(&missing), (400, "invalid_query_string".to_owned()));
    for path in [
        "/refresh-tokens?user_id=auth0|nobody",
        "/users/auth0|nobody/refresh-tokens",
    ] {
        assert_eq!(
            refusal(&operator.get(path).await),
            (404, "inexistent_user".to_owned())
        );
    }
    // Of a user who is blocked none lives.
    world
        .apply("users: [{user_id: 'auth0|ada', email: ada@example.com, blocked: true}]")
        .await;
    assert_eq!(operator.tokens("").await, [Value::Null; 0]);
}

#[tokio::test]
async fn i3_metadata_of_a_refresh_token_survives_its_exchange() {
    let world = World::new().await;
    let operator = world.operator().await;
    let person = ada(&world).await;
    let path = format!(
        "/refresh-tokens/{}",
        id(&operator.tokens("&client_id=spa").await[0])
    );
    let body = json!({"refresh_token_metadata": {"device": "phone"}});
    let changed = operator.call("PATCH", &path, Some(&body)).await;
    assert_eq!(
        changed.json()["refresh_token_metadata"],
        json!({"device": "phone"})
    );
    assert_eq!(
        world.refresh("spa", &person.held[0].1).await.status,
        StatusCode::OK
    );
    assert_eq!(
        operator.get(&path).await.json()["refresh_token_metadata"],
        json!({"device": "phone"})
    );
    // It is this one's, neither the session's nor another's.
    let session = operator
        .get(&format!("/sessions/{}", person.sid))
        .await
        .json();
    assert_eq!(session["session_metadata"], json!({}));
    for other in operator.tokens("&client_id=forum").await {
        assert_eq!(other["refresh_token_metadata"], json!({}));
    }
    for wrong in [
        json!({"refresh_token_metadata": 1}),
        json!({"session_metadata": {}}),
    ] {
        let refused = operator.call("PATCH", &path, Some(&wrong)).await;
        assert_eq!(refusal(&refused), (400, "invalid_body".to_owned()));
    }
}

#[tokio::test]
async fn i3_one_refresh_token_ends_with_a_reason_and_nothing_else() {
    let world = World::new().await;
    let operator = world.operator().await;
    let person = ada(&world).await;
    let path = format!(
        "/refresh-tokens/{}",
        id(&operator.tokens("&client_id=spa").await[0])
    );
    for _ in 0..2 {
        assert_eq!(operator.delete(&path).await.status, StatusCode::NO_CONTENT);
    }
    let log = world.log("srrt").await;
    assert_eq!(log.len(), 1);
    assert_eq!(
        (&log[0]["details"]["by"], &log[0]["details"]["reason"]),
        (&json!("machine"), &json!("admin_revoked"))
    );
    assert_eq!(
        refusal(&operator.get(&path).await),
        (404, "inexistent_refresh_token".to_owned())
    );
    let refused = world.refresh("spa", &person.held[0].1).await;
    assert_eq!(
        (refused.error().as_str(), &refused.json()["reason"]),
        ("invalid_grant", &json!("admin_revoked"))
    );
    assert_eq!(
        operator
            .get(&format!("/sessions/{}", person.sid))
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(person.alive(&world).await, [false, true, true]);
    for nobody in ["x", "rt_x", &format!("rt_{}", "A".repeat(43))] {
        for method in ["GET", "DELETE"] {
            let answer = operator
                .call(method, &format!("/refresh-tokens/{nobody}"), None)
                .await;
            assert_eq!(
                refusal(&answer),
                (404, "inexistent_refresh_token".to_owned())
            );
        }
    }
}

/// `delete:refresh_tokens` alone ends no session: not even the one that a session-bound token keeps alive.
#[tokio::test]
async fn a_session_bound_token_is_over_with_its_session_and_not_the_other_way_round() {
    let world = World::new().await;
    let operator = world.operator().await;
    let mut browser = world.browser();
    let extra = [("scope", "openid online_access"), ("audience", API)];
    let tokens = browser.tokens(&extra).await;
    let listed = operator.tokens("").await;
    assert_eq!(listed[0]["kind"], "online");
    operator
        .delete(&format!("/refresh-tokens/{}", id(&listed[0])))
        .await;
    assert_eq!(
        world
            .refresh("spa", tokens["refresh_token"].as_str().unwrap())
            .await
            .error(),
        "invalid_grant"
    );
    let session = format!("/sessions/{}", browser.sid());
    assert_eq!(operator.get(&session).await.status, StatusCode::OK);
    let mut browser = world.browser();
    browser.tokens(&extra).await;
    assert_eq!(operator.tokens("").await.len(), 1);
    // The session is over, and nobody has noticed.
    world.clock.advance(3_600);
    let operator = world.operator().await;
    assert_eq!(operator.tokens("").await, [Value::Null; 0]);
}

#[tokio::test]
async fn i3_many_are_revoked_at_once_and_no_others() {
    let all = [true, true, true];
    let table: [(Value, [bool; 3], [bool; 3]); 6] = [
        (json!({"user_id": "auth0|ada"}), [false; 3], [false; 3]),
        (
            json!({"client_id": "forum"}),
            [true, false, false],
            [true, false, false],
        ),
        (
            json!({"user_id": "auth0|ada", "client_id": "spa"}),
            [false, true, true],
            [false, true, true],
        ),
        (
            json!({"user_id": "auth0|ada", "client_id": "forum", "audience": API}),
            [true, true, false],
            [true, true, false],
        ),
        (json!({"user_id": "auth0|bob"}), all, all),
        (json!({"client_id": "nobody"}), all, all),
    ];
    for (body, first, second) in table {
        let world = World::new().await;
        let operator = world.operator().await;
        let people = [ada(&world).await, ada(&world).await];
        let answer = operator.revoke(body.clone()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{body}: {answer:?}");
        assert_eq!(people[0].alive(&world).await, first, "{body}");
        assert_eq!(people[1].alive(&world).await, second, "{body}");
    }
    let world = World::new().await;
    let operator = world.operator().await;
    let people = [ada(&world).await, ada(&world).await];
    let listed = operator.tokens("").await;
    let of_first = listed
        .iter()
        .filter(|token| token["session_id"] == people[0].sid);
    let mut ids: Vec<&str> = of_first.map(id).collect();
    let nobody = format!("rt_{}", "A".repeat(43));
    ids.push(&nobody);
    let many: Vec<&str> = std::iter::repeat_n(ids[0], 101).collect();
    for wrong in [
        json!({}),
        json!({"ids": []}),
        json!({"ids": many}),
        json!({"ids": [ids[0], "x"]}),
        json!({"ids": ids, "user_id": "auth0|ada"}),
        json!({"audience": API}),
        json!({"user_id": "auth0|ada", "audience": API}),
        json!({"client_id": "forum", "audience": API}),
        json!({"user_id": "auth0|ada", "clientid": "forum"}),
        json!({"user_id": 1}),
        json!("auth0|ada"),
    ] {
        let refused = operator.revoke(wrong.clone()).await;
        assert_eq!(
            refusal(&refused),
            (400, "invalid_body".to_owned()),
            "{wrong}"
        );
    }
    assert_eq!(operator.tokens("").await.len(), 6, "nothing was changed");
    assert_eq!(
        operator.revoke(json!({ "ids": ids })).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(people[0].alive(&world).await, [false; 3]);
    assert_eq!(people[1].alive(&world).await, [true; 3]);
    assert_eq!(
        operator
            .delete("/users/auth0%7Cada/refresh-tokens")
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(operator.tokens("").await, [Value::Null; 0]);
    assert_eq!(
        operator
            .delete("/users/auth0%7Cnobody/refresh-tokens")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    let session = operator.get(&format!("/sessions/{}", people[1].sid)).await;
    assert_eq!(session.status, StatusCode::OK);
}

#[tokio::test]
async fn cve_2025_53895_each_call_of_the_management_api_needs_its_scope() {
    let world = World::new().await;
    let person = ada(&world).await;
    let token = id(&world.operator().await.tokens("").await[0]).to_owned();
    let (session, token) = (
        format!("/sessions/{}", person.sid),
        format!("/refresh-tokens/{token}"),
    );
    let user = "/users/auth0%7Cada";
    let sub = |path: &str, more: &str| format!("{path}{more}");
    let table: [(&str, String, &[&str]); 16] = [
        ("GET", "/sessions".to_owned(), &["read:sessions"]),
        ("GET", session.clone(), &["read:sessions"]),
        ("GET", sub(&session, "/graph"), &["read:sessions"]),
        ("GET", sub(user, "/sessions"), &["read:sessions"]),
        ("PATCH", session.clone(), &["update:sessions"]),
        ("GET", token.clone(), &["read:refresh_tokens"]),
        (
            "GET",
            "/refresh-tokens?user_id=auth0|ada".to_owned(),
            &["read:refresh_tokens"],
        ),
        (
            "GET",
            sub(user, "/refresh-tokens"),
            &["read:refresh_tokens"],
        ),
        ("PATCH", token.clone(), &["update:refresh_tokens"]),
        ("DELETE", session.clone(), &["delete:sessions"]),
        ("DELETE", sub(user, "/sessions"), &["delete:sessions"]),
        ("DELETE", token.clone(), &["delete:refresh_tokens"]),
        (
            "DELETE",
            sub(user, "/refresh-tokens"),
            &["delete:refresh_tokens"],
        ),
        (
            "POST",
            "/refresh-tokens/revoke".to_owned(),
            &["delete:refresh_tokens"],
        ),
        (
            "POST",
            sub(&session, "/revoke"),
            &["delete:sessions", "delete:refresh_tokens"],
        ),
        (
            "POST",
            sub(user, "/revoke-access"),
            &["delete:sessions", "delete:refresh_tokens"],
        ),
    ];
    let body = |path: &str| match path.ends_with("/refresh-tokens/revoke") {
        true => json!({"user_id": "auth0|ada"}),
        false => json!({}),
    };
    for (method, path, needed) in &table {
        for lacking in *needed {
            let others: Vec<&str> = crate::operator::ALL
                .into_iter()
                .filter(|scope| scope != lacking)
                .collect();
            let operator = world.operator_with(&others).await;
            let refused = operator.call(method, path, Some(&body(path))).await;
            assert_eq!(
                refusal(&refused),
                (403, "insufficient_scope".to_owned()),
                "{method} {path} without {lacking}"
            );
        }
        world.clock.advance(10);
    }
    for (method, path, needed) in &table {
        world.clock.advance(10);
        let operator = world.operator_with(needed).await;
        let answer = operator.call(method, path, Some(&body(path))).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
    }
}
