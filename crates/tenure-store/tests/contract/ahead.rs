//! Closures that say what they ask first: without a transaction where that can be told apart from one
//! by nobody, and in one everywhere else.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{block_on, hold_writer, read, write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{EndReason, Session};
use tenure_store::{Notice, ReadAhead, Store, StoreError, Tx};

fn with_family(fresh: &Fresh) -> Store {
    let store = fresh.open();
    write(&store, |tx| {
        tx.put_user(&sample::user(1))?;
        tx.insert_session(&sample::session(1))?;
        tx.insert_family(&sample::family(1))
    });
    store
}

fn ahead() -> ReadAhead {
    ReadAhead::session_and_family(&sid(1), &family_id(1))
}

fn active_later(session: &Session) -> Session {
    Session {
        last_active_at: session.last_active_at.plus(1),
        idle_deadline: session.idle_deadline.plus(1),
        ..session.clone()
    }
}

/// Whether an exchange is its session's activity as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Alone,
    WithSession,
}

const KINDS: [Kind; 2] = [Kind::Alone, Kind::WithSession];

/// An exchange as a request makes it; the generation that came of it, or `None` for what is over.
fn exchange(tx: &Tx<'_>, kind: Kind, meanwhile: impl FnOnce()) -> Result<Option<u32>, StoreError> {
    let found = tx.session_and_family(&sid(1), &family_id(1))?;
    meanwhile();
    let Some(((session, _), family)) = found else {
        return Ok(None);
    };
    if family.end.is_some() || session.end.is_some() {
        return Ok(None);
    }
    let next = sample::rotated(&family);
    tx.commit_with_next();
    let won = match kind {
        Kind::Alone => tx.update_family(&next, family.generation)?,
        Kind::WithSession => {
            tx.advance_with_session(&next, family.generation, &active_later(&session))?
        }
    };
    assert!(won, "an engine that says no here must say so by an error");
    Ok(Some(next.generation))
}

/// What an exchange answers, and how often its closure ran; `meanwhile` happens during the first run.
fn exchanged(
    store: &Store,
    kind: Kind,
    meanwhile: impl Fn() + Send + Sync + 'static,
) -> (Result<Option<u32>, StoreError>, usize) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let answer = block_on(store.write_optimistically(ahead(), move |tx| {
        let is_first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        exchange(tx, kind, || {
            if is_first {
                meanwhile();
            }
        })
    }));
    (answer, runs.load(Ordering::Relaxed))
}

fn stored(store: &Store) -> (Session, Family) {
    let found = read(store, |tx| tx.session_and_family(&sid(1), &family_id(1)));
    let ((session, _), family) = found.unwrap();
    (session, family)
}

pub fn what_was_foreseen_runs_once_and_is_told(fresh: &Fresh) {
    let store = with_family(fresh);
    let mut notices = store.subscribe();
    for (kind, generation) in [(Kind::Alone, 1), (Kind::WithSession, 2)] {
        let (answer, runs) = exchanged(&store, kind, || {});
        assert_eq!((answer.unwrap(), runs), (Some(generation), 1), "{kind:?}");
        assert_eq!(stored(&store).1.generation, generation);
    }
    assert_eq!(stored(&store).0, active_later(&sample::session(1)));
    while block_on(notices.recv()).unwrap() != Notice::Session(sid(1)) {}
}

/// What a silent authorization records, with or without a code; whether there was a session to do it in.
fn authorized(
    tx: &Tx<'_>,
    code: Option<&Code>,
    meanwhile: impl FnOnce(),
) -> Result<bool, StoreError> {
    let found = tx.session_and_user(&sid(1))?;
    meanwhile();
    let Some((session, _)) = found.filter(|(session, _)| session.end.is_none()) else {
        return Ok(false);
    };
    tx.commit_with_next();
    tx.record_authorization(&active_later(&session), "spa", code, NOW.plus(5))?;
    Ok(true)
}

