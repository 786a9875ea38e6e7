//! Families of clients that prove a key (RFC 9449 section 5; design 1.3, rule 3).

use crate::common::{ROTATING, at, family, home};
use tenure_protocol::RefusalReason as No;
use tenure_protocol::refresh::{Family, FamilyKind, Origin, Outcome, Policy, Presented, decide};

const CONFIDENTIAL: Policy = Policy {
    public: false,
    ..ROTATING
};

fn with(key: Option<&str>) -> Origin {
    Origin {
        jkt: key.map(str::to_owned),
        ..home()
    }
}

/// A family whose last exchange proved this key.
fn bound(kind: FamilyKind, key: Option<&str>) -> Family {
    Family {
        kind,
        rotated_by: with(key),
        ..family()
    }
}

/// The outcome in a word, and the family that would be stored.
fn present(
    family: &Family,
    generation: u32,
    policy: &Policy,
    who: &Origin,
) -> (&'static str, Family) {
    match decide(family, Presented { generation }, policy, who, at(10)) {
        Outcome::Exchange {
            family,
            rotated: true,
        } => ("rotated", family),
        Outcome::Exchange { family, .. } => ("exchanged", family),
        Outcome::Repeat { family, .. } => ("repeated", family),
        Outcome::Refused(No::RefreshTokenOtherKey) => ("another key", family.clone()),
        Outcome::Refused(_) => ("refused", family.clone()),
        Outcome::Ended { family, .. } => ("ended", family),
    }
}

#[test]
fn a_public_clients_family_needs_its_key_from_the_first_proof_on() {
    use FamilyKind::{Offline, Online};
    let rows = [
        // Kind, bound to, public, presented with: outcome, bound to.
        (Offline, None, true, None, "rotated", None),
        (Offline, None, true, Some("a"), "rotated", Some("a")),
        (Offline, Some("a"), true, Some("a"), "rotated", Some("a")),
        (
            Offline,
            Some("a"),
            true,
            Some("b"),
            "another key",
            Some("a"),
        ),
        (Offline, Some("a"), true, None, "another key", Some("a")),
        // Session-bound: rotates until a key is proven, then its one token stays.
        (Online, None, true, None, "rotated", None),
        (Online, None, true, Some("a"), "exchanged", Some("a")),
        (Online, Some("a"), true, Some("a"), "exchanged", Some("a")),
        (Online, Some("a"), true, Some("b"), "another key", Some("a")),
        (Online, Some("a"), true, None, "another key", Some("a")),
        // A confidential client proves itself: its key may change, and it rotates as configured.
        (Offline, Some("a"), false, Some("b"), "rotated", None),
        (Offline, Some("a"), false, None, "rotated", None),
        (Online, Some("a"), false, Some("a"), "rotated", None),
    ];
    for (kind, key, public, presented, expected, bound_to) in rows {
        let policy = if public { &ROTATING } else { &CONFIDENTIAL };
        let row = format!("{kind:?} {key:?} {public} {presented:?}");
        let (outcome, after) = present(&bound(kind, key), 1, policy, &with(presented));
        assert_eq!(outcome, expected, "{row}");
        assert_eq!(after.bound_to(public), bound_to, "{row}");
    }
}

/// Whoever lacks the key neither ends the family nor hears that it has ended or expired.
#[test]
fn without_the_key_nothing_is_said_and_nothing_changes() {
    let alive = bound(FamilyKind::Offline, Some("a"));
    let (_, rotated) = present(&alive, 1, &ROTATING, &with(Some("a")));
    let (_, again) = present(&rotated, 2, &ROTATING, &with(Some("a")));
    let expired = Family {
        idle_deadline: Some(at(1)),
        ..alive.clone()
    };
    let ended = Family {
        end: Some(crate::common::end(
            tenure_protocol::session::EndReason::AdminRevoked,
            at(1),
        )),
        ..alive.clone()
    };
    for (family, generation) in [(&again, 1), (&again, 4), (&expired, 1), (&ended, 1)] {
        let (outcome, after) = present(family, generation, &ROTATING, &with(Some("thief")));
        assert_eq!((outcome, &after), ("another key", family));
    }
    assert_eq!(present(&again, 1, &ROTATING, &with(Some("a"))).0, "ended");
}

