//! Closures that say what they ask first: without a transaction where that can be told apart from one
//! by nobody, and in one everywhere else.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{block_on, read, write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::Session;
use tenure_store::{Notice, ReadAhead, Store, StoreError, Tx};

pub fn with_family(fresh: &Fresh) -> Store {
    let store = fresh.open();
    write(&store, |tx| {
        tx.put_user(&sample::user(1))?;
        tx.insert_session(&sample::session(1))?;
        tx.insert_family(&sample::family(1))
    });
    store
}

pub fn ahead() -> ReadAhead {
    ReadAhead::session_and_family(&sid(1), &family_id(1))
}

pub fn active_later(session: &Session) -> Session {
    Session {
        last_active_at: session.last_active_at.plus(1),
        idle_deadline: session.idle_deadline.plus(1),
        ..session.clone()
    }
}

/// Whether an exchange is its session's activity as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Alone,
    WithSession,
}

pub const KINDS: [Kind; 2] = [Kind::Alone, Kind::WithSession];

/// An exchange as a request makes it; the generation that came of it, or `None` for what is over.
pub fn exchange(
    tx: &Tx<'_>,
    kind: Kind,
    meanwhile: impl FnOnce(),
) -> Result<Option<u32>, StoreError> {
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
pub fn exchanged(
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

pub fn stored(store: &Store) -> (Session, Family) {
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
pub fn authorized(
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
pub fn redeemed(
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

pub fn new_family() -> Family {
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

pub fn given_a_code(store: &Store) -> bool {
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
