//! Users who come and go by files and commands: what stays, what is over, and what no file brings back.

use crate::world::{OFFLINE, World, silent, spa};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tenure::import::{self, Imported};
use tenure::users::{self, Occasion};
use tenure_protocol::model::User;
use tenure_protocol::session::EndReason;
use tenure_store::{StoreError, UserRow};

const ADA: &str = "users: [{user_id: ada, email: ada@example.com, password: correct horse}]";

impl World {
    async fn user(&self, id: &'static str) -> UserRow {
        self.app
            .store
            .read(move |tx| tx.user(id))
            .await
            .unwrap()
            .unwrap()
    }

    async fn change(
        &self,
        id: &'static str,
        change: impl FnOnce(&tenure_store::Tx<'_>, UserRow) -> Result<(), StoreError> + Send + 'static,
    ) {
        let row = self.user(id).await;
        self.app
            .store
            .write(move |tx| change(tx, row))
            .await
            .unwrap();
    }

    async fn delete(&self, id: &'static str) {
        let now = self.clock.now();
        let deleted = self
            .app
            .store
            .write(move |tx| users::delete(tx, id, Occasion::command_line(now), "tail"))
            .await;
        assert!(deleted.unwrap());
    }

    async fn block(&self, id: &'static str) {
        let now = self.clock.now();
        self.change(id, move |tx, row| {
            users::set_blocked(tx, row, true, Occasion::command_line(now), "tail")
        })
        .await;
    }

    /// (what was done, number and reason of each entry that was refused)
    async fn import(&self, entries: Value, upsert: bool) -> (Imported, Vec<(usize, String)>) {
        let (store, clock) = (self.app.store.clone(), self.clock.clone());
        let run = tokio::task::spawn_blocking(move || {
            let mut refused = Vec::new();
            let total = import::run(
                &store,
                entries.to_string().as_bytes(),
                upsert,
                &clock,
                |number, why| refused.push((number, why.to_owned())),
                |_| {},
            );
            (total.unwrap(), refused)
        });
        run.await.unwrap()
    }
}

#[tokio::test]
async fn an_id_that_is_used_again_revives_nothing() {
    for (seconds, by_import) in [(0, false), (1, false), (0, true), (1, true)] {
        let world = World::new().await;
        let mut browser = world.browser();
        let tokens = browser.tokens(&OFFLINE).await;
        let token = tokens["refresh_token"].as_str().unwrap();
        world.clock.advance(seconds);
        world.delete("auth0|ada").await;
        if by_import {
            let ada = json!([{"user_id": "ada", "email": "ada@example.com"}]);
            assert_eq!(world.import(ada, false).await.0.created, 1);
        } else {
            world.apply(ADA).await;
        }
        assert_eq!(
            world.user("auth0|ada").await.user.valid_after,
            world.clock.now()
        );
        assert_eq!(browser.refresh("spa", token).await.error(), "invalid_grant");
        let answer = browser.get(&silent(&[])).await;
        assert_eq!(answer.message().0["error"], "login_required");
        let userinfo = world
            .userinfo(tokens["access_token"].as_str().unwrap())
            .await;
        assert_eq!(userinfo.status, http::StatusCode::UNAUTHORIZED);
        if !by_import {
            world.browser().sign_in(&spa(&[])).await;
        }
    }
}

#[tokio::test]
async fn a_deletion_ends_sessions_and_offline_families_also_of_ended_sessions() {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = crate::world::authorize("forum", "http://localhost:3002/cb", &OFFLINE);
    let code = browser.sign_in(&request).await.code();
    browser
        .exchange("forum", "http://localhost:3002/cb", &code)
        .await;
    // The forum's refresh tokens survive a logout.
    browser.get("/v2/logout?client_id=forum").await;
    let mut other = world.browser();
    other.tokens(&OFFLINE).await;
    world.delete("auth0|ada").await;
    tenure::work::user_ends::round(&world.app).await.unwrap();
    let ends = world
        .app
        .store
        .read(|tx| {
            let filter = tenure_store::SessionFilter {
                limit: 10,
                ..Default::default()
            };
            let sessions = tx.sessions(&filter)?.into_iter().map(|s| s.end);
            let families = tx.families_of_user("auth0|ada")?.into_iter().map(|f| f.end);
            Ok((sessions.collect::<Vec<_>>(), families.collect::<Vec<_>>()))
        })
        .await
        .unwrap();
    let mut sessions: Vec<_> = ends.0.into_iter().map(|end| end.unwrap().reason).collect();
    sessions.sort_by_key(|reason| reason.name());
    assert_eq!(
        sessions,
        [EndReason::AccountDisabled, EndReason::UserLogout]
    );
    assert_eq!(ends.1.len(), 2);
    assert!(
        ends.1
            .iter()
            .all(|end| end.as_ref().unwrap().reason == EndReason::AccountDisabled)
    );
}

#[tokio::test]
async fn an_import_changes_what_its_entries_name_and_nothing_else() {
    let world = World::new().await;
    world.block("auth0|ada").await;
    let before = world.user("auth0|ada").await;
    world.clock.advance(10);
    let (done, refused) = world
        .import(
            json!([
                {"email": "ADA@example.com", "nickname": "ada", "valid_after": 0, "user_metadata": {"a": 1}},
                {"user_id": "auth0|ada", "blocked": null, "user_metadata": {"b": 2}, "password_hash": bcrypt::hash("x", 4).unwrap()},
            ]),
            true,
        )
        .await;
    assert_eq!((done.updated, refused), (2, Vec::new()));
    let after = world.user("auth0|ada").await;
    let mut metadata = serde_json::Map::new();
    metadata.insert("a".to_owned(), json!(1));
    metadata.insert("b".to_owned(), json!(2));
    assert_eq!(
        after,
        UserRow {
            user: User {
                email: Some("ADA@example.com".to_owned()),
                nickname: Some("ada".to_owned()),
                user_metadata: metadata,
                updated_at: world.clock.now(),
                ..before.user
            },
            password_hash: before.password_hash,
        }
    );
}

#[tokio::test]
async fn an_import_blocks_and_unblocks_where_it_says_so() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    world.clock.advance(10);
    let block = |blocked| json!([{"email": "ada@example.com", "blocked": blocked}]);
    world.import(block(true), true).await;
    let valid_after = world.user("auth0|ada").await.user.valid_after;
    assert_eq!(valid_after, world.clock.now());
    world.clock.advance(10);
    world.import(block(true), true).await;
    world.import(block(false), true).await;
    let user = world.user("auth0|ada").await.user;
    assert_eq!((user.blocked, user.valid_after), (false, valid_after));
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(browser.refresh("spa", token).await.error(), "invalid_grant");
}

