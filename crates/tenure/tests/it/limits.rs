//! How long a session lasts, seen from outside: rows F1, F3-F6.

use crate::world::{OFFLINE, START, World, authorize, claims, silent, spa};

const HOUR: u32 = 3600;

#[tokio::test]
async fn f3_idle_ends_exactly_at_the_limit_and_not_before() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    world.clock.advance(HOUR - 1);
    assert!(browser.get(&silent(&[])).await.message().0["code"].is_string());
    world.clock.advance(HOUR);
    assert_eq!(
        browser.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
    let sid = browser.cookies["tenure_7100"]
        .split('.')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let session = world
        .app
        .store
        .read(move |tx| tx.session(&sid))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(session.end.unwrap().reason.name(), "idle");
    // The page tells the person why.
    assert!(
        browser
            .get(&spa(&[]))
            .await
            .body
            .contains("away for a while")
    );
}

#[tokio::test]
async fn f4_absolute_ends_despite_activity() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    for _ in 0..15 {
        world.clock.advance(HOUR / 2);
        assert!(browser.get(&silent(&[])).await.message().0["code"].is_string());
    }
    world.clock.advance(HOUR / 2);
    assert_eq!(
        browser.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
    assert!(
        browser
            .get(&spa(&[]))
            .await
            .body
            .contains("longest duration")
    );
}

#[tokio::test]
async fn f5_reducing_bites_at_the_next_activity_and_extending_only_after_the_next_login() {
    // CVE-2025-11429: policy is evaluated at use, not only at creation.
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    world
        .apply("tenant: {idle_session_lifetime: 10, session_lifetime: 100}")
        .await;
    world.clock.advance(HOUR);
    assert_eq!(
        browser.get(&silent(&[])).await.message().0["error"],
        "login_required",
        "not lengthened"
    );
    browser.sign_in(&spa(&[])).await;
    world.clock.advance(9 * HOUR);
    assert!(
        browser.get(&silent(&[])).await.message().0["code"].is_string(),
        "a new login has the new limits"
    );
    world
        .apply("tenant: {idle_session_lifetime_in_minutes: 10}")
        .await;
    world.clock.advance(600);
    assert_eq!(
        browser.get(&silent(&[])).await.message().0["error"],
        "login_required",
        "the lower limit bites"
    );
}

#[tokio::test]
async fn f5_a_lowered_copy_stays_low_when_the_setting_is_raised_again() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    world
        .apply("tenant: {idle_session_lifetime_in_minutes: 10}")
        .await;
    assert!(browser.get(&silent(&[])).await.message().0["code"].is_string());
    world
        .apply("tenant: {idle_session_lifetime_in_minutes: 60}")
        .await;
    world.clock.advance(601);
    assert_eq!(
        browser.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
}

#[tokio::test]
async fn f6_a_refresh_is_not_activity_and_an_offline_family_outlives_the_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    let mut token = browser.tokens(&OFFLINE).await["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..3 {
        world.clock.advance(HOUR / 2);
        let refreshed = browser.refresh("spa", &token).await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        token = refreshed.json()["refresh_token"]
            .as_str()
            .unwrap()
            .to_owned();
    }
    assert_eq!(
        browser.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
    assert_eq!(browser.refresh("spa", &token).await.status, 200);
}

#[tokio::test]
async fn f1_session_expiry_is_the_absolute_deadline_in_seconds_and_never_the_idle_one() {
    let world = World::new().await;
    let mut browser = world.browser();
    let id = claims(browser.tokens(&[]).await["id_token"].as_str().unwrap());
    assert_eq!(id["session_expiry"], START + 8 * 3600);
    assert!(id["session_expiry"].as_i64() > id["iat"].as_i64());
    // With an offline family, the later of both.
    let id = claims(
        browser
            .tokens(&[("scope", "openid offline_access"), ("prompt", "login")])
            .await["id_token"]
            .as_str()
            .unwrap(),
    );
    assert_eq!(id["session_expiry"], START + 86_400);
    world
        .apply("clients: [{client_id: spa, session_expiry: 'off'}]")
        .await;
    let id = claims(
        browser.tokens(&[("prompt", "login")]).await["id_token"]
            .as_str()
            .unwrap(),
    );
    assert!(id.get("session_expiry").is_none());
}

#[tokio::test]
async fn no_token_outlives_what_it_hangs_on() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    for _ in 0..15 {
        world.clock.advance(HOUR / 2);
        browser.get(&silent(&[])).await;
    }
    world.clock.advance(HOUR / 2 - 60);
    let answer = browser
        .get(&spa(&[("audience", "https://no-offline.example.com")]))
        .await;
    let tokens = browser
        .exchange("spa", "http://localhost:3000/cb", &answer.code())
        .await
        .json();
    let deadline = START + 8 * 3600;
    assert_eq!(
        claims(tokens["access_token"].as_str().unwrap())["exp"],
        deadline
    );
    assert_eq!(
        claims(tokens["id_token"].as_str().unwrap())["exp"],
        deadline
    );
    assert_eq!(tokens["expires_in"], 60);
}

