//! The database decides who was first, and what is over stays over (design invariants 2 and 3).

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{read, write};
use tenure_protocol::Sid;
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{EndReason, Session};
use tenure_store::Store;

fn stored_family(store: &Store, n: u32) -> Family {
    read(store, move |tx| tx.family(&sid(n), &family_id(n))).unwrap()
}

fn stored_session(store: &Store, n: u32) -> Session {
    read(store, move |tx| tx.session(&sid(n))).unwrap()
}

/// CVE-2026-1035: of two that saw the same generation, one wins, and the other leaves no trace.
pub fn a_stale_generation_changes_nothing(fresh: &Fresh) {
    let store = fresh.open();
    let first = Family {
        generation: 5,
        ..sample::family(1)
    };
    let row = first.clone();
    write(&store, move |tx| tx.insert_family(&row));
    let winner = sample::rotated(&first);
    let row = winner.clone();
    assert!(write(&store, move |tx| tx.update_family(&row, 5)));

    let loser = Family {
        end: Some(sample::end(EndReason::ReuseDetected)),
        ..sample::rotated(&winner)
    };
    for stale in [5, 4, 7, 0, u32::MAX] {
        let row = loser.clone();
        assert!(!write(&store, move |tx| tx.update_family(&row, stale)));
        assert_eq!(stored_family(&store, 1), winner);
    }
    let unknown = sample::family(2);
    assert!(!write(&store, move |tx| tx.update_family(&unknown, 0)));
}

pub fn a_family_is_found_only_with_its_own_session(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.insert_family(&sample::family(1)));
    let elsewhere = Family {
        sid: sid(2),
        ..sample::rotated(&sample::family(1))
    };
    assert!(!write(&store, move |tx| tx.update_family(&elsewhere, 0)));
    assert_eq!(read(&store, |tx| tx.family(&sid(2), &family_id(1))), None);
    assert_eq!(stored_family(&store, 1), sample::family(1));
}

/// A detected reuse that was answered is not forgotten by a rotation that was on its way.
pub fn an_ended_family_stays_ended(fresh: &Fresh) {
    let store = fresh.open();
    let ended = Family {
        end: Some(sample::end(EndReason::ReuseDetected)),
        ..sample::family(1)
    };
    let row = ended.clone();
    assert!(write(&store, move |tx| {
        tx.insert_family(&sample::family(1))?;
        tx.update_family(&row, 0)
    }));
    let another_end = Family {
        end: Some(sample::end(EndReason::Absolute)),
        ..ended.clone()
    };
    let alive = sample::family(1);
    for row in [alive.clone(), sample::rotated(&alive), another_end] {
        assert!(!write(&store, move |tx| tx.update_family(&row, 0)));
        assert_eq!(stored_family(&store, 1), ended);
    }
}

/// Invariant 2: a logout that was answered is not lost, also not to a touch that read the session before.
pub fn an_ended_session_stays_ended(fresh: &Fresh) {
    let store = fresh.open();
    let alive = sample::session(1);
    let ended = alive.ended(sample::end(EndReason::UserLogout));
    let (before, after) = (alive.clone(), ended.clone());
    write(&store, move |tx| {
        tx.insert_session(&before)?;
        tx.update_session(&after)
    });
    let touched = Session {
        idle_deadline: NOW.plus(2 * sample::HOUR),
        ..alive.clone()
    };
    let another_end = alive.ended(sample::end(EndReason::Idle));
    for row in [alive, touched, another_end] {
        // An error, since whoever goes on after such an update believes in a session that is over.
        let answer = store.write_blocking(move |tx| tx.update_session(&row));
        assert!(answer.is_err());
        assert_eq!(stored_session(&store, 1), ended);
    }
}

pub fn a_session_that_is_gone_stays_gone(fresh: &Fresh) {
    let store = fresh.open();
    let answer = store.write_blocking(|tx| tx.update_session(&sample::session(1)));
    assert!(answer.is_err());
    assert_eq!(read(&store, |tx| tx.session(&sid(1))), None);
}

