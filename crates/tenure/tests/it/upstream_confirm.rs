//! Before a session is kept alive for long, its provider is asked whether the person is still welcome.

use crate::upstream_told::upstream_of;
use crate::upstream_world::{PROVIDER, Pair, Served};
use crate::world::{TENANT, World, form, silent, spa};
use tenure::upstream::open_tokens;
use tenure::work::expiry;
use tenure::work::lanes::{self, Lane};
use tenure_protocol::session::EndReason;

/// Ten minutes, and five of grace; the provider's client may refresh.
async fn pair(more: &str) -> Pair {
    let up = Served::start(&PROVIDER.replace(
        "name: Down",
        "name: Down\n    refresh_token: { rotation_type: rotating, leeway: 0, retry_window: 0 }",
    ))
    .await;
    let connection = format!(
        "{TENANT}\nconnections:\n  - name: corp\n    strategy: oidc\n    options: {{ issuer: \"{}\", \
         client_id: down, client_secret: down-secret, domain_aliases: [example.com], \
         scope: \"openid email offline_access\" }}\n    \
         upstream: {{ confirm_after_minutes: 10, confirm_grace_minutes: 5{more} }}",
        up.issuer()
    );
    let down = World::with(&connection).await;
    Pair { up, down }
}

#[tokio::test]
async fn a_confirmed_session_goes_on_and_one_that_is_not_wanted_any_more_ends() {
    let pair = pair("").await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    let before = pair.down.session(sid).await;
    let first = upstream_of(&pair.down, sid).await;
    let refresh = open_tokens(&pair.down.app, &first)
        .unwrap()
        .refresh_token
        .unwrap();
    let in_clear = first.sealed.clone().unwrap();
    assert!(
        !String::from_utf8_lossy(&in_clear).contains(&refresh),
        "sealed"
    );
    assert_eq!(before.confirm_deadline, Some(before.created_at.plus(900)));
    // Before it is due nobody is asked.
    pair.advance(599);
    lanes::round(&pair.down.app, Lane::Confirmations)
        .await
        .unwrap();
    assert_eq!(upstream_of(&pair.down, sid).await, first);
    pair.advance(1);
    // Two servers at once: one asks.
    let app = &pair.down.app;
    let (a, b) = tokio::join!(
        lanes::round(app, Lane::Confirmations),
        lanes::round(app, Lane::Confirmations)
    );
    a.and(b).unwrap();
    let second = upstream_of(&pair.down, sid).await;
    assert_eq!(second.confirmed_at, before.created_at.plus(600));
    assert_eq!(second.confirm_due_at, Some(before.created_at.plus(1_200)));
    let rotated = open_tokens(app, &second).unwrap();
    assert_ne!(
        rotated.refresh_token.as_ref(),
        Some(&refresh),
        "the new one is kept"
    );
    assert!(rotated.id_token.is_some(), "for a logout there");
    let after = pair.down.session(sid).await;
    assert_eq!(after.confirm_deadline, Some(before.created_at.plus(1_500)));
    assert_eq!(
        after.last_active_at, before.last_active_at,
        "it is no activity"
    );
    // The next time with the new token: had two asked, the provider would have seen a reuse.
    pair.advance(600);
    lanes::round(app, Lane::Confirmations).await.unwrap();
    let third = upstream_of(&pair.down, sid).await;
    assert_eq!(third.confirmed_at, before.created_at.plus(1_200));
    // The person is blocked there.
    pair.up
        .world
        .apply("users:\n  - { user_id: ada-up, email: ada@example.com, blocked: true }")
        .await;
    pair.advance(600);
    lanes::round(app, Lane::Confirmations).await.unwrap();
    let end = pair.down.session(sid).await.end.unwrap();
    assert_eq!(end.reason, EndReason::UpstreamExpired);
    assert_eq!(
        (end.by.as_str(), end.rule.as_str()),
        ("connection:corp", "confirmation")
    );
    let over = upstream_of(&pair.down, sid).await;
    assert_eq!(over.ended_by.as_deref(), Some("confirmation"));
    assert_eq!((over.sealed, over.confirm_due_at), (None, None));
    let (answer, _) = person.down.get(&silent(&[])).await.message();
    assert_eq!(answer["error"], "login_required");
    assert_eq!(
        app.store.read(|tx| tx.confirmations_due()).await.unwrap(),
        []
    );
}