/// What an exchange of a code stores, with or without a family.
fn redeemed(
    tx: &Tx<'_>,
    family: Option<&Family>,
    meanwhile: impl FnOnce(),
) -> Result<bool, StoreError> {
    let found = tx.session_and_code(&sid(1), &sample::code(1).hash)?;
    meanwhile();
    let Some(((session, _), code)) = found else {
        return Ok(false);
    };
    if session.end.is_some() || code.consumed_at.is_some() {
        return Ok(false);
    }
    let used = Code {
        consumed_at: Some(NOW.plus(6)),
        family_id: family.map(|family| family.family_id),
        ..code
    };
    tx.commit_with_next();
    let won = tx.redeem_code(&used, family)?;
    assert!(won, "an engine that says no here must say so by an error");
    Ok(true)
}

fn new_family() -> Family {
    Family {
        family_id: family_id(9),
        claims: Some("{}".to_owned()),
        idle_deadline: Some(NOW.plus(60)),
        ..sample::family(1)
    }
}

pub fn an_authorization_and_the_exchange_of_its_code(fresh: &Fresh) {
    for (code, family) in [(true, true), (true, false), (false, false)] {
        let fresh = &fresh.another();
        let store = with_family(fresh);
        let look = || ReadAhead::session_and_user(&sid(1));
        let code = code.then(|| sample::code(1));
        let given = code.clone();
        let done = block_on(
            store.write_optimistically(look(), move |tx| authorized(tx, given.as_ref(), || {})),
        );
        assert!(done.unwrap());
        read(&store, move |tx| {
            assert_eq!(
                tx.session(&sid(1))?,
                Some(active_later(&sample::session(1)))
            );
            assert_eq!(tx.participants(&sid(1))?.len(), 1);
            assert_eq!(tx.code(&sid(1), &sample::code(1).hash)?, code);
            Ok(())
        });
        let look = || ReadAhead::session_and_code(&sid(1), &sample::code(1).hash);
        let family = family.then(new_family);
        for first in [given_a_code(&store), false] {
            let family = family.clone();
            let done = block_on(
                store.write_optimistically(look(), move |tx| redeemed(tx, family.as_ref(), || {})),
            );
            assert_eq!(done.unwrap(), first);
        }
        read(&store, move |tx| {
            assert_eq!(tx.family(&sid(1), &family_id(9))?, family);
            assert_eq!(tx.family(&sid(1), &family_id(1))?, Some(sample::family(1)));
            Ok(())
        });
    }
}

fn given_a_code(store: &Store) -> bool {
    let code = read(store, |tx| tx.code(&sid(1), &sample::code(1).hash));
    code.is_some()
}

pub fn what_was_not_foreseen_is_done_all_the_same(fresh: &Fresh) {
    let store = with_family(fresh);
    // Another question, a change before the last one, two of them, another session's family.
    let done = block_on(store.write_optimistically(ahead(), |tx| {
        tx.set_meta("a", "1")?;
        exchange(tx, Kind::WithSession, || {})
    }));
    assert_eq!(done.unwrap(), Some(1));
    let done = block_on(store.write_optimistically(ahead(), |tx| {
        assert_eq!(tx.meta("a")?.as_deref(), Some("1"));
        let ended = sample::family(2);
        tx.insert_family(&ended)?;
        exchange(tx, Kind::Alone, || {})
    }));
    assert_eq!(done.unwrap(), Some(2));
    let other = ReadAhead::session_and_family(&sid(2), &family_id(2));
    let done =
        block_on(store.write_optimistically(other, |tx| exchange(tx, Kind::WithSession, || {})));
    assert_eq!(done.unwrap(), Some(3));
    // The error that says so is nothing to be caught.
    let done = block_on(store.write_optimistically(ahead(), |tx| {
        let seen = tx.meta("a").ok().flatten();
        exchange(tx, Kind::Alone, || {}).map(|generation| (seen, generation))
    }));
    assert_eq!(done.unwrap(), (Some("1".to_owned()), Some(4)));
    let undone = block_on(store.write_optimistically(ahead(), |tx| {
        exchange(tx, Kind::WithSession, || {})?;
        Err::<(), _>(StoreError::Overloaded)
    }));
    // What was committed with its last statement is decided; without a transaction it is not even sent.
    assert!(matches!(undone, Err(StoreError::Overloaded)));
    assert_eq!(
        read(&store, |tx| tx.family(&sid(2), &family_id(2))).unwrap(),
        sample::family(2)
    );
}

