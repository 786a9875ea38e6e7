//! What identity providers told us: kept once, claimed by one at a time, settled once.

use crate::fresh::Fresh;
use crate::sample::{NOW, sid, user_id};
use crate::support::{read, write};
use crate::upstream::upstream;
use crate::variety::Dice;
use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use tenure_protocol::Timestamp;
use tenure_store::{SignalKind, Store, UpstreamSession, UpstreamSignal, UpstreamWhom};

fn signal(n: u32) -> UpstreamSignal {
    UpstreamSignal {
        connection: "corp".to_owned(),
        id: format!("hash-{n:04}"),
        kind: SignalKind::Logout,
        token: "a.b.c".to_owned(),
        body: "{}".to_owned(),
        received_at: NOW,
        expires_at: NOW.plus(100),
        due_at: NOW.plus(i64::from(n)),
        attempts: 0,
        last_error: None,
    }
}

fn put(store: &Store, row: UpstreamSignal) -> bool {
    write(store, move |tx| tx.put_signal(&row))
}

fn claim(store: &Store, now: Timestamp, most: i64) -> Vec<UpstreamSignal> {
    let mut rows = write(store, move |tx| {
        tx.claim_signals("corp", (now, now.plus(60)), most)
    });
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}

fn due(store: &Store) -> Vec<(String, Timestamp)> {
    read(store, |tx| tx.signals_due())
}

fn corp(at: Timestamp) -> (String, Timestamp) {
    ("corp".to_owned(), at)
}

pub fn what_is_kept_is_read_and_a_repeat_is_no_second_row(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(32);
    for n in 0..50 {
        let row = UpstreamSignal {
            connection: format!("c{n} {}", dice.text()),
            id: dice.text(),
            kind: SignalKind::ALL[usize::from(dice.flip())],
            token: dice.text(),
            body: dice.text(),
            received_at: dice.instant(),
            expires_at: dice.instant(),
            due_at: NOW,
            attempts: 0,
            last_error: dice.flip().then(|| dice.text()),
        };
        assert!(put(&store, row.clone()));
        let repeat = UpstreamSignal {
            token: "another".to_owned(),
            ..row.clone()
        };
        assert!(!put(&store, repeat));
        let claimed = UpstreamSignal {
            due_at: NOW.plus(60),
            attempts: 1,
            ..row
        };
        let name = claimed.connection.clone();
        let found = write(&store, move |tx| {
            tx.claim_signals(&name, (NOW, NOW.plus(60)), 9)
        });
        assert_eq!(found, std::slice::from_ref(&claimed));
        assert!(write(&store, move |tx| tx.drop_signal(&claimed)));
    }
    assert_eq!(read(&store, |tx| tx.signals_due()), []);
}

pub fn they_are_counted_for_each_connection(fresh: &Fresh) {
    let store = fresh.open();
    for n in 0..5 {
        put(&store, signal(n));
    }
    let elsewhere = UpstreamSignal {
        connection: "other".to_owned(),
        ..signal(1)
    };
    put(&store, elsewhere);
    for (connection, most, expected) in
        [("corp", 9, 5), ("corp", 3, 3), ("other", 9, 1), ("x", 9, 0)]
    {
        let count = read(&store, move |tx| tx.count_signals(connection, most));
        assert_eq!(count, expected, "{connection}");
    }
}

/// However much waits for one, the others are seen.
pub fn each_connection_has_what_is_due_of_it_alone(fresh: &Fresh) {
    let store = fresh.open();
    let of = |connection: &str, n: u32| UpstreamSignal {
        connection: connection.to_owned(),
        ..signal(n)
    };
    for n in 0..200 {
        put(&store, of("corp", n));
    }
    for (connection, n) in [("zeta", 150), ("corp-2", 70), ("zeta", 90), ("Älter", 3)] {
        put(&store, of(connection, n));
    }
    let at = |name: &str, n: i64| (name.to_owned(), NOW.plus(n));
    let first = [
        at("corp", 0),
        at("corp-2", 70),
        at("zeta", 90),
        at("Älter", 3),
    ];
    assert_eq!(due(&store), first);
    let claimed = write(&store, |tx| {
        tx.claim_signals("zeta", (NOW.plus(100), NOW.plus(500)), 9)
    });
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].connection, "zeta");
    assert_eq!(due(&store)[2], at("zeta", 150));
    let confirmed = |connection: &str, n: u32, seconds: i64| UpstreamSession {
        connection: connection.to_owned(),
        confirm_due_at: Some(NOW.plus(seconds)),
        ..upstream(n)
    };
    let rows = [
        confirmed("corp", 1, 9),
        confirmed("corp", 2, 4),
        confirmed("lax", 1, 2),
    ];
    write(&store, move |tx| {
        rows.iter().try_for_each(|row| tx.put_upstream_session(row))
    });
    let next = read(&store, |tx| tx.confirmations_due());
    assert_eq!(next, [at("corp", 4), at("lax", 2)]);
    let claimed = write(&store, |tx| {
        tx.claim_confirmations("corp", (NOW.plus(9), NOW.plus(60)), 1)
    });
    assert_eq!(claimed.len(), 1);
    assert_eq!(
        (claimed[0].connection.as_str(), claimed[0].sid),
        ("corp", sid(2))
    );
}