pub fn a_code_is_consumed_once(fresh: &Fresh) {
    let store = fresh.open();
    let used = Code {
        consumed_at: Some(NOW),
        access_token_id: Some("first".to_owned()),
        ..sample::code(1)
    };
    let row = used.clone();
    assert!(write(&store, move |tx| {
        tx.insert_code(&sample::code(1))?;
        tx.insert_code(&sample::code(2))?;
        tx.consume_code(&row)
    }));
    let again = Code {
        consumed_at: Some(NOW.plus(1)),
        access_token_id: Some("second".to_owned()),
        ..used.clone()
    };
    let elsewhere = Code {
        sid: sid(2),
        ..again.clone()
    };
    for row in [again, elsewhere] {
        assert!(!write(&store, move |tx| tx.consume_code(&row)));
    }
    let hash = used.hash;
    assert_eq!(read(&store, move |tx| tx.code(&sid(1), &hash)), Some(used));
    let other = sample::code(2);
    let found = read(&store, |tx| tx.code(&sid(2), &sample::code(2).hash));
    assert_eq!(found, Some(other));
}

/// Else the code would still be open, and the next exchange would win too.
pub fn a_code_is_not_consumed_without_an_instant(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| tx.insert_code(&sample::code(1)));
    let answer = store.write_blocking(|tx| tx.consume_code(&sample::code(1)));
    assert!(answer.is_err());
}

/// GHSA-3p3g-vpw6-4w66: the unique key decides, also about an identifier that has been taken already expired.
pub fn one_time_is_recorded_once_and_taken_once(fresh: &Fresh) {
    let store = fresh.open();
    let put =
        |body: &'static str| write(&store, move |tx| tx.put_once("assertion", "jti", body, NOW));
    assert!(put("first"));
    assert!(!put("second"));
    let take = || write(&store, |tx| tx.take_once("assertion", "jti"));
    assert_eq!(take(), Some(("first".to_owned(), NOW)));
    assert_eq!(take(), None);
}

/// CVE-2026-4325: what was made for one purpose is nothing for another.
pub fn one_time_kinds_do_not_mix(fresh: &Fresh) {
    let store = fresh.open();
    for kind in ["par", "assertion"] {
        assert!(write(&store, move |tx| tx.put_once(kind, "id", kind, NOW)));
    }
    let found = write(&store, |tx| tx.take_once("par", "id"));
    assert_eq!(found, Some(("par".to_owned(), NOW)));
    // Neither another kind nor a kind and an id that read the same when joined.
    for (kind, id) in [("par", "id"), ("other", "id"), ("", "parid"), ("pari", "d")] {
        assert_eq!(write(&store, move |tx| tx.take_once(kind, id)), None);
    }
    let found = read(&store, |tx| tx.peek_once("assertion", "id"));
    assert_eq!(found, Some(("assertion".to_owned(), NOW)));
}

/// CVE-2025-12390: an id that was given once never comes to name something else.
pub fn an_id_is_never_used_twice(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        tx.insert_session(&sample::session(1))?;
        tx.insert_family(&sample::family(1))?;
        tx.insert_code(&sample::code(1))?;
        tx.insert_log(&sample::log("1", "u"))
    });
    let session = Session {
        user_id: "auth0|thief".to_owned(),
        ..sample::session(1)
    };
    let family = Family {
        user_id: "auth0|thief".to_owned(),
        ..sample::family(1)
    };
    let code = Code {
        user_id: "auth0|thief".to_owned(),
        ..sample::code(1)
    };
    let answers = [
        store.write_blocking(move |tx| tx.insert_session(&session)),
        store.write_blocking(move |tx| tx.insert_family(&family)),
        store.write_blocking(move |tx| tx.insert_code(&code)),
        store.write_blocking(|tx| tx.insert_log(&sample::log("1", "thief"))),
    ];
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    assert_eq!(stored_session(&store, 1), sample::session(1));
    assert_eq!(stored_family(&store, 1), sample::family(1));
    let logs = read(&store, |tx| tx.logs(None, "", 10));
    assert_eq!(logs, [sample::log("1", "u")]);
}

/// CVE-2024-39683: no session at all is not anybody's session.
pub fn revoking_a_token_touches_no_other(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        tx.revoke_token(None, "machine", NOW)?;
        tx.revoke_token(Some(&sid(1)), "person", NOW)
    });
    let is_revoked = |sid: Option<Sid>, jti: &'static str| {
        read(&store, move |tx| tx.token_is_revoked(sid.as_ref(), jti))
    };
    assert!(is_revoked(None, "machine"));
    assert!(is_revoked(Some(sid(1)), "person"));
    assert!(!is_revoked(Some(sid(1)), "machine"));
    assert!(!is_revoked(None, "person"));
    assert!(!is_revoked(Some(sid(2)), "person"));
}
