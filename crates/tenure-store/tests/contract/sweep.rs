//! Sweeps are hygiene: they take what is due, a few at a time, and nothing else.

use crate::fresh::Fresh;
use crate::sample::{self, DAY, HOUR, NOW, sid};
use crate::support::{read, write};
use tenure_protocol::Timestamp;
use tenure_protocol::code::Code;
use tenure_protocol::refresh::{Family, FamilyKind};
use tenure_protocol::session::EndReason;
use tenure_store::{Delivery, DeliveryState, Store, StoreError, SweepCursor, ThrottleRow, Tx};

fn insert_all(store: &Store, n: u32, family: Family) {
    write(store, move |tx| {
        tx.insert_session(&sample::session(n))?;
        tx.insert_family(&family)?;
        tx.insert_code(&sample::code(n))?;
        tx.see_participant(&sid(n), "spa", NOW)
    });
}

/// How many rows still bear the sid: session, families, participants, codes.
fn left(store: &Store, n: u32) -> [usize; 4] {
    read(store, move |tx| {
        Ok([
            usize::from(tx.session(&sid(n))?.is_some()),
            tx.families_of_session(&sid(n))?.len(),
            tx.participants(&sid(n))?.len(),
            usize::from(tx.code(&sid(n), &sample::code(n).hash)?.is_some()),
        ])
    })
}

fn sweep(store: &Store, before: Timestamp, now: Timestamp, most: i64) -> usize {
    write(store, move |tx| {
        tx.sweep_sessions(SweepCursor::default(), before, now, most)
            .map(|done| done.0)
    })
}

/// Online, and over with its session.
fn bound(n: u32) -> Family {
    Family {
        kind: FamilyKind::Online,
        absolute_deadline: Some(NOW.plus(DAY)),
        ..sample::family(n)
    }
}

