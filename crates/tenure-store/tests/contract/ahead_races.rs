//! What happens between the look and the change of a closure without a transaction, and to the
//! connections that such closures share. Only PostgreSQL has them.

use crate::ahead::{
    KINDS, Kind, active_later, ahead, authorized, exchange, exchanged, given_a_code, new_family,
    redeemed, stored, with_family,
};
use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{block_on, hold_writer, read, write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{EndReason, Session};
use tenure_store::{ReadAhead, Store, StoreError, Tx};

/// Runs a transaction to its end from within a closure, on another thread.
fn beside(store: &Store, work: impl FnOnce(&Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
    let store = store.clone();
    std::thread::spawn(move || write(&store, work))
        .join()
        .unwrap();
}

type Meanwhile = fn(&Tx<'_>) -> Result<(), StoreError>;

/// What somebody else may do between the look and the change, and which exchanges that concerns.
const MEANWHILE: [(&str, Meanwhile, [bool; 2]); 7] = [
    (
        "the family advances",
        |tx| {
            let family = tx.family(&sid(1), &family_id(1))?.unwrap();
            tx.update_family(&sample::rotated(&family), family.generation)
                .map(drop)
        },
        [true, true],
    ),
    (
        "a repeat is counted, and the generation stays",
        |tx| {
            let family = tx.family(&sid(1), &family_id(1))?.unwrap();
            let repeated = Family {
                foreign_repeats: family.foreign_repeats + 1,
                ..family.clone()
            };
            tx.update_family(&repeated, family.generation).map(drop)
        },
        [true, true],
    ),
    (
        "the family's deadline is drawn nearer",
        |tx| {
            let family = tx.family(&sid(1), &family_id(1))?.unwrap();
            let nearer = Family {
                idle_deadline: Some(NOW.plus(60)),
                ..family.clone()
            };
            tx.update_family(&nearer, family.generation).map(drop)
        },
        [true, true],
    ),
    (
        "the family ends",
        |tx| {
            let family = tx.family(&sid(1), &family_id(1))?.unwrap();
            let ended = Family {
                end: Some(sample::end(EndReason::UserLogout)),
                ..family.clone()
            };
            tx.update_family(&ended, family.generation).map(drop)
        },
        [true, true],
    ),
    (
        "the session is active",
        |tx| tx.update_session(&active_later(&tx.session(&sid(1))?.unwrap())),
        [false, true],
    ),
    (
        "the session's limits change",
        |tx| {
            let session = tx.session(&sid(1))?.unwrap();
            let limits = tenure_protocol::limits::Limits {
                idle_timeout: 60,
                ..session.limits
            };
            tx.update_session(&Session { limits, ..session })
        },
        [false, true],
    ),
    (
        "the session ends",
        |tx| {
            let session = tx.session(&sid(1))?.unwrap();
            tx.update_session(&session.ended(sample::end(EndReason::UserLogout)))
        },
        [false, true],
    ),
];

#[test]
fn whatever_happens_between_the_look_and_the_change_came_before_both() {
    for (name, meanwhile, concerns) in MEANWHILE {
        for (kind, concerned) in KINDS.into_iter().zip(concerns) {
            let fresh = Fresh::postgres();
            let store = with_family(&fresh);
            let there = store.clone();
            let (answer, runs) = exchanged(&store, kind, move || beside(&there, meanwhile));
            assert_eq!(runs, 1 + usize::from(concerned), "{name}, {kind:?}");

            // The same one after the other.
            let serial = Fresh::postgres();
            let other = with_family(&serial);
            write(&other, meanwhile);
            let (expected, _) = exchanged(&other, kind, || {});
            // What does not concern it has no order: an exchange that is not activity goes by what it saw.
            let expected = if concerned {
                expected.unwrap()
            } else {
                Some(1)
            };
            assert_eq!(answer.unwrap(), expected, "{name}, {kind:?}");
            if concerned {
                assert_eq!(stored(&store), stored(&other), "{name}, {kind:?}");
            }
        }
    }
}

/// A session that ends while a code is made or exchanged in it: nothing is left that its end did not find.
#[test]
fn nothing_is_born_in_a_session_that_has_ended_meanwhile() {
    let end: Meanwhile = MEANWHILE[6].1;
    for with_code in [true, false] {
        let fresh = Fresh::postgres();
        let store = with_family(&fresh);
        let there = store.clone();
        let code = with_code.then(|| sample::code(1));
        let look = ReadAhead::session_and_user(&sid(1));
        let once = AtomicUsize::new(0);
        let done = block_on(store.write_optimistically(look, move |tx| {
            authorized(tx, code.as_ref(), || {
                if once.fetch_add(1, Ordering::Relaxed) == 0 {
                    beside(&there, end);
                }
            })
        }));
        assert!(!done.unwrap());
        assert!(!given_a_code(&store));
        let participants = read(&store, |tx| tx.participants(&sid(1)));
        assert_eq!(participants, Vec::new());
    }
    for with_family_too in [true, false] {
        let fresh = Fresh::postgres();
        let store = with_family(&fresh);
        write(&store, |tx| tx.insert_code(&sample::code(1)));
        let there = store.clone();
        let family = with_family_too.then(new_family);
        let look = ReadAhead::session_and_code(&sid(1), &sample::code(1).hash);
        let once = AtomicUsize::new(0);
        let done = block_on(store.write_optimistically(look, move |tx| {
            redeemed(tx, family.as_ref(), || {
                if once.fetch_add(1, Ordering::Relaxed) == 0 {
                    beside(&there, end);
                }
            })
        }));
        assert!(!done.unwrap());
        let found = read(&store, |tx| {
            let family = tx.family(&sid(1), &family_id(9))?;
            Ok((tx.code(&sid(1), &sample::code(1).hash)?, family))
        });
        assert_eq!(found, (Some(sample::code(1)), None));
    }
}

/// Thirty-two exchanges of one code, on the two stores of two servers: one of them is the first.
#[test]
fn of_many_who_exchange_a_code_one_is_the_first() {
    let fresh = Fresh::postgres();
    let stores = [with_family(&fresh), fresh.open()];
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    for _ in 0..5 {
        write(&stores[0], |tx| tx.insert_code(&sample::code(1)));
        let tasks: Vec<_> = (0..32)
            .map(|n| {
                let store = stores[n % 2].clone();
                let look = ReadAhead::session_and_code(&sid(1), &sample::code(1).hash);
                runtime.spawn(async move {
                    let work = |tx: &Tx<'_>| redeemed(tx, Some(&new_family()), || {});
                    store.write_optimistically(look, work).await.unwrap()
                })
            })
            .collect();
        let firsts = tasks
            .into_iter()
            .map(|task| runtime.block_on(task).unwrap());
        assert_eq!(firsts.filter(|first| *first).count(), 1);
        fresh.raw("DELETE FROM codes");
        let gone = format!(
            "DELETE FROM families WHERE family_id = {}",
            fresh.blob(family_id(9).as_bytes())
        );
        fresh.raw(&gone);
    }
}

/// The session's row matches and the family's does not.
#[test]
fn both_change_or_neither() {
    let fresh = Fresh::postgres();
    let store = with_family(&fresh);
    let there = store.clone();
    let (answer, runs) = exchanged(&store, Kind::WithSession, move || {
        beside(&there, end_family)
    });
    assert_eq!((answer.unwrap(), runs), (None, 2));
    assert_eq!(
        stored(&store).0,
        sample::session(1),
        "no activity of a token that was revoked"
    );
}

fn end_family(tx: &Tx<'_>) -> Result<(), StoreError> {
    let family = tx.family(&sid(1), &family_id(1))?.unwrap();
    let end = Some(sample::end(EndReason::AdminRevoked));
    let generation = family.generation;
    let ended = tx.update_family(&Family { end, ..family }, generation)?;
    assert!(ended, "somebody was faster who must have waited");
    Ok(())
}

/// Whoever ends a family holds its session and reads the family; no exchange comes between that and the end.
#[test]
fn whoever_ends_a_family_is_not_overtaken() {
    for kind in KINDS {
        let fresh = Fresh::postgres();
        let store = with_family(&fresh);
        let (is_inside, inside) = channel();
        let (go, gate) = channel::<()>();
        let ending = store.clone();
        let ending = std::thread::spawn(move || {
            ending.write_blocking(move |tx| {
                tx.session(&sid(1))?;
                let family = tx.family(&sid(1), &family_id(1))?.unwrap();
                is_inside.send(()).unwrap();
                gate.recv().unwrap_err();
                let end = Some(sample::end(EndReason::AdminRevoked));
                tx.update_family(&Family { end, ..family }, 0)
            })
        });
        inside.recv().unwrap();
        let exchange = store.clone();
        let exchange = std::thread::spawn(move || exchanged(&exchange, kind, || {}));
        fresh.wait_until_somebody_waits_in_a_transaction();
        drop(go);
        assert!(
            ending.join().unwrap().unwrap(),
            "{kind:?}: the end was lost"
        );
        let (answer, runs) = exchange.join().unwrap();
        assert_eq!((answer.unwrap(), runs), (None, 2), "{kind:?}");
        assert!(stored(&store).1.end.is_some());
    }
}

/// What waits behind a database that stalls is refused when its time is up, and is not done afterwards: only
/// what was sent already may be.
#[test]
fn what_was_refused_for_being_late_is_not_done_afterwards() {
    const EXCHANGES: u32 = 100;
    let fresh = Fresh::postgres();
    write(&fresh.open(), |tx| {
        tx.put_user(&sample::user(1))?;
        for n in 0..EXCHANGES {
            tx.insert_session(&sample::session(n))?;
            tx.insert_family(&sample::family(n))?;
        }
        Ok(())
    });
    let store = fresh.open_impatient();
    // Ten changes a second on each connection, and a second of patience.
    fresh.raw(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql \
         AS 'BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END'; \
         CREATE TRIGGER slow BEFORE UPDATE ON families FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..EXCHANGES)
        .map(|n| {
            let store = store.clone();
            let look = ReadAhead::session_and_family(&sid(n), &family_id(n));
            let work = move |tx: &Tx<'_>| {
                let (_, family) = tx.session_and_family(&sid(n), &family_id(n))?.unwrap();
                tx.commit_with_next();
                tx.update_family(&sample::rotated(&family), 0)
            };
            runtime.spawn(async move { store.write_optimistically(look, work).await })
        })
        .collect();
    let mut answered = 0;
    for task in tasks {
        match runtime.block_on(task).unwrap() {
            Ok(won) => answered += i64::from(won),
            done => assert!(matches!(done, Err(StoreError::Unavailable(_))), "{done:?}"),
        }
    }
    // Their connections are still read, as by a server that goes on.
    let over = runtime.spawn_blocking(move || {
        store.close();
        fresh.wait_until_all_have_gone();
        fresh.raw_number("SELECT count(*) FROM families WHERE generation > 0")
    });
    let changed = runtime.block_on(over).unwrap();
    let under_way = 3 * 8;
    assert!(
        changed <= answered + under_way,
        "{answered} were answered and {changed} done"
    );
}

/// Who waits for a row keeps nobody waiting who shares its connection: it goes on in a transaction.
#[test]
fn whoever_meets_a_holder_waits_in_a_transaction() {
    let fresh = Fresh::postgres();
    let store = with_family(&fresh);
    let holder = hold_writer(&store, |tx| {
        let ((session, _), family) = tx.session_and_family(&sid(1), &family_id(1))?.unwrap();
        tx.advance_with_session(&sample::rotated(&family), 0, &active_later(&session))
            .map(drop)
    });
    let waiting = store.clone();
    let waiting = std::thread::spawn(move || exchanged(&waiting, Kind::WithSession, || {}));
    fresh.wait_until_somebody_waits_in_a_transaction();
    holder.let_go().unwrap();
    let (answer, runs) = waiting.join().unwrap();
    assert_eq!((answer.unwrap(), runs), (Some(2), 2));
    assert_eq!(stored(&store).1.generation, 2);
}

/// After a restart every connection is gone, and nobody is told so who had only just come to look.
#[test]
fn connections_that_are_gone_are_replaced_before_anybody_fails() {
    let fresh = Fresh::postgres();
    let store = with_family(&fresh);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for generation in 1..4 {
        let work = |tx: &Tx<'_>| exchange(tx, Kind::WithSession, || {});
        let many: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                runtime.spawn(async move { store.write_optimistically(ahead(), work).await })
            })
            .collect();
        for done in many {
            assert!(runtime.block_on(done).unwrap().unwrap().is_some());
        }
        fresh.raw(
            "SELECT count(pg_terminate_backend(pid, 30000)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        assert_eq!(stored_again(&store).generation, generation * 8);
        // A look goes on to the next connection; the others hear of it by themselves.
        let nobody = ReadAhead::session_and_family(&sid(7), &family_id(1));
        let work = |tx: &Tx<'_>| tx.session_and_family(&sid(7), &family_id(1));
        let found = runtime.block_on(store.write_optimistically(nobody, work));
        assert_eq!(found.unwrap(), None);
        let moment = std::time::Duration::from_millis(20);
        runtime.block_on(async { tokio::time::sleep(moment).await });
    }
}

/// Readers' connections were ended as well, and one that was used just now is not asked beforehand.
fn stored_again(store: &Store) -> Family {
    loop {
        match store.read_blocking(|tx| tx.family(&sid(1), &family_id(1))) {
            Err(StoreError::Unavailable(_)) => {}
            family => return family.unwrap().unwrap(),
        }
    }
}

/// A runtime that is gone, or that nobody drives, is not waited for.
#[test]
fn connections_belong_to_the_runtime_that_uses_them() {
    let fresh = Fresh::postgres();
    let store = with_family(&fresh);
    let runtimes = [0, 1].map(|_| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    });
    for turn in 0..4 {
        let work = |tx: &Tx<'_>| exchange(tx, Kind::Alone, || {});
        let done = runtimes[turn % 2].block_on(store.write_optimistically(ahead(), work));
        assert_eq!(done.unwrap(), Some(u32::try_from(turn).unwrap() + 1));
    }
}