pub fn a_refusal_and_a_panic_change_nothing(fresh: &Fresh) {
    let store = with_family(fresh);
    let before = stored(&store);
    let refused = block_on(store.write_optimistically(ahead(), |tx| {
        tx.session_and_family(&sid(1), &family_id(1))
            .map(|found| found.is_some())
    }));
    assert!(refused.unwrap());
    let nobody = ReadAhead::session_and_family(&sid(7), &family_id(1));
    let nobody = block_on(
        store.write_optimistically(nobody, |tx| tx.session_and_family(&sid(7), &family_id(1))),
    );
    assert_eq!(nobody.unwrap(), None);
    let panicked = block_on(store.write_optimistically(ahead(), |tx| {
        exchange(tx, Kind::WithSession, || panic!("as a test"))
    }));
    assert!(matches!(panicked, Err(StoreError::Panicked)));
    assert_eq!(stored(&store), before);
    let (answer, _) = exchanged(&store, Kind::WithSession, || {});
    assert_eq!(answer.unwrap(), Some(1));
}

/// Every exchange counts once, whoever else is at it: other exchanges, activity, other families.
pub fn many_exchanges_at_once_are_one_after_the_other(fresh: &Fresh) {
    const TASKS: u32 = 8;
    const EACH: u32 = 12;
    let store = with_family(fresh);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            let kind = KINDS[task as usize % 2];
            runtime.spawn(async move {
                for _ in 0..EACH {
                    let done = store
                        .write_optimistically(ahead(), move |tx| exchange(tx, kind, || {}))
                        .await;
                    assert!(done.unwrap().is_some());
                    // Activity of another kind, in a transaction.
                    let touched = store.write(|tx| {
                        let session = tx.session(&sid(1))?.unwrap();
                        tx.update_session(&active_later(&session))
                    });
                    touched.await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    let (session, family) = stored(&store);
    assert_eq!(family.generation, TASKS * EACH);
    let active = i64::from(TASKS * EACH + TASKS / 2 * EACH);
    assert_eq!(session.last_active_at, NOW.plus(active));
    drop(runtime);
}

pub fn a_closed_store_says_so_here_too(fresh: &Fresh) {
    let store = with_family(fresh);
    let (answer, _) = exchanged(&store, Kind::Alone, || {});
    assert_eq!(answer.unwrap(), Some(1));
    store.close();
    let (answer, _) = exchanged(&store, Kind::Alone, || {});
    assert!(matches!(answer, Err(StoreError::Closed)), "{answer:?}");
    fresh.wait_until_all_have_gone();
}

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

/// The session's row matches and the family's does not: the statement takes back what it has done.
#[test]
fn both_change_or_neither() {
    let fresh = Fresh::postgres();
    let store = with_family(&fresh);
    let there = store.clone();
    let revoke: Meanwhile = |tx| {
        let family = tx.family(&sid(1), &family_id(1))?.unwrap();
        let end = Some(sample::end(EndReason::AdminRevoked));
        let ended = Family { end, ..family };
        tx.update_family(&ended, 0).map(drop)
    };
    let (answer, runs) = exchanged(&store, Kind::WithSession, move || beside(&there, revoke));
    assert_eq!((answer.unwrap(), runs), (None, 2));
    assert_eq!(
        stored(&store).0,
        sample::session(1),
        "no activity of a token that was revoked"
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
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        assert_eq!(stored_again(&store).generation, generation * 8);
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