/// While the provider does not answer, sessions live on, but not for long.
#[tokio::test]
async fn silence_is_borne_for_the_time_of_grace() {
    let pair = pair("").await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    let began_at = pair.down.session(sid).await.created_at;
    // Our registration there is broken, which says nothing about the person.
    let other = "clients:\n  - { client_id: down, client_secret: another }";
    pair.up.world.apply(other).await;
    pair.advance(600);
    let app = &pair.down.app;
    let next = lanes::round(app, Lane::Confirmations).await.unwrap();
    assert_eq!(next, Some(began_at.plus(601)), "with back-off");
    pair.advance(1);
    assert_eq!(
        lanes::round(app, Lane::Confirmations).await.unwrap(),
        Some(began_at.plus(606))
    );
    let row = upstream_of(&pair.down, sid).await;
    assert_eq!(row.confirm_failures, 2);
    assert!(row.confirm_error.unwrap().contains("invalid_client"));
    assert_eq!(pair.down.log("w").await.len(), 1, "the first of a row");
    // Meanwhile it is used, silently as well.
    assert!(person.down.get(&silent(&[])).await.message().0["code"].is_string());
    assert_eq!(
        pair.down.session(sid).await.idle_deadline,
        began_at.plus(900)
    );
    // It answers again in time.
    pair.up
        .world
        .apply("clients:\n  - { client_id: down, client_secret: down-secret }")
        .await;
    pair.advance(5);
    lanes::round(app, Lane::Confirmations).await.unwrap();
    let row = upstream_of(&pair.down, sid).await;
    assert_eq!((row.confirm_failures, row.confirm_error), (0, None));
    let idle = pair.down.session(sid).await.idle_deadline;
    assert_eq!(
        idle,
        began_at.plus(606 + 900),
        "the hour since the last use is longer"
    );
    // Not in time.
    pair.up.world.apply(other).await;
    pair.advance(899);
    lanes::round(app, Lane::Confirmations).await.unwrap();
    expiry::round(app).await.unwrap();
    assert_eq!(pair.down.session(sid).await.end, None);
    pair.advance(1);
    expiry::round(app).await.unwrap();
    let end = pair.down.session(sid).await.end.unwrap();
    assert_eq!(end.reason, EndReason::UpstreamExpired);
    assert_eq!(end.rule, "upstream_unconfirmed");
    assert_eq!(end.at, began_at.plus(606 + 900));
    // Nobody asks about what is over.
    pair.advance(3_600);
    lanes::round(app, Lane::Confirmations).await.unwrap();
    assert_eq!(
        app.store.read(|tx| tx.confirmations_due()).await.unwrap(),
        []
    );
}

/// Whoever does not ask any more lets those sessions go on that were to be confirmed.
#[tokio::test]
async fn without_the_setting_nobody_is_asked_any_more() {
    let pair = pair("").await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    let began_at = pair.down.session(sid).await.created_at;
    let off = "connections:\n  - name: corp\n    strategy: oidc\n    \
               upstream: { confirm_after_minutes: null }";
    pair.down.apply(off).await;
    pair.advance(600);
    assert_eq!(
        lanes::round(&pair.down.app, Lane::Confirmations)
            .await
            .unwrap(),
        None
    );
    let session = pair.down.session(sid).await;
    assert_eq!(session.confirm_deadline, None);
    assert_eq!(session.idle_deadline, began_at.plus(3_600));
}

/// A provider that gives no refresh token is asked through the browser, on the way of a visible request.
#[tokio::test]
async fn without_a_refresh_token_the_browser_asks() {
    let pair = pair("").await;
    let without = "connections:\n  - name: corp\n    strategy: oidc\n    options: { scope: \"openid email\" }";
    pair.down.apply(without).await;
    let more = "connections:\n  - name: corp\n    strategy: oidc\n    \
                upstream: { confirm_after_minutes: 10, confirm_grace_minutes: 5 }";
    pair.down.apply(more).await;
    let pair = &pair;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    let began_at = pair.down.session(sid).await.created_at;
    let row = upstream_of(&pair.down, sid).await;
    assert_eq!(
        open_tokens(&pair.down.app, &row).unwrap().refresh_token,
        None
    );
    // Before it is due, nobody leaves.
    assert!(
        person
            .down
            .get(&spa(&[]))
            .await
            .location()
            .starts_with("http://localhost:3000/cb")
    );
    pair.advance(660);
    lanes::round(&pair.down.app, Lane::Confirmations)
        .await
        .unwrap();
    assert_eq!(upstream_of(&pair.down, sid).await.confirm_failures, 1);
    // A silent request is answered from the row, and asks nobody.
    assert!(person.down.get(&silent(&[])).await.message().0["code"].is_string());
    let sent = person.down.get(&spa(&[])).await;
    assert_eq!(sent.answered("prompt").as_deref(), Some("none"));
    let back = person.up.get(pair.up.path(sent.location())).await;
    let back = back.location().to_owned();
    let answer = person.come_back(&back).await;
    assert!(
        answer
            .location()
            .starts_with("http://localhost:3000/cb?code="),
        "{answer:?}"
    );
    let session = pair.down.session(sid).await;
    assert_eq!(session.confirm_deadline, Some(began_at.plus(660 + 900)));
    assert_eq!(
        session.authenticated_at, began_at,
        "nobody proved anything anew"
    );
    // The way back counts once.
    pair.advance(1);
    person.come_back(&back).await;
    let again = pair.down.session(sid).await;
    assert_eq!(again.confirm_deadline, session.confirm_deadline);
    // An answer that is none: the request goes on, and is not sent there twice.
    pair.advance(660);
    let sent = person.down.get(&spa(&[])).await;
    let state = sent.answered("state").unwrap();
    let broken = form(&[("state", &state), ("error", "server_error")]);
    let answer = person.come_back(&format!("/login/callback?{broken}")).await;
    assert!(
        answer
            .location()
            .starts_with("http://localhost:3000/cb?code="),
        "{answer:?}"
    );
    // The person signs out there: the provider would have to ask.
    person.up.get("/v2/logout").await;
    let sent = person.down.get(&spa(&[])).await;
    let back = person.up.get(pair.up.path(sent.location())).await;
    assert_eq!(back.answered("error").as_deref(), Some("login_required"));
    let back = back.location().to_owned();
    let page = person.come_back(&back).await;
    assert_eq!(page.status, http::StatusCode::OK, "{page:?}");
    assert!(
        page.body.contains("Continue with"),
        "the login page: {page:?}"
    );
    let end = pair.down.session(sid).await.end.unwrap();
    assert_eq!(
        (end.reason, end.rule.as_str()),
        (EndReason::UpstreamExpired, "confirmation")
    );
}