#[tokio::test]
async fn online_families_die_with_the_session_and_keep_it_alive() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[("scope", "openid online_access")]).await;
    let mut token = tokens["refresh_token"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        world.clock.advance(HOUR / 2 + 1);
        let refreshed = browser.refresh("spa", &token).await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        token = refreshed.json()["refresh_token"]
            .as_str()
            .unwrap()
            .to_owned();
    }
    assert!(
        browser.get(&silent(&[])).await.message().0["code"].is_string(),
        "its exchanges are activity"
    );
    world.clock.advance(HOUR);
    let refused = browser.refresh("spa", &token).await;
    assert_eq!(
        (refused.status.as_u16(), refused.error().as_str()),
        (400, "invalid_grant")
    );
    assert_eq!(refused.json()["reason"], "idle");
}

#[tokio::test]
async fn both_kinds_of_refresh_token_at_once_are_refused() {
    let world = World::new().await;
    let answer = world
        .get(&spa(&[("scope", "openid offline_access online_access")]))
        .await;
    assert_eq!(answer.answered("error").unwrap(), "invalid_request");
}

#[tokio::test]
async fn a_non_persistent_session_has_a_cookie_without_expiry_and_limits_of_its_own() {
    let world = World::new().await;
    world.apply("tenant: {session_cookie: {mode: non-persistent}, idle_ephemeral_session_lifetime_in_minutes: 5, ephemeral_session_lifetime: 2}").await;
    let mut browser = world.browser();
    let answer = browser.sign_in(&spa(&[])).await;
    assert!(
        !answer.header("set-cookie").contains("Expires"),
        "{answer:?}"
    );
    world.clock.advance(300);
    assert_eq!(
        browser.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
}

/// CVE-2025-11429: who was remembered when remembering was on is not remembered for ever.
#[tokio::test]
async fn cve_2025_11429_sessions_are_no_longer_remembered_once_that_is_switched_off() {
    let world = World::new().await;
    world
        .apply("tenant: {idle_session_lifetime: 720, session_lifetime: 2000, idle_ephemeral_session_lifetime_in_minutes: 5, ephemeral_session_lifetime: 2}")
        .await;
    let (mut idle, mut active) = (world.browser(), world.browser());
    idle.sign_in(&spa(&[])).await;
    active.sign_in(&spa(&[])).await;
    world
        .apply("tenant: {session_cookie: {mode: non-persistent}}")
        .await;
    for _ in 0..29 {
        world.clock.advance(240);
        let answer = active.get(&silent(&[])).await.message();
        assert!(answer.0["code"].is_string(), "{answer:?}");
    }
    assert_eq!(
        idle.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
    world.clock.advance(240);
    assert_eq!(
        active.get(&silent(&[])).await.message().0["error"],
        "login_required",
        "two hours in all"
    );
    // The other way round nobody is remembered who was not asked to be: a raised limit waits for a login.
    active.sign_in(&spa(&[])).await;
    world
        .apply("tenant: {session_cookie: {mode: persistent}}")
        .await;
    world.clock.advance(300);
    assert_eq!(
        active.get(&silent(&[])).await.message().0["error"],
        "login_required"
    );
}

/// CVE-2025-12110, Rauthy 0.32.4 (#1208): authorization runs again at each refresh.
#[tokio::test]
async fn a_disabled_client_or_a_removed_scope_bites_at_the_next_use() {
    // CVE-2025-12110: offline families do not survive the removal of their ground.
    let world = World::new().await;
    let mut browser = world.browser();
    let request = spa(&[
        ("scope", "openid read:x write:x offline_access"),
        ("audience", "https://api.example.com"),
    ]);
    let code = browser.sign_in(&request).await.code();
    let tokens = browser
        .exchange("spa", "http://localhost:3000/cb", &code)
        .await
        .json();
    assert_eq!(tokens["scope"], "openid read:x write:x offline_access");
    world.apply("resourceServers: [{identifier: 'https://api.example.com', scopes: [{value: 'read:x'}]}]").await;
    let narrowed = browser
        .refresh("spa", tokens["refresh_token"].as_str().unwrap())
        .await
        .json();
    assert_eq!(narrowed["scope"], "openid read:x offline_access");
    world.apply("resourceServers: [{identifier: 'https://api.example.com', allow_offline_access: false}]").await;
    let refused = browser
        .refresh("spa", narrowed["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refused.json()["reason"], "policy_change");
    world.apply("resourceServers: [{identifier: 'https://api.example.com', allow_offline_access: true}]").await;
    let dead = browser
        .refresh("spa", narrowed["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(dead.error(), "invalid_grant", "it stays ended");
    let forum = browser
        .get(&authorize("forum", "http://localhost:3002/cb", &[]))
        .await;
    assert!(forum.answered("code").is_some());
}
