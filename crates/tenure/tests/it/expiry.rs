//! Expiry is an event: nobody asks, and everyone who relied on the session learns of it.

use crate::world::{OFFLINE, World, authorize, silent, spa};
use std::collections::BTreeMap;
use tenure::config::{Retention, RetentionConfig};
use tenure::work::{expiry, sweep};
use tenure_protocol::session::{EndReason, Rule, Session};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{Delivery, DeliveryState, Tx};

/// lesson goauthentik#25826: an hour after the last token expired the forum is still told.
#[tokio::test]
async fn an_idle_end_at_the_very_deadline_with_nobody_asking() {
    let world = World::at_work().await;
    let mut browser = world.browser();
    let online = browser.tokens(&[("scope", "openid online_access")]).await;
    let forum = "http://localhost:3002/cb";
    let code = browser
        .get(&authorize("forum", forum, &OFFLINE))
        .await
        .code();
    let offline = browser.exchange("forum", forum, &code).await.json();
    let sid = browser.sid();
    let deadline = world.session(sid).await.idle_deadline;
    assert_eq!(deadline, world.clock.now().plus(3_600));
    world.clock.advance(3_599);
    expiry::round(&world.app).await.unwrap();
    assert_eq!(world.session(sid).await.end, None, "a second before");
    world.clock.advance(1);
    let end = world.end_of(sid).await;
    assert_eq!((end.reason, end.at), (EndReason::Idle, deadline));
    assert_eq!(end.rule, Rule::StoredIdle.name());
    assert_eq!((end.by.as_str(), end.from.as_str()), ("", ""), "time alone");

    let entry = &world.log("session_revoked").await[0];
    assert_eq!(entry["session_id"], sid.to_string());
    assert_eq!(entry["details"]["reason"], "idle");
    assert_eq!(entry["details"]["rule"], "stored_idle");
    let deliveries = world
        .app
        .store
        .read(move |tx| tx.deliveries_of_session(&sid));
    let told: Vec<(String, EndReason)> = deliveries
        .await
        .unwrap()
        .into_iter()
        .map(|delivery| (delivery.client_id, delivery.reason))
        .collect();
    let expected = ["forum", "spa"].map(|client| (client.to_owned(), EndReason::Idle));
    assert_eq!(told, expected, "one for each relying party");
    let metrics = world.app.metrics.render();
    assert!(metrics.contains("tenure_session_ends_total{reason=\"idle\"} 1"));

    let token = |tokens: &serde_json::Value| tokens["refresh_token"].as_str().unwrap().to_owned();
    let bound = browser.refresh("spa", &token(&online)).await.json();
    assert_eq!(bound["error"], "invalid_grant");
    assert_eq!(bound["reason"], "idle");
    let spared = browser.refresh("forum", &token(&offline)).await;
    assert_eq!(
        spared.status,
        http::StatusCode::OK,
        "offline families live on"
    );
}

#[tokio::test]
async fn a_session_that_is_kept_alive_is_put_off_and_ends_at_its_new_deadline() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let sid = browser.sid();
    for _ in 0..4 {
        world.clock.advance(3_000);
        expiry::round(&world.app).await.unwrap();
        browser.get(&silent(&[])).await.message();
    }
    assert_eq!(world.session(sid).await.end, None);
    let next = expiry::round(&world.app).await.unwrap();
    assert!(next.unwrap() > world.clock.now(), "it is put off");
    let deadline = world.session(sid).await.idle_deadline;
    world.clock.advance(3_600);
    expiry::round(&world.app).await.unwrap();
    let end = world.session(sid).await.end.unwrap();
    assert_eq!((end.reason, end.at), (EndReason::Idle, deadline));
    assert_eq!(expiry::round(&world.app).await.unwrap(), None);
}

#[tokio::test]
async fn the_absolute_end_comes_whatever_anybody_does() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let sid = browser.sid();
    let deadline = world.session(sid).await.absolute_deadline;
    for _ in 0..15 {
        world.clock.advance(1_800);
        browser.get(&silent(&[])).await.message();
    }
    world.clock.advance(1_800);
    assert_eq!(world.clock.now(), deadline);
    expiry::round(&world.app).await.unwrap();
    let end = world.session(sid).await.end.unwrap();
    assert_eq!((end.reason, end.at), (EndReason::Absolute, deadline));
}

/// A request came first: the worker changes nothing of what it stored.
#[tokio::test]
async fn an_end_that_was_noticed_is_handled_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    world.clock.advance(3_700);
    browser.get(&silent(&[])).await;
    expiry::round(&world.app).await.unwrap();
    assert_eq!(world.log("session_revoked").await.len(), 1);
}

