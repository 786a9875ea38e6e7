//! What commits, what is rolled back, and when the caller hears of it.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{enqueue, hold_writer, meta, read, write};
use std::panic::resume_unwind;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::EndReason;
use tenure_store::{StoreError, Tx};

fn failure() -> StoreError {
    StoreError::Refused("no".to_owned())
}

/// The closures stand in line while the writer is held, so that they share a transaction where engines group them.
pub fn an_err_rolls_back_only_its_own_closure(fresh: &Fresh) {
    let store = fresh.open_single();
    let held = hold_writer(&store, |tx| tx.set_meta("held", "1"));
    let before = enqueue(&store, |tx| tx.set_meta("before", "1"));
    let failing = enqueue(&store, |tx| {
        tx.set_meta("failing", "1")?;
        tx.set_meta("before", "2")?;
        Err::<(), _>(failure())
    });
    let after = enqueue(&store, |tx| Ok((tx.meta("before")?, tx.meta("failing")?)));
    held.let_go().unwrap();
    before.answer().unwrap();
    assert!(matches!(failing.answer(), Err(StoreError::Refused(words)) if words == "no"));
    // Nor does the next closure see anything of it.
    assert_eq!(after.answer().unwrap(), (Some("1".to_owned()), None));
    assert_eq!(meta(&store, "held").as_deref(), Some("1"));
    assert_eq!(meta(&store, "before").as_deref(), Some("1"));
    assert_eq!(meta(&store, "failing"), None);
}

pub fn a_panic_rolls_back_only_its_own_closure(fresh: &Fresh) {
    let store = fresh.open_single();
    let held = hold_writer(&store, |tx| tx.set_meta("held", "1"));
    let before = enqueue(&store, |tx| tx.set_meta("before", "1"));
    let panicking = enqueue(&store, |tx| -> Result<(), StoreError> {
        tx.set_meta("panicking", "1")?;
        // A panic that does not print.
        resume_unwind(Box::new("torn"));
    });
    let after = enqueue(&store, |tx| tx.set_meta("after", "1"));
    held.let_go().unwrap();
    before.answer().unwrap();
    assert!(matches!(panicking.answer(), Err(StoreError::Panicked)));
    after.answer().unwrap();
    for (name, value) in [
        ("held", Some("1")),
        ("before", Some("1")),
        ("panicking", None),
        ("after", Some("1")),
    ] {
        assert_eq!(meta(&store, name).as_deref(), value, "{name}");
    }
    for _ in 0..10 {
        let answer = store.write_blocking(|_| -> Result<(), _> { resume_unwind(Box::new(())) });
        assert!(matches!(answer, Err(StoreError::Panicked)));
    }
    write(&store, |tx| tx.set_meta("later", "1"));
}

pub fn a_panic_while_reading_harms_nobody(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.set_meta("a", "1"));
    // More often than there are readers, so that each of them has met one.
    for _ in 0..10 {
        let answer = store.read_blocking(|tx| -> Result<(), StoreError> {
            tx.meta("a")?;
            resume_unwind(Box::new(()))
        });
        assert!(matches!(answer, Err(StoreError::Panicked)));
        let answer = store.read_blocking(|tx| tx.meta("a").and(Err::<(), _>(failure())));
        assert!(matches!(answer, Err(StoreError::Refused(_))));
    }
    write(&store, |tx| tx.set_meta("a", "2"));
    for _ in 0..10 {
        assert_eq!(meta(&store, "a").as_deref(), Some("2"));
    }
}

/// A reuse is refused and the family ends: the refusal is the closure's value, and what it wrote stays.
pub fn a_refusal_is_a_value_and_commits(fresh: &Fresh) {
    #[derive(Debug, PartialEq)]
    struct Reused;
    let store = fresh.open();
    write(&store, |tx| tx.insert_family(&sample::family(1)));
    let refused = write(&store, |tx| {
        let ended = Family {
            end: Some(sample::end(EndReason::ReuseDetected)),
            ..sample::family(1)
        };
        tx.update_family(&ended, 0)?;
        tx.insert_log(&sample::log("1", "u"))?;
        Ok(Err::<(), Reused>(Reused))
    });
    assert_eq!(refused, Err(Reused));
    store.close();
    let store = fresh.reopen();
    let family = read(&store, |tx| tx.family(&sid(1), &family_id(1))).unwrap();
    assert_eq!(family.end, Some(sample::end(EndReason::ReuseDetected)));
    assert_eq!(read(&store, |tx| tx.logs(None, "", 9)).len(), 1);
}

