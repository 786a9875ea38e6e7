//! When a session is over, by which rule, and when nothing but what is stored counts (design 1.1, 1.6).

use crate::common::{DAY, GOOD, HOUR, START, at, end, limits, login, session, sid};
use tenure_protocol::Timestamp;
use tenure_protocol::session::{AuthState, EndReason, Rule, Session, UserStanding, Verdict};

#[test]
fn a_login_starts_a_session() {
    let new = session(HOUR, 8 * HOUR);
    assert_eq!(new.sid, sid());
    assert_eq!((new.created_at, new.authenticated_at), (START, START));
    assert_eq!((new.last_active_at, new.limits_since), (START, START));
    assert_eq!(
        (new.idle_deadline, new.absolute_deadline),
        (at(HOUR), at(8 * HOUR))
    );
    assert_eq!(new.limits, limits(HOUR, 8 * HOUR));
    assert_eq!((new.state, new.end), (AuthState::Full, None));
}

#[test]
fn the_idle_deadline_never_lies_past_the_absolute() {
    assert_eq!(session(DAY, HOUR).idle_deadline, at(HOUR));
}

#[test]
fn expires_at_is_the_earlier_deadline_and_ties_are_absolute() {
    assert_eq!(session(HOUR, DAY).expires_at(), (at(HOUR), EndReason::Idle));
    assert_eq!(
        session(DAY, HOUR).expires_at(),
        (at(HOUR), EndReason::Absolute)
    );
    let later =
        session(2 * HOUR, 3 * HOUR).touch(&limits(2 * HOUR, 3 * HOUR), GOOD, at(2 * HOUR - 1));
    assert_eq!(
        later.unwrap().expires_at(),
        (at(3 * HOUR), EndReason::Absolute)
    );
}

