//! What an activity and a re-authentication do to a session (design 1.1, 1.2).

use crate::common::{DAY, GOOD, HOUR, START, at, end, limits, login, session};
use tenure_protocol::Timestamp;
use tenure_protocol::session::{Device, EndReason, Login, Session, UserStanding};

#[test]
fn an_activity_moves_the_idle_deadline_and_nothing_else() {
    let before = session(100, 1_000);
    let after = before.touch(&limits(100, 1_000), GOOD, at(60)).unwrap();
    let expected = Session {
        last_active_at: at(60),
        idle_deadline: at(160),
        ..before
    };
    assert_eq!(after, expected);
}

/// Today's settings, then the idle and the absolute deadline after an activity at 50 s.
#[test]
fn an_activity_takes_the_lower_of_the_copy_and_the_setting() {
    let rows = [
        ("same", limits(100, 1_000), (150, 1_000), limits(100, 1_000)),
        (
            "idle raised",
            limits(500, 1_000),
            (150, 1_000),
            limits(100, 1_000),
        ),
        (
            "absolute raised",
            limits(100, 9_000),
            (150, 1_000),
            limits(100, 1_000),
        ),
        (
            "idle lowered",
            limits(70, 1_000),
            (120, 1_000),
            limits(70, 1_000),
        ),
        (
            "absolute lowered",
            limits(100, 120),
            (120, 120),
            limits(100, 120),
        ),
        ("both lowered", limits(60, 200), (110, 200), limits(60, 200)),
    ];
    for (name, today, (idle, absolute), copies) in rows {
        let after = session(100, 1_000).touch(&today, GOOD, at(50)).unwrap();
        assert_eq!(
            (after.idle_deadline, after.absolute_deadline),
            (at(idle), at(absolute)),
            "{name}"
        );
        assert_eq!(after.limits, copies, "{name}");
    }
}

#[test]
fn a_lowered_copy_stays_lowered() {
    let lowered = session(100, 1_000)
        .touch(&limits(30, 500), GOOD, at(10))
        .unwrap();
    let raised = lowered.touch(&limits(100, 1_000), GOOD, at(20)).unwrap();
    assert_eq!(raised.limits, limits(30, 500));
    assert_eq!(
        (raised.idle_deadline, raised.absolute_deadline),
        (at(50), at(500))
    );
}

/// Lesson CVE-2025-11429: a limit lowered after the login bites at the next activity.
#[test]
fn cve_2025_11429_an_activity_past_todays_settings_ends_the_session() {
    let live = session(100, 1_000);
    assert_eq!(
        live.touch(&limits(50, 1_000), GOOD, at(50)),
        Err(EndReason::Idle)
    );
    assert_eq!(
        live.touch(&limits(100, 60), GOOD, at(60)),
        Err(EndReason::Absolute)
    );
    assert!(live.touch(&limits(50, 1_000), GOOD, at(49)).is_ok());
}

#[test]
fn no_activity_passes_the_absolute_deadline() {
    let mut live = session(100, 250);
    for now in [90, 180, 249] {
        live = live.touch(&limits(100, 250), GOOD, at(now)).unwrap();
    }
    assert_eq!(live.idle_deadline, at(250));
    assert_eq!(
        live.touch(&limits(100, 250), GOOD, at(250)),
        Err(EndReason::Absolute)
    );
}

#[test]
fn an_ended_session_hears_its_reason() {
    let ended = session(HOUR, DAY).ended(end(EndReason::AdminRevoked, at(5)));
    assert_eq!(
        ended.touch(&limits(HOUR, DAY), GOOD, at(6)),
        Err(EndReason::AdminRevoked)
    );
    assert_eq!(
        ended.reauthenticate(login(limits(HOUR, DAY)), GOOD, at(6)),
        Err(EndReason::AdminRevoked)
    );
}

#[test]
fn a_clock_that_goes_back_does_not_shorten_what_was_promised() {
    let live = session(100, 1_000)
        .touch(&limits(100, 1_000), GOOD, at(60))
        .unwrap();
    let after = live.touch(&limits(100, 1_000), GOOD, at(30)).unwrap();
    assert_eq!(after, live);
}

