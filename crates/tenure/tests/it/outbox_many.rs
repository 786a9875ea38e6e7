//! A session with very many relying parties.

use crate::outbox::{Running, tenant, tried};
use crate::outbox_receiver::Receiver;
use tenure_store::DeliveryState;

/// Issue: 1,000 participants, 5 % of them failing; every one is delivered or dead-lettered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_participants_each_is_told_or_stands_in_the_dead_letter_list() {
    let mut receivers = Vec::new();
    for _ in 0..4 {
        receivers.push(Receiver::start().await);
    }
    let url = |i: usize| {
        let path = if i % 20 == 7 { "down" } else { "ok" };
        receivers[i % 4].url(&format!("{path}/{i}"))
    };
    let urls: Vec<String> = (0..1_000).map(url).collect();
    let running = Running::new(&tenant(&urls, "")).await;
    let (mut browser, sid) = running.sign_in(1).await;
    let now = running.world.clock.now();
    let taken = running.world.app.store.write(move |tx| {
        (1..1_000).try_for_each(|i| tx.see_participant(&sid, &format!("rp-{i}"), now))
    });
    taken.await.unwrap();
    browser.get("/v2/logout?client_id=spa").await;
    running.until(sid, tried).await;
    running.world.clock.advance(86_400);
    let states = running.settled(sid).await;
    assert_eq!(states.len(), 1_000);
    for (client, state) in states {
        let i: usize = client.trim_start_matches("rp-").parse().unwrap();
        let expected = if i % 20 == 7 {
            DeliveryState::Dead
        } else {
            DeliveryState::Delivered
        };
        assert_eq!(state, expected, "{client}");
    }
}