/// Now, today's idle and absolute settings if they count, the rule that won and since when.
type Row = (&'static str, i64, Option<(i64, i64)>, Option<(Rule, i64)>);

#[test]
fn the_first_limit_that_is_reached_wins() {
    use Rule::{SettingAbsolute, SettingIdle, StoredAbsolute, StoredIdle};
    // The session: 100 s idle, 1000 s absolute, last active at its start.
    let rows: &[Row] = &[
        ("alive at once", 0, None, None),
        ("a second before the idle deadline", 99, None, None),
        ("at the idle deadline", 100, None, Some((StoredIdle, 100))),
        (
            "long after both: the first is named",
            5_000,
            None,
            Some((StoredIdle, 100)),
        ),
        ("same settings", 99, Some((100, 1_000)), None),
        (
            "same settings, a tie with the copy",
            100,
            Some((100, 1_000)),
            Some((StoredIdle, 100)),
        ),
        (
            "a higher setting lengthens nothing",
            100,
            Some((900, 9_000)),
            Some((StoredIdle, 100)),
        ),
        ("a lower idle setting, not yet", 49, Some((50, 1_000)), None),
        (
            "a lower idle setting bites",
            50,
            Some((50, 1_000)),
            Some((SettingIdle, 50)),
        ),
        (
            "a lower absolute setting bites",
            40,
            Some((100, 40)),
            Some((SettingAbsolute, 40)),
        ),
        (
            "absolute setting against idle copy: absolute",
            100,
            Some((100, 100)),
            Some((SettingAbsolute, 100)),
        ),
        (
            "absolute setting against idle setting: absolute",
            30,
            Some((30, 30)),
            Some((SettingAbsolute, 30)),
        ),
        (
            "idle setting before absolute setting",
            60,
            Some((20, 40)),
            Some((SettingIdle, 20)),
        ),
        ("a setting that is not read does not bite", 60, None, None),
    ];
    for (name, now, today, expected) in rows {
        let today = today.map(|(idle, absolute)| limits(idle, absolute));
        let verdict = session(100, 1_000).verdict(today.as_ref(), GOOD, at(*now));
        let found = verdict.map(|v| (v.rule, v.since));
        assert_eq!(
            found,
            expected.map(|(rule, since)| (rule, at(since))),
            "{name}"
        );
        let reason = expected.map(|(rule, _)| match rule {
            StoredAbsolute | SettingAbsolute => EndReason::Absolute,
            _ => EndReason::Idle,
        });
        assert_eq!(
            session(100, 1_000).over(today.as_ref(), GOOD, at(*now)),
            reason,
            "{name}"
        );
    }
}

#[test]
fn both_stored_deadlines_at_once_are_absolute() {
    let verdict = session(DAY, HOUR).verdict(None, GOOD, at(HOUR)).unwrap();
    assert_eq!(
        (verdict.reason, verdict.rule),
        (EndReason::Absolute, Rule::StoredAbsolute)
    );
}

/// Lesson CVE-2025-64708: nothing has to have swept the session for it to be over.
#[test]
fn cve_2025_64708_expiry_is_a_predicate_at_read_time() {
    let stale = session(HOUR, DAY);
    assert_eq!(stale.end, None);
    assert_eq!(stale.over(None, GOOD, at(HOUR)), Some(EndReason::Idle));
}

/// Lessons CVE-2023-22492 and CVE-2025-53942: the user's standing is judged at use.
#[test]
fn cve_2023_22492_a_users_standing_bites_at_use() {
    let new = session(HOUR, DAY);
    let rows = [
        ("good", GOOD, None),
        (
            "gone",
            UserStanding {
                exists: false,
                ..GOOD
            },
            Some((EndReason::AccountDisabled, Rule::User)),
        ),
        (
            "blocked",
            UserStanding {
                blocked: true,
                ..GOOD
            },
            Some((EndReason::AccountDisabled, Rule::User)),
        ),
        (
            "credential changed before the login",
            UserStanding {
                valid_after: at(-1),
                ..GOOD
            },
            None,
        ),
        // The login that follows a change in the same millisecond stands.
        (
            "credential changed at the login",
            UserStanding {
                valid_after: START,
                ..GOOD
            },
            None,
        ),
        (
            "credential changed after the login",
            UserStanding {
                valid_after: Timestamp::from_millis(START.millis() + 1),
                ..GOOD
            },
            Some((EndReason::CredentialChange, Rule::ValidAfter)),
        ),
        (
            "blocked, and a credential changed",
            UserStanding {
                blocked: true,
                valid_after: at(1),
                ..GOOD
            },
            Some((EndReason::AccountDisabled, Rule::User)),
        ),
    ];
    for (name, standing, expected) in rows {
        let found = new.verdict(None, standing, at(10));
        assert_eq!(found.map(|v| (v.reason, v.rule)), expected, "{name}");
    }
}

#[test]
fn of_several_rules_the_act_wins_then_the_users_standing_then_a_limit() {
    let blocked = UserStanding {
        blocked: true,
        ..GOOD
    };
    let changed = UserStanding {
        valid_after: at(5),
        ..GOOD
    };
    let ended = session(100, 1_000).ended(end(EndReason::UserLogout, at(7)));
    let act = Verdict {
        reason: EndReason::UserLogout,
        rule: Rule::Ended,
        since: at(7),
    };
    let today = limits(1, 1);
    for standing in [GOOD, blocked, changed] {
        for now in [8, 5_000] {
            assert_eq!(ended.verdict(Some(&today), standing, at(now)), Some(act));
        }
    }
    let stale = session(100, 1_000);
    assert_eq!(
        stale.verdict(None, blocked, at(5_000)).unwrap().rule,
        Rule::User
    );
    assert_eq!(
        stale.verdict(None, changed, at(5_000)).unwrap().rule,
        Rule::ValidAfter
    );
    assert_eq!(
        stale.verdict(None, changed, at(5_000)).unwrap().since,
        at(5)
    );
}

#[test]
fn one_vocabulary_of_ends_everywhere() {
    for reason in EndReason::ALL {
        assert_eq!(EndReason::from_name(reason.name()), Some(reason));
        let wire = serde_json::to_value(reason).unwrap();
        assert_eq!(wire, reason.name());
    }
    let names = EndReason::ALL.map(EndReason::name);
    let design = "user_logout admin_revoked idle absolute upstream_logout upstream_expired \
         credential_change account_disabled policy_change reuse_detected session_limit superseded";
    assert_eq!(names.join(" "), design);
    assert_eq!(EndReason::from_name("User_Logout"), None);
}

/// Lesson CVE-2025-64103: one factor of several signs nobody in.
#[test]
fn cve_2025_64103_only_a_full_authentication_signs_in() {
    for (state, signs_in) in [
        (AuthState::Pending, false),
        (AuthState::Partial, false),
        (AuthState::Full, true),
    ] {
        let found = Session {
            state,
            ..session(HOUR, DAY)
        };
        assert_eq!(found.is_authenticated(), signs_in, "{state:?}");
    }
}

#[test]
fn amr_and_acr_come_from_the_factors() {
    let with = |names: &[&str]| {
        let mut login = login(limits(HOUR, DAY));
        login.factors = names
            .iter()
            .map(|&name| tenure_protocol::session::Factor {
                name: name.to_owned(),
                at: START,
                ..tenure_protocol::session::Factor::default()
            })
            .collect();
        Session::start(sid(), login, START)
    };
    assert_eq!(with(&["pwd"]).amr(), ["pwd"]);
    assert_eq!(with(&["pwd"]).acr(), None);
    assert_eq!(with(&["pwd", "mfa", "pwd"]).amr(), ["pwd", "mfa"]);
    let multi = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
    assert_eq!(with(&["pwd", "mfa"]).acr().as_deref(), Some(multi));
}

#[test]
fn a_session_names_the_connection_that_vouched_last() {
    let factor = |name: &str, connection: Option<&str>| tenure_protocol::session::Factor {
        name: name.to_owned(),
        at: START,
        connection: connection.map(str::to_owned),
        ..tenure_protocol::session::Factor::default()
    };
    let table = [
        (vec![factor("pwd", None)], None),
        (vec![factor("federated", Some("corp"))], Some("corp")),
        (
            vec![factor("federated", Some("corp")), factor("mfa", None)],
            Some("corp"),
        ),
        (
            vec![
                factor("federated", Some("corp")),
                factor("federated", Some("google")),
            ],
            Some("google"),
        ),
    ];
    for (factors, expected) in table {
        let mut login = login(limits(HOUR, DAY));
        login.factors = factors;
        assert_eq!(Session::start(sid(), login, START).connection(), expected);
    }
}

/// A lifetime that was lowered meanwhile did not end the session at an instant at which it was in use.
#[test]
fn no_end_is_dated_before_the_last_activity() {
    let live = session(100, 1_000)
        .touch(&limits(100, 1_000), GOOD, at(90))
        .unwrap();
    let verdict = live.verdict(Some(&limits(100, 50)), GOOD, at(95)).unwrap();
    assert_eq!(
        (verdict.rule, verdict.since),
        (Rule::SettingAbsolute, at(90))
    );
}
