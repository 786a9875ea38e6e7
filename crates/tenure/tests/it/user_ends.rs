//! A password change, a block, a deletion: everything ends without a request, and everyone is told.

use crate::world::{OFFLINE, World, authorize, silent, spa};
use http::StatusCode;
use tenure::users::{self, Occasion};
use tenure::work::user_ends;
use tenure_protocol::limits::Limits;
use tenure_protocol::session::{End, EndReason, Login, Session};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{StoreError, Tx, UserRow};

const FORUM: &str = "http://localhost:3002/cb";

type Change = fn(&Tx<'_>, UserRow, Occasion<'_>) -> Result<(), StoreError>;

fn password(tx: &Tx<'_>, row: UserRow, occasion: Occasion<'_>) -> Result<(), StoreError> {
    users::set_password(tx, row, "$argon2id$none".to_owned(), occasion, "tail")
}

fn block(tx: &Tx<'_>, row: UserRow, occasion: Occasion<'_>) -> Result<(), StoreError> {
    users::set_blocked(tx, row, true, occasion, "tail")
}

fn delete(tx: &Tx<'_>, row: UserRow, occasion: Occasion<'_>) -> Result<(), StoreError> {
    users::delete(tx, &row.user.user_id, occasion, "tail").map(drop)
}

impl World {
    async fn change_ada(&self, change: Change) {
        let now = self.clock.now();
        let done = self.app.store.write(move |tx| {
            let occasion = Occasion {
                now,
                by: "user:auth0|admin",
                from: "192.0.2.9",
            };
            change(tx, tx.user("auth0|ada")?.unwrap(), occasion)
        });
        done.await.unwrap();
    }

    /// The worker may be in the middle of it.
    async fn everything_of_ada_has_ended(&self) {
        while self.app.store.read(|tx| tx.has_user_ends()).await.unwrap() {
            tokio::task::yield_now().await;
        }
    }

    async fn family_ends(&self) -> Vec<Option<End>> {
        let read = self.app.store.read(|tx| tx.families_of_user("auth0|ada"));
        read.await.unwrap().into_iter().map(|f| f.end).collect()
    }
}

/// Contract rows H4 and K3.
#[tokio::test]
async fn h4_k3_a_changed_user_ends_everything_without_a_request() {
    let changes: [(Change, EndReason, &str); 3] = [
        (password, EndReason::CredentialChange, "valid_after"),
        (block, EndReason::AccountDisabled, "user"),
        (delete, EndReason::AccountDisabled, "user"),
    ];
    for (change, reason, rule) in changes {
        let world = World::at_work().await;
        let (mut one, mut two) = (world.browser(), world.browser());
        one.tokens(&OFFLINE).await;
        // An offline family that outlived its session.
        let code = two
            .sign_in(&authorize("forum", FORUM, &OFFLINE))
            .await
            .code();
        two.exchange("forum", FORUM, &code).await;
        two.get("/v2/logout?client_id=forum").await;
        let mut bystander = world.browser();
        bystander.sign_in_as(&spa(&[]), "bob@example.com").await;
        world.clock.advance(5);
        let changed_at = world.clock.now();
        world.change_ada(change).await;
        let end = world.end_of(one.sid()).await;
        let expected = End {
            at: changed_at,
            reason,
            by: "user:auth0|admin".to_owned(),
            from: "192.0.2.9".to_owned(),
            rule: rule.to_owned(),
        };
        assert_eq!(end, expected);
        world.everything_of_ada_has_ended().await;
        let ends = world.family_ends().await;
        assert_eq!(ends.len(), 2);
        assert!(
            ends.iter().all(|end| end.as_ref() == Some(&expected)),
            "{ends:?}"
        );
        let sid = one.sid();
        let told = world
            .app
            .store
            .read(move |tx| tx.deliveries_of_session(&sid));
        let told = told.await.unwrap();
        assert_eq!((told.len(), told[0].reason), (1, reason));
        assert_eq!(world.session(bystander.sid()).await.end, None);
        let line = format!(
            "tenure_session_ends_total{{reason=\"{}\"}} 1",
            reason.name()
        );
        assert!(world.app.metrics.render().contains(&line), "{line}");
    }
}

/// A request comes before the worker: the end names who changed the user all the same.
#[tokio::test]
async fn who_notices_first_does_not_change_what_is_stored() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let sid = browser.sid();
    world.clock.advance(5);
    world.change_ada(delete).await;
    let answer = browser.get(&silent(&[])).await.message().0;
    assert_eq!(answer["error"], "login_required");
    let end = world.session(sid).await.end.unwrap();
    assert_eq!(
        (end.reason, end.at),
        (EndReason::AccountDisabled, world.clock.now())
    );
    assert_eq!(end.by, "user:auth0|admin");
    user_ends::round(&world.app).await.unwrap();
    assert_eq!(world.session(sid).await.end, Some(end));
}