pub fn a_claim_takes_what_is_due_and_what_is_lost_comes_back(fresh: &Fresh) {
    let store = fresh.open();
    for n in 0..3 {
        put(&store, signal(n));
    }
    assert_eq!(due(&store), [corp(NOW)]);
    assert_eq!(claim(&store, NOW.plus(-1), 9), []);
    let first = claim(&store, NOW.plus(1), 9);
    let ids: Vec<_> = first.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["hash-0000", "hash-0001"]);
    assert_eq!(claim(&store, NOW.plus(1), 9), [], "they are taken");
    assert_eq!(due(&store), [corp(NOW.plus(2))]);
    let again = claim(&store, NOW.plus(61), 9);
    assert_eq!(again.len(), 3);
    assert_eq!(again[0].attempts, 2, "the first claimer never came back");
    // Which it does, too late: it has no say any more.
    let [late, other] = [first[0].clone(), first[1].clone()];
    assert!(!write(&store, move |tx| tx.drop_signal(&late)));
    assert!(!write(&store, move |tx| tx.settle_signal(&other)));
    let settled = UpstreamSignal {
        due_at: NOW.plus(500),
        last_error: Some("no keys".to_owned()),
        body: "further".to_owned(),
        ..again[0].clone()
    };
    let row = settled.clone();
    assert!(write(&store, move |tx| tx.settle_signal(&row)));
    let all = claim(&store, NOW.plus(500), 9);
    let back = all.iter().find(|row| row.id == settled.id).unwrap();
    assert_eq!(back.last_error, settled.last_error);
    assert_eq!((back.body.as_str(), back.attempts), ("further", 3));
}

pub fn of_two_claimers_each_gets_others(fresh: &Fresh) {
    let store = fresh.open();
    for n in 0..200 {
        put(
            &store,
            UpstreamSignal {
                due_at: NOW,
                ..signal(n)
            },
        );
    }
    let start = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (store, start) = (store.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                let mut taken = Vec::new();
                loop {
                    let rows = claim(&store, NOW, 7);
                    if rows.is_empty() {
                        return taken;
                    }
                    taken.extend(rows.into_iter().map(|row| row.id));
                }
            })
        })
        .collect();
    let taken: Vec<String> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    let different: BTreeSet<_> = taken.iter().collect();
    assert_eq!(different.len(), taken.len(), "nobody took what another had");
    // One who sees only rows that others hold goes home early; what is left is there for the next.
    let left = claim(&store, NOW, 200);
    assert_eq!(left.len() + taken.len(), 200);
}

pub fn an_upstream_session_ends_once_and_forgets_its_tokens(fresh: &Fresh) {
    let store = fresh.open();
    let alive = UpstreamSession {
        sealed: Some(vec![1, 2, 3]),
        confirm_due_at: Some(NOW),
        ..upstream(1)
    };
    write(&store, move |tx| tx.put_upstream_session(&alive));
    let end = |sid, connection, at| {
        write(&store, move |tx| {
            tx.end_upstream_session(&sid, connection, at, "logout_token")
        })
    };
    assert!(!end(sid(1), "other", NOW));
    assert!(!end(sid(2), "corp", NOW));
    assert!(end(sid(1), "corp", NOW));
    assert!(!end(sid(1), "corp", NOW.plus(9)));
    let ended = UpstreamSession {
        ended_at: Some(NOW),
        ended_by: Some("logout_token".to_owned()),
        ..upstream(1)
    };
    assert_eq!(read(&store, |tx| tx.upstream_sessions(&sid(1))), [ended]);
    let behind = read(&store, |tx| {
        let whom = UpstreamWhom::Subject("ada");
        tx.sessions_behind("corp", "https://idp.example/", whom, None, 9)
    });
    assert_eq!(behind, []);
}

pub fn all_of_a_person_end_that_began_by_then(fresh: &Fresh) {
    let store = fresh.open();
    let others = [
        UpstreamSession {
            began_at: NOW.plus(1),
            ..upstream(3)
        },
        UpstreamSession {
            subject: "eve".to_owned(),
            ..upstream(4)
        },
        UpstreamSession {
            issuer: "https://former.example/".to_owned(),
            ..upstream(5)
        },
        UpstreamSession {
            connection: "other".to_owned(),
            user_id: user_id(1),
            ..upstream(6)
        },
    ];
    write(&store, move |tx| {
        for row in [upstream(1), upstream(2)].iter().chain(&others) {
            tx.put_upstream_session(row)?;
        }
        Ok(())
    });
    let ended = write(&store, |tx| {
        let whose = ("corp", "https://idp.example/", "ada");
        tx.end_upstream_sessions_of(whose, NOW, "revocation")
    });
    assert_eq!(ended, 2);
    for n in 1..=6 {
        let rows = read(&store, move |tx| tx.upstream_sessions(&sid(n)));
        assert_eq!(rows[0].ended_at.is_some(), n <= 2, "{n}");
    }
}

