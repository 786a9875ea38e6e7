//! Refreshing at once, from many tabs.

use crate::world::{OFFLINE, World};
use serde_json::Value;

fn token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn simultaneous_refreshes_rotate_once_and_all_hold_one_successor() {
    // CVE-2026-1035, hydra#3604. 200 rounds with --full, 20 otherwise.
    let rounds = if std::env::var_os("TENURE_FULL").is_some() {
        200
    } else {
        20
    };
    let world = World::new().await;
    let mut browser = world.browser();
    let mut current = token(&browser.tokens(&OFFLINE).await);
    for round in 0..rounds {
        let answers = futures_join((0..32).map(|_| browser.refresh("spa", &current))).await;
        let mut successors: Vec<String> = answers.iter().map(|a| token(&a.json())).collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "round {round}: one successor");
        let next = successors.remove(0);
        let (old, new) = (decode(&current), decode(&next));
        assert_eq!(
            new.generation,
            old.generation + 1,
            "round {round}: one rotation"
        );
        current = next;
        world.clock.advance(61);
    }
}

fn decode(text: &str) -> tenure_protocol::refresh::RefreshToken {
    tenure_protocol::refresh::RefreshToken::decode(text).unwrap()
}

/// Polls all futures together until each is done.
pub async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(move |context| {
        let mut waiting = false;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(
                pending
                    .iter_mut()
                    .map(|(_, output)| output.take().unwrap())
                    .collect(),
            )
        }
    })
    .await
}