fn again(limits_today: (i64, i64)) -> Login {
    Login {
        secret_hash: [2; 32],
        upstream_deadline: None,
        persistent: false,
        device: Device {
            initial_ip: "198.51.100.9".to_owned(),
            last_ip: "198.51.100.9".to_owned(),
            ..Device::default()
        },
        ..login(limits(limits_today.0, limits_today.1))
    }
}

/// Lessons CVE-2024-7341 and CVE-2026-7507: the secret behind the cookie is new, the `sid` is not.
#[test]
fn cve_2026_7507_reauthentication_keeps_the_sid_and_renews_the_secret() {
    let before = session(100, 1_000);
    let after = before
        .reauthenticate(again((200, 2_000)), GOOD, at(50))
        .unwrap();
    assert_eq!((after.sid, after.created_at), (before.sid, START));
    assert_eq!(after.secret_hash, [2; 32]);
    assert_eq!(
        (
            after.authenticated_at,
            after.last_active_at,
            after.limits_since
        ),
        (at(50), at(50), at(50))
    );
    assert_eq!(after.limits, limits(200, 2_000));
    assert_eq!(
        (after.idle_deadline, after.absolute_deadline),
        (at(250), at(2_050))
    );
    assert!(!after.persistent);
    assert_eq!(after.device.initial_ip, before.device.initial_ip);
    assert_eq!(after.device.last_ip, "198.51.100.9");
}

#[test]
fn reauthentication_may_lower_the_limits_too() {
    let after = session(100, 1_000)
        .reauthenticate(again((20, 30)), GOOD, at(10))
        .unwrap();
    assert_eq!(
        (after.idle_deadline, after.absolute_deadline),
        (at(30), at(40))
    );
}

/// It is an activity like any other: a session that today's settings have ended is not revived.
#[test]
fn cve_2025_11429_reauthentication_is_judged_by_todays_settings() {
    let live = session(100, 1_000);
    assert_eq!(
        live.reauthenticate(again((20, 1_000)), GOOD, at(20)),
        Err(EndReason::Idle)
    );
    assert_eq!(
        live.reauthenticate(again((20, 30)), GOOD, at(90)),
        Err(EndReason::Idle)
    );
    let active = live.touch(&limits(100, 1_000), GOOD, at(90)).unwrap();
    assert_eq!(
        active.reauthenticate(again((50, 60)), GOOD, at(100)),
        Err(EndReason::Absolute)
    );
}

#[test]
fn auth_time_grows_by_a_second_at_least() {
    let mut live = session(100, 1_000);
    for millis in [1, 2, 900, 1_000] {
        let now = Timestamp::from_millis(START.millis() + millis);
        let after = live.reauthenticate(again((100, 1_000)), GOOD, now).unwrap();
        assert!(after.authenticated_at.seconds() > live.authenticated_at.seconds());
        live = after;
    }
    // Also where the clock went back.
    let after = live
        .reauthenticate(again((100, 1_000)), GOOD, at(-3))
        .unwrap();
    assert!(after.authenticated_at.seconds() > live.authenticated_at.seconds());
}

/// `auth_time` may run ahead of the clock by the rule above; a credential change still ends what was
/// proven before it, or whoever re-authenticates quickly enough would outlive every reset.
#[test]
fn cve_2026_22706_an_auth_time_ahead_of_the_clock_does_not_outlive_a_credential_change() {
    let mut live = session(100, 1_000);
    for _ in 0..30 {
        live = live
            .reauthenticate(again((100, 1_000)), GOOD, at(1))
            .unwrap();
    }
    assert!(live.authenticated_at > at(20));
    let reset = UserStanding {
        valid_after: at(2),
        ..GOOD
    };
    assert_eq!(
        live.over(None, reset, at(2)),
        Some(EndReason::CredentialChange)
    );
    assert_eq!(
        live.over(
            None,
            UserStanding {
                valid_after: at(1),
                ..GOOD
            },
            at(2)
        ),
        None
    );
}

#[test]
fn only_a_login_moves_auth_time() {
    let live = session(100, 1_000);
    let touched = live.touch(&limits(100, 1_000), GOOD, at(50)).unwrap();
    assert_eq!(touched.authenticated_at, START);
    assert_eq!(touched.factors, live.factors);
    assert_eq!(touched.secret_hash, live.secret_hash);
}
