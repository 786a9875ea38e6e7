//! An expired family, an ended one, and a generation that was never reached (design 1.3, rules 2, 4 and 5).

use crate::common::{DAY, HOUR, ROTATING, START, at, end, family, home};
use tenure_protocol::RefusalReason;
use tenure_protocol::refresh::{Family, Outcome, Policy, Presented, decide};
use tenure_protocol::session::EndReason;

fn present(family: &Family, generation: u32, policy: &Policy, now: i64) -> Outcome {
    decide(family, Presented { generation }, policy, &home(), at(now))
}

/// Rule 5: whatever is presented after a deadline, nothing changes and nobody is accused.
#[test]
fn expiry_is_not_theft() {
    let lived = Family {
        generation: 5,
        ..family()
    };
    let lowered = Policy {
        idle_timeout: Some(60),
        ..ROTATING
    };
    let young = Policy {
        absolute_lifetime: Some(60),
        ..ROTATING
    };
    for generation in [0, 4, 5, 6] {
        for (policy, now) in [
            (ROTATING, HOUR),
            (ROTATING, DAY),
            (lowered, 60),
            (young, 60),
        ] {
            let found = present(&lived, generation, &policy, now);
            assert_eq!(
                found,
                Outcome::Refused(RefusalReason::RefreshTokenExpired),
                "{generation} at {now}"
            );
        }
    }
    assert!(matches!(
        present(&lived, 5, &lowered, 59),
        Outcome::Exchange { .. }
    ));
    assert!(matches!(
        present(&lived, 5, &ROTATING, HOUR - 1),
        Outcome::Exchange { .. }
    ));
}

#[test]
fn an_ended_family_answers_its_reason_whatever_is_presented() {
    for reason in EndReason::ALL {
        let ended = Family {
            end: Some(end(reason, START)),
            generation: 5,
            ..family()
        };
        for (generation, now) in [(4, 1), (5, 1), (6, 1), (5, 2 * DAY)] {
            let found = present(&ended, generation, &ROTATING, now);
            assert_eq!(
                found,
                Outcome::Refused(RefusalReason::RefreshTokenFamilyEnded(reason))
            );
        }
    }
}

/// Rule 4: a valid MAC over a generation that was never reached: the database went back in time
/// (lesson CVE-2026-9802 is its cousin: nothing outside the row decides).
#[test]
fn cve_2026_9802_a_token_from_the_future_ends_the_family() {
    for policy in [
        ROTATING,
        Policy {
            rotating: false,
            ..ROTATING
        },
        Policy {
            leeway: 1_000,
            ..ROTATING
        },
    ] {
        for generation in [2, 3, u32::MAX] {
            let Outcome::Ended {
                family: ended,
                reason,
            } = present(&family(), generation, &policy, 5)
            else {
                panic!("generation {generation} was not refused");
            };
            assert_eq!(reason, RefusalReason::RefreshTokenFromTheFuture);
            let told = ended.end.clone().unwrap();
            assert_eq!(
                (told.reason, told.at, told.by.as_str()),
                (EndReason::PolicyChange, at(5), "app")
            );
            assert_eq!(Family { end: None, ..ended }, family());
        }
    }
}

#[test]
fn is_alive_is_what_the_row_says() {
    let live = family();
    assert!(live.is_alive(at(HOUR - 1)));
    assert!(!live.is_alive(at(HOUR)), "idle");
    let busy = Family {
        idle_deadline: None,
        ..family()
    };
    assert!(busy.is_alive(at(DAY - 1)));
    assert!(!busy.is_alive(at(DAY)), "absolute");
    assert!(
        !Family {
            end: Some(end(EndReason::Idle, START)),
            ..family()
        }
        .is_alive(START)
    );
    assert!(
        Family {
            absolute_deadline: None,
            ..busy
        }
        .is_alive(at(1_000 * DAY))
    );
}
