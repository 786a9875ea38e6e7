//! A store that is full, that closes, that is dropped, that is opened again.

use crate::fresh::Fresh;
use crate::sample;
use crate::support::{enqueue, enqueue_read, hold_reader, hold_writer, meta, read, write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenure_store::StoreError;

/// hydra#3604: a store that has too much to do says so, always in the same way.
pub fn a_full_queue_answers_overloaded_and_loses_nothing(fresh: &Fresh) {
    let store = fresh.open_narrow();
    let held = hold_writer(&store, |tx| tx.set_meta("held", "1"));
    let waiting = enqueue(&store, |tx| tx.set_meta("waiting", "1"));
    let ran = Arc::new(AtomicBool::new(false));
    for _ in 0..5 {
        let ran = Arc::clone(&ran);
        let answer = store.write_blocking(move |tx| {
            ran.store(true, Ordering::Relaxed);
            tx.set_meta("refused", "1")
        });
        assert!(matches!(answer, Err(StoreError::Overloaded)), "{answer:?}");
    }
    held.let_go().unwrap();
    waiting.answer().unwrap();
    write(&store, |tx| tx.set_meta("later", "1"));
    assert!(!ran.load(Ordering::Relaxed));
    for (name, value) in [
        ("held", Some("1")),
        ("waiting", Some("1")),
        ("refused", None),
    ] {
        assert_eq!(meta(&store, name).as_deref(), value, "{name}");
    }
}

pub fn full_readers_do_not_stop_the_writer(fresh: &Fresh) {
    let store = fresh.open_narrow();
    let held = hold_reader(&store, |tx| tx.meta("a").map(drop), |tx| tx.meta("a"));
    let waiting = enqueue_read(&store, |tx| tx.meta("a"));
    let answer = store.read_blocking(|tx| tx.meta("a"));
    assert!(matches!(answer, Err(StoreError::Overloaded)), "{answer:?}");
    write(&store, |tx| tx.set_meta("a", "1"));
    assert_eq!(held.let_go().unwrap(), None);
    // The one that waited began after the write was answered, so it sees it.
    assert_eq!(waiting.answer().unwrap().as_deref(), Some("1"));
}

pub fn a_closed_store_says_so(fresh: &Fresh) {
    let store = fresh.open();
    let other = store.clone();
    write(&store, |tx| tx.set_meta("a", "1"));
    store.close();
    store.close();
    for store in [store, other] {
        let answer = store.write_blocking(|tx| tx.set_meta("a", "2"));
        assert!(matches!(answer, Err(StoreError::Closed)), "{answer:?}");
        let answer = store.read_blocking(|tx| tx.meta("a"));
        assert!(matches!(answer, Err(StoreError::Closed)), "{answer:?}");
    }
    assert_eq!(meta(&fresh.reopen(), "a").as_deref(), Some("1"));
}

pub fn closing_finishes_what_waits(fresh: &Fresh) {
    let store = fresh.open_single();
    let held = hold_writer(&store, |tx| tx.set_meta("held", "1"));
    let waiting: Vec<_> = ["a", "b", "c"]
        .map(|name| enqueue(&store, move |tx| tx.set_meta(name, "1")))
        .into();
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| store.close());
        held.let_go().unwrap();
        closing.join().unwrap();
    });
    for answer in waiting {
        answer.answer().unwrap();
    }
    let store = fresh.reopen();
    for name in ["held", "a", "b", "c"] {
        assert_eq!(meta(&store, name).as_deref(), Some("1"), "{name}");
    }
}

pub fn dropping_finishes_what_waits(fresh: &Fresh) {
    let store = fresh.open_single();
    let held = hold_writer(&store, |_| Ok(()));
    let waiting = enqueue(&store, |tx| tx.set_meta("a", "1"));
    drop(store);
    held.let_go().unwrap();
    waiting.answer().unwrap();
    assert_eq!(meta(&fresh.reopen(), "a").as_deref(), Some("1"));
}

pub fn dropping_without_closing_loses_nothing(fresh: &Fresh) {
    for n in 0..20 {
        let store = fresh.open();
        let count = read(&store, |tx| tx.logs(None, "", 100)).len();
        assert_eq!(count, n);
        write(&store, move |tx| {
            tx.insert_log(&sample::log(&format!("{n:02}"), "u"))
        });
        // Dropped while its threads still run; the next one opens beside them.
    }
}

pub fn dropping_gives_up_every_connection(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.set_meta("a", "1"));
    assert_eq!(meta(&store, "a").as_deref(), Some("1"));
    drop(store);
    fresh.wait_until_all_have_gone();
}

pub fn opening_twice_is_fine(fresh: &Fresh) {
    let (first, second) = (fresh.open(), fresh.open());
    write(&first, |tx| tx.set_meta("a", "1"));
    assert_eq!(meta(&second, "a").as_deref(), Some("1"));
    first.close();
    write(&second, |tx| tx.set_meta("a", "2"));
    second.close();
    assert_eq!(meta(&fresh.reopen(), "a").as_deref(), Some("2"));
}

pub fn a_database_from_a_newer_program_is_refused(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.set_meta("a", "1"));
    store.close();
    fresh.pretend_newer(false);
    match fresh.try_open() {
        Err(StoreError::Refused(words)) => {
            assert!(
                words.contains("999") && words.contains("newer program"),
                "{words}"
            );
        }
        other => panic!("{other:?}"),
    }
    // Nothing was changed: not even by trying.
    assert_eq!(
        fresh.raw_number("SELECT count(*) FROM meta WHERE name = 'a'"),
        1
    );
}

/// During a rolling update the previous program runs on beside the new one.
pub fn a_neighbouring_newer_schema_is_used(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.set_meta("a", "1"));
    store.close();
    fresh.pretend_newer(true);
    assert_eq!(meta(&fresh.open(), "a").as_deref(), Some("1"));
}
