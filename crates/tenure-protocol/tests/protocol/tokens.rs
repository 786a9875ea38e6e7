//! No token outlives what it hangs on (design 1.4).

use crate::common::{DAY, HOUR, at, client, family, session};
use tenure_protocol::Timestamp;
use tenure_protocol::model::{Api, AppType, SessionExpiryClaim};
use tenure_protocol::refresh::{Family, FamilyKind};
use tenure_protocol::session::Session;
use tenure_protocol::tokens::{
    ACCESS_TOKEN_LIFETIME, LONGEST, access_token_expiry, id_token_expiry, session_expiry,
};

fn family_until(kind: FamilyKind, absolute: Option<i64>) -> Family {
    Family {
        kind,
        absolute_deadline: absolute.map(at),
        ..family()
    }
}

#[test]
fn an_access_tokens_lifetime_is_its_apis() {
    let long = session(DAY, 30 * DAY);
    let api = Api {
        token_lifetime: 7_200,
        token_lifetime_for_web: Some(600),
        ..Api::default()
    };
    let same = Api {
        token_lifetime_for_web: None,
        ..api.clone()
    };
    let zero = Api {
        token_lifetime: 0,
        ..Api::default()
    };
    let endless = Api {
        token_lifetime: i64::MAX,
        ..Api::default()
    };
    let long = Session {
        absolute_deadline: at(400 * DAY),
        ..long
    };
    let rows = [
        ("no API", None, AppType::Spa, ACCESS_TOKEN_LIFETIME),
        ("spa", Some(&api), AppType::Spa, 600),
        ("web", Some(&api), AppType::RegularWeb, 7_200),
        ("native", Some(&api), AppType::Native, 7_200),
        ("spa without its own", Some(&same), AppType::Spa, 7_200),
        ("zero", Some(&zero), AppType::Spa, 1),
        ("endless", Some(&endless), AppType::Spa, LONGEST),
    ];
    for (name, api, app_type, lifetime) in rows {
        let expiry = access_token_expiry(api, &client(app_type), Some(&long), None, at(10));
        assert_eq!(expiry, at(10 + lifetime), "{name}");
    }
}

/// Session's and family's absolute deadline, and the end of a token of ten hours made at 0.
#[test]
fn a_token_ends_with_what_it_hangs_on() {
    use FamilyKind::{Offline, Online};
    let ten_hours = Api {
        token_lifetime: 10 * HOUR,
        ..Api::default()
    };
    let app = client(AppType::RegularWeb);
    assert_eq!(app.jwt_configuration.lifetime_in_seconds, 10 * HOUR);
    let rows = [
        ("session only", HOUR, None, HOUR),
        ("a longer session", DAY, None, 10 * HOUR),
        (
            "offline family, later",
            HOUR,
            Some((Offline, Some(2 * HOUR))),
            2 * HOUR,
        ),
        (
            "offline family, earlier",
            3 * HOUR,
            Some((Offline, Some(HOUR))),
            HOUR,
        ),
        (
            "offline family without an end",
            HOUR,
            Some((Offline, None)),
            10 * HOUR,
        ),
        (
            "session-bound family, later",
            HOUR,
            Some((Online, Some(2 * HOUR))),
            HOUR,
        ),
        (
            "session-bound family without an end",
            HOUR,
            Some((Online, None)),
            HOUR,
        ),
    ];
    for (name, absolute, kin, expected) in rows {
        let live = session(HOUR, absolute);
        let kin = kin.map(|(kind, absolute)| family_until(kind, absolute));
        let access = access_token_expiry(Some(&ten_hours), &app, Some(&live), kin.as_ref(), at(0));
        assert_eq!(access, at(expected), "{name}: access token");
        assert_eq!(
            id_token_expiry(&app, &live, kin.as_ref(), at(0)),
            at(expected),
            "{name}: ID token"
        );
    }
}

/// A rolled key stays published for 30 days.
#[test]
fn no_id_token_outlives_the_key_that_signed_it() {
    let mut app = client(AppType::RegularWeb);
    let live = Session {
        absolute_deadline: at(400 * DAY),
        ..session(HOUR, DAY)
    };
    for (asked, given) in [
        (i64::MIN, 1),
        (0, 1),
        (1, 1),
        (LONGEST, 30 * DAY),
        (LONGEST + 1, 30 * DAY),
        (i64::MAX, 30 * DAY),
    ] {
        app.jwt_configuration.lifetime_in_seconds = asked;
        let expiry = id_token_expiry(&app, &live, None, at(5));
        assert_eq!(expiry, at(5 + given), "{asked}");
    }
}

#[test]
fn the_idle_deadline_limits_no_token() {
    let live = session(60, DAY);
    let expiry = access_token_expiry(None, &client(AppType::Spa), Some(&live), None, at(0));
    assert_eq!(expiry, at(300));
}

#[test]
fn a_machines_token_hangs_on_nothing() {
    let expiry = access_token_expiry(None, &client(AppType::NonInteractive), None, None, at(0));
    assert_eq!(expiry, at(ACCESS_TOKEN_LIFETIME));
}

/// Mode, family; the claim for a session that ends a day after the start.
#[test]
fn session_expiry_by_mode() {
    use FamilyKind::{Offline, Online};
    use SessionExpiryClaim::{Off, Session, Tokens};
    let rows = [
        (Session, None, Some(DAY)),
        (Session, Some((Online, Some(2 * DAY))), Some(DAY)),
        (Session, Some((Offline, Some(2 * DAY))), Some(2 * DAY)),
        (Session, Some((Offline, Some(HOUR))), Some(DAY)),
        (Session, Some((Offline, None)), None),
        (Tokens, None, Some(DAY)),
        (Tokens, Some((Online, Some(HOUR))), Some(DAY)),
        (Tokens, Some((Offline, Some(2 * DAY))), Some(2 * DAY)),
        (Tokens, Some((Offline, Some(HOUR))), Some(HOUR)),
        (Tokens, Some((Offline, None)), None),
        (Off, None, None),
        (Off, Some((Offline, Some(2 * DAY))), None),
    ];
    for (mode, kin, expected) in rows {
        let kin = kin.map(|(kind, absolute)| family_until(kind, absolute));
        // The idle deadline is an hour away and never shows.
        let found = session_expiry(mode, &session(HOUR, DAY), kin.as_ref(), at(0));
        assert_eq!(
            found,
            expected.map(|seconds| at(seconds).seconds()),
            "{mode:?} {kin:?}"
        );
    }
}

#[test]
fn session_expiry_is_later_than_iat_or_absent() {
    let live = session(HOUR, DAY);
    let claim = |now| session_expiry(SessionExpiryClaim::Session, &live, None, now);
    assert!(claim(at(DAY - 1)).is_some());
    let last_second = Timestamp::from_millis(at(DAY).millis() - 1);
    assert!(claim(last_second).is_some());
    assert_eq!(claim(at(DAY)), None);
    assert_eq!(claim(at(2 * DAY)), None);
}

#[test]
fn on_the_wire_a_deadline_is_rounded_down() {
    assert_eq!(Timestamp::from_millis(1_999).seconds(), 1);
    assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
    assert_eq!(
        Timestamp::from_millis(i64::MAX).plus(1).millis(),
        i64::MAX,
        "no overflow"
    );
}
