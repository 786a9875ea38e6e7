//! Renewing tokens, and what a refused renewal means.

use crate::login::KEEPS;
use crate::world::{Browser, Op, World};
use http::StatusCode;
use std::sync::atomic::Ordering;
use tenure_app::{Config, Keep};

pub async fn offline_world(keep: Keep, change: impl FnOnce(&mut Config)) -> World {
    let op = Op::start().await;
    let mut config = op.offline();
    config.auth_required = false;
    change(&mut config);
    let layer = op.layer(config, keep);
    op.world(layer)
}

/// The access token that the application's handlers see.
async fn token(browser: &mut Browser<'_>) -> Option<String> {
    let answer = browser.ask("/token").await.json();
    assert_eq!(answer.get("error"), None, "{answer}");
    answer["token"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn an_expired_access_token_is_renewed_and_a_current_one_is_not() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let first = token(&mut ada).await.unwrap();
        world.advance(299);
        assert_eq!(token(&mut ada).await, Some(first.clone()));
        assert_eq!(world.refreshes(), 0);
        world.advance(1);
        let second = token(&mut ada).await.unwrap();
        assert_ne!(second, first);
        assert_eq!(world.refreshes(), 1);
        // Rotating tokens: the next renewal needs what this one brought.
        world.advance(300);
        assert_ne!(token(&mut ada).await.unwrap(), second);
        assert_eq!(ada.ask("/account").await.json()["sub"], "auth0|ada");
        assert_eq!(world.refreshes(), 2);
        world.stop().await;
    }
}

#[tokio::test]
async fn one_refresh_serves_all_requests_at_once() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        world.advance(300);
        // The provider tolerates no second use of a refresh token here.
        let tabs: Vec<_> = (0..16).map(|_| ada.clone()).collect();
        let asking = tabs.into_iter().map(|mut tab| async move {
            let token = token(&mut tab).await;
            (tab, token)
        });
        let answers = join_all(asking).await;
        assert_eq!(world.refreshes(), 1);
        assert!(
            answers
                .iter()
                .all(|(_, token)| token.is_some() && *token == answers[0].1)
        );
        // Each answer leaves the browser with a session that goes on.
        let (mut last, _) = answers.into_iter().next_back().unwrap();
        world.advance(300);
        assert!(token(&mut last).await.is_some());
        assert_eq!(world.refreshes(), 2);
        world.stop().await;
    }
}

/// All at once, on one task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut waiting {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        match waiting.iter().all(|(_, done)| done.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn a_passive_request_renews_nothing() {
    let world = offline_world(Keep::Store, |config| {
        config.session.passive_paths = vec!["/poll".to_owned()];
    })
    .await;
    let mut ada = world.browser();
    ada.sign_in("/login").await;
    world.advance(300);
    assert_eq!(ada.ask("/poll").await.body, "polled");
    assert_eq!(ada.status().await["active"], true);
    assert_eq!(world.refreshes(), 0);
    world.stop().await;
}

#[tokio::test]
async fn whom_the_provider_refuses_is_signed_out_at_once() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let mut other = ada.clone();
        // The refresh token is idle for its 20 minutes.
        world.advance(1200);
        assert_eq!(ada.visit("/").await.body, "nobody");
        assert_eq!(world.refreshes(), 1);
        let status = ada.status().await;
        assert_eq!(
            (status["active"].as_bool(), status["rule"].as_str()),
            (Some(false), Some("refresh_token"))
        );
        // Also where the browser still holds the old cookies, and without asking the provider again.
        assert_eq!(other.ask("/account").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(world.refreshes(), 1);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_provider_that_is_down_signs_nobody_out() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        world.advance(300);
        world.op.switches.down.store(true, Ordering::SeqCst);
        assert_eq!(ada.ask("/account").await.status, StatusCode::OK);
        let answer = ada.ask("/token").await.json();
        assert!(
            answer["error"]
                .as_str()
                .unwrap()
                .contains("could not be renewed"),
            "{answer}"
        );
        world.op.switches.down.store(false, Ordering::SeqCst);
        // It is asked again after a pause.
        assert!(ada.ask("/token").await.json()["error"].is_string());
        world.advance(6);
        assert!(token(&mut ada).await.is_some());
        world.stop().await;
    }
}

/// Whatever a page says, it is no word of the provider's about anybody.
#[tokio::test]
async fn a_page_in_the_place_of_an_answer_signs_nobody_in_or_out() {
    for status in [200, 302, 400, 401, 404, 502] {
        let world = offline_world(Keep::Store, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let begun = ada.open("/login").await;
        let url = begun.header("location").to_owned();
        let answer = ada
            .request(http::Method::GET, &url, &crate::world::PAGE, String::new())
            .await;
        let callback = answer.header("location").to_owned();
        world.advance(300);
        world.op.switches.page.store(status, Ordering::SeqCst);
        let account = ada.ask("/account").await;
        assert_eq!(account.json()["sub"], "auth0|ada", "{status}");
        let mut other = ada.clone();
        let refused = other
            .request(
                http::Method::GET,
                &callback,
                &crate::world::PAGE,
                String::new(),
            )
            .await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{status}");
        assert!(!refused.body.contains("invalid_grant"), "{refused:?}");
        world.op.switches.page.store(0, Ordering::SeqCst);
        world.advance(6);
        assert!(token(&mut ada).await.is_some(), "{status}");
        // Signing out needs no provider.
        world.op.switches.page.store(status, Ordering::SeqCst);
        assert_eq!(ada.visit("/logout").await.body, "nobody", "{status}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_logout_revokes_the_refresh_token() {
    for keep in KEEPS {
        let world = offline_world(keep, |_| {}).await;
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        assert_eq!(families(&world).await, 1);
        ada.visit("/logout").await;
        assert_eq!(families(&world).await, 0);
        world.stop().await;
    }
}

/// Refresh token families of ada that live.
pub async fn families(world: &World) -> usize {
    let read = world
        .op
        .app
        .store
        .read(|tx| tx.families_of_user("auth0|ada"))
        .await;
    read.unwrap()
        .iter()
        .filter(|family| family.end.is_none())
        .count()
}

#[tokio::test]
async fn a_session_may_follow_its_tokens() {
    for keep in KEEPS {
        // Without a refresh token the access token's end is the session's.
        let op = Op::start().await;
        let mut config = op.config();
        config.auth_required = false;
        config.session.follow_tokens = true;
        config.authorization_params =
            [("audience".to_owned(), "https://api.example.com".to_owned())].into();
        let layer = op.layer(config, keep);
        let world = op.world(layer);
        let mut ada = world.browser();
        ada.sign_in("/login").await;
        let start = world.now();
        let status = ada.status().await;
        assert_eq!(status["expires_at"], start + 300);
        assert_eq!(status["will_end"]["rule"], "token_session");
        world.advance(300);
        assert_eq!(ada.visit("/").await.body, "nobody");
        assert_eq!(ada.status().await["rule"], "token_session");
        world.stop().await;
    }
}