#[tokio::test]
async fn an_import_names_the_member_that_it_cannot_use() {
    let world = World::new().await;
    let (done, refused) = world
        .import(
            json!([
                {"email": "a@example.com", "email_verified": "yes"},
                {"email": "b@example.com", "user_id": 7},
                {"email": "c@example.com", "password_hash": 7},
                {"email": 7},
                {"username": "ADA"},
            ]),
            false,
        )
        .await;
    assert_eq!((done.created, done.skipped, done.refused), (0, 1, 4));
    for ((number, why), words) in refused.iter().zip([
        "email_verified: \"yes\"",
        "user_id: 7",
        "password_hash must",
        "email: 7",
    ]) {
        assert!(why.contains(words), "{number}: {why}");
    }
}

/// Between planning and writing somebody blocks the user, another gets a new password.
#[tokio::test]
async fn apply_writes_over_what_is_there_when_it_writes() {
    let world = World::new().await;
    let changes = world
        .plan(
            "users: [{user_id: ada, email: ada@example.com, nickname: ada, blocked: false}, \
             {email: bob@example.com, nickname: bob}]",
        )
        .await;
    world.clock.advance(10);
    world.block("auth0|ada").await;
    let now = world.clock.now();
    world
        .change("auth0|bob", move |tx, row| {
            users::set_password(
                tx,
                row,
                "new hash".to_owned(),
                Occasion::command_line(now),
                "tail of bob",
            )
        })
        .await;
    world.clock.advance(10);
    world.carry_out(changes).await.unwrap();
    let (ada, bob) = (world.user("auth0|ada").await, world.user("auth0|bob").await);
    assert_eq!(
        (ada.user.nickname.as_deref(), ada.user.blocked),
        (Some("ada"), true)
    );
    assert_eq!(ada.user.valid_after, now);
    assert_eq!(bob.user.nickname.as_deref(), Some("bob"));
    assert_eq!(bob.password_hash.as_deref(), Some("new hash"));
    assert_eq!(bob.user.valid_after, now);
}

