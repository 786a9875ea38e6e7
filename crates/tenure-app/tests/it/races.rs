//! Slow requests and slow refreshes: nothing that began before a logout brings the session back.

use crate::login::{KEEPS, open_world};
use crate::tokens::{families, offline_world};
use crate::world::Op;
use std::sync::atomic::Ordering;
use tenure_app::store::SqliteStore;
use tenure_app::{AppSession, Keep};

#[tokio::test]
async fn a_slow_request_never_brings_a_logged_out_session_back() {
    for keep in KEEPS {
        let world = open_world(keep, |config| config.session.rolling_duration = Some(600)).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        world.advance(60);
        let mut tab = ada.clone();
        let slow = tab.ask("/slow");
        let meanwhile = async {
            world.slow.is_reached().await;
            assert_eq!(ada.visit("/logout").await.body, "nobody");
            world.slow.let_go();
        };
        // It answers as the person who was signed in when it began, and that is all.
        let (answer, ()) = tokio::join!(slow, meanwhile);
        assert_eq!(answer.body, "auth0|ada");
        assert_eq!(answer.cookies(), Vec::<&str>::new());
        ada.take_cookies(&answer);
        assert_eq!(ada.visit("/").await.body, "nobody");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_slow_request_does_not_push_out_the_next_login() {
    for keep in KEEPS {
        let world = open_world(keep, |config| config.session.rolling_duration = Some(600)).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        world.advance(60);
        let mut tab = ada.clone();
        let slow = tab.ask("/slow");
        let meanwhile = async {
            world.slow.is_reached().await;
            ada.visit("/logout").await;
            ada.visit("/login").await;
            world.slow.let_go();
        };
        let (answer, ()) = tokio::join!(slow, meanwhile);
        ada.take_cookies(&answer);
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_slow_refresh_never_brings_a_logged_out_session_back() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        world.advance(300);
        world.op.switches.slow_refresh.store(true, Ordering::SeqCst);
        let mut tab = ada.clone();
        let refreshing = tab.ask("/account");
        let meanwhile = async {
            world.op.switches.refresh_gate.is_reached().await;
            // The provider has rotated; the browser's logout knows the old token only.
            assert_eq!(ada.visit("/logout").await.body, "nobody");
            world.op.switches.refresh_gate.let_go();
        };
        let (answer, ()) = tokio::join!(refreshing, meanwhile);
        assert_eq!(answer.json()["reason"], "user_logout");
        ada.take_cookies(&answer);
        assert_eq!(ada.visit("/").await.body, "nobody");
        assert_eq!(
            families(&world).await,
            0,
            "the new refresh token is revoked as well"
        );
        world.stop().await;
    }
}

#[tokio::test]
async fn a_slow_request_does_not_write_old_tokens_back() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        world.advance(290);
        let mut tab = ada.clone();
        let slow = tab.ask("/slow");
        let meanwhile = async {
            world.slow.is_reached().await;
            world.advance(10);
            ada.ask("/account").await;
            world.slow.let_go();
        };
        let (answer, ()) = tokio::join!(slow, meanwhile);
        ada.take_cookies(&answer);
        assert_eq!(world.refreshes(), 1);
        // With the old refresh token the next renewal would be a reuse.
        world.advance(300);
        assert!(ada.ask("/token").await.json()["token"].is_string());
        world.stop().await;
    }
}

#[tokio::test]
async fn data_that_requests_change_at_once_is_kept() {
    let world = open_world(Keep::Store, |_| {}).await;
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    let mut tab = ada.clone();
    let slow = tab.ask("/slow");
    let meanwhile = async {
        world.slow.is_reached().await;
        ada.post("/cart").await;
        world.slow.let_go();
    };
    tokio::join!(slow, meanwhile);
    let account = ada.ask("/account").await.json();
    assert_eq!(account["items"], 1);
    assert_eq!(account["slow"], true);
    world.stop().await;
}

#[tokio::test]
async fn a_browser_that_hangs_up_does_not_lose_the_refresh() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        world.advance(300);
        world.op.switches.slow_refresh.store(true, Ordering::SeqCst);
        let mut tab = ada.clone();
        {
            let asking = tab.ask("/account");
            let reached = world.op.switches.refresh_gate.is_reached();
            tokio::select! {
                _ = asking => panic!("it waits for the provider"),
                () = reached => {}
            }
            // Dropped here: the connection is gone.
        }
        world
            .op
            .switches
            .slow_refresh
            .store(false, Ordering::SeqCst);
        world.op.switches.refresh_gate.let_go();
        assert!(ada.ask("/token").await.json()["token"].is_string());
        assert_eq!(world.refreshes(), 1);
        world.stop().await;
    }
}

#[tokio::test]
async fn processes_that_share_a_store_share_their_sessions_and_their_ends() {
    for keep in KEEPS {
        let folder = tempfile::tempdir().unwrap();
        let op = Op::start().await;
        let process = || {
            let mut config = op.config();
            config.auth_required = false;
            let store = SqliteStore::open(&folder.path().join("sessions.db")).unwrap();
            let builder = AppSession::builder(config).clock(op.clock());
            let builder = match keep {
                Keep::Cookie => builder.cookies_with_marks(store),
                Keep::Store => builder.store(store),
            };
            builder.build().unwrap()
        };
        let (one, two, three) = (process(), process(), process());
        let mut world = op.world(one);
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let cookies = ada.cookies.clone();
        world.restart(two);
        let mut ada = world.browser();
        ada.cookies = cookies.clone();
        assert_eq!(ada.visit("/").await.body, "auth0|ada");
        assert_eq!(ada.visit("/logout").await.body, "nobody");
        world.restart(three);
        let mut thief = world.browser();
        thief.cookies = cookies;
        assert_eq!(thief.visit("/").await.body, "nobody");
        assert_eq!(thief.status().await["reason"], "user_logout");
        world.stop().await;
    }
}