#[tokio::test]
async fn a_login_after_the_change_stays() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let before = browser.sid();
    world.clock.advance(5);
    let now = world.clock.now();
    let hash = world
        .app
        .store
        .read(|tx| Ok(tx.user("auth0|ada")?.unwrap().password_hash));
    let hash = hash.await.unwrap().unwrap();
    let same = world.app.store.write(move |tx| {
        let row = tx.user("auth0|ada")?.unwrap();
        users::set_password(tx, row, hash, Occasion::command_line(now), "tail")
    });
    same.await.unwrap();
    let mut again = world.browser();
    again.tokens(&OFFLINE).await;
    user_ends::round(&world.app).await.unwrap();
    assert!(world.session(before).await.end.is_some());
    assert_eq!(world.session(again.sid()).await.end, None);
    assert_eq!(world.family_ends().await, [None]);
}

/// Design 1.6: who changes their own password proves themselves again in that session, and stays in it.
#[tokio::test]
async fn the_session_in_which_a_password_is_changed_stays_and_nothing_else_does() {
    let world = World::new().await;
    let (mut here, mut there) = (world.browser(), world.browser());
    here.tokens(&OFFLINE).await;
    there.sign_in(&spa(&[])).await;
    world.clock.advance(5);
    let (now, sid) = (world.clock.now(), here.sid());
    let changed = world.app.store.write(move |tx| {
        let (session, user) = tx.session_and_user(&sid)?.unwrap();
        let row = user.unwrap();
        let login = Login {
            user_id: session.user_id.clone(),
            secret_hash: [3; 32],
            limits: session.limits,
            upstream_deadline: None,
            persistent: session.persistent,
            factors: session.factors.clone(),
            device: session.device.clone(),
        };
        let renewed = session.reauthenticate(login, row.standing(), now).unwrap();
        tx.update_session(&renewed)?;
        let occasion = Occasion {
            now,
            by: "user:auth0|ada",
            from: "192.0.2.1",
        };
        users::set_password(tx, row, "$argon2id$none".to_owned(), occasion, "tail")?;
        let reason = EndReason::CredentialChange;
        occasion.end_everything(tx, "auth0|ada", reason, now, Some(sid))
    });
    changed.await.unwrap();
    user_ends::round(&world.app).await.unwrap();
    assert_eq!(world.session(sid).await.end, None);
    let end = world.session(there.sid()).await.end.unwrap();
    assert_eq!(
        (end.reason, end.by.as_str()),
        (EndReason::CredentialChange, "user:auth0|ada")
    );
    assert!(world.family_ends().await.iter().all(Option::is_some));
}

#[tokio::test]
async fn very_many_sessions_end_a_few_at_a_time() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    let sample = world.session(browser.sid()).await;
    let many: Vec<Session> = (0..220_u8)
        .map(|n| Session {
            sid: Sid::from_bytes([n; 16]),
            limits: Limits {
                idle_timeout: 3_600,
                absolute_lifetime: 28_800,
            },
            ..sample.clone()
        })
        .collect();
    let written = world.app.store.write(move |tx| {
        many.iter()
            .try_for_each(|session| tx.insert_session(session))
    });
    written.await.unwrap();
    world.clock.advance(5);
    world.change_ada(block).await;
    user_ends::round(&world.app).await.unwrap();
    assert_eq!(world.log("session_revoked").await.len(), 221);
    let refused = browser
        .refresh("spa", tokens["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["reason"], "account_disabled");
    assert_eq!(
        Timestamp::from_seconds(crate::world::START + 5),
        world.clock.now()
    );
}

/// A clock that was ahead when a password was set, or a user was made, and was put right since: whoever
/// proves themselves now is signed in, and what that change ended stays ended.
#[tokio::test]
async fn a_clock_that_was_set_back_locks_nobody_out() {
    let world = World::new().await;
    let mut old = world.browser();
    let tokens = old.tokens(&OFFLINE).await;
    let year = 365 * 86_400;
    // Before and after the worker came to it.
    for worked in [false, true] {
        let ahead = world.clock.now().plus(year);
        let changed = world.app.store.write(move |tx| {
            let row = tx.user("auth0|ada")?.unwrap();
            let hash = row.password_hash.clone().unwrap();
            let tail = worked.to_string();
            users::set_password(tx, row, hash, Occasion::command_line(ahead), &tail)
        });
        changed.await.unwrap();
        if worked {
            user_ends::round(&world.app).await.unwrap();
        }
        let mut browser = world.browser();
        let tokens = browser.tokens(&OFFLINE).await;
        user_ends::round(&world.app).await.unwrap();
        let silent = browser.get(&silent(&[])).await.message();
        assert!(silent.0["code"].is_string(), "{silent:?}");
        let refreshed = browser
            .refresh("spa", tokens["refresh_token"].as_str().unwrap())
            .await;
        assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let answer = crate::holder::present(&world, ("GET", "/userinfo"), &bearer, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert!(world.session(old.sid()).await.end.is_some());
    let dead = old
        .refresh("spa", tokens["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(dead.json()["reason"], "credential_change");
}
