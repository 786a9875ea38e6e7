//! What an application may know of a session, and who may ask and extend (design 1.5).

use crate::common::{DAY, GOOD, HOUR, at, end, limits, session};
use serde_json::json;
use tenure_protocol::RefusalReason as No;
use tenure_protocol::limits::{Caps, Limits, Source, Sources};
use tenure_protocol::model::Tenant;
use tenure_protocol::session::{EndReason, UserStanding};
use tenure_protocol::status::{
    Asking, Change, Extension, Mark, OriginOf, Proof, Site, Today, extend, is_remembered, status,
};

const TOKEN: Proof = Proof::AccessToken {
    current: true,
    first_party: true,
};
const EXPIRED: Proof = Proof::AccessToken {
    current: false,
    first_party: true,
};
const THIRD: Proof = Proof::AccessToken {
    current: true,
    first_party: false,
};

fn asking(proof: Proof, origin: OriginOf, site: Site, json: bool) -> Asking {
    Asking {
        proof,
        origin,
        site,
        json,
    }
}

/// Proof, origin, site, JSON; what a read and an extension say.
type Row = (Proof, OriginOf, Site, bool, Result<(), No>, Result<(), No>);

/// Lesson CVE-2025-53895: every change of a session needs proof of possession.
#[test]
fn cve_2025_53895_who_may_read_and_who_may_extend() {
    use OriginOf::{Foreign, Nobody, Participant, Tenure};
    use Site::{CrossSite, Here, SameSite};
    let origin = Err(No::OriginNotOfParticipant);
    let rows: &[Row] = &[
        (Proof::Cookie, Participant, SameSite, true, Ok(()), Ok(())),
        (Proof::Cookie, Participant, Here, true, Ok(()), Ok(())),
        (
            Proof::Cookie,
            Participant,
            SameSite,
            false,
            Ok(()),
            Err(No::JsonRequired),
        ),
        (Proof::Cookie, Participant, CrossSite, true, origin, origin),
        (Proof::Cookie, Nobody, Here, true, Ok(()), origin),
        (Proof::Cookie, Nobody, SameSite, true, origin, origin),
        (Proof::Cookie, Nobody, CrossSite, true, origin, origin),
        (Proof::Cookie, Tenure, Here, true, Ok(()), origin),
        (Proof::Cookie, Foreign, SameSite, true, origin, origin),
        (TOKEN, Participant, CrossSite, false, Ok(()), Ok(())),
        (TOKEN, Nobody, Here, false, Ok(()), origin),
        (TOKEN, Foreign, CrossSite, true, origin, origin),
        (
            EXPIRED,
            Participant,
            CrossSite,
            true,
            Ok(()),
            Err(No::AccessTokenInvalid),
        ),
        (
            THIRD,
            Participant,
            CrossSite,
            true,
            Ok(()),
            Err(No::ThirdPartyExtension),
        ),
    ];
    for (proof, origin, site, json, read, extend) in rows {
        let asked = asking(*proof, *origin, *site, *json);
        assert_eq!(asked.may_read(), *read, "read: {asked:?}");
        assert_eq!(asked.may_extend(), *extend, "extend: {asked:?}");
    }
}

fn today(idle: i64, absolute: i64) -> Today {
    Today {
        limits: limits(idle, absolute),
        sources: Sources {
            idle_timeout: Source::Setting,
            absolute_lifetime: Source::Default,
        },
    }
}

#[test]
fn an_extension_is_an_activity_and_never_passes_the_absolute_deadline() {
    let asked = asking(TOKEN, OriginOf::Participant, Site::CrossSite, true);
    let session = session(HOUR, 2 * HOUR);
    let day = limits(HOUR, DAY);
    let try_at = |seconds| extend(&session, &asked, &day, GOOD, at(seconds)).unwrap();
    let Extension::Extended(once) = try_at(HOUR - 1) else {
        panic!("alive");
    };
    assert_eq!(once.idle_deadline, at(2 * HOUR - 1));
    let Ok(Extension::Extended(twice)) = extend(&once, &asked, &day, GOOD, at(2 * HOUR - 2)) else {
        panic!("alive");
    };
    assert_eq!(twice.idle_deadline, at(2 * HOUR), "cut off");
    assert_eq!(twice.absolute_deadline, session.absolute_deadline);
    let Ok(Extension::Over(verdict)) = extend(&twice, &asked, &day, GOOD, at(2 * HOUR)) else {
        panic!("over at the instant itself");
    };
    assert_eq!(verdict.reason, EndReason::Absolute);
    assert!(matches!(try_at(HOUR), Extension::Over(v) if v.reason == EndReason::Idle));
    // Today's lower setting bites: it is an activity like any other.
    let lower = extend(&session, &asked, &limits(60, DAY), GOOD, at(60)).unwrap();
    assert!(matches!(lower, Extension::Over(v) if v.reason == EndReason::Idle));
}

#[test]
fn an_extension_that_is_refused_changes_nothing_and_the_end_is_told_to_an_old_token() {
    let live = session(HOUR, DAY);
    let asked = asking(EXPIRED, OriginOf::Participant, Site::CrossSite, true);
    let day = limits(HOUR, DAY);
    let refused = extend(&live, &asked, &day, GOOD, at(1));
    assert_eq!(refused, Err(No::AccessTokenInvalid));
    let over = extend(&live, &asked, &day, GOOD, at(HOUR)).unwrap();
    assert!(matches!(over, Extension::Over(_)));
    let foreign = asking(TOKEN, OriginOf::Foreign, Site::CrossSite, true);
    let refused = extend(&live, &foreign, &day, GOOD, at(HOUR));
    assert_eq!(refused, Err(No::OriginNotOfParticipant));
}

