//! What time or a changed user ends: found in order, a few at a time, and by one worker each.

use crate::fresh::Fresh;
use crate::sample::{HOUR, NOW, family, session, session_at, sid, user_id};
use crate::support::{hold_writer, read, write};
use tenure_protocol::limits::Limits;
use tenure_protocol::session::{End, EndReason, UserStanding};
use tenure_protocol::user_end::UserEnd;
use tenure_protocol::{Sid, Timestamp};
use tenure_store::Store;

const GOOD: UserStanding = UserStanding {
    exists: true,
    blocked: false,
    valid_after: Timestamp::from_millis(0),
};

fn due(store: &Store, after: i64, most: i64) -> Vec<Sid> {
    write(store, move |tx| tx.due_sessions(NOW.plus(after), most))
}

fn next(store: &Store) -> Option<Timestamp> {
    read(store, |tx| tx.next_due_session())
}

pub fn sessions_come_in_the_order_of_their_deadlines(fresh: &Fresh) {
    let store = fresh.open();
    assert_eq!(next(&store), None);
    for (n, after) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        write(&store, move |tx| {
            tx.insert_session(&session_at(n, NOW.plus(after)))
        });
    }
    assert_eq!(next(&store), Some(NOW.plus(HOUR + 10)));
    assert_eq!(due(&store, HOUR + 9, 9), []);
    assert_eq!(due(&store, HOUR + 10, 9), [sid(2)], "at the very instant");
    assert_eq!(due(&store, HOUR + 30, 2), [sid(2), sid(3)]);
    assert_eq!(due(&store, HOUR + 30, 9), [sid(2), sid(3), sid(1)]);
    // What has ended is due no more.
    write(&store, |tx| {
        let end = End {
            at: NOW,
            reason: EndReason::UserLogout,
            by: "spa".to_owned(),
            from: String::new(),
            rule: "ended".to_owned(),
        };
        let ended = tx.session(&sid(2))?.unwrap().ended(end);
        tx.update_session(&ended)
    });
    assert_eq!(next(&store), Some(NOW.plus(HOUR + 20)));
    assert_eq!(due(&store, HOUR + 30, 9), [sid(3), sid(1)]);
}

pub fn a_session_that_is_put_off_is_not_due_before(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        tx.insert_session(&session(1))?;
        tx.put_off_session(&sid(1), NOW.plus(2 * HOUR))
    });
    assert_eq!(due(&store, 2 * HOUR - 1, 9), []);
    assert_eq!(due(&store, 2 * HOUR, 9), [sid(1)]);
    // A deadline that comes nearer brings it back.
    write(&store, |tx| {
        let mut session = tx.session(&sid(1))?.unwrap();
        session.idle_deadline = NOW.plus(5);
        tx.update_session(&session)
    });
    assert_eq!(due(&store, 5, 9), [sid(1)]);
}

pub fn of_two_workers_each_takes_others(fresh: &Fresh) {
    let store = fresh.open();
    for n in 1..=4 {
        write(&store, move |tx| tx.insert_session(&session(n)));
    }
    if !store.is_shared() {
        // One process serves an embedded database, with one writer.
        assert_eq!(due(&store, HOUR, 9).len(), 4);
        return;
    }
    let first = hold_writer(&store, |tx| {
        assert_eq!(tx.due_sessions(NOW.plus(HOUR), 3)?.len(), 3);
        Ok(())
    });
    assert_eq!(due(&store, HOUR, 9).len(), 1, "only what nobody holds");
    first.let_go().unwrap();
    assert_eq!(due(&store, HOUR, 9).len(), 4);
}

