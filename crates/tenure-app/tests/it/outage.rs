//! A store that fails: nobody is taken for signed in or out on its account, and nothing is lost that cannot be had again.

use crate::login::KEEPS;
use crate::tokens::families;
use crate::world::{Gate, Op, PAGE, SCRIPT, World};
use http::{Method, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenure_app::store::{Answer, Entry, Key, Mark, MemoryStore, Replaced, Store, StoreError};
use tenure_app::{AppSession, Keep, Timestamp};

#[derive(Debug, Default)]
struct Faults {
    /// Everything fails.
    down: AtomicBool,
    /// Replacements fail.
    read_only: AtomicBool,
    /// Ends wait at the gate.
    slow_ends: AtomicBool,
    gate: Gate,
}

#[derive(Debug, Default)]
struct Faulty {
    store: MemoryStore,
    faults: Arc<Faults>,
}

impl Faulty {
    fn unless<'a, T: Send + 'a>(&self, fault: &AtomicBool, answer: Answer<'a, T>) -> Answer<'a, T> {
        let down = fault.load(Ordering::SeqCst) || self.faults.down.load(Ordering::SeqCst);
        if down {
            return Box::pin(std::future::ready(Err(StoreError::new("out of order"))));
        }
        answer
    }
}

impl Store for Faulty {
    fn create<'a>(&'a self, entry: &'a Entry) -> Answer<'a, bool> {
        self.unless(&self.faults.read_only, self.store.create(entry))
    }

    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        self.unless(&self.faults.down, self.store.load(key))
    }

    fn replace<'a>(&'a self, entry: &'a Entry) -> Answer<'a, Replaced> {
        if self.faults.read_only.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::new("read-only"))));
        }
        self.unless(&self.faults.down, self.store.replace(entry))
    }

    fn touch<'a>(&'a self, key: &'a Key, at: Timestamp, end: Timestamp) -> Answer<'a, bool> {
        self.unless(&self.faults.down, self.store.touch(key, at, end))
    }

    fn end<'a>(&'a self, mark: &'a Mark) -> Answer<'a, u64> {
        if self.faults.down.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::new("out of order"))));
        }
        Box::pin(async move {
            if self.faults.slow_ends.load(Ordering::SeqCst) {
                self.faults.gate.pass().await;
            }
            self.store.end(mark).await
        })
    }

    fn marks<'a>(&'a self, keys: &'a [Key]) -> Answer<'a, Vec<Mark>> {
        self.unless(&self.faults.down, self.store.marks(keys))
    }

    fn sweep(&self, now: Timestamp) -> Answer<'_, u64> {
        self.unless(&self.faults.down, self.store.sweep(now))
    }
}

async fn faulty_world(keep: Keep) -> (World, Arc<Faults>) {
    let op = Op::start().await;
    let mut config = op.offline();
    config.auth_required = false;
    let store = Faulty::default();
    let faults = store.faults.clone();
    let builder = AppSession::builder(config).clock(op.clock());
    let builder = match keep {
        Keep::Cookie => builder.cookies_with_marks(store),
        Keep::Store => builder.store(store),
    };
    let layer = builder.build().unwrap();
    (op.world(layer), faults)
}

#[tokio::test]
async fn a_store_that_is_down_is_said_so_and_changes_nothing() {
    for keep in KEEPS {
        let (world, faults) = faulty_world(keep).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let begun = ada.open("/login").await;
        let page = ada
            .request(Method::GET, begun.header("location"), &PAGE, String::new())
            .await;
        let callback = page.header("location").to_owned();
        assert!(callback.contains("/callback?"), "{page:?}");
        faults.down.store(true, Ordering::SeqCst);
        let paths = ["/", "/account", "/pay", "/session", "/logout"];
        for path in paths {
            for headers in [PAGE, SCRIPT] {
                // Signing out by a script is a question.
                if path == "/logout" && headers == SCRIPT {
                    continue;
                }
                let url = ada.shop(path);
                let answer = ada
                    .request(Method::GET, &url, &headers, String::new())
                    .await;
                assert_eq!(
                    answer.status,
                    StatusCode::SERVICE_UNAVAILABLE,
                    "{path} {headers:?}"
                );
                assert_eq!(answer.cookies(), Vec::<&str>::new());
            }
        }
        let url = ada.shop("/session/extend");
        let json = [
            ("content-type", "application/json"),
            ("sec-fetch-site", "same-origin"),
        ];
        let extended = ada
            .request(Method::POST, &url, &json, "{}".to_owned())
            .await;
        assert_eq!(extended.status, StatusCode::SERVICE_UNAVAILABLE);
        let answered = ada
            .clone()
            .request(Method::GET, &callback, &PAGE, String::new())
            .await;
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            answered
                .cookies()
                .iter()
                .all(|line| line.contains("Max-Age=0"))
        );
        faults.down.store(false, Ordering::SeqCst);
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
        world.stop().await;
    }
}

/// The provider has rotated the refresh token: the old one would be a reuse, and the new one is known to us alone.
#[tokio::test]
async fn a_renewal_that_could_not_be_written_down_is_not_lost() {
    let (world, faults) = faulty_world(Keep::Store).await;
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    ada.post("/cart").await;
    world.advance(300);
    faults.read_only.store(true, Ordering::SeqCst);
    let refused = ada.ask("/account").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.refreshes(), 1);
    faults.read_only.store(false, Ordering::SeqCst);
    assert_eq!(ada.ask("/account").await.json()["items"], 1);
    assert!(ada.ask("/token").await.json()["token"].is_string());
    assert_eq!(world.refreshes(), 1);
    // What was written is what the next renewal needs.
    world.advance(300);
    assert!(ada.ask("/token").await.json()["token"].is_string());
    assert_eq!(world.refreshes(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_browser_that_hangs_up_while_it_signs_out_leaves_no_refresh_token_behind() {
    for keep in KEEPS {
        let (world, faults) = faulty_world(keep).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        assert_eq!(families(&world).await, 1);
        faults.slow_ends.store(true, Ordering::SeqCst);
        let mut tab = ada.clone();
        {
            let leaving = tab.open("/logout");
            tokio::select! {
                _ = leaving => panic!("it waits for the store"),
                () = faults.gate.is_reached() => {}
            }
            // Dropped here: the window is closed.
        }
        faults.gate.let_go();
        world.op.switches.revoked.is_opened().await;
        assert_eq!(families(&world).await, 0);
        assert_eq!(ada.visit("/").await.body, "nobody");
        world.stop().await;
    }
}

/// A browser takes no session of any size. One that does not fit leaves the one that there is alone, and no refresh token
/// behind.
#[tokio::test]
async fn a_session_too_large_for_cookies_pushes_nothing_out() {
    let mut world = crate::tokens::offline_world(Keep::Cookie, |_| {}).await;
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    let mut fits = 0;
    for length in (6000..14_000).step_by(250) {
        if ada
            .post(&format!("/note/{length}"))
            .await
            .cookies()
            .is_empty()
        {
            break;
        }
        fits = length;
    }
    assert!((6000..13_750).contains(&fits), "{fits}");
    // From now on the ID token is in the cookie as well.
    let cookies = ada.cookies.clone();
    let mut config = world.op.offline();
    config.auth_required = false;
    config.idp_logout = true;
    let layer = world.op.layer(config, Keep::Cookie);
    world.restart(layer);
    let mut ada = world.browser();
    ada.cookies = cookies;
    let refused = ada.visit("/login").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.contains("too large"), "{refused:?}");
    assert_eq!(ada.visit("/").await.body, "auth0|ada");
    assert_eq!(families(&world).await, 1);
    world.stop().await;
}