/// Design 1.3, rule 3: the key of the rotation, in the place of its user agent.
#[test]
fn a_repeat_comes_with_the_key_whatever_the_user_agent() {
    let (_, rotated) = present(
        &bound(FamilyKind::Offline, None),
        1,
        &ROTATING,
        &with(Some("a")),
    );
    let updated = Origin {
        user_agent: "Firefox 2".to_owned(),
        ..with(Some("a"))
    };
    assert_eq!(present(&rotated, 1, &ROTATING, &updated).0, "repeated");
    assert_eq!(present(&rotated, 1, &ROTATING, &home()).0, "ended");
    let (_, keyless) = present(&bound(FamilyKind::Offline, None), 1, &ROTATING, &home());
    let elsewhere = Origin {
        jkt: None,
        ..updated
    };
    assert_eq!(present(&keyless, 1, &ROTATING, &elsewhere).0, "ended");
}

/// When a family gets its key, a token that rotation replaced before is judged as ever.
#[test]
fn a_session_bound_token_that_stays_keeps_the_judgement_of_older_ones() {
    let (_, rotated) = present(&bound(FamilyKind::Online, None), 1, &ROTATING, &home());
    let key = with(Some("a"));
    let (outcome, stays) = present(&rotated, 2, &ROTATING, &key);
    assert_eq!((outcome, stays.generation), ("exchanged", 2));
    assert_eq!(present(&stays, 2, &ROTATING, &key).0, "exchanged");
    assert_eq!(present(&stays, 1, &ROTATING, &key).0, "repeated");
    let strict = Policy {
        retry_window: 0,
        ..ROTATING
    };
    assert_eq!(present(&stays, 1, &strict, &key).0, "ended");
}

/// A thief who binds a stolen token to a key of their own must not be the one whom the key protects: what
/// was handed out without a key, and comes back without the key that the family has got since, is in two
/// hands (RFC 9700 section 4.14.2).
#[test]
fn a_bearers_token_that_comes_back_after_somebody_bound_it_ends_the_family() {
    let thief = with(Some("thief"));
    for kind in [FamilyKind::Offline, FamilyKind::Online] {
        let (_, second) = present(&bound(kind, None), 1, &ROTATING, &home());
        let (_, stolen) = present(&second, 2, &ROTATING, &thief);
        let (_, later) = present(&stolen, stolen.generation, &ROTATING, &thief);
        for family in [&stolen, &later] {
            for (generation, owner) in [(2, home()), (1, home()), (2, with(Some("owner")))] {
                let (outcome, after) = present(family, generation, &ROTATING, &owner);
                assert_eq!(outcome, "ended", "{kind:?} {generation} {owner:?}");
                assert_eq!(after.end.unwrap().rule, "generation_reused");
            }
        }
        // What was handed out to the key alone is still nothing without it.
        let next = stolen.generation + 1;
        assert_eq!(present(&later, next, &ROTATING, &home()).0, "another key");
        // Nor does anybody hear that the family is over by now.
        let expired = Family {
            idle_deadline: Some(at(1)),
            ..stolen.clone()
        };
        assert_eq!(present(&expired, 2, &ROTATING, &home()).0, "another key");
    }
    let fixed = Policy {
        rotating: false,
        ..ROTATING
    };
    let (_, stolen) = present(&bound(FamilyKind::Offline, None), 1, &fixed, &thief);
    assert_eq!(present(&stolen, 1, &fixed, &thief).0, "exchanged");
    assert_eq!(present(&stolen, 1, &fixed, &home()).0, "ended");
}
