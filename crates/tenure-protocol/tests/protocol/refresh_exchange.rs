//! Presenting the current generation (design 1.3, rules 2 and 6).

use crate::common::{DAY, HOUR, ROTATING, at, family, home, origin};
use tenure_protocol::RefusalReason;
use tenure_protocol::refresh::{Consumed, Family, Outcome, Policy, Presented, decide};

fn present(family: &Family, generation: u32, policy: &Policy, now: i64) -> Outcome {
    decide(family, Presented { generation }, policy, &home(), at(now))
}

fn exchanged(family: &Family, policy: &Policy, now: i64) -> Family {
    match present(family, family.generation, policy, now) {
        Outcome::Exchange { family, .. } => family,
        other => {
            assert_eq!(format!("{other:?}"), "an exchange");
            family.clone()
        }
    }
}

#[test]
fn the_current_token_advances_the_generation() {
    let mobile = origin("198.51.100.4", "Firefox 2");
    let outcome = decide(
        &family(),
        Presented { generation: 1 },
        &ROTATING,
        &mobile,
        at(600),
    );
    let expected = Family {
        generation: 2,
        consumed: vec![Consumed {
            generation: 1,
            at: at(600),
        }],
        last_exchanged_at: at(600),
        idle_deadline: Some(at(600 + HOUR)),
        rotated_by: mobile,
        ..family()
    };
    assert_eq!(
        outcome,
        Outcome::Exchange {
            family: expected,
            rotated: true
        }
    );
}

#[test]
fn no_exchange_moves_the_absolute_deadline() {
    let mut live = family();
    for now in (3_000..DAY).step_by(3_000) {
        live = exchanged(&live, &ROTATING, now);
        assert_eq!(live.absolute_deadline, Some(at(DAY)));
        assert!(live.idle_deadline <= live.absolute_deadline);
    }
    assert_eq!(
        present(&live, live.generation, &ROTATING, DAY),
        Outcome::Refused(RefusalReason::RefreshTokenExpired)
    );
}

#[test]
fn a_clock_that_goes_back_does_not_shorten_what_was_promised() {
    let live = exchanged(&family(), &ROTATING, 600);
    let again = exchanged(&live, &ROTATING, 590);
    assert_eq!(again.generation, 3);
    assert_eq!(again.last_exchanged_at, at(600));
    assert_eq!(again.idle_deadline, live.idle_deadline);
}

/// Settings of the day: idle and absolute; then what an exchange 10 minutes after the start stores.
#[test]
fn settings_are_read_at_each_refresh() {
    let rows = [
        ("same", Some(HOUR), Some(DAY), Some(600 + HOUR), Some(DAY)),
        (
            "absolute raised lengthens nothing",
            Some(HOUR),
            Some(9 * DAY),
            Some(600 + HOUR),
            Some(DAY),
        ),
        (
            "absolute removed lengthens nothing",
            Some(HOUR),
            None,
            Some(600 + HOUR),
            Some(DAY),
        ),
        (
            "absolute lowered",
            Some(HOUR),
            Some(1_200),
            Some(1_200),
            Some(1_200),
        ),
        ("idle lowered", Some(900), Some(DAY), Some(1_500), Some(DAY)),
        ("idle removed", None, Some(DAY), None, Some(DAY)),
    ];
    for (name, idle_timeout, absolute_lifetime, idle, absolute) in rows {
        let policy = Policy {
            idle_timeout,
            absolute_lifetime,
            ..ROTATING
        };
        let next = exchanged(&family(), &policy, 600);
        assert_eq!(next.idle_deadline, idle.map(at), "{name}");
        assert_eq!(next.absolute_deadline, absolute.map(at), "{name}");
    }
}

#[test]
fn a_family_that_never_ended_gets_the_limit_that_is_set_later() {
    let endless = Family {
        idle_deadline: None,
        absolute_deadline: None,
        ..family()
    };
    let next = exchanged(&endless, &ROTATING, 600);
    assert_eq!(
        (next.idle_deadline, next.absolute_deadline),
        (Some(at(600 + HOUR)), Some(at(DAY)))
    );
    let too_old = present(&endless, 1, &ROTATING, 2 * DAY);
    assert_eq!(
        too_old,
        Outcome::Refused(RefusalReason::RefreshTokenExpired)
    );
}

/// Rule 6: a non-rotating client keeps its token; the idle deadline moves all the same.
#[test]
fn a_non_rotating_client_is_answered_the_current_token() {
    let policy = Policy {
        rotating: false,
        public: false,
        ..ROTATING
    };
    for now in [0, 600] {
        let expected = Family {
            last_exchanged_at: at(now),
            idle_deadline: Some(at(now + HOUR)),
            ..family()
        };
        assert_eq!(
            present(&family(), 1, &policy, now),
            Outcome::Exchange {
                family: expected,
                rotated: false
            }
        );
    }
}

/// Rule 6: switching rotation on and off revokes nothing and forgives nothing.
#[test]
fn a_switch_of_rotation_type_revokes_nothing() {
    let fixed = Policy {
        rotating: false,
        ..ROTATING
    };
    let rotated = exchanged(&exchanged(&family(), &fixed, 10), &ROTATING, 20);
    assert_eq!(rotated.generation, 2);
    let kept = exchanged(&rotated, &fixed, 30);
    assert_eq!(kept.generation, 2);
    assert!(
        matches!(present(&kept, 1, &fixed, 40), Outcome::Repeat { .. }),
        "still within its window"
    );
    assert!(
        matches!(present(&kept, 1, &fixed, 200), Outcome::Ended { .. }),
        "still judged by rule 2"
    );
    assert_eq!(exchanged(&kept, &ROTATING, 50).generation, 3);
}

#[test]
fn the_last_generation_is_not_followed_by_a_first() {
    let last = Family {
        generation: u32::MAX,
        ..family()
    };
    assert!(matches!(
        present(&last, u32::MAX, &ROTATING, 5),
        Outcome::Refused(_)
    ));
}