pub fn a_session_goes_with_all_that_hangs_on_it(fresh: &Fresh) {
    let store = fresh.open();
    for n in 1..=5 {
        insert_all(&store, n, bound(n));
    }
    // One that began a minute later is not due when the others are.
    write(&store, |tx| {
        tx.insert_session(&sample::session_at(6, NOW.plus(60)))
    });
    let due = NOW.plus(DAY + 1);
    // Its deadline must have passed, not only been reached.
    assert_eq!(sweep(&store, NOW.plus(DAY), due, 9), 0);
    assert_eq!(sweep(&store, due, due, 2), 2);
    assert_eq!(sweep(&store, due, due, 9), 3);
    assert_eq!(sweep(&store, due, due, 9), 0);
    for n in 1..=5 {
        assert_eq!(left(&store, n), [0; 4]);
    }
    assert_eq!(left(&store, 6), [1, 0, 0, 0]);
    for table in ["families", "participants", "codes"] {
        let rows = fresh.raw_number(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(rows, 0, "{table}");
    }
}

/// Design 1.3, rule 6.
pub fn a_session_stays_while_a_family_of_it_lives(fresh: &Fresh) {
    let store = fresh.open();
    let due = NOW.plus(10 * DAY);
    let with = |n, idle, absolute| Family {
        idle_deadline: idle,
        absolute_deadline: absolute,
        ..sample::family(n)
    };
    let later = Some(due.plus(HOUR));
    insert_all(&store, 1, with(1, None, None));
    insert_all(&store, 2, with(2, later, later));
    insert_all(&store, 3, with(3, None, later));
    insert_all(&store, 4, with(4, later, Some(due)));
    insert_all(&store, 5, with(5, Some(due), later));
    let ended = Family {
        end: Some(sample::end(EndReason::UserLogout)),
        ..with(6, None, None)
    };
    insert_all(&store, 6, ended);
    insert_all(&store, 8, with(8, Some(due), None));
    // An ended session too is kept by a family that lives on.
    insert_all(&store, 7, with(7, None, None));
    write(&store, |tx| {
        tx.update_session(&sample::session(7).ended(sample::end(EndReason::Idle)))?;
        let second = Family {
            sid: sid(5),
            ..sample::family(55)
        };
        tx.insert_family(&second)
    });

    assert_eq!(sweep(&store, due, due, 99), 3);
    for (n, stays) in [
        (1, true),
        (2, true),
        (3, true),
        (4, false),
        (6, false),
        (7, true),
        (8, false),
    ] {
        assert_eq!(left(&store, n), [usize::from(stays); 4], "session {n}");
    }
    // All or nothing: with one family alive the dead one stays as well.
    assert_eq!(left(&store, 5), [1, 2, 1, 1]);
    assert_eq!(sweep(&store, due, due.plus(HOUR), 99), 2);
    assert_eq!(left(&store, 1), [1; 4]);
}

/// Invariant 4: whoever is still to be told of the end is told, however long ago the deadline was.
pub fn a_session_stays_while_somebody_is_to_be_told_of_its_end(fresh: &Fresh) {
    let store = fresh.open();
    let due = NOW.plus(10 * DAY);
    for n in 1..=2 {
        insert_all(&store, n, bound(n));
    }
    let settled = write(&store, move |tx| {
        for n in 1..=2 {
            let ended = sample::session(n).ended(sample::end(EndReason::Absolute));
            let families = tx.families_of_session(&sid(n))?;
            tx.end_session(&ended, &families, &sample::log(&n.to_string(), "u"))?;
        }
        let told = tx.deliveries_of_session(&sid(1))?.remove(0);
        tx.settle_delivery(&Delivery {
            state: DeliveryState::Delivered,
            ..told
        })
    });
    assert!(settled);
    assert_eq!(sweep(&store, due, due, 9), 1);
    assert_eq!(left(&store, 1), [0; 4]);
    assert_eq!(left(&store, 2), [1; 4]);
    write(&store, |tx| {
        let row = tx.deliveries_of_session(&sid(2))?.remove(0);
        tx.settle_delivery(&Delivery {
            state: DeliveryState::Dead,
            ..row
        })
    });
    assert_eq!(sweep(&store, due, due, 9), 1);
    assert_eq!(left(&store, 2), [0; 4]);
}

type Sweep = fn(&Tx<'_>, Timestamp, i64) -> Result<usize, StoreError>;

pub fn every_sweep_takes_only_what_is_due_and_at_most_so_many(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        for n in 0..10 {
            let expires_at = NOW.plus(i64::from(n));
            let name = format!("n{n}");
            tx.insert_code(&Code {
                expires_at,
                ..sample::code(n)
            })?;
            let sid = (n % 2 == 0).then(|| sid(n));
            tx.revoke_token(sid.as_ref(), &name, expires_at)?;
            tx.put_once("par", &name, "", expires_at)?;
            tx.put_throttle(&ThrottleRow {
                bucket: name,
                failures: 1,
                since: NOW,
                expires_at,
            })?;
        }
        Ok(())
    });
    let sweeps: [(&str, Sweep); 4] = [
        ("codes", |tx, before, most| tx.sweep_codes(before, most)),
        ("revoked_tokens", |tx, before, most| {
            tx.sweep_revoked_tokens(before, most)
        }),
        ("one_time", |tx, before, most| tx.sweep_once(before, most)),
        ("throttle", |tx, before, most| {
            tx.sweep_throttle(before, most)
        }),
    ];
    for (table, sweep) in sweeps {
        let take = |before, most| write(&store, move |tx| sweep(tx, before, most));
        let rows =
            |which: &str| fresh.raw_number(&format!("SELECT count(*) FROM {table} WHERE {which}"));
        assert_eq!(take(NOW, 9), 0, "{table}");
        assert_eq!(take(NOW.plus(6), 4), 4, "{table}");
        // The oldest go first.
        let oldest = NOW.plus(4).millis();
        assert_eq!(rows(&format!("expires_at < {oldest}")), 0, "{table}");
        assert_eq!(rows("1 = 1"), 6, "{table}");
        assert_eq!(take(NOW.plus(6), 4), 2, "{table}");
        assert_eq!(take(NOW.plus(6), 4), 0, "{table}");
        assert_eq!(rows("1 = 1"), 4, "{table}");
    }
}

pub fn logs_are_swept_by_id(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        (0..10).try_for_each(|n| tx.insert_log(&sample::log(&format!("180000000000{n}x"), "u")))
    });
    let sweep = |before: &'static str, most| write(&store, move |tx| tx.sweep_logs(before, most));
    assert_eq!(sweep("1800000000000", 9), 0);
    assert_eq!(sweep("1800000000005", 3), 3);
    assert_eq!(sweep("1800000000005", 9), 2);
    let left = read(&store, |tx| tx.logs(None, "", 99));
    assert_eq!(left.len(), 5);
    assert_eq!(left[0].log_id, "1800000000005x");
}

/// CVE-2025-64708: no read takes an instant from the sweeper; rows tell when they expired, and whoever uses them judges.
pub fn what_has_expired_is_still_there_until_swept(fresh: &Fresh) {
    let store = fresh.open();
    insert_all(&store, 1, bound(1));
    let long_ago = Timestamp::from_millis(1);
    write(&store, move |tx| {
        tx.put_once("par", "old", "body", long_ago)
    });
    let found = read(&store, |tx| tx.peek_once("par", "old"));
    assert_eq!(found, Some(("body".to_owned(), long_ago)));
    assert_eq!(left(&store, 1), [1; 4]);
    let much_later = NOW.plus(1000 * DAY);
    let session = read(&store, |tx| tx.session(&sid(1))).unwrap();
    assert!(session.absolute_deadline < much_later);
    let family = read(&store, |tx| tx.families_of_session(&sid(1))).remove(0);
    assert!(!family.is_alive(much_later));
}
