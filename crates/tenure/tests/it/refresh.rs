//! Refreshing, safe and forgiving: rows D1-D9, D13 and design 1.3.

use crate::world::{Browser, OFFLINE, World, claims, spa};
use http::StatusCode;
use serde_json::{Value, json};

fn token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

async fn rotated(browser: &Browser<'_>, client: &str, old: &str) -> String {
    let answer = browser.refresh(client, old).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    token(&answer.json())
}

#[tokio::test]
async fn d1_d2_d9_a_refresh_answers_everything_that_sdks_need() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = browser
        .tokens(&[
            ("scope", "openid email offline_access"),
            ("max_age", "1000"),
        ])
        .await;
    assert_eq!(first["scope"], "openid email offline_access");
    world.clock.advance(600);
    let answer = browser.refresh("spa", &token(&first)).await;
    let second = answer.json();
    assert_ne!(token(&first), token(&second));
    assert_eq!(token(&first).len(), token(&second).len(), "constant length");
    assert_eq!(second["token_type"], "Bearer");
    assert_eq!(second["expires_in"], 300);
    let (old, new) = (
        claims(first["id_token"].as_str().unwrap()),
        claims(second["id_token"].as_str().unwrap()),
    );
    assert_eq!(old["nonce"], "n-1");
    assert!(
        new.get("nonce").is_none(),
        "a refreshed ID token has no nonce"
    );
    for name in [
        "sub",
        "aud",
        "iss",
        "sid",
        "auth_time",
        "session_expiry",
        "email",
    ] {
        assert_eq!(old[name], new[name], "{name}");
    }
    assert!(new["iat"].as_i64() > old["iat"].as_i64());
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn d3_d7_a_repeat_within_the_window_answers_the_current_token_and_moves_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = token(&browser.tokens(&OFFLINE).await);
    let second = rotated(&browser, "spa", &first).await;
    for _ in 0..3 {
        world.clock.advance(20);
        assert_eq!(rotated(&browser, "spa", &first).await, second);
    }
    // The successor works, and from then on the first is two generations old: reuse.
    let third = rotated(&browser, "spa", &second).await;
    assert_eq!(
        browser.refresh("spa", &first).await.error(),
        "invalid_grant"
    );
    assert_eq!(
        browser.refresh("spa", &third).await.error(),
        "invalid_grant",
        "the family ended as a whole"
    );
}

#[tokio::test]
async fn d4_reuse_after_the_window_ends_the_family_and_is_logged() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = token(&browser.tokens(&OFFLINE).await);
    let second = rotated(&browser, "spa", &first).await;
    world.clock.advance(61);
    let refused = browser.refresh("spa", &first).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.header("www-authenticate"), "");
    assert_eq!(
        refused.json(),
        json!({"error": "invalid_grant", "error_description": "Unknown or invalid refresh token.", "reason": "reuse_detected"})
    );
    assert_eq!(
        browser.refresh("spa", &second).await.error(),
        "invalid_grant"
    );
    let alarms = world.log("ferrt").await;
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0]["details"]["tokenCounter"], 1);
    assert_eq!(alarms[0]["details"]["latestCounter"], 2);
    // Reuse ends the family, not the session.
    assert!(browser.get(&crate::world::silent(&[])).await.message().0["code"].is_string());
}