/// Histories of activities, looks and lowered settings: whatever happens, the worker comes in time.
pub fn nobody_is_looked_at_later_than_the_idle_deadline(fresh: &Fresh) {
    let store = fresh.open();
    // A linear congruential generator: every run walks the same histories.
    let mut state = 20_240_229_u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for n in 1..=20 {
        write(&store, move |tx| tx.insert_session(&session(n)));
        let mut now = NOW;
        for _ in 0..15 {
            now = now.plus(i64::try_from(random(1_200)).unwrap());
            let (event, idle) = (random(3), i64::try_from(random(7_200)).unwrap() + 1);
            let today = Limits {
                idle_timeout: idle,
                absolute_lifetime: 2 * HOUR,
            };
            let deadline = write(&store, move |tx| {
                let session = tx.session(&sid(n))?.unwrap();
                if event == 0 {
                    // What the worker does with one that is due.
                    if tx.due_sessions(now, 1)? == [sid(n)] && session.idle_deadline > now {
                        tx.put_off_session(&sid(n), session.idle_deadline)?;
                    }
                } else if let Ok(touched) = session.touch(&today, GOOD, now) {
                    tx.update_session(&touched)?;
                }
                Ok(tx.session(&sid(n))?.unwrap().idle_deadline)
            });
            let due = next(&store).unwrap();
            assert!(
                due <= deadline,
                "session {n}: {due:?} is later than {deadline:?}"
            );
        }
        write(&store, move |tx| {
            let session = tx.session(&sid(n))?.unwrap();
            let end = End {
                at: NOW,
                reason: EndReason::Idle,
                by: String::new(),
                from: String::new(),
                rule: String::new(),
            };
            tx.update_session(&session.ended(end))
        });
    }
}

fn wish(n: u32, reason: EndReason, keep: Option<Sid>) -> UserEnd {
    UserEnd {
        user_id: user_id(n),
        reason,
        by: "user:auth0|ada".to_owned(),
        from: "192.0.2.1".to_owned(),
        keep,
        at: NOW,
    }
}

pub fn a_users_end_is_kept_until_it_is_dropped(fresh: &Fresh) {
    let store = fresh.open();
    assert!(!read(&store, |tx| tx.has_user_ends()));
    let first = wish(1, EndReason::CredentialChange, Some(sid(1)));
    let later = wish(1, EndReason::AccountDisabled, None);
    let other = wish(2, EndReason::AccountDisabled, None);
    for wish in [&first, &other] {
        let wish = wish.clone();
        write(&store, move |tx| tx.put_user_end(&wish));
    }
    assert!(read(&store, |tx| tx.has_user_ends()));
    assert_eq!(
        write(&store, |tx| tx.user_ends(9)),
        [first.clone(), other.clone()]
    );
    if store.is_shared() {
        let held = hold_writer(&store, |tx| tx.user_ends(1).map(drop));
        assert_eq!(
            write(&store, |tx| tx.user_ends(9)),
            std::slice::from_ref(&other)
        );
        held.let_go().unwrap();
    }
    assert_eq!(read(&store, |tx| tx.user_end(&user_id(1))), Some(first));
    let wish = later.clone();
    write(&store, move |tx| tx.put_user_end(&wish));
    assert_eq!(read(&store, |tx| tx.user_end(&user_id(1))), Some(later));
    write(&store, |tx| tx.drop_user_end(&user_id(1)));
    assert_eq!(write(&store, |tx| tx.user_ends(9)), [other]);
    assert_eq!(read(&store, |tx| tx.user_end(&user_id(1))), None);
}

pub fn what_a_user_is_signed_in_to_is_listed_a_few_at_a_time(fresh: &Fresh) {
    let store = fresh.open();
    for n in 1..=5 {
        write(&store, move |tx| {
            let mut session = session(n);
            let mut family = family(n);
            if n < 5 {
                session.user_id = user_id(1);
                family.user_id = user_id(1);
            }
            if n == 2 {
                session.end = Some(End {
                    at: NOW,
                    reason: EndReason::Idle,
                    by: String::new(),
                    from: String::new(),
                    rule: String::new(),
                });
                family.end = None;
            }
            if n == 3 {
                family.end = session.end.clone();
            }
            tx.insert_session(&session)?;
            tx.insert_family(&family)
        });
    }
    let page = |after: Option<Sid>, most| {
        read(&store, move |tx| {
            Ok((
                tx.unended_sessions(&user_id(1), after.as_ref(), most)?,
                tx.sessions_with_unended_families(&user_id(1), after.as_ref(), most)?,
            ))
        })
    };
    let (sessions, families) = page(None, 2);
    assert_eq!(sessions, [sid(1), sid(3)], "not the ended one");
    assert_eq!(families, [sid(1), sid(2)], "also of an ended one");
    let (sessions, families) = page(Some(sid(3)), 9);
    assert_eq!((sessions, families), (vec![sid(4)], vec![sid(4)]));
}
