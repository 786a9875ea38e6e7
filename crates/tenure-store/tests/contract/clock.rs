//! A clock that went backwards: rows bear instants of the future, and nobody gains or loses by it.

use crate::fresh::Fresh;
use crate::sample::{self, DAY, HOUR, NOW, family_id, sid};
use crate::support::{read, write};
use tenure_protocol::limits::Limits;
use tenure_protocol::refresh::{Family, Origin, Outcome, Policy, Presented, decide};
use tenure_protocol::session::{EndReason, UserStanding};
use tenure_store::{LogRow, SessionFilter};

const STANDING: UserStanding = UserStanding {
    exists: true,
    blocked: false,
    valid_after: tenure_protocol::Timestamp::from_millis(0),
};

const POLICY: Policy = Policy {
    rotating: true,
    public: true,
    leeway: 0,
    retry_window: 60,
    idle_timeout: Some(HOUR),
    absolute_lifetime: Some(DAY),
};

pub fn a_session_of_the_future_keeps_what_it_was_promised(fresh: &Fresh) {
    let store = fresh.open();
    let future = sample::session_at(1, NOW.plus(1800));
    let row = future.clone();
    write(&store, move |tx| tx.insert_session(&row));
    let today = Limits {
        idle_timeout: HOUR,
        absolute_lifetime: DAY,
    };
    let touched = write(&store, move |tx| {
        let session = tx.session(&sid(1))?.unwrap();
        let touched = session.touch(&today, STANDING, NOW).unwrap();
        tx.update_session(&touched)?;
        tx.see_participant(&sid(1), "spa", NOW)?;
        Ok(touched)
    });
    assert_eq!(touched.last_active_at, future.last_active_at);
    assert_eq!(touched.idle_deadline, future.idle_deadline);
    assert_eq!(read(&store, |tx| tx.session(&sid(1))), Some(touched));
    let filter = SessionFilter {
        alive_at: Some(NOW),
        limit: 9,
        ..SessionFilter::default()
    };
    assert_eq!(read(&store, move |tx| tx.sessions(&filter)).len(), 1);

    // An end is recorded at the instant it was decided, also one before the session's birth.
    write(&store, |tx| {
        let session = tx.session(&sid(1))?.unwrap();
        tx.update_session(&session.ended(sample::end(EndReason::UserLogout)))
    });
    let ended = read(&store, |tx| tx.session(&sid(1))).unwrap();
    assert_eq!(ended.end, Some(sample::end(EndReason::UserLogout)));
}

pub fn a_family_of_the_future_keeps_its_last_exchange(fresh: &Fresh) {
    let store = fresh.open();
    let future = NOW.plus(HOUR);
    let family = Family {
        last_exchanged_at: future,
        idle_deadline: Some(future.plus(HOUR)),
        ..sample::family(1)
    };
    write(&store, move |tx| tx.insert_family(&family));
    let won = write(&store, |tx| {
        let family = tx.family(&sid(1), &family_id(1))?.unwrap();
        let presented = Presented { generation: 0 };
        match decide(&family, presented, &POLICY, &Origin::default(), NOW) {
            Outcome::Exchange { family, .. } => tx.update_family(&family, 0),
            other => panic!("{other:?}"),
        }
    });
    assert!(won);
    let stored = read(&store, |tx| tx.family(&sid(1), &family_id(1))).unwrap();
    assert_eq!(stored.generation, 1);
    assert_eq!(stored.last_exchanged_at, future);
    assert!(read(&store, |tx| tx.refresh_key_in_use(1, NOW)));
}

/// keycloak#50999, CVE-2026-9802: an update from an earlier instant wins if its generation is right, and a
/// later one loses if it is not.
pub fn the_generation_decides_and_not_the_instant(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.insert_family(&sample::family(1)));
    let earlier = Family {
        last_exchanged_at: NOW.plus(-DAY),
        generation: 1,
        ..sample::family(1)
    };
    let later = Family {
        last_exchanged_at: NOW.plus(DAY),
        ..earlier.clone()
    };
    let won = write(&store, move |tx| {
        Ok([tx.update_family(&earlier, 0)?, tx.update_family(&later, 0)?])
    });
    assert_eq!(won, [true, false]);
    store.close();
    // Nor does a new start of the program make anything valid again.
    let store = fresh.reopen();
    let stored = read(&store, |tx| tx.family(&sid(1), &family_id(1))).unwrap();
    assert_eq!(stored.generation, 1);
    let again = sample::rotated(&sample::family(1));
    assert!(!write(&store, move |tx| tx.update_family(&again, 0)));
}

pub fn nothing_of_the_future_is_swept(fresh: &Fresh) {
    let store = fresh.open();
    let past = NOW.plus(-1000 * DAY);
    write(&store, |tx| {
        tx.insert_session(&sample::session(1))?;
        tx.insert_code(&sample::code(1))?;
        tx.put_once("par", "id", "", NOW)?;
        tx.revoke_token(None, "jti", NOW)?;
        tx.insert_log(&LogRow {
            log_id: format!("{:013}x", NOW.millis()),
            ..sample::log("", "u")
        })
    });
    let swept = write(&store, move |tx| {
        Ok([
            tx.sweep_sessions(tenure_store::SweepCursor::default(), past, past, 9)?
                .0,
            tx.sweep_codes(past, 9)?,
            tx.sweep_once(past, 9)?,
            tx.sweep_revoked_tokens(past, 9)?,
            tx.sweep_logs(&format!("{:013}", past.millis()), 9)?,
        ])
    });
    assert_eq!(swept, [0; 5]);
    assert!(read(&store, |tx| tx.token_is_revoked(None, "jti")));
}