#[tokio::test]
async fn many_sessions_in_one_minute_each_end_at_their_own_instant() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let sample = world.session(browser.sid()).await;
    let start = world.clock.now();
    let mut deadlines: BTreeMap<Sid, Timestamp> = BTreeMap::new();
    let mut many: Vec<Session> = Vec::new();
    for n in 0..300_u32 {
        let mut bytes = [0x33; 16];
        bytes[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
        let deadline = Timestamp::from_millis(start.millis() + 60_000 + i64::from(n) * 200);
        deadlines.insert(Sid::from_bytes(bytes), deadline);
        many.push(Session {
            sid: Sid::from_bytes(bytes),
            idle_deadline: deadline,
            ..sample.clone()
        });
    }
    let written = world.app.store.write(move |tx| {
        many.iter()
            .try_for_each(|session| tx.insert_session(session))
    });
    written.await.unwrap();
    world.clock.advance(60);
    for _ in 0..=6 {
        expiry::round(&world.app).await.unwrap();
        let now = world.clock.now();
        for (sid, deadline) in &deadlines {
            let end = world.session(*sid).await.end.map(|end| end.at);
            assert_eq!(end, (*deadline <= now).then_some(*deadline));
        }
        world.clock.advance(10);
    }
    assert_eq!(world.log("session_revoked").await.len(), 300);
}

/// Invariant 4: nothing is swept before everybody was told, however late the end is noticed.
#[tokio::test]
async fn what_nobody_has_noticed_yet_is_not_swept() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.tokens(&[]).await;
    let sid = browser.sid();
    // The server was off for two months.
    world.clock.advance(60 * 86_400);
    let now = world.clock.now();
    assert!(!sweep::sessions(&world.app, now).await.unwrap());
    assert_eq!(world.session(sid).await.end, None);
    expiry::round(&world.app).await.unwrap();
    assert!(sweep::sessions(&world.app, now).await.unwrap());
    let rows = move |tx: &Tx<'_>| tx.claim_deliveries(Timestamp::from_seconds(i64::MAX), now, 9);
    let told = world.app.store.write(rows).await.unwrap();
    assert_eq!(told.len(), 1, "the relying party is still to be told");
    let delivered = Delivery {
        state: DeliveryState::Delivered,
        ..told[0].clone()
    };
    let settled = world
        .app
        .store
        .write(move |tx| tx.settle_delivery(&delivered));
    assert!(settled.await.unwrap());
    assert!(sweep::sessions(&world.app, now).await.unwrap());
    let left = world.app.store.read(move |tx| tx.session(&sid));
    assert_eq!(left.await.unwrap(), None);
}

/// For a day everybody who took part may ask how it ended, whatever the retention.
#[test]
fn a_session_is_kept_for_a_day_at_least() {
    for (sessions_days, seconds) in [(0, 86_400), (1, 86_400), (30, 2_592_000)] {
        let days = RetentionConfig {
            sessions_days,
            logs_days: 0,
        };
        assert_eq!(Retention::from(days).sessions, seconds);
    }
}

/// A row that nobody can read must not keep the others alive.
#[tokio::test]
async fn a_broken_row_does_not_stand_in_the_way() {
    let world = World::new().await;
    let (mut broken, mut other) = (world.browser(), world.browser());
    broken.sign_in(&spa(&[])).await;
    other.sign_in(&spa(&[])).await;
    let (sid, whole) = (broken.sid(), other.sid());
    let written = world.app.store.write(move |tx| {
        let mut session = tx.session(&sid)?.unwrap();
        // Past the absolute deadline, as no session is.
        session.absolute_deadline = session.idle_deadline.plus(-10);
        tx.update_session(&session)
    });
    written.await.unwrap();
    world.clock.advance(3_600);
    expiry::round(&world.app).await.unwrap();
    assert!(world.session(whole).await.end.is_some());
}

/// Participants hang on the session, not on tokens: codes and families may be gone long before.
#[tokio::test]
async fn goauthentik_25826_participants_outlive_every_token() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.tokens(&OFFLINE).await;
    browser
        .get(&authorize("forum", "http://localhost:3002/cb", &[]))
        .await;
    let sid = browser.sid();
    for _ in 0..6 {
        world.clock.advance(3_500);
        browser.get(&silent(&[])).await.message();
    }
    let now = world.clock.now();
    let swept = world.app.store.write(move |tx| {
        let codes = tx.sweep_codes(now, 500)?;
        Ok((codes, tx.participants(&sid)?.len()))
    });
    let (codes, participants) = swept.await.unwrap();
    assert!(codes > 0, "the codes are gone");
    assert_eq!(participants, 2);
    world.clock.advance(3_600);
    expiry::round(&world.app).await.unwrap();
    let told = world
        .app
        .store
        .read(move |tx| tx.deliveries_of_session(&sid));
    assert_eq!(told.await.unwrap().len(), 2, "both are told");
}
