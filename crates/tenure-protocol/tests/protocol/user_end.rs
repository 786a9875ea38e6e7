//! What a change of a user ends (design 1.6).

use crate::common::{DAY, GOOD, HOUR, at, end, family, limits, login, session, sid};
use tenure_protocol::session::{EndReason, Rule, UserStanding};
use tenure_protocol::user_end::UserEnd;
use tenure_protocol::{Sid, Timestamp};

fn wish(reason: EndReason, after: i64) -> UserEnd {
    UserEnd {
        user_id: "auth0|ada".to_owned(),
        reason,
        by: "cli".to_owned(),
        from: String::new(),
        keep: None,
        at: at(after),
    }
}

const GONE: UserStanding = UserStanding {
    exists: false,
    blocked: false,
    valid_after: Timestamp::from_millis(0),
};
const BLOCKED: UserStanding = UserStanding {
    exists: true,
    blocked: true,
    valid_after: Timestamp::from_millis(0),
};

/// Seconds after the session's start at which the change happened, whether the session is kept, the
/// user's standing, and what comes of it.
type Row = (
    &'static str,
    EndReason,
    i64,
    bool,
    UserStanding,
    Option<(EndReason, Rule, i64)>,
);

#[test]
fn which_sessions_end_and_as_what() {
    use EndReason::{Absolute, AccountDisabled, CredentialChange, Idle};
    let rows: &[Row] = &[
        (
            "a changed password",
            CredentialChange,
            5,
            false,
            GOOD,
            Some((CredentialChange, Rule::ValidAfter, 5)),
        ),
        (
            "the session in which it was changed",
            CredentialChange,
            5,
            true,
            GOOD,
            None,
        ),
        (
            "one that began afterwards",
            CredentialChange,
            -5,
            false,
            GOOD,
            None,
        ),
        (
            "one that began at that instant",
            CredentialChange,
            0,
            false,
            GOOD,
            None,
        ),
        (
            "a block",
            AccountDisabled,
            5,
            false,
            BLOCKED,
            Some((AccountDisabled, Rule::User, 5)),
        ),
        (
            "a block that was lifted",
            AccountDisabled,
            5,
            false,
            GOOD,
            Some((AccountDisabled, Rule::User, 5)),
        ),
        (
            "a block at that instant",
            AccountDisabled,
            0,
            false,
            BLOCKED,
            Some((AccountDisabled, Rule::User, 0)),
        ),
        (
            "nobody is kept by a blocked user",
            CredentialChange,
            5,
            true,
            BLOCKED,
            Some((CredentialChange, Rule::ValidAfter, 5)),
        ),
        (
            "a deletion",
            AccountDisabled,
            5,
            false,
            GONE,
            Some((AccountDisabled, Rule::User, 5)),
        ),
        (
            "over by time before",
            CredentialChange,
            HOUR + 5,
            false,
            GOOD,
            Some((Idle, Rule::StoredIdle, HOUR)),
        ),
        (
            "over by time before a deletion",
            AccountDisabled,
            HOUR,
            false,
            GONE,
            Some((Idle, Rule::StoredIdle, HOUR)),
        ),
    ];
    for (what, reason, after, keep, user, expected) in rows {
        let wish = UserEnd {
            keep: keep.then(sid),
            ..wish(*reason, *after)
        };
        let verdict = wish.ends_session(&session(HOUR, DAY), *user);
        let verdict = verdict.map(|v| (v.reason, v.rule, v.since));
        let expected = expected.map(|(reason, rule, since)| (reason, rule, at(since)));
        assert_eq!(verdict, expected, "{what}");
    }
    let short = session(DAY, HOUR);
    let verdict = wish(CredentialChange, 2 * HOUR).ends_session(&short, GOOD);
    assert_eq!(verdict.map(|v| v.reason), Some(Absolute));
}

#[test]
fn an_ended_session_keeps_its_end_and_another_kept_one_is_no_help() {
    let over = session(HOUR, DAY).ended(end(EndReason::UserLogout, at(1)));
    assert_eq!(
        wish(EndReason::AccountDisabled, 5).ends_session(&over, GONE),
        None
    );
    let other = UserEnd {
        keep: Some(Sid::from_bytes([1; 16])),
        ..wish(EndReason::CredentialChange, 5)
    };
    assert!(other.ends_session(&session(HOUR, DAY), GOOD).is_some());
}

/// Re-authentications within a second run `auth_time` ahead; the proof is as old as it is.
#[test]
fn a_proof_from_before_the_change_does_not_outlive_it() {
    let ahead = (0..5).fold(session(HOUR, DAY), |session, _| {
        session
            .reauthenticate(login(limits(HOUR, DAY)), GOOD, at(1))
            .unwrap()
    });
    assert!(ahead.authenticated_at > at(3));
    assert!(
        wish(EndReason::CredentialChange, 3)
            .ends_session(&ahead, GOOD)
            .is_some()
    );
}

#[test]
fn families_from_before_end_and_later_ones_stay() {
    for (after, user, ends) in [
        (5, GOOD, true),
        (0, GOOD, false),
        (0, GONE, true),
        (0, BLOCKED, true),
    ] {
        let wish = wish(EndReason::CredentialChange, after);
        assert_eq!(wish.ends_family(&family(), user), ends, "{after} {user:?}");
    }
    let mut over = family();
    over.end = Some(end(EndReason::UserLogout, at(1)));
    assert!(!wish(EndReason::CredentialChange, 5).ends_family(&over, GOOD));
    let mut kept = wish(EndReason::CredentialChange, 5);
    kept.keep = Some(sid());
    assert!(
        kept.ends_family(&family(), GOOD),
        "a kept session keeps no families"
    );
}