#[test]
fn a_status_names_each_limit_its_rule_and_what_ends_first() {
    let live = session(HOUR, 8 * HOUR);
    let told = status(&live, &today(600, DAY), GOOD, at(5));
    let told = serde_json::to_value(told).unwrap();
    let second = |offset: i64| at(offset).seconds();
    assert_eq!(
        told,
        json!({
            "active": true, "sid": live.sid, "auth_time": second(0), "now": second(5),
            "expires_at": second(HOUR), "idle_expires_at": second(HOUR),
            "absolute_expires_at": second(8 * HOUR), "extend_before": second(600),
            "will_end": {"reason": "idle", "rule": "stored_idle"},
            "limits": {
                "idle_timeout": {
                    "seconds": HOUR, "since": second(0), "expires_at": second(HOUR),
                    "rule": "stored_idle",
                    "today": {"seconds": 600, "source": "setting", "expires_at": second(600),
                        "rule": "setting_idle"}
                },
                "absolute_lifetime": {
                    "seconds": 8 * HOUR, "since": second(0), "expires_at": second(8 * HOUR),
                    "rule": "stored_absolute",
                    "today": {"seconds": DAY, "source": "default", "expires_at": second(DAY),
                        "rule": "setting_absolute"}
                }
            }
        })
    );
}

#[test]
fn a_status_at_the_exact_deadline_and_of_an_ended_session() {
    let live = session(HOUR, 8 * HOUR);
    let tell = |session: &_, user, now| {
        serde_json::to_value(status(session, &today(HOUR, DAY), user, now)).unwrap()
    };
    assert_eq!(tell(&live, GOOD, at(HOUR - 1))["active"], true);
    let over = tell(&live, GOOD, at(HOUR));
    assert_eq!(
        over,
        json!({"active": false, "sid": live.sid, "auth_time": at(0).seconds(),
            "now": at(HOUR).seconds(), "reason": "idle", "rule": "stored_idle",
            "ended_at": at(HOUR).seconds()})
    );
    for reason in EndReason::ALL {
        let mut over = end(reason, at(7));
        over.rule = "a rule".to_owned();
        let told = tell(&live.ended(over), GOOD, at(9));
        assert_eq!(told["reason"], reason.name());
        assert_eq!(told["rule"], "a rule");
        assert_eq!(told["ended_at"], at(7).seconds());
    }
    let gone = UserStanding {
        exists: false,
        ..GOOD
    };
    assert_eq!(tell(&live, gone, at(1))["reason"], "account_disabled");
}

#[test]
fn a_session_is_spoken_of_until_a_day_after_its_absolute_deadline() {
    let live = session(HOUR, 8 * HOUR);
    assert!(is_remembered(&live, at(8 * HOUR + DAY - 1)));
    assert!(!is_remembered(&live, at(8 * HOUR + DAY)));
}

#[test]
fn a_mark_tells_what_changed_and_its_id_names_the_state() {
    let day = limits(HOUR, DAY);
    let live = session(HOUR, DAY);
    let mark = |session, today: &Limits, now| Mark::of(session, today, GOOD, now);
    let first = mark(&live, &day, at(0));
    let later = mark(&live, &day, at(9));
    assert_eq!((first.change_to(&later), first.id()), (None, later.id()));
    let touched = live.touch(&day, GOOD, at(10)).unwrap();
    let extended = mark(&touched, &day, at(10));
    assert_eq!(first.change_to(&extended), Some(Change::Extended));
    assert_ne!(first.id(), extended.id());
    let lowered = live.touch(&limits(60, DAY), GOOD, at(10)).unwrap();
    let lowered = mark(&lowered, &limits(60, DAY), at(10));
    assert_eq!(first.change_to(&lowered), Some(Change::LimitsChanged));
    let setting = mark(&live, &limits(60, DAY), at(0));
    assert_eq!(first.change_to(&setting), Some(Change::LimitsChanged));
    let over = mark(&live, &day, at(HOUR));
    assert_eq!(first.change_to(&over), Some(Change::Ended));
    assert_eq!(over.change_to(&over), None);
    assert!(over.is_over() && !first.is_over());
}

#[test]
fn the_source_of_a_limit_of_today() {
    let caps = Caps {
        idle_timeout: 3 * DAY,
        absolute_lifetime: 30 * DAY,
    };
    let sources = |idle: Option<f64>, absolute: Option<f64>| {
        let tenant = Tenant {
            idle_session_lifetime: idle,
            session_lifetime: absolute,
            ..Tenant::default()
        };
        let found = Sources::of(&tenant, true, &caps);
        (found.idle_timeout, found.absolute_lifetime)
    };
    assert_eq!(sources(None, None), (Source::Default, Source::Default));
    assert_eq!(
        sources(Some(1.0), Some(8.0)),
        (Source::Setting, Source::Setting)
    );
    assert_eq!(
        sources(Some(100.0), Some(1_000.0)),
        (Source::Cap, Source::Cap)
    );
    assert_eq!(
        sources(None, Some(8.0)),
        (Source::AbsoluteLifetime, Source::Setting)
    );
}
