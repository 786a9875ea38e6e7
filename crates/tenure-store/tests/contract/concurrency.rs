//! Many at once: one winner each time, nothing lost, nothing half seen.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{Done, hold_reader, meta, read, write};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tenure_protocol::code::Code;
use tenure_store::{Store, StoreError, ThrottleRow};

const RACERS: usize = 32;

/// Lets `RACERS` threads do the same at the same moment, and tells how many said yes.
fn race(stores: &[Store], attempt: impl Fn(&Store) -> bool + Sync) -> usize {
    let (line, wins) = (Barrier::new(RACERS), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for n in 0..RACERS {
            let (line, wins, attempt) = (&line, &wins, &attempt);
            let store = &stores[n % stores.len()];
            scope.spawn(move || {
                line.wait();
                if attempt(store) {
                    wins.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    wins.into_inner()
}

/// Reads in one transaction and writes in another, as no handler should: the update alone must decide.
fn rotate(store: &Store, generation: u32) -> bool {
    let seen = read(store, |tx| tx.family(&sid(1), &family_id(1))).unwrap();
    if seen.generation != generation {
        return false;
    }
    let next = sample::rotated(&seen);
    write(store, move |tx| tx.update_family(&next, generation))
}

/// CVE-2026-1035.
pub fn threads_that_race_for_one_family(fresh: &Fresh) {
    let stores = [fresh.open()];
    write(&stores[0], |tx| tx.insert_family(&sample::family(1)));
    for generation in 0..15 {
        assert_eq!(race(&stores, |store| rotate(store, generation)), 1);
    }
    let family = read(&stores[0], |tx| tx.family(&sid(1), &family_id(1))).unwrap();
    assert_eq!(family.generation, 15);
}

pub fn tasks_that_race_for_one_code(fresh: &Fresh) {
    let store = fresh.open();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    for n in 0..5 {
        write(&store, move |tx| tx.insert_code(&sample::code(n)));
        let tasks: Vec<_> = (0..RACERS)
            .map(|_| {
                let store = store.clone();
                runtime.spawn(async move {
                    let code = Code {
                        consumed_at: Some(NOW),
                        ..sample::code(n)
                    };
                    store.write(move |tx| tx.consume_code(&code)).await
                })
            })
            .collect();
        let wins = tasks
            .into_iter()
            .map(|task| runtime.block_on(task).unwrap().unwrap())
            .filter(|won| *won)
            .count();
        assert_eq!(wins, 1);
    }
}

/// GHSA-3p3g-vpw6-4w66: to record it, and to take it.
pub fn threads_that_race_for_one_assertion(fresh: &Fresh) {
    let stores = [fresh.open(), fresh.open()];
    for _ in 0..5 {
        let puts = race(&stores, |store| {
            write(store, |tx| tx.put_once("assertion", "jti", "", NOW))
        });
        let takes = race(&stores, |store| {
            write(store, |tx| tx.take_once("assertion", "jti")).is_some()
        });
        assert_eq!((puts, takes), (1, 1));
    }
}

/// Attempts at once, at two servers: each sees those counted before it, the first one too.
pub fn threads_that_race_for_the_last_free_attempt(fresh: &Fresh) {
    const FREE: i64 = 20;
    let stores = [fresh.open(), fresh.open()];
    let counted = race(&stores, |store| {
        write(store, |tx| {
            let held = tx.hold_throttle("account:x", NOW)?;
            if held.failures >= FREE {
                return Ok(false);
            }
            let failures = held.failures + 1;
            tx.put_throttle(&ThrottleRow { failures, ..held })?;
            Ok(true)
        })
    });
    assert_eq!(counted, 20);
    let row = read(&stores[1], |tx| tx.throttle("account:x")).unwrap();
    assert_eq!(row.failures, FREE);
}

/// Of numbers raised at once the greatest stays.
pub fn threads_that_raise_one_number(fresh: &Fresh) {
    let stores = [fresh.open(), fresh.open()];
    let next = AtomicUsize::new(95);
    race(&stores, |store| {
        let number = i64::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
        write(store, move |tx| tx.raise_meta("cost_x", number));
        true
    });
    write(&stores[0], |tx| tx.raise_meta("cost_x", 9));
    let found = read(&stores[1], |tx| tx.meta_with_prefix("cost_"));
    assert_eq!(found, [("x".to_owned(), "126".to_owned())]);
}

pub fn many_writers_on_many_sessions(fresh: &Fresh) {
    const ROUNDS: u32 = 30;
    let store = fresh.open();
    std::thread::scope(|scope| {
        for n in 0..16 {
            let store = &store;
            scope.spawn(move || {
                write(store, move |tx| {
                    tx.insert_session(&sample::session(n))?;
                    tx.insert_family(&sample::family(n))
                });
                for generation in 0..ROUNDS {
                    let rotated = write(store, move |tx| {
                        let family = tx.family(&sid(n), &family_id(n))?.unwrap();
                        tx.insert_log(&sample::log(&format!("{n}-{generation}"), &family.user_id))?;
                        tx.update_family(&sample::rotated(&family), generation)
                    });
                    assert!(rotated);
                }
            });
        }
    });
    for n in 0..16 {
        let family = read(&store, move |tx| tx.family(&sid(n), &family_id(n))).unwrap();
        assert_eq!(family.generation, ROUNDS);
        let logs = read(&store, move |tx| {
            tx.logs(Some(&sample::user_id(n)), "", 100)
        });
        assert_eq!(logs.len(), 30);
    }
}

/// A server and a command line, or two servers.
pub fn two_programs_on_one_database(fresh: &Fresh) {
    let stores = [fresh.open(), fresh.open()];
    write(&stores[0], |tx| tx.insert_family(&sample::family(1)));
    for generation in 0..10 {
        assert_eq!(race(&stores, |store| rotate(store, generation)), 1);
        let family = read(&stores[1], |tx| tx.family(&sid(1), &family_id(1))).unwrap();
        assert_eq!(family.generation, generation + 1);
    }
}

pub fn readers_see_every_answered_write(fresh: &Fresh) {
    let store = fresh.open();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..40 {
                    let (name, value) = (format!("counter-{n}"), round.to_string());
                    let (key, set) = (name.clone(), value.clone());
                    write(store, move |tx| tx.set_meta(&key, &set));
                    let seen = read(store, move |tx| tx.meta(&name));
                    assert_eq!(seen, Some(value));
                }
            });
        }
    });
}

