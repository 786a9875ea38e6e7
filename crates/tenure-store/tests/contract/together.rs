//! What changes together, and what servers agree on.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{block_on, hold_writer, read, write};
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{EndReason, Session};
use tenure_store::{LogRow, Notice, SessionTrace, Store, StoreError};

fn with_session(fresh: &Fresh) -> Store {
    let store = fresh.open();
    write(&store, |tx| {
        tx.put_user(&sample::user(1))?;
        tx.insert_session(&sample::session(1))
    });
    store
}

fn active_later() -> Session {
    Session {
        last_active_at: NOW.plus(5),
        idle_deadline: NOW.plus(3605),
        ..sample::session(1)
    }
}

pub fn an_authorization_is_recorded_whole(fresh: &Fresh) {
    let store = with_session(fresh);
    for code in [Some(sample::code(1)), None] {
        write(&store, move |tx| {
            tx.record_authorization(&active_later(), "spa", code.as_ref(), NOW.plus(5))
        });
    }
    read(&store, |tx| {
        assert_eq!(tx.session(&sid(1))?, Some(active_later()));
        let participants = tx.participants(&sid(1))?;
        assert_eq!(participants.len(), 1);
        assert_eq!(participants[0].last_seen_at, NOW.plus(5));
        assert_eq!(
            tx.code(&sid(1), &sample::code(1).hash)?,
            Some(sample::code(1))
        );
        Ok(())
    });
    // An ended session gives no code, and nothing else is left behind either.
    write(&store, |tx| {
        tx.update_session(&active_later().ended(sample::end(EndReason::UserLogout)))
    });
    let late = Code {
        hash: [77; 32],
        ..sample::code(1)
    };
    let refused = store.write_blocking(move |tx| {
        tx.record_authorization(&active_later(), "late", Some(&late), NOW.plus(6))
    });
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })));
    read(&store, |tx| {
        assert!(tx.session(&sid(1))?.unwrap().end.is_some());
        assert_eq!(tx.participants(&sid(1))?.len(), 1);
        assert_eq!(tx.code(&sid(1), &[77; 32])?, None);
        Ok(())
    });
}

pub fn an_extension_is_recorded_whole_and_heard(fresh: &Fresh) {
    let store = with_session(fresh);
    let mut notices = store.subscribe();
    let entry = || LogRow {
        at: NOW.plus(5),
        ..sample::log("3", "u")
    };
    write(&store, move |tx| {
        tx.record_extension(&active_later(), "spa", &entry())
    });
    while block_on(notices.recv()).unwrap() != Notice::Session(sid(1)) {}
    read(&store, move |tx| {
        assert_eq!(tx.session(&sid(1))?, Some(active_later()));
        assert_eq!(tx.participants(&sid(1))?[0].last_seen_at, NOW.plus(5));
        assert!(tx.logs(None, "", 10)?.contains(&entry()));
        Ok(())
    });
    // An ended session is not extended, and the entry that says so is not there either.
    write(&store, |tx| {
        tx.update_session(&active_later().ended(sample::end(EndReason::UserLogout)))
    });
    let refused = store
        .write_blocking(|tx| tx.record_extension(&active_later(), "late", &sample::log("4", "u")));
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })));
    read(&store, |tx| {
        assert_eq!(tx.participants(&sid(1))?.len(), 1);
        assert!(!tx.logs(None, "", 10)?.contains(&sample::log("4", "u")));
        Ok(())
    });
}

pub fn what_a_question_about_a_session_needs(fresh: &Fresh) {
    let store = with_session(fresh);
    write(&store, |tx| {
        for client in ["spa", "web"] {
            tx.see_participant(&sid(1), client, NOW)?;
        }
        tx.see_participant(&sid(2), "other", NOW)?;
        tx.revoke_token(Some(&sid(1)), "gone", NOW.plus(60))
    });
    read(&store, |tx| {
        let (mut clients, revoked) = tx.participants_and_revocation(&sid(1), "good")?;
        clients.sort();
        assert_eq!(
            (clients, revoked),
            (vec!["spa".into(), "web".into()], false)
        );
        let (clients, revoked) = tx.participants_and_revocation(&sid(1), "gone")?;
        assert_eq!((clients.len(), revoked), (2, true));
        let none = tx.participants_and_revocation(&sid(9), "gone")?;
        assert_eq!(none, (Vec::new(), false));
        // Any number of ids, of which some are there.
        assert_eq!(tx.session_traces(&[])?, Vec::new());
        let many: Vec<_> = (2..=255).chain([1, 1]).map(sid).collect();
        let expected = SessionTrace::of(&sample::session(1));
        let found = tx.session_traces(&many)?;
        assert!(!found.is_empty());
        assert!(
            found.iter().all(|one| *one == (sid(1), expected)),
            "{found:?}"
        );
        Ok(())
    });
}