/// keycloak#49213: a counter must not move when the rest is rolled back.
pub fn state_and_side_effect_stand_or_fall_together(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.insert_family(&sample::family(1)));
    let answer = store.write_blocking(|tx| {
        assert!(tx.update_family(&sample::rotated(&sample::family(1)), 0)?);
        tx.insert_log(&sample::log("1", "u"))?;
        tx.put_once("assertion", "jti", "", NOW)?;
        // The same entry again is an error of the engine, not one that the test made up.
        tx.insert_log(&sample::log("1", "u"))
    });
    assert!(matches!(answer, Err(StoreError::Engine(_))), "{answer:?}");
    let found = read(&store, |tx| tx.family(&sid(1), &family_id(1)));
    assert_eq!(found, Some(sample::family(1)));
    assert_eq!(read(&store, |tx| tx.logs(None, "", 9)), []);
    assert_eq!(read(&store, |tx| tx.peek_once("assertion", "jti")), None);
    assert!(write(&store, |tx| tx
        .update_family(&sample::rotated(&sample::family(1)), 0)));
}

/// CVE-2020-15223: neither the caller nor anybody else hears of what may still be undone.
pub fn nothing_is_answered_or_seen_before_the_commit(fresh: &Fresh) {
    let store = fresh.open_single();
    let first = hold_writer(&store, |_| Ok(()));
    let mut early = enqueue(&store, |tx| tx.set_meta("early", "1"));
    let mut late = enqueue(&store, |tx| tx.set_meta("late", "1"));
    assert!(!early.is_answered() && !late.is_answered());
    assert_eq!(meta(&store, "early"), None);
    first.let_go().unwrap();
    early.answer().unwrap();
    late.answer().unwrap();

    let held = hold_writer(&store, |tx| tx.set_meta("held", "1"));
    assert_eq!(meta(&store, "held"), None);
    held.let_go().unwrap();
    assert_eq!(meta(&store, "held").as_deref(), Some("1"));
}

/// CVE-2020-15223: the closure was content, the commit was not.
pub fn a_commit_that_fails_is_never_a_success(fresh: &Fresh) {
    let store = fresh.open();
    fresh.doom_commits();
    let doomed = |tx: &Tx<'_>| {
        tx.insert_session(&sample::session(1))?;
        tx.set_meta("doomed", "1")
    };
    for _ in 0..3 {
        let answer = store.write_blocking(doomed);
        assert!(matches!(answer, Err(StoreError::Engine(_))), "{answer:?}");
        assert_eq!(read(&store, |tx| tx.session(&sid(1))), None);
        assert_eq!(meta(&store, "doomed"), None);
        // The store goes on working.
        write(&store, |tx| tx.set_meta("after", "1"));
    }
    store.close();
    let store = fresh.reopen();
    assert_eq!(read(&store, |tx| tx.session(&sid(1))), None);
    assert_eq!(meta(&store, "after").as_deref(), Some("1"));
}

/// A request that was cut off is served to its end, or not at all.
pub fn a_caller_who_goes_away_changes_nothing(fresh: &Fresh) {
    let store = fresh.open_single();
    let held = hold_writer(&store, |_| Ok(()));
    drop(enqueue(&store, |tx| tx.set_meta("abandoned", "1")));
    let next = enqueue(&store, |tx| tx.meta("abandoned"));
    held.let_go().unwrap();
    assert_eq!(next.answer().unwrap().as_deref(), Some("1"));
}

pub fn a_reading_closure_cannot_write(fresh: &Fresh) {
    let store = fresh.open();
    for _ in 0..5 {
        let answer = store.read_blocking(|tx| tx.set_meta("a", "1"));
        assert!(matches!(answer, Err(StoreError::Engine(_))), "{answer:?}");
    }
    assert_eq!(meta(&store, "a"), None);
}