pub fn a_reader_sees_one_instant(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.set_meta("a", "old"));
    let reader = hold_reader(
        &store,
        |tx| tx.meta("a").map(|a| assert_eq!(a.as_deref(), Some("old"))),
        |tx| Ok((tx.meta("a")?, tx.meta("b")?)),
    );
    write(&store, |tx| {
        tx.set_meta("a", "new")?;
        tx.set_meta("b", "new")
    });
    // Another reader, which began later, sees the write; the one that began earlier does not.
    assert_eq!(meta(&store, "b").as_deref(), Some("new"));
    assert_eq!(reader.let_go().unwrap(), (Some("old".to_owned()), None));
    assert_eq!(meta(&store, "a").as_deref(), Some("new"));
}

pub fn readers_never_see_half_a_transaction(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| set_both(tx, "0"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let (a, b) = read(&store, |tx| Ok((tx.meta("a")?, tx.meta("b")?)));
                    assert_eq!(a, b);
                }
            });
        }
        let _done = Done(&done);
        for round in 1..200_u32 {
            write(&store, move |tx| set_both(tx, &round.to_string()));
        }
    });
}

fn set_both(tx: &tenure_store::Tx<'_>, value: &str) -> Result<(), StoreError> {
    tx.set_meta("a", value)?;
    tx.set_meta("b", value)
}

pub fn many_open_a_new_database_at_once(fresh: &Fresh) {
    let line = Barrier::new(8);
    let opened: Vec<Result<Store, StoreError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    line.wait();
                    fresh.try_open()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for store in opened {
        write(&store.unwrap(), |tx| tx.configuration_changed());
    }
    let version = read(&fresh.reopen(), |tx| tx.configuration_version());
    assert_eq!(version, 8);
}
