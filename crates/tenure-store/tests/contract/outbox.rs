//! The outbox: written with the end, claimed by one at a time, and never lost.

use crate::fresh::Fresh;
use crate::sample::{self, sid, user_id};
use crate::support::{read, write};
use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use tenure_protocol::Timestamp;
use tenure_protocol::session::EndReason;
use tenure_store::{Delivery, DeliveryState, Store};

const NOW: Timestamp = Timestamp::from_seconds(2_000_000_000);

/// A session with so many participants that ended at [`NOW`].
fn ended(fresh: &Fresh, participants: usize) -> Store {
    let store = fresh.open();
    let mut entry = sample::log("1", &user_id(1));
    entry.at = NOW;
    write(&store, move |tx| {
        tx.insert_session(&sample::session(1))?;
        for i in 0..participants {
            tx.see_participant(&sid(1), &format!("rp-{i:04}"), NOW)?;
        }
        let end = sample::end(EndReason::Idle);
        tx.end_session(&sample::session(1).ended(end), &[], &entry)
    });
    store
}

fn claim(store: &Store, now: Timestamp, most: i64) -> Vec<Delivery> {
    write(store, move |tx| {
        tx.claim_deliveries(now, now.plus(60), most)
    })
}

fn rows(store: &Store) -> Vec<Delivery> {
    read(store, |tx| tx.deliveries_of_session(&sid(1)))
}

fn settle(store: &Store, row: Delivery) -> bool {
    write(store, move |tx| tx.settle_delivery(&row))
}

pub fn an_end_leaves_a_row_for_each_participant(fresh: &Fresh) {
    let store = ended(fresh, 2);
    let row = Delivery {
        sid: sid(1),
        client_id: "rp-0000".to_owned(),
        user_id: sample::session(1).user_id,
        reason: EndReason::Idle,
        state: DeliveryState::Pending,
        attempts: 0,
        created_at: NOW,
        due_at: NOW,
        last_at: None,
        last_status: None,
        last_error: None,
    };
    let found = rows(&store);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], row);
    assert_eq!(read(&store, |tx| tx.next_delivery()), Some(NOW));
    let pending = DeliveryState::Pending;
    assert_eq!(read(&store, move |tx| tx.count_deliveries(pending)), 2);
}

pub fn a_claim_takes_what_is_due_and_comes_back_when_it_is_lost(fresh: &Fresh) {
    let store = ended(fresh, 3);
    assert_eq!(claim(&store, NOW.plus(-1), 10), []);
    let first = claim(&store, NOW, 2);
    assert_eq!(first.len(), 2);
    assert!(
        first
            .iter()
            .all(|row| row.attempts == 1 && row.due_at == NOW.plus(60))
    );
    assert_eq!(
        claim(&store, NOW, 10).len(),
        1,
        "what is claimed is not claimed again"
    );
    assert_eq!(claim(&store, NOW.plus(59), 10), []);
    assert_eq!(read(&store, |tx| tx.next_delivery()), Some(NOW.plus(60)));
    let again = claim(&store, NOW.plus(60), 10);
    assert_eq!(again.len(), 3);
    assert!(again.iter().all(|row| row.attempts == 2));
}

pub fn of_two_claimers_each_gets_others(fresh: &Fresh) {
    let store = ended(fresh, 200);
    let gate = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (store, gate) = (store.clone(), gate.clone());
            std::thread::spawn(move || {
                gate.wait();
                let mut mine = Vec::new();
                loop {
                    let claimed = claim(&store, NOW, 7);
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed.into_iter().map(|row| row.client_id));
                }
            })
        })
        .collect();
    let all: Vec<String> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    // Who finds everything held by others goes away; what they left is claimed by the next look.
    let rest = claim(&store, NOW, 1_000)
        .into_iter()
        .map(|row| row.client_id);
    let count = all.len() + rest.len();
    let names: BTreeSet<String> = all.into_iter().chain(rest).collect();
    assert_eq!((names.len(), count), (200, 200), "each once");
}

pub fn what_is_settled_stays_settled(fresh: &Fresh) {
    let store = ended(fresh, 4);
    let mut claimed = claim(&store, NOW, 10);
    claimed.sort_by(|a, b| a.client_id.cmp(&b.client_id));
    let states = [
        DeliveryState::Delivered,
        DeliveryState::Rejected,
        DeliveryState::Dead,
        DeliveryState::NotAsked,
    ];
    for (row, state) in claimed.iter().zip(states) {
        let settled = Delivery {
            state,
            last_at: Some(NOW.plus(1)),
            last_status: Some(204),
            last_error: Some("words".to_owned()),
            ..row.clone()
        };
        assert!(settle(&store, settled.clone()));
        assert!(rows(&store).contains(&settled));
        // A second claimer that comes too late changes nothing.
        let late = Delivery {
            state: DeliveryState::Pending,
            ..settled
        };
        assert!(!settle(&store, late));
    }
    assert_eq!(claim(&store, NOW.plus(10_000), 10), []);
    assert_eq!(read(&store, |tx| tx.next_delivery()), None);
    let dead = read(&store, |tx| tx.dead_deliveries(10));
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].client_id, "rp-0002");
    let count = |state| read(&store, move |tx| tx.count_deliveries(state));
    assert_eq!(
        (count(DeliveryState::Dead), count(DeliveryState::Pending)),
        (1, 0)
    );
}

pub fn what_was_given_up_can_be_tried_again(fresh: &Fresh) {
    let store = ended(fresh, 4);
    let mut claimed = claim(&store, NOW, 10);
    claimed.sort_by(|a, b| a.client_id.cmp(&b.client_id));
    let states = [
        DeliveryState::Delivered,
        DeliveryState::Rejected,
        DeliveryState::Dead,
        DeliveryState::NotAsked,
    ];
    for (row, state) in claimed.into_iter().zip(states) {
        settle(&store, Delivery { state, ..row });
    }
    let later = NOW.plus(90_000);
    assert_eq!(
        write(&store, move |tx| tx.retry_deliveries(&sid(2), later)),
        0
    );
    assert_eq!(
        write(&store, move |tx| tx.retry_deliveries(&sid(1), later)),
        2
    );
    let again = claim(&store, later, 10);
    let names: BTreeSet<&str> = again.iter().map(|row| row.client_id.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["rp-0001", "rp-0002"]));
    // With the whole schedule before it.
    assert!(
        again
            .iter()
            .all(|row| row.attempts == 1 && row.created_at == later)
    );
}

pub fn what_is_given_back_was_no_attempt(fresh: &Fresh) {
    let store = ended(fresh, 1);
    let claimed = claim(&store, NOW, 1);
    let given = claimed.clone();
    write(&store, move |tx| tx.release_deliveries(&given, NOW.plus(5)));
    let row = &rows(&store)[0];
    assert_eq!((row.attempts, row.due_at), (0, NOW.plus(5)));
    assert_eq!(claim(&store, NOW, 1), []);
    let again = claim(&store, NOW.plus(200), 1);
    assert_eq!(again[0].attempts, 1);
    // Of a claim that ran out nothing is given back.
    claim(&store, NOW.plus(260), 1);
    write(&store, move |tx| tx.release_deliveries(&again, NOW));
    assert_eq!(rows(&store)[0].attempts, 2);
}