pub fn a_code_and_its_family(fresh: &Fresh) {
    let store = with_session(fresh);
    write(&store, |tx| tx.insert_code(&sample::code(1)));
    let unconsumed =
        store.write_blocking(|tx| tx.redeem_code(&sample::code(1), Some(&sample::family(1))));
    assert!(unconsumed.is_err(), "without an instant it stays open");
    let used = Code {
        consumed_at: Some(NOW.plus(1)),
        family_id: Some(family_id(1)),
        ..sample::code(1)
    };
    let inner = used.clone();
    assert!(write(&store, move |tx| tx
        .redeem_code(&inner, Some(&sample::family(1)))));
    // A second use begets nothing.
    let inner = used.clone();
    let second = store.write_blocking(move |tx| {
        let other = Family {
            family_id: family_id(2),
            ..sample::family(1)
        };
        tx.redeem_code(&inner, Some(&other))
    });
    assert!(!matches!(second, Ok(true)));
    read(&store, move |tx| {
        assert_eq!(tx.code(&sid(1), &used.hash)?, Some(used));
        assert_eq!(tx.families_of_session(&sid(1))?.len(), 1);
        Ok(())
    });
}

pub fn a_family_and_its_session(fresh: &Fresh) {
    let store = with_session(fresh);
    write(&store, |tx| tx.insert_family(&sample::family(1)));
    let next = sample::rotated(&sample::family(1));
    let inner = next.clone();
    assert!(write(&store, move |tx| {
        tx.advance_with_session(&inner, 0, &active_later())
    }));
    let stale = next.clone();
    let refused =
        store.write_blocking(move |tx| tx.advance_with_session(&stale, 0, &sample::session(1)));
    assert!(!matches!(refused, Ok(true)), "CVE-2026-1035");
    read(&store, move |tx| {
        assert_eq!(tx.family(&sid(1), &family_id(1))?, Some(next));
        assert_eq!(tx.session(&sid(1))?, Some(active_later()));
        Ok(())
    });
}

/// More than are ended in one statement.
fn with_nine_families(fresh: &Fresh) -> (Store, Vec<Family>) {
    let store = with_session(fresh);
    let families: Vec<Family> = (1..=9)
        .map(|n| Family {
            family_id: family_id(n),
            ..sample::family(1)
        })
        .collect();
    let born = families.clone();
    write(&store, move |tx| {
        born.iter().try_for_each(|family| tx.insert_family(family))
    });
    (store, families)
}

pub fn an_end_with_all_that_hangs_on_it(fresh: &Fresh) {
    let (store, families) = with_nine_families(fresh);
    let end = sample::end(EndReason::UserLogout);
    let ended: Vec<Family> = families
        .into_iter()
        .map(|family| Family {
            end: Some(end.clone()),
            ..family
        })
        .collect();
    write(&store, move |tx| {
        tx.end_session(
            &sample::session(1).ended(end),
            &ended,
            &sample::log("1", "auth0|0001"),
        )
    });
    read(&store, |tx| {
        assert!(tx.session(&sid(1))?.unwrap().end.is_some());
        let families = tx.families_of_session(&sid(1))?;
        assert_eq!(families.len(), 9);
        assert!(families.iter().all(|family| family.end.is_some()));
        assert_eq!(tx.logs(None, "", 10)?.len(), 1);
        Ok(())
    });
}

/// Whoever ends a session holds it, so that nobody can have changed a family meanwhile. Should it happen
/// all the same, an end that left a family alive must not be told as done.
pub fn an_end_that_misses_a_family_changes_nothing(fresh: &Fresh) {
    let (store, families) = with_nine_families(fresh);
    let end = sample::end(EndReason::UserLogout);
    for missed in 0..9 {
        let mut ended = families.clone();
        for family in &mut ended {
            family.end = Some(end.clone());
        }
        ended[missed].generation += 1;
        let session = sample::session(1).ended(end.clone());
        let refused = store.write_blocking(move |tx| {
            tx.end_session(&session, &ended, &sample::log("1", "auth0|0001"))
        });
        assert!(refused.is_err(), "{missed}");
    }
    read(&store, move |tx| {
        assert_eq!(tx.session(&sid(1))?, Some(sample::session(1)));
        let stored = tx.families_of_session(&sid(1))?;
        assert!(stored.iter().all(|family| family.end.is_none()));
        assert_eq!(tx.logs(None, "", 10)?.len(), 0);
        Ok(())
    });
}

pub fn a_change_under_a_held_session_must_find_its_family(fresh: &Fresh) {
    let store = with_session(fresh);
    write(&store, |tx| tx.insert_family(&sample::family(1)));
    let next = sample::rotated(&sample::family(1));
    let stale = next.clone();
    let refused = store.write_blocking(move |tx| tx.change_family(&stale, 7));
    assert!(refused.is_err());
    write(&store, move |tx| tx.change_family(&next, 0));
}