#[tokio::test]
async fn the_tenant_may_choose_auth0s_403() {
    let world = World::new().await;
    world.apply("tenant: {invalid_grant_status: 403}").await;
    assert_eq!(
        world.refresh("spa", "nonsense").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn leeway_tolerates_older_generations_than_the_predecessor() {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = crate::world::authorize("forum", "http://localhost:3002/cb", &OFFLINE);
    let code = browser.sign_in(&request).await.code();
    let first = token(
        &browser
            .exchange("forum", "http://localhost:3002/cb", &code)
            .await
            .json(),
    );
    let second = rotated(&browser, "forum", &first).await;
    let third = rotated(&browser, "forum", &second).await;
    world.clock.advance(30);
    assert_eq!(rotated(&browser, "forum", &first).await, third);
    world.clock.advance(1);
    assert_eq!(
        browser.refresh("forum", &second).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn d6_expiry_is_not_theft() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = token(&browser.tokens(&OFFLINE).await);
    world.clock.advance(7_199);
    let second = rotated(&browser, "spa", &first).await;
    world.clock.advance(7_200);
    let refused = browser.refresh("spa", &second).await;
    assert_eq!(
        refused.json(),
        json!({"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."})
    );
    assert_eq!(world.log("ferrt").await.len(), 0);
    assert_eq!(world.log("fertft").await.len(), 1);
}

#[tokio::test]
async fn the_absolute_lifetime_counts_from_the_first_token() {
    let world = World::new().await;
    let mut browser = world.browser();
    let mut current = token(&browser.tokens(&OFFLINE).await);
    for _ in 0..23 {
        world.clock.advance(3600);
        current = rotated(&browser, "spa", &current).await;
    }
    world.clock.advance(3599);
    current = rotated(&browser, "spa", &current).await;
    world.clock.advance(1);
    assert_eq!(
        browser.refresh("spa", &current).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn d13_revoking_any_token_of_a_family_ends_it_by_form_and_by_json() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = browser.tokens(&OFFLINE).await;
    let second = rotated(&browser, "spa", &token(&first)).await;
    let foreign = world
        .post(
            "/oauth/revoke",
            &[("client_id", "forum"), ("token", &second)],
        )
        .await;
    assert_eq!(
        (foreign.status, foreign.body.as_str()),
        (StatusCode::OK, "")
    );
    assert_eq!(
        browser.refresh("spa", &second).await.status,
        StatusCode::OK,
        "another client's token is left alone"
    );
    let body = json!({"client_id": "spa", "token": second, "token_type_hint": "refresh_token"})
        .to_string();
    let request = http::Request::post("/oauth/revoke")
        .header("content-type", "application/json")
        .header("origin", "http://localhost:3000")
        .header("auth0-client", "e30=");
    let revoked = world.send(request.body(body.into()).unwrap()).await;
    assert_eq!(
        (revoked.status, revoked.body.as_str()),
        (StatusCode::OK, "")
    );
    assert_eq!(
        revoked.header("access-control-allow-origin"),
        "http://localhost:3000"
    );
    assert_eq!(
        browser.refresh("spa", &second).await.error(),
        "invalid_grant"
    );
    assert_eq!(
        world
            .userinfo(first["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let unknown = world
        .post(
            "/oauth/revoke",
            &[("client_id", "spa"), ("token", "whatever")],
        )
        .await;
    assert_eq!(unknown.status, StatusCode::OK);
}

#[tokio::test]
async fn an_access_token_can_be_revoked_alone() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(world.userinfo(access).await.status, StatusCode::OK);
    world
        .post("/oauth/revoke", &[("client_id", "spa"), ("token", access)])
        .await;
    assert_eq!(
        world.userinfo(access).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn cve_2026_55672_a_token_is_bound_to_its_client() {
    let world = World::new().await;
    let mut browser = world.browser();
    let mine = token(&browser.tokens(&OFFLINE).await);
    let refused = world.refresh("forum", &mine).await;
    assert_eq!(
        refused.json(),
        json!({"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}),
        "nobody else hears a reason"
    );
    assert_eq!(
        browser.refresh("spa", &mine).await.status,
        StatusCode::OK,
        "and nothing changed"
    );
}

#[tokio::test]
async fn cve_2026_27840_forged_and_truncated_tokens_touch_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    let good = token(&browser.tokens(&OFFLINE).await);
    let mut cases = vec![
        String::new(),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        format!("{good}="),
        "A".repeat(good.len()),
    ];
    for position in [0, 2, 10, 30, 50, 53, good.len() - 2] {
        let mut forged = good.clone();
        let other = if &good[position..=position] == "A" {
            "B"
        } else {
            "A"
        };
        forged.replace_range(position..=position, other);
        cases.push(forged);
    }
    for case in cases {
        let refused = browser.refresh("spa", &case).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{case}");
        assert!(refused.json().get("reason").is_none(), "{case}");
    }
    assert_eq!(world.log("ferrt").await.len(), 0);
    assert_eq!(browser.refresh("spa", &good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_public_clients_repeat_must_come_with_the_same_user_agent() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = token(&browser.tokens(&OFFLINE).await);
    let second = rotated(&browser, "spa", &first).await;
    let mut thief = world.browser();
    thief.user_agent = "curl".to_owned();
    assert_eq!(
        thief.refresh("spa", &first).await.json()["reason"],
        "reuse_detected"
    );
    assert_eq!(
        browser.refresh("spa", &second).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn cve_2023_22492_a_blocked_or_deleted_user_refreshes_no_more() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    world.clock.advance(5);
    world
        .apply("users: [{user_id: ada, email: ada@example.com, blocked: true}]")
        .await;
    let refused = browser.refresh("spa", &token(&tokens)).await;
    assert_eq!(refused.error(), "access_denied");
    assert!(
        refused.body.contains("user is blocked"),
        "what SDKs look for"
    );
    assert_eq!(refused.json()["reason"], "account_disabled");
    assert_eq!(
        world
            .userinfo(tokens["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    world.clock.advance(5);
    world
        .apply("users: [{user_id: ada, email: ada@example.com, blocked: false}]")
        .await;
    assert_eq!(
        browser.refresh("spa", &token(&tokens)).await.error(),
        "invalid_grant",
        "a block ends what was before it"
    );
    assert_eq!(
        browser.get(&crate::world::silent(&[])).await.message().0["error"],
        "login_required"
    );
}

/// CVE-2026-22706, leodip/goiabada#106, nhost/nhost#4192: it ends by user, not by device.
#[tokio::test]
async fn a_changed_password_ends_sessions_families_and_access_tokens() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    world.clock.advance(5);
    let now = world.clock.now();
    let changed = world.app.store.write(move |tx| {
        let row = tenure::users::find(tx, "ada")?.unwrap();
        tenure::users::set_password(
            tx,
            row,
            "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAA$AAAA".to_owned(),
            tenure::users::Occasion::command_line(now),
            "tail",
        )
    });
    changed.await.unwrap();
    assert_eq!(
        browser.refresh("spa", &token(&tokens)).await.json()["reason"],
        "credential_change"
    );
    assert_eq!(
        world
            .userinfo(tokens["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let page = browser.get(&spa(&[])).await;
    assert!(page.body.contains("your password changed"), "{page:?}");
}

#[tokio::test]
async fn a_confidential_client_gets_the_same_token_back_unless_it_asks_for_rotation() {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = crate::world::authorize("web", "http://localhost:3001/callback", &OFFLINE);
    let code = browser.sign_in(&request).await.code();
    let secret = [("client_id", "web"), ("client_secret", "s3cr-et~1 x")];
    let mut pairs = secret.to_vec();
    pairs.extend([
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", crate::world::VERIFIER),
        ("redirect_uri", "http://localhost:3001/callback"),
    ]);
    let first = world.post("/oauth/token", &pairs).await.json();
    let refresh = |value: String| {
        let world = &world;
        async move {
            let mut pairs = secret.to_vec();
            pairs.extend([
                ("grant_type", "refresh_token"),
                ("refresh_token", value.as_str()),
            ]);
            world.post("/oauth/token", &pairs).await.json()
        }
    };
    // H3: nextjs needs an ID token in every answer.
    let second = refresh(token(&first)).await;
    assert!(second["id_token"].is_string());
    assert_eq!(token(&first), token(&second));
    // The setting is read at each refresh; nothing is revoked by the switch.
    world
        .apply("clients: [{client_id: web, refresh_token: {rotation_type: rotating}}]")
        .await;
    let third = refresh(token(&second)).await;
    assert_ne!(token(&second), token(&third));
    world
        .apply("clients: [{client_id: web, refresh_token: {rotation_type: non-rotating}}]")
        .await;
    let fourth = refresh(token(&third)).await;
    assert_eq!(token(&third), token(&fourth));
    // An old generation is still judged: long after the window it is reuse.
    world.clock.advance(61);
    assert_eq!(refresh(token(&second)).await["error"], "invalid_grant");
}

#[tokio::test]
async fn a_narrower_scope_may_be_asked_for_and_a_wider_one_is_not_given() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = token(&browser.tokens(&OFFLINE).await);
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "spa"),
        ("refresh_token", first.as_str()),
        ("scope", "openid phone"),
    ];
    let answer = world
        .post_from("/oauth/token", &pairs, &[("user-agent", "Firefox")])
        .await
        .json();
    assert_eq!(answer["scope"], "openid");
}

#[tokio::test]
async fn a_database_that_went_back_in_time_is_noticed() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = token(&browser.tokens(&OFFLINE).await);
    let parsed = tenure_protocol::refresh::RefreshToken::decode(&first).unwrap();
    let before = world
        .app
        .store
        .read(move |tx| tx.family(&parsed.sid, &parsed.family_id))
        .await
        .unwrap()
        .unwrap();
    let second = rotated(&browser, "spa", &first).await;
    // Put the row back as a backup would.
    world
        .app
        .store
        .write(move |tx| tx.update_family(&before, 2))
        .await
        .unwrap();
    let refused = browser.refresh("spa", &second).await;
    assert_eq!(refused.json()["reason"], "policy_change");
    assert_eq!(world.log("ferrt").await.len(), 1);
    assert_eq!(
        browser.refresh("spa", &first).await.error(),
        "invalid_grant"
    );
}
