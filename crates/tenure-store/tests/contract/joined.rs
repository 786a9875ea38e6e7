//! What is read in one statement, and what is committed with one.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{enqueue, hold_writer, read, write};
use tenure_protocol::code::Code;
use tenure_store::{Store, StoreError};

fn with_everything(fresh: &Fresh) -> Store {
    let store = fresh.open();
    write(&store, |tx| {
        tx.put_user(&sample::user(1))?;
        for n in [1, 2] {
            tx.insert_session(&sample::session(n))?;
            tx.insert_family(&sample::family(n))?;
            tx.insert_code(&sample::code(n))?;
        }
        Ok(())
    });
    store
}

pub fn what_stands_beside_a_session_is_read_with_it(fresh: &Fresh) {
    let store = with_everything(fresh);
    let look = |tx: &tenure_store::Tx<'_>| {
        let (code, other) = (sample::code(1).hash, sample::code(2).hash);
        let whose = (sample::session(1), Some(sample::user(1)));
        let family = tx.session_and_family(&sid(1), &family_id(1))?;
        assert_eq!(family, Some((whose.clone(), sample::family(1))));
        let found = tx.session_and_code(&sid(1), &code)?;
        assert_eq!(found, Some((whose, sample::code(1))));
        // A user who is gone hides nothing; another session's family or code is not this one's.
        let family = tx.session_and_family(&sid(2), &family_id(2))?;
        let gone = (sample::session(2), None);
        assert_eq!(family, Some((gone, sample::family(2))));
        assert_eq!(tx.session_and_family(&sid(1), &family_id(2))?, None);
        assert_eq!(tx.session_and_family(&sid(3), &family_id(1))?, None);
        assert_eq!(tx.session_and_code(&sid(1), &other)?, None);
        Ok(())
    };
    read(&store, look);
    write(&store, look);
}

/// Whoever waits for the session's holder must not judge by what was there before it waited.
pub fn who_waited_for_a_session_reads_its_family_and_its_code_anew(fresh: &Fresh) {
    let store = with_everything(fresh);
    let next = sample::rotated(&sample::family(1));
    let used = Code {
        consumed_at: Some(NOW.plus(1)),
        ..sample::code(1)
    };
    let (stored, consumed) = (next.clone(), used.clone());
    let holder = hold_writer(&store, move |tx| {
        tx.session_and_family(&sid(1), &family_id(1))?;
        tx.update_family(&stored, sample::family(1).generation)?;
        tx.consume_code(&consumed).map(drop)
    });
    let family = enqueue(&store, |tx| tx.session_and_family(&sid(1), &family_id(1)));
    let code = enqueue(&store, |tx| {
        tx.session_and_code(&sid(1), &sample::code(1).hash)
    });
    fresh.wait_for_two_who_wait();
    holder.let_go().unwrap();
    assert_eq!(family.answer().unwrap().unwrap().1, next);
    assert_eq!(code.answer().unwrap().unwrap().1, used);
}

pub fn the_last_statement_is_committed_with_what_came_before(fresh: &Fresh) {
    let store = with_everything(fresh);
    write(&store, |tx| {
        tx.session_and_family(&sid(1), &family_id(1))?;
        tx.insert_log(&sample::log("1", "a"))?;
        tx.commit_with_next();
        tx.insert_log(&sample::log("2", "a"))
    });
    // Said before any statement, and with none after it, it changes nothing.
    write(&store, |tx| {
        tx.commit_with_next();
        tx.insert_log(&sample::log("3", "a"))?;
        tx.commit_with_next();
        Ok(())
    });
    assert_eq!(count(&store), 3);
}

pub fn a_last_statement_that_fails_takes_everything_back(fresh: &Fresh) {
    let store = with_everything(fresh);
    write(&store, |tx| tx.insert_log(&sample::log("1", "a")));
    let failed = store.write_blocking(|tx| {
        tx.insert_log(&sample::log("2", "a"))?;
        tx.commit_with_next();
        tx.insert_log(&sample::log("1", "a"))
    });
    assert!(matches!(failed, Err(StoreError::Engine(_))), "{failed:?}");
    assert_eq!(count(&store), 1);
    // The connection is as good as before.
    write(&store, |tx| tx.insert_log(&sample::log("2", "a")));
    assert_eq!(count(&store), 2);
}

/// SQLite commits in its own time; PostgreSQL has committed, and must not begin anew unnoticed.
pub fn nothing_follows_the_last_statement(fresh: &Fresh) {
    let store = with_everything(fresh);
    let answer = store.write_blocking(|tx| {
        tx.insert_log(&sample::log("1", "a"))?;
        tx.commit_with_next();
        tx.insert_log(&sample::log("2", "a"))?;
        tx.insert_log(&sample::log("3", "a"))
    });
    if fresh.is_postgres() {
        assert!(matches!(answer, Err(StoreError::Engine(_))), "{answer:?}");
        assert_eq!(count(&store), 2);
    } else {
        answer.unwrap();
        assert_eq!(count(&store), 3);
    }
}

pub fn entries_of_a_batch_are_stored_as_they_are(fresh: &Fresh) {
    let store = fresh.open();
    let entries: Vec<_> = (1..=700)
        .map(|n| sample::log(&format!("{n:03}"), &format!("user {}", n % 7)))
        .collect();
    let stored = entries.clone();
    write(&store, move |tx| {
        tx.insert_logs(&[])?;
        tx.insert_logs(&stored)
    });
    assert_eq!(read(&store, |tx| tx.logs(None, "", 1_000)), entries);
    // A stranger's NUL is no failure, and takes no other entry with it.
    write(&store, |tx| {
        tx.insert_logs(&[sample::log("800", "a\0b"), sample::log("801", "c")])
    });
    assert_eq!(read(&store, |tx| tx.logs(None, "700", 9)).len(), 2);
}

fn count(store: &Store) -> usize {
    read(store, |tx| tx.logs(None, "", 99)).len()
}