#[tokio::test]
async fn apply_writes_nothing_where_it_was_overtaken() {
    let world = World::new().await;
    let plans = [
        "clients: [{client_id: spa, name: Renamed}]",
        "users: [{user_id: ada, email: ada@example.com, nickname: ada}]",
        "users: [{user_id: new, email: new@example.com}]",
    ];
    let mut planned = Vec::new();
    for text in plans {
        planned.push(world.plan(text).await);
    }
    world
        .apply("clients: [{client_id: spa, name: Other}]\nusers: [{user_id: new, email: x@example.com}]")
        .await;
    world.delete("auth0|ada").await;
    for changes in planned {
        match world.carry_out(changes).await {
            Err(StoreError::Refused(words)) => assert!(words.contains("run it again"), "{words}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        world
            .app
            .settings
            .current()
            .client("spa")
            .unwrap()
            .client
            .name,
        "Other"
    );
}

/// A file written by hand may block, too.
#[tokio::test]
async fn apply_keeps_a_block_that_the_file_does_not_speak_of() {
    let world = World::new().await;
    world.block("auth0|ada").await;
    for text in [
        "users: [{user_id: ada, email: ada@example.com, nickname: x}]",
        "users: [{user_id: ada, email: ada@example.com, blocked: null, valid_after: 0}]",
    ] {
        world.apply(text).await;
        let user = world.user("auth0|ada").await.user;
        assert!(user.blocked && user.valid_after == world.clock.now());
    }
}

/// A file that is made as it is read.
struct Generated {
    total: usize,
    /// Entries that were read.
    read: Arc<AtomicUsize>,
    rest: Vec<u8>,
}

impl std::io::Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() {
            let n = self.read.fetch_add(1, Ordering::SeqCst);
            self.rest = match n {
                n if n > self.total => Vec::new(),
                n if n == self.total => b"]".to_vec(),
                n => {
                    let mark = if n == 0 { '[' } else { ',' };
                    format!("{mark}{{\"email\": \"user{n}@example.com\"}}").into_bytes()
                }
            };
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

/// A million users need no more memory than two batches: what was read and is not yet stored is bounded.
#[tokio::test]
async fn an_import_holds_no_more_than_a_batch() {
    const TOTAL: usize = 5_000;
    let world = World::new().await;
    let (store, clock) = (world.app.store.clone(), world.clock.clone());
    let read = Arc::new(AtomicUsize::new(0));
    let input = Generated {
        total: TOTAL,
        read: read.clone(),
        rest: Vec::new(),
    };
    let run = tokio::task::spawn_blocking(move || {
        let mut held = Vec::new();
        let progress = |so_far: &Imported| {
            held.push(read.load(Ordering::SeqCst).saturating_sub(so_far.created));
        };
        let total = import::run(&store, input, false, &clock, |_, _| {}, progress).unwrap();
        (total, held)
    });
    let (total, held) = run.await.unwrap();
    assert_eq!(total.created, TOTAL);
    // The reader's own buffer besides.
    assert!(
        held.len() >= 10 && held.iter().all(|held| *held < 500),
        "{held:?}"
    );
}
