//! What an operator's program ends: everywhere, with the reason, and nothing else.

use crate::operator::{ids, refusal, signed_in};
use crate::world::{OFFLINE, PASSWORD, World, authorize, spa};
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tenure_protocol::Sid;
use tenure_store::Notice;

const FORUM: &str = "http://localhost:3002/cb";

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
    // Who listens is told, a moment after the commit.
    let told = async { while notices.recv().await.unwrap() != Notice::Session(sid) {} };
    tokio::time::timeout(Duration::from_secs(60), told)
        .await
        .unwrap();
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
