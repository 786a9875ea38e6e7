//! Presenting a consumed generation: a second tab, a lost answer, or a thief (design 1.3, rule 2).

use crate::common::{DAY, ROTATING, at, family, home};
use tenure_protocol::refresh::{Family, Origin, Outcome, Policy, Presented, decide};
use tenure_protocol::session::EndReason;
use tenure_protocol::{RefusalReason, Timestamp};

/// Generation 1 was consumed at 100 s, 2 at 110 s, 3 at 120 s; the current one is 4.
fn rotated_thrice(policy: &Policy) -> Family {
    rotate(
        rotate(rotate(family(), policy, 100), policy, 110),
        policy,
        120,
    )
}

fn rotate(family: Family, policy: &Policy, now: i64) -> Family {
    let presented = Presented {
        generation: family.generation,
    };
    match decide(&family, presented, policy, &home(), at(now)) {
        Outcome::Exchange { family, .. } => family,
        _ => family,
    }
}

fn present(
    family: &Family,
    generation: u32,
    policy: &Policy,
    who: &Origin,
    now: Timestamp,
) -> Outcome {
    decide(family, Presented { generation }, policy, who, now)
}

/// What is answered, and that a repeat leaves everything where it was and an end changes nothing else.
fn is_tolerated(family: &Family, generation: u32, policy: &Policy, now: Timestamp) -> bool {
    match present(family, generation, policy, &home(), now) {
        Outcome::Repeat {
            family: after,
            presented,
        } => {
            assert_eq!((&after, presented), (family, generation));
            true
        }
        Outcome::Ended {
            family: ended,
            reason,
        } => {
            assert_eq!(reason, RefusalReason::RefreshTokenReused);
            let told = ended.end.clone().unwrap();
            assert_eq!((told.reason, told.at), (EndReason::ReuseDetected, now));
            assert_eq!(&Family { end: None, ..ended }, family);
            false
        }
        other => panic!("neither tolerated nor reuse: {other:?}"),
    }
}

#[test]
fn a_repeat_is_tolerated_by_leeway_or_as_the_immediate_predecessor() {
    // Leeway, retry window, generation, now: tolerated?
    let rows = [
        ("predecessor at once", 0, 60, 3, 120, true),
        (
            "predecessor at the end of the retry window",
            0,
            60,
            3,
            180,
            true,
        ),
        ("predecessor after it", 0, 60, 3, 181, false),
        ("the one before, without leeway", 0, 60, 2, 120, false),
        ("the first, without leeway", 0, 60, 1, 120, false),
        ("the one before, within leeway", 30, 60, 2, 140, true),
        ("the one before, after leeway", 30, 60, 2, 141, false),
        ("the first, within leeway", 30, 0, 1, 130, true),
        ("the first, after leeway", 30, 0, 1, 131, false),
        (
            "predecessor by leeway, retry window off",
            30,
            0,
            3,
            150,
            true,
        ),
        (
            "predecessor after leeway, retry window off",
            30,
            0,
            3,
            151,
            false,
        ),
        ("both off", 0, 0, 3, 120, false),
        ("a generation that never was", 1_000, 1_000, 0, 121, false),
    ];
    for (name, leeway, retry_window, generation, now, expected) in rows {
        let policy = Policy {
            leeway,
            retry_window,
            ..ROTATING
        };
        let live = rotated_thrice(&policy);
        assert_eq!(live.generation, 4);
        assert_eq!(
            is_tolerated(&live, generation, &policy, at(now)),
            expected,
            "{name}"
        );
    }
}

/// Lesson keycloak#50999: replays within one second, even one millisecond, are told apart by generation.
#[test]
fn keycloak_50999_generations_decide_within_one_instant() {
    let policy = Policy {
        leeway: 0,
        ..ROTATING
    };
    let mut live = family();
    for _ in 0..3 {
        live = rotate(live, &policy, 100);
    }
    assert!(is_tolerated(&live, 3, &policy, at(100)));
    assert!(!is_tolerated(&live, 2, &policy, at(100)));
    assert!(!is_tolerated(&live, 1, &policy, at(100)));
}

/// Lesson CVE-2026-1035: 32 tabs that refresh at once all hold the one token of the one successor.
#[test]
fn cve_2026_1035_parallel_refreshes_have_one_successor() {
    let mut live = family();
    let mut exchanges = 0;
    for _ in 0..32 {
        match present(&live, 1, &ROTATING, &home(), at(100)) {
            Outcome::Exchange { family, rotated } => {
                exchanges += 1;
                assert!(rotated);
                live = family;
            }
            Outcome::Repeat { family, .. } => assert_eq!(family, live),
            other => panic!("a tab was refused: {other:?}"),
        }
        assert_eq!(live.generation, 2);
    }
    assert_eq!(exchanges, 1);
}

#[test]
fn a_repeat_leaves_the_row_as_it_is() {
    let live = rotated_thrice(&ROTATING);
    let deadlines = (live.idle_deadline, live.absolute_deadline);
    let Outcome::Repeat { family: after, .. } = present(&live, 3, &ROTATING, &home(), at(150))
    else {
        panic!("not tolerated");
    };
    assert_eq!((after.idle_deadline, after.absolute_deadline), deadlines);
    assert_eq!((after.generation, after.last_exchanged_at), (4, at(120)));
    assert_eq!(after.consumed, live.consumed);
}

#[test]
fn a_window_counts_from_the_consumption_whatever_happens_after() {
    let policy = Policy {
        leeway: 30,
        ..ROTATING
    };
    let live = rotated_thrice(&policy);
    let kept = rotate(live, &policy, 125);
    assert!(is_tolerated(&kept, 1, &policy, at(130)));
    assert!(!is_tolerated(&kept, 1, &policy, at(131)));
    // Raising the window later does not bring back what was forgotten.
    let pruned = rotate(kept, &policy, 500);
    assert!(!is_tolerated(
        &pruned,
        1,
        &Policy {
            leeway: DAY,
            ..policy
        },
        at(501)
    ));
}

#[test]
fn the_history_is_bounded() {
    let policy = Policy {
        leeway: DAY,
        idle_timeout: None,
        ..ROTATING
    };
    let mut live = family();
    for step in 0..200 {
        live = rotate(live, &policy, step);
    }
    assert_eq!(live.generation, 201);
    assert_eq!(live.consumed.len(), 64);
    assert!(
        is_tolerated(&live, 137, &policy, at(200)),
        "the 64 newest are remembered"
    );
    assert!(
        !is_tolerated(&live, 136, &policy, at(200)),
        "an older one is not tolerated"
    );
    // And what no window can tolerate any more is not kept at all.
    let quiet = rotate(
        live,
        &Policy {
            leeway: 0,
            retry_window: 60,
            ..policy
        },
        300,
    );
    assert_eq!(quiet.consumed.len(), 1);
}
