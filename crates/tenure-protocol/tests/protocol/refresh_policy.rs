//! A client's refresh settings, the deadlines of a new family, and which families end with a session.

use crate::common::{DAY, HOUR, START, at};
use tenure_protocol::model::{ExpirationType, RefreshTokenPolicy, RotationType};
use tenure_protocol::refresh::{FamilyKind, Policy, deadlines, ends_with_session};
use tenure_protocol::session::EndReason;

#[test]
fn the_defaults_fit_the_kind_of_client() {
    let settings = RefreshTokenPolicy::default();
    let public = Policy {
        rotating: true,
        public: true,
        leeway: 0,
        retry_window: 60,
        idle_timeout: Some(15 * DAY),
        absolute_lifetime: Some(30 * DAY),
    };
    let confidential = Policy {
        rotating: false,
        public: false,
        idle_timeout: None,
        absolute_lifetime: None,
        ..public
    };
    assert_eq!(Policy::of(&settings, true), public);
    assert_eq!(Policy::of(&settings, false), confidential);
}

#[test]
fn rotation_and_expiration_are_the_settings_word() {
    for (rotation, expected) in [
        (RotationType::Rotating, true),
        (RotationType::NonRotating, false),
    ] {
        let settings = RefreshTokenPolicy {
            rotation_type: Some(rotation),
            ..RefreshTokenPolicy::default()
        };
        assert_eq!(Policy::of(&settings, true).rotating, expected);
        assert_eq!(Policy::of(&settings, false).rotating, expected);
    }
}

/// Expiring, infinite idle, infinite absolute; then (idle, absolute) for a confidential and a public client.
#[test]
fn a_public_clients_family_always_has_an_absolute_lifetime() {
    type Found = (Option<i64>, Option<i64>);
    let rows: &[(bool, bool, bool, Found, Found)] = &[
        (
            true,
            false,
            false,
            (Some(600), Some(HOUR)),
            (Some(600), Some(HOUR)),
        ),
        (true, true, false, (None, Some(HOUR)), (None, Some(HOUR))),
        (
            true,
            false,
            true,
            (Some(600), None),
            (Some(600), Some(30 * DAY)),
        ),
        (true, true, true, (None, None), (None, Some(30 * DAY))),
        (false, false, false, (None, None), (None, Some(30 * DAY))),
    ];
    for (expiring, infinite_idle, infinite_absolute, confidential, public) in rows {
        let settings = RefreshTokenPolicy {
            expiration_type: Some(if *expiring {
                ExpirationType::Expiring
            } else {
                ExpirationType::NonExpiring
            }),
            idle_token_lifetime: 600,
            token_lifetime: HOUR,
            infinite_idle_token_lifetime: *infinite_idle,
            infinite_token_lifetime: *infinite_absolute,
            ..RefreshTokenPolicy::default()
        };
        for (is_public, expected) in [(false, confidential), (true, public)] {
            let policy = Policy::of(&settings, is_public);
            assert_eq!(
                (policy.idle_timeout, policy.absolute_lifetime),
                *expected,
                "{expiring} {is_public}"
            );
        }
    }
}

#[test]
fn negative_windows_are_off() {
    let settings = RefreshTokenPolicy {
        leeway: -5,
        retry_window: -5,
        ..RefreshTokenPolicy::default()
    };
    let policy = Policy::of(&settings, true);
    assert_eq!((policy.leeway, policy.retry_window), (0, 0));
}

#[test]
fn a_new_familys_deadlines() {
    let policy = Policy::of(&RefreshTokenPolicy::default(), true);
    let with = |idle_timeout, absolute_lifetime| {
        deadlines(
            &Policy {
                idle_timeout,
                absolute_lifetime,
                ..policy
            },
            START,
        )
    };
    assert_eq!(with(None, None), (None, None));
    assert_eq!(with(Some(5), None), (Some(at(5)), None));
    assert_eq!(with(None, Some(9)), (None, Some(at(9))));
    assert_eq!(with(Some(5), Some(9)), (Some(at(5)), Some(at(9))));
    assert_eq!(
        with(Some(50), Some(9)),
        (Some(at(9)), Some(at(9))),
        "idle never lies past absolute"
    );
}

/// Kind, the client's setting and reason: every combination.
#[test]
fn which_families_end_with_their_session() {
    use EndReason as R;
    for reason in R::ALL {
        for setting in [false, true] {
            assert!(
                ends_with_session(FamilyKind::Online, setting, reason),
                "online: {reason:?}"
            );
        }
        let (without, with) = match reason {
            R::CredentialChange | R::AccountDisabled => (true, true),
            R::UserLogout | R::UpstreamLogout | R::AdminRevoked => (false, true),
            R::Idle | R::Absolute | R::UpstreamExpired | R::PolicyChange => (false, false),
            R::ReuseDetected | R::SessionLimit | R::Superseded => (false, false),
        };
        assert_eq!(
            ends_with_session(FamilyKind::Offline, false, reason),
            without,
            "{reason:?}"
        );
        assert_eq!(
            ends_with_session(FamilyKind::Offline, true, reason),
            with,
            "{reason:?}"
        );
    }
}
