//! Settings become limits (design 1.1): minutes and fractions of hours, caps, profiles.

use crate::common::{DAY, HOUR, client, limits};
use tenure_protocol::limits::{Caps, Limits, check};
use tenure_protocol::model::{Api, AppType, ExpirationType, RefreshTokenPolicy, Tenant};
use tenure_protocol::profiles::{PROFILES, find};

const SMALL_PLAN: Caps = Caps {
    idle_timeout: 3 * DAY,
    absolute_lifetime: 30 * DAY,
};

/// Idle minutes, idle hours, absolute minutes, absolute hours.
type Settings = (Option<f64>, Option<f64>, Option<f64>, Option<f64>);

fn persistent(settings: Settings) -> Tenant {
    Tenant {
        idle_session_lifetime_in_minutes: settings.0,
        idle_session_lifetime: settings.1,
        session_lifetime_in_minutes: settings.2,
        session_lifetime: settings.3,
        ..Tenant::default()
    }
}

fn non_persistent(settings: Settings) -> Tenant {
    Tenant {
        idle_ephemeral_session_lifetime_in_minutes: settings.0,
        idle_ephemeral_session_lifetime: settings.1,
        ephemeral_session_lifetime_in_minutes: settings.2,
        ephemeral_session_lifetime: settings.3,
        ..Tenant::default()
    }
}

#[test]
fn settings_become_limits() {
    let rows: &[(&str, Settings, Limits)] = &[
        (
            "nothing said",
            (None, None, None, None),
            limits(72 * HOUR, 168 * HOUR),
        ),
        (
            "hours",
            (None, Some(1.0), None, Some(8.0)),
            limits(HOUR, 8 * HOUR),
        ),
        (
            "fractions of hours",
            (None, Some(0.25), None, Some(1.5)),
            limits(900, 5_400),
        ),
        (
            "minutes",
            (Some(5.0), None, Some(90.0), None),
            limits(300, 5_400),
        ),
        (
            "minutes win over hours",
            (Some(5.0), Some(9.0), Some(10.0), Some(9.0)),
            limits(300, 600),
        ),
        (
            "fractions of minutes",
            (Some(2.5), None, Some(5.0), None),
            limits(150, 300),
        ),
        (
            "idle never exceeds absolute",
            (None, Some(10.0), None, Some(2.0)),
            limits(2 * HOUR, 2 * HOUR),
        ),
        (
            "absolute below the default idle",
            (None, None, None, Some(1.0)),
            limits(HOUR, HOUR),
        ),
        (
            "zero minutes count as absent",
            (Some(0.0), Some(2.0), Some(0.0), Some(4.0)),
            limits(2 * HOUR, 4 * HOUR),
        ),
        (
            "negative and NaN count as absent",
            (Some(-1.0), None, Some(f64::NAN), None),
            limits(72 * HOUR, 168 * HOUR),
        ),
        (
            "infinite is clamped",
            (None, Some(f64::INFINITY), None, Some(f64::INFINITY)),
            limits(100 * DAY, 365 * DAY),
        ),
        (
            "above the caps is clamped",
            (None, Some(1e6), None, Some(1e6)),
            limits(100 * DAY, 365 * DAY),
        ),
    ];
    for (name, settings, expected) in rows {
        let caps = Caps::default();
        let of = |tenant: &Tenant, kind| Limits::of(tenant, kind, &caps);
        assert_eq!(of(&persistent(*settings), true), *expected, "{name}");
        assert_eq!(
            of(&non_persistent(*settings), false),
            *expected,
            "{name}, non-persistent"
        );
        let other = of(&persistent(*settings), false);
        assert_eq!(
            other,
            limits(72 * HOUR, 168 * HOUR),
            "{name}: the other kind is not touched"
        );
    }
}

#[test]
fn the_smaller_plan_clamps_at_use() {
    let long = persistent((None, Some(2_400.0), None, Some(8_760.0)));
    assert_eq!(
        Limits::of(&long, true, &SMALL_PLAN),
        limits(3 * DAY, 30 * DAY)
    );
    assert_eq!(
        Limits::of(&long, true, &Caps::default()),
        limits(100 * DAY, 365 * DAY)
    );
}

