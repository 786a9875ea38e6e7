//! A repeat from another user agent or another address (design 1.3, rule 3).

use crate::common::{ROTATING, at, family, home, origin};
use tenure_protocol::RefusalReason;
use tenure_protocol::refresh::{Family, Outcome, Policy, Presented, decide};

const CONSUMED: Presented = Presented { generation: 1 };

fn rotate(family: Family, policy: &Policy, now: i64) -> Family {
    let presented = Presented {
        generation: family.generation,
    };
    match decide(&family, presented, policy, &home(), at(now)) {
        Outcome::Exchange { family, .. } => family,
        _ => family,
    }
}

/// Rule 3: a public client's repeat comes from the user agent of the rotation.
#[test]
fn another_user_agent_is_reuse_for_a_public_client_only() {
    let other = origin(&home().address, "curl");
    let live = rotate(family(), &ROTATING, 120);
    let public = decide(&live, CONSUMED, &ROTATING, &other, at(121));
    assert!(matches!(
        public,
        Outcome::Ended {
            reason: RefusalReason::RefreshTokenReused,
            ..
        }
    ));
    let confidential = Policy {
        public: false,
        ..ROTATING
    };
    assert!(matches!(
        decide(&live, CONSUMED, &confidential, &other, at(121)),
        Outcome::Repeat { .. }
    ));
}

fn repeat_from_elsewhere(family: &Family, policy: &Policy, now: i64) -> Outcome {
    let elsewhere = origin("203.0.113.66", &home().user_agent);
    decide(
        family,
        Presented {
            generation: family.generation - 1,
        },
        policy,
        &elsewhere,
        at(now),
    )
}

/// Rotates once for each entry; `true`: the rotation is then repeated from another address.
fn walk(policy: &Policy, repeats: &[bool]) -> Option<Family> {
    let mut live = family();
    for (step, foreign) in repeats.iter().enumerate() {
        let now = 100 * i64::try_from(step).unwrap() + 100;
        live = rotate(live, policy, now);
        if *foreign {
            // Several repeats on one generation count once.
            for _ in 0..4 {
                match repeat_from_elsewhere(&live, policy, now + 1) {
                    Outcome::Repeat { family, .. } => live = family,
                    Outcome::Ended { .. } => return None,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    Some(live)
}

/// Rule 3: repeats on three consecutive generations from another address are reuse.
#[test]
fn three_consecutive_generations_repeated_from_elsewhere_are_reuse() {
    let rows: &[(&[bool], bool)] = &[
        (&[true], true),
        (&[true, true], true),
        (&[true, true, true], false),
        (&[true, true, false, true, true], true),
        (&[true, false, true, false, true, false, true], true),
        (&[false, false, true, true, true], false),
        (&[true, true, false, true, true, true], false),
    ];
    for (repeats, alive) in rows {
        assert_eq!(walk(&ROTATING, repeats).is_some(), *alive, "{repeats:?}");
    }
    let confidential = Policy {
        public: false,
        ..ROTATING
    };
    assert!(
        walk(&confidential, &[true; 6]).is_some(),
        "a confidential client proves who it is"
    );
}

#[test]
fn a_foreign_repeat_counts_and_moves_nothing_else() {
    let live = rotate(family(), &ROTATING, 120);
    let Outcome::Repeat {
        family: after,
        presented,
    } = repeat_from_elsewhere(&live, &ROTATING, 121)
    else {
        panic!("not tolerated");
    };
    assert_eq!(presented, CONSUMED.generation);
    assert_eq!(
        (after.foreign_repeats, after.foreign_repeat_generation),
        (1, 2)
    );
    assert_eq!(after.rotated_by, home());
    assert_eq!(
        Family {
            foreign_repeats: 0,
            foreign_repeat_generation: 0,
            ..after
        },
        live
    );
}