pub fn a_session_and_its_user(fresh: &Fresh) {
    let store = with_session(fresh);
    write(&store, |tx| tx.insert_session(&sample::session(2)));
    read(&store, |tx| {
        let (session, user) = tx.session_and_user(&sid(1))?.unwrap();
        assert_eq!((session, user), (sample::session(1), Some(sample::user(1))));
        let (session, user) = tx.session_and_user(&sid(2))?.unwrap();
        assert_eq!((session, user), (sample::session(2), None));
        assert!(tx.session_and_user(&sid(3))?.is_none());
        Ok(())
    });
}

pub fn of_two_who_add_neither_is_lost(fresh: &Fresh) {
    let store = fresh.open();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    write(&store, |tx| tx.add_to_meta("sum", 3).map(drop));
                }
            });
        }
    });
    assert_eq!(write(&store, |tx| tx.add_to_meta("sum", -240)), 0);
}

pub fn the_first_value_stays(fresh: &Fresh) {
    let store = fresh.open();
    assert_eq!(write(&store, |tx| tx.meta_or_insert("who", "a")), "a");
    assert_eq!(write(&store, |tx| tx.meta_or_insert("who", "b")), "a");
}

pub fn a_lease_has_one_holder_at_a_time(fresh: &Fresh) {
    let store = fresh.open();
    let take = |who: &'static str, after: i64| {
        write(&store, move |tx| {
            let now = NOW.plus(after);
            tx.take_lease("sweep", who, now, now.plus(60))
        })
    };
    assert!(take("a", 0));
    assert!(!take("b", 59));
    assert!(take("a", 59), "renewed");
    assert!(!take("b", 118));
    assert!(take("b", 119), "a died");
    write(&store, |tx| tx.drop_lease("sweep", "a"));
    assert!(!take("a", 120), "only the holder gives it up");
    write(&store, |tx| tx.drop_lease("sweep", "b"));
    assert!(take("a", 121));
}

pub fn a_section_has_one_visitor_at_a_time(fresh: &Fresh) {
    let store = fresh.open();
    let held = hold_writer(&store, |tx| tx.enter("keys"));
    let other = store.clone();
    let waiting = std::thread::spawn(move || {
        write(&other, |tx| {
            tx.enter("keys")?;
            tx.meta("inside")
        })
    });
    // It is let in only after what the first visitor did has committed.
    write_beside(&store, fresh);
    held.let_go().unwrap();
    waiting.join().unwrap();
}

/// Another section is open meanwhile, where the engine has more than one writer.
fn write_beside(store: &Store, _fresh: &Fresh) {
    if store.is_shared() {
        write(store, |tx| tx.enter("other"));
    }
}

pub fn a_notice_is_heard_after_the_commit_and_on_other_servers(fresh: &Fresh) {
    let store = fresh.open();
    let mut here = store.subscribe();
    // Until a listener is sure to listen it says that something may have been missed.
    let other = fresh.open();
    let mut there = other.subscribe();
    if store.is_shared() {
        assert_eq!(block_on(here.recv()).unwrap(), Notice::Missed);
        assert_eq!(block_on(there.recv()).unwrap(), Notice::Missed);
    }
    let rolled_back: Result<(), _> = store.write_blocking(|tx| {
        tx.notify(Notice::Session(sid(9)))?;
        Err(StoreError::Closed)
    });
    assert!(rolled_back.is_err());
    write(&store, |tx| tx.notify(Notice::Session(sid(1))));
    write(&store, |tx| tx.configuration_changed());
    let listeners: &mut [_] = if store.is_shared() {
        &mut [&mut here, &mut there]
    } else {
        &mut [&mut here]
    };
    for listener in listeners {
        // A hint may come twice, and in any order; one that was rolled back never comes.
        let mut missing = vec![Notice::Session(sid(1)), Notice::Configuration];
        while !missing.is_empty() {
            let heard = block_on(listener.recv()).unwrap();
            assert_ne!(heard, Notice::Session(sid(9)));
            missing.retain(|wanted| *wanted != heard);
        }
    }
}

pub fn texts_with_a_nul_are_no_failure(fresh: &Fresh) {
    let store = fresh.open();
    read(&store, |tx| {
        assert_eq!(tx.user("a\0b")?, None);
        assert_eq!(tx.user_by_identifier("email", "\0")?, None);
        assert_eq!(tx.peek_once("par", "x\0")?, None);
        Ok(())
    });
    write(&store, |tx| {
        tx.put_once("par", "x\0", "body\0", NOW).map(drop)
    });
}