#[test]
fn settings_above_the_caps_are_refused_by_name() {
    let tenant = Tenant {
        session_lifetime: Some(721.0),
        idle_session_lifetime: Some(72.0),
        ephemeral_session_lifetime: Some(720.0),
        idle_ephemeral_session_lifetime_in_minutes: Some(72.0 * 60.0 + 1.0),
        ephemeral_session_lifetime_in_minutes: Some(0.0),
        session_lifetime_in_minutes: Some(f64::NAN),
        ..Tenant::default()
    };
    let problems = check(&tenant, &SMALL_PLAN);
    let found: Vec<_> = problems
        .iter()
        .map(|p| (p.setting, p.problem.as_str()))
        .collect();
    let expected = [
        ("session_lifetime", "is above the system limit of 720 hours"),
        ("session_lifetime_in_minutes", "must be a positive number"),
        (
            "ephemeral_session_lifetime_in_minutes",
            "must be a positive number",
        ),
        (
            "idle_ephemeral_session_lifetime_in_minutes",
            "is above the system limit of 4320 minutes",
        ),
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_setting_is_checked() {
    type Set = fn(&mut Tenant);
    let settings: [(&str, Set); 8] = [
        ("session_lifetime", |t| t.session_lifetime = Some(1e9)),
        ("idle_session_lifetime", |t| {
            t.idle_session_lifetime = Some(1e9)
        }),
        ("ephemeral_session_lifetime", |t| {
            t.ephemeral_session_lifetime = Some(1e9)
        }),
        ("idle_ephemeral_session_lifetime", |t| {
            t.idle_ephemeral_session_lifetime = Some(1e9)
        }),
        ("session_lifetime_in_minutes", |t| {
            t.session_lifetime_in_minutes = Some(1e9)
        }),
        ("idle_session_lifetime_in_minutes", |t| {
            t.idle_session_lifetime_in_minutes = Some(1e9)
        }),
        ("ephemeral_session_lifetime_in_minutes", |t| {
            t.ephemeral_session_lifetime_in_minutes = Some(1e9)
        }),
        ("idle_ephemeral_session_lifetime_in_minutes", |t| {
            t.idle_ephemeral_session_lifetime_in_minutes = Some(1e9)
        }),
    ];
    for (name, set) in settings {
        let mut tenant = Tenant::default();
        set(&mut tenant);
        let found: Vec<_> = check(&tenant, &Caps::default())
            .iter()
            .map(|p| p.setting)
            .collect();
        assert_eq!(found, [name]);
    }
    assert_eq!(check(&Tenant::default(), &SMALL_PLAN), []);
}

#[test]
fn profiles_set_the_limits_of_the_design() {
    // Idle and absolute of the session, ID token, access token, idle and absolute of a family; in seconds.
    let unset = (72 * HOUR, 168 * HOUR, 36_000, 300, 1_296_000, 2_592_000);
    let expected = [
        ("short-lived", (300, unset.1, 150, 150, unset.4, unset.5)),
        ("sensitive", (HOUR, 8 * HOUR, unset.2, 300, 1_200, 8 * HOUR)),
        (
            "native",
            (unset.0, unset.1, unset.2, unset.3, 90 * DAY, 365 * DAY),
        ),
        (
            "long-lived",
            (100 * DAY, 365 * DAY, unset.2, unset.3, unset.4, unset.5),
        ),
    ];
    assert_eq!(
        PROFILES.map(|profile| profile.name),
        expected.map(|(name, _)| name)
    );
    for (name, values) in expected {
        let profile = find(name).unwrap();
        // Other values in the way must give way.
        let mut tenant = persistent((Some(77.0), Some(77.0), Some(777.0), Some(777.0)));
        let untouched = Limits::of(&tenant, true, &Caps::default());
        profile.apply_to_tenant(&mut tenant);
        let mut app = client(AppType::Native);
        profile.apply_to_client(&mut app);
        let mut api = Api {
            token_lifetime_for_web: Some(7_200),
            ..Api::default()
        };
        profile.apply_to_api(&mut api);
        let session = Limits::of(&tenant, true, &Caps::default());
        let idle = profile
            .idle_timeout
            .map_or(untouched.idle_timeout, |_| values.0);
        let absolute = profile
            .absolute_lifetime
            .map_or(untouched.absolute_lifetime, |_| values.1);
        assert_eq!(session, limits(idle, absolute), "{name}");
        assert_eq!(
            app.jwt_configuration.lifetime_in_seconds, values.2,
            "{name}"
        );
        assert_eq!(api.token_lifetime, values.3, "{name}");
        let web = profile.access_token_lifetime.map_or(Some(7_200), |_| None);
        assert_eq!(api.token_lifetime_for_web, web, "{name}");
        let refresh = &app.refresh_token;
        assert_eq!(
            (refresh.idle_token_lifetime, refresh.token_lifetime),
            (values.4, values.5),
            "{name}"
        );
    }
    assert_eq!(find("none"), None);
}

#[test]
fn a_profile_makes_a_family_expire_that_never_did() {
    let mut app = client(AppType::RegularWeb);
    app.refresh_token = RefreshTokenPolicy {
        expiration_type: Some(ExpirationType::NonExpiring),
        infinite_token_lifetime: true,
        infinite_idle_token_lifetime: true,
        ..RefreshTokenPolicy::default()
    };
    find("sensitive").unwrap().apply_to_client(&mut app);
    let refresh = &app.refresh_token;
    assert_eq!(refresh.expiration_type, Some(ExpirationType::Expiring));
    assert!(!refresh.infinite_token_lifetime && !refresh.infinite_idle_token_lifetime);
}
