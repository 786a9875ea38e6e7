//! How ends are counted, written down and told, and what a revoked credential takes along.

use crate::world::{Browser, OFFLINE, World, silent, spa};
use http::StatusCode;
use serde_json::Value;
use tenure_protocol::{Sid, Timestamp};

fn text<'v>(tokens: &'v Value, name: &str) -> &'v str {
    tokens[name].as_str().unwrap()
}

fn sid(browser: &Browser<'_>) -> Sid {
    let cookie = &browser.cookies["tenure_7100"];
    cookie.split('.').next().unwrap().parse().unwrap()
}

/// A password that was changed some milliseconds after the clock's instant.
async fn change_password(world: &World, later: i64) {
    let now = Timestamp::from_millis(world.clock.now().millis() + later);
    let changed = world.app.store.write(move |tx| {
        let row = tenure::users::find(tx, "ada")?.unwrap();
        tenure::users::set_password(
            tx,
            row,
            "$argon2id$none".to_owned(),
            tenure::users::Occasion::command_line(now),
            "tail",
        )
    });
    changed.await.unwrap();
}

/// `iat` has a resolution of a second, and a credential change has none.
#[tokio::test]
async fn an_offline_access_token_dies_with_a_credential_change_in_the_same_second() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    let access = text(&tokens, "access_token");
    assert_eq!(world.userinfo(access).await.status, StatusCode::OK);
    change_password(&world, 5).await;
    assert_eq!(
        world.userinfo(access).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn every_end_is_counted_by_its_reason() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    browser
        .sign_in_as(&spa(&[("prompt", "login")]), "bob@example.com")
        .await;
    browser.get("/v2/logout?client_id=spa").await;
    browser.sign_in(&spa(&[])).await;
    world.clock.advance(3_601);
    browser.get(&silent(&[])).await;
    let metrics = world.app.metrics.render();
    for reason in ["superseded", "user_logout", "idle"] {
        let line = format!("tenure_session_ends_total{{reason=\"{reason}\"}} 1");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn an_end_names_who_made_it_and_a_client_only_where_it_was_one() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    browser
        .sign_in_as(&spa(&[("prompt", "login")]), "bob@example.com")
        .await;
    browser.get("/v2/logout?client_id=spa").await;
    let superseded = &world.log("session_revoked").await[0];
    assert_eq!(superseded["details"]["by"], "user:auth0|bob");
    assert_eq!(superseded["client_id"], Value::Null);
    let logout = &world.log("slo").await[0];
    assert_eq!(logout["details"]["by"], "spa");
    assert_eq!(logout["client_id"], "spa");
}

/// What a replay revokes and the entry that says so are one transaction.
#[tokio::test]
async fn a_replayed_code_is_in_the_log_at_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    let code = browser.sign_in(&spa(&OFFLINE)).await.code();
    for _ in 0..2 {
        browser
            .exchange("spa", "http://localhost:3000/cb", &code)
            .await;
    }
    let entries = world.log("feacft").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["description"], "CodeReplayed");
    assert_eq!(entries[0]["user_id"], "auth0|ada");
}

/// Contract 3.4: an online refresh token is the session in the application's hands.
#[tokio::test]
async fn revoking_a_session_bound_refresh_token_ends_the_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[("scope", "openid online_access")]).await;
    let other = browser
        .get(&crate::world::authorize(
            "forum",
            "http://localhost:3002/cb",
            &[],
        ))
        .await;
    let other = browser
        .exchange("forum", "http://localhost:3002/cb", &other.code())
        .await
        .json();
    let sid = sid(&browser);
    let revocation = [
        ("client_id", "spa"),
        ("token", text(&tokens, "refresh_token")),
    ];
    let revoked = world.post("/oauth/revoke", &revocation).await;
    assert_eq!(revoked.status, StatusCode::OK);
    let session = world.app.store.read(move |tx| tx.session(&sid)).await;
    let end = session.unwrap().unwrap().end.unwrap();
    assert_eq!((end.reason.name(), end.by.as_str()), ("user_logout", "spa"));
    assert_eq!(world.log("slo").await.len(), 1);
    assert_eq!(world.log("srrt").await.len(), 1);
    assert_eq!(
        browser.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
    for access in [&tokens, &other] {
        let access = text(access, "access_token");
        assert_eq!(
            world.userinfo(access).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    // A second time, and after the session's own end: still a 200 that changes nothing.
    let again = world.post("/oauth/revoke", &revocation).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(world.log("slo").await.len(), 1);
}

/// A session that went idle unnoticed ends as idle, whatever is revoked later.
#[tokio::test]
async fn a_revocation_after_the_session_went_idle_does_not_rewrite_its_reason() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[("scope", "openid online_access")]).await;
    let sid = sid(&browser);
    world.clock.advance(3_700);
    let revocation = [
        ("client_id", "spa"),
        ("token", text(&tokens, "refresh_token")),
    ];
    world.post("/oauth/revoke", &revocation).await;
    let session = world.app.store.read(move |tx| tx.session(&sid)).await;
    let end = session.unwrap().unwrap().end.unwrap();
    assert_eq!(end.reason.name(), "idle");
}

/// RFC 6749 section 5.2 has no `access_denied` at the token endpoint; "user is blocked" is the one
/// exception (decision 9). CVE-2026-16103: the user's state counts when a code is redeemed.
#[tokio::test]
async fn cve_2026_16103_a_code_is_worth_nothing_once_its_user_is_blocked_or_gone() {
    let cb = "http://localhost:3000/cb";
    let world = World::new().await;
    let mut browser = world.browser();
    let code = browser.sign_in(&spa(&[])).await.code();
    world
        .app
        .store
        .write(|tx| tx.delete_user("auth0|ada"))
        .await
        .unwrap();
    let refused = browser.exchange("spa", cb, &code).await;
    assert_eq!(refused.error(), "invalid_grant");
    let mut browser = world.browser();
    let code = browser
        .sign_in_as(&spa(&[]), "bob@example.com")
        .await
        .code();
    world
        .apply("users: [{user_id: bob, email: bob@example.com, blocked: true}]")
        .await;
    let refused = browser.exchange("spa", cb, &code).await;
    assert!(refused.body.contains("user is blocked"), "{refused:?}");
    assert_eq!(refused.json()["reason"], "account_disabled");
}