pub fn what_is_to_be_confirmed_is_claimed_by_one_and_settled_once(fresh: &Fresh) {
    let store = fresh.open();
    let due = |n: u32, seconds: Option<i64>| UpstreamSession {
        confirm_due_at: seconds.map(|seconds| NOW.plus(seconds)),
        ..upstream(n)
    };
    let ended = UpstreamSession {
        ended_at: Some(NOW),
        ..due(4, Some(0))
    };
    let rows = [due(1, Some(0)), due(2, Some(5)), due(3, None), ended];
    write(&store, move |tx| {
        rows.iter().try_for_each(|row| tx.put_upstream_session(row))
    });
    let next = || read(&store, |tx| tx.confirmations_due());
    let claim = |now: Timestamp| {
        write(&store, move |tx| {
            tx.claim_confirmations("corp", (now, now.plus(60)), 9)
        })
    };
    assert_eq!(next(), [corp(NOW)]);
    assert_eq!(claim(NOW.plus(-1)), []);
    let claimed = claim(NOW);
    assert_eq!(claimed, [due(1, Some(60))]);
    assert_eq!(claim(NOW), [], "it is taken");
    assert_eq!(next(), [corp(NOW.plus(5))]);
    // The claimer never comes back in time; another one asks, and its answer counts.
    let mut second = claim(NOW.plus(60));
    second.sort_by_key(|row| row.sid);
    assert_eq!(second, [due(1, Some(120)), due(2, Some(120))]);
    let settle = |claimed: UpstreamSession, settled: UpstreamSession| {
        write(&store, move |tx| tx.settle_confirmation(&claimed, &settled))
    };
    let confirmed = UpstreamSession {
        confirmed_at: NOW.plus(60),
        confirm_due_at: Some(NOW.plus(600)),
        session_expiry: Some(NOW.plus(900)),
        sealed: Some(vec![7; 40]),
        ..due(1, None)
    };
    assert!(!settle(claimed[0].clone(), due(1, None)), "too late");
    assert!(settle(second[0].clone(), confirmed.clone()));
    assert!(!settle(second[0].clone(), due(1, None)), "settled");
    assert_eq!(
        read(&store, |tx| tx.upstream_sessions(&sid(1))),
        std::slice::from_ref(&confirmed)
    );
    let silent = UpstreamSession {
        confirm_due_at: Some(NOW.plus(61)),
        confirm_failures: 1,
        confirm_error: Some("no answer".to_owned()),
        ..due(2, None)
    };
    assert!(settle(second[1].clone(), silent.clone()));
    assert_eq!(claim(NOW.plus(61)).len(), 1);
    // A person who signs in again begins anew: what was asked about before is nothing to it.
    let again = UpstreamSession {
        began_at: NOW.plus(70),
        confirm_due_at: Some(NOW.plus(121)),
        ..due(2, None)
    };
    let row = again.clone();
    write(&store, move |tx| tx.put_upstream_session(&row));
    let former = UpstreamSession {
        confirm_due_at: Some(NOW.plus(121)),
        ..silent
    };
    let over = UpstreamSession {
        ended_at: Some(NOW.plus(71)),
        ..former.clone()
    };
    assert!(!settle(former, over));
    assert_eq!(read(&store, |tx| tx.upstream_sessions(&sid(2))), [again]);
}

/// A login and a word about the same session at once: whoever comes second sees what the first did.
pub fn a_word_and_who_listens_for_it_meet(fresh: &Fresh) {
    let store = fresh.open();
    let hear = |store: &Store| write(store, |tx| tx.hear_word("over", "a", NOW.plus(9)));
    assert_eq!(hear(&store), Some((String::new(), NOW.plus(9))));
    write(&store, |tx| tx.leave_word("over", "a", ("1", NOW.plus(5))));
    write(&store, |tx| tx.leave_word("over", "a", ("2", NOW.plus(7))));
    assert_eq!(hear(&store), Some(("2".to_owned(), NOW.plus(7))));
    let (done, is_done) = std::sync::mpsc::channel();
    let other = store.clone();
    let second = store.clone();
    let listener = std::thread::spawn(move || {
        write(&other, move |tx| {
            let word = tx.hear_word("over", "b", NOW.plus(9))?;
            let speaker = std::thread::spawn(move || {
                let seen = write(&second, |tx| {
                    tx.leave_word("over", "b", ("3", NOW.plus(9)))?;
                    tx.peek_once("session", "b")
                });
                done.send(()).unwrap_or_default();
                seen
            });
            // Time enough for one that does not wait to be done, and to have seen nothing.
            let waits = is_done.recv_timeout(std::time::Duration::from_millis(200));
            assert!(waits.is_err(), "it did not wait");
            tx.put_once("session", "b", "", NOW)?;
            Ok((word, speaker))
        })
    });
    let (word, speaker) = listener.join().unwrap();
    assert_eq!(word, Some((String::new(), NOW.plus(9))));
    assert!(speaker.join().unwrap().is_some(), "it saw the session");
}
