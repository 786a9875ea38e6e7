//! What a logout token of an identity provider must say, and what it reaches.

use crate::common::{START as NOW, limits, login, sid};
use serde_json::{Map, Value, json};
use tenure_protocol::Timestamp;
use tenure_protocol::delivery::EVENT;
use tenure_protocol::model::UpstreamLogoutPolicy as Policy;
use tenure_protocol::session::{End, EndReason, Session};
use tenure_protocol::upstream::logout_token::{Expected, Fault, check, is_for_us};
use tenure_protocol::upstream::signal::{
    GIVE_UP_AFTER, Next, Reach, after_failure, is_meant, reach, was_there,
};

const EXPECTED: Expected<'static> = Expected {
    issuer: "https://idp.example/",
    client_id: "us",
};

fn claims(change: &[(&str, Value)]) -> Map<String, Value> {
    let now = NOW.seconds();
    let mut claims = Map::new();
    for (name, value) in [
        ("iss", json!(EXPECTED.issuer)),
        ("aud", json!("us")),
        ("iat", json!(now)),
        ("exp", json!(now + 120)),
        ("jti", json!("j-1")),
        ("events", json!({ EVENT: {} })),
        ("sid", json!("up-1")),
        ("sub", json!("ada")),
    ] {
        claims.insert(name.to_owned(), value);
    }
    for (name, value) in change {
        claims.insert((*name).to_owned(), value.clone());
    }
    // What a change sets to this text is not there at all.
    claims.retain(|_, value| *value != "absent");
    claims
}

#[test]
fn a_logout_token_is_believed_only_if_every_rule_holds() {
    let now = NOW.seconds();
    let absent = json!("absent");
    let long = "x".repeat(1_025);
    let table: &[(&str, Value, Result<(), Fault>)] = &[
        ("iss", json!("https://idp.example"), Err(Fault::Issuer)),
        ("iss", json!(["https://idp.example/"]), Err(Fault::Issuer)),
        ("iss", absent.clone(), Err(Fault::Issuer)),
        ("aud", json!(["us"]), Ok(())),
        ("aud", json!(["other", "us"]), Ok(())),
        ("aud", json!("other"), Err(Fault::Audience)),
        ("aud", json!(["other"]), Err(Fault::Audience)),
        ("aud", json!([]), Err(Fault::Audience)),
        ("aud", json!({"us": true}), Err(Fault::Audience)),
        ("aud", absent.clone(), Err(Fault::Audience)),
        ("events", json!({ EVENT: {}, "other": {} }), Ok(())),
        ("events", json!({ EVENT: null }), Err(Fault::Events)),
        ("events", json!({ EVENT: "x" }), Err(Fault::Events)),
        ("events", json!({ "other": {} }), Err(Fault::Events)),
        ("events", json!([EVENT]), Err(Fault::Events)),
        ("events", json!(EVENT), Err(Fault::Events)),
        ("events", absent.clone(), Err(Fault::Events)),
        ("nonce", json!("n-1"), Err(Fault::Nonce)),
        ("nonce", json!(""), Err(Fault::Nonce)),
        ("nonce", Value::Null, Err(Fault::Nonce)),
        ("jti", absent.clone(), Err(Fault::Jti)),
        ("jti", json!(""), Err(Fault::Jti)),
        ("jti", json!(7), Err(Fault::Jti)),
        ("jti", json!(long), Err(Fault::Jti)),
        ("sid", absent.clone(), Ok(())),
        ("sub", absent.clone(), Ok(())),
        ("sid", json!(""), Err(Fault::Whom)),
        ("sub", json!(7), Err(Fault::Whom)),
        ("sub", json!(long), Err(Fault::Whom)),
        ("exp", absent.clone(), Err(Fault::Expired)),
        ("exp", json!("soon"), Err(Fault::Expired)),
        ("exp", json!(now - 59), Ok(())),
        ("exp", json!(now - 60), Err(Fault::Expired)),
        ("iat", absent.clone(), Err(Fault::IssuedAt)),
        ("iat", json!(now - 600), Ok(())),
        ("iat", json!(now - 601), Err(Fault::IssuedAt)),
        ("iat", json!(now + 60), Ok(())),
        ("iat", json!(now + 61), Err(Fault::IssuedAt)),
        ("nbf", json!(now + 60), Ok(())),
        ("nbf", json!(now + 61), Err(Fault::NotYetValid)),
    ];
    for (name, value, expected) in table {
        let claims = claims(&[(name, value.clone())]);
        let found = check(Some("logout+jwt"), &claims, &EXPECTED, NOW).map(drop);
        assert_eq!(&found, expected, "{name} {value}");
        let early = matches!(expected, Err(Fault::Issuer | Fault::Audience));
        let meant = is_for_us(&claims, &EXPECTED);
        assert_eq!(meant.is_err(), early, "{name} {value}");
    }
    let nobody = claims(&[("sid", absent.clone()), ("sub", absent)]);
    assert_eq!(check(None, &nobody, &EXPECTED, NOW), Err(Fault::Whom));
}

#[test]
fn a_token_of_another_type_is_another_kind_of_token() {
    let table = [
        (None, true),
        (Some("logout+jwt"), true),
        (Some("LOGOUT+JWT"), true),
        (Some("application/logout+jwt"), true),
        (Some("JWT"), true),
        (Some("at+jwt"), false),
        (Some("secevent+jwt"), false),
        (Some("application/"), false),
        (Some("applikätion/jwt"), false),
        (Some(""), false),
    ];
    for (typ, fine) in table {
        let found = check(typ, &claims(&[]), &EXPECTED, NOW);
        assert_eq!(found.is_ok(), fine, "{typ:?}");
        if !fine {
            assert_eq!(found, Err(Fault::Type), "{typ:?}");
        }
    }
}

/// The `jti` must be remembered for as long as the same token would be accepted, and not for as long as
/// its sender likes.
#[test]
fn it_would_be_accepted_until_the_instant_that_is_told() {
    let now = NOW.seconds();
    for (iat, exp) in [
        (now, now + 120),
        (now - 300, now + 5),
        (now, now + 86_400 * 365),
    ] {
        let claims = claims(&[("iat", json!(iat)), ("exp", json!(exp))]);
        let token = check(None, &claims, &EXPECTED, NOW).unwrap();
        let until = token.good_until;
        let before = Timestamp::from_millis(until.millis() - 1);
        assert!(
            check(None, &claims, &EXPECTED, before).is_ok(),
            "{iat} {exp}"
        );
        assert!(
            check(None, &claims, &EXPECTED, until).is_err(),
            "{iat} {exp}"
        );
        assert!(until <= NOW.plus(661), "{iat} {exp}");
    }
}

#[test]
fn every_fault_has_words_of_its_own() {
    let mut names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Fault::ALL.len());
}

#[test]
fn a_policy_says_how_far_it_reaches() {
    let table = [
        (Policy::Ignore, Reach::Nothing),
        (Policy::Browser, Reach::Behind),
        (Policy::AllSessions, Reach::Person),
        (Policy::AllSessionsAndRefreshTokens, Reach::PersonAndTokens),
    ];
    for (policy, expected) in table {
        assert_eq!(reach(policy), expected);
    }
}

#[test]
fn what_began_after_it_was_heard_is_not_meant() {
    let table = [
        (None, NOW, true),
        (Some("ada"), NOW, true),
        (Some("eve"), NOW, false),
        (None, NOW.plus(-9), true),
        (None, NOW.plus(1), false),
        (Some("ada"), NOW.plus(1), false),
    ];
    for (named, began_at, meant) in table {
        let found = is_meant((named, "ada"), began_at, NOW);
        assert_eq!(found, meant, "{named:?} {began_at:?}");
    }
    let session = Session::start(sid(), login(limits(600, 3_600)), NOW);
    assert!(was_there(&session, NOW));
    assert!(!was_there(&session, NOW.plus(-1)));
    let end = End {
        at: NOW,
        reason: EndReason::Idle,
        by: String::new(),
        from: String::new(),
        rule: String::new(),
    };
    assert!(!was_there(&session.ended(end), NOW));
}

#[test]
fn it_is_tried_again_until_it_expires() {
    let expires_at = NOW.plus(GIVE_UP_AFTER);
    let mut now = NOW;
    let mut attempts = 0;
    loop {
        attempts += 1;
        match after_failure(attempts, expires_at, now) {
            Next::TryAt(at) => {
                assert!(at > now && at <= expires_at, "{attempts}");
                now = at;
            }
            Next::GiveUp => break,
        }
    }
    assert_eq!(now, expires_at, "the last attempt is at the end");
    assert!((20..100).contains(&attempts), "{attempts}");
}

#[test]
fn an_assertion_is_for_one_endpoint_and_of_its_own_type() {
    use tenure_protocol::upstream::revocation::{Expected, Fault, TYPE, check};
    let endpoint = "https://us.example/oauth/global-token-revocation/connection/corp";
    let expected = Expected {
        issuer: EXPECTED.issuer,
        endpoint,
    };
    let now = NOW.seconds();
    let absent = json!("absent");
    let table: &[(&str, Value, Result<(), Fault>)] = &[
        ("aud", json!([endpoint]), Ok(())),
        ("aud", json!([endpoint, "us"]), Err(Fault::Audience)),
        ("aud", json!("us"), Err(Fault::Audience)),
        ("aud", json!([]), Err(Fault::Audience)),
        ("aud", absent.clone(), Err(Fault::Audience)),
        ("iss", json!("https://idp.example"), Err(Fault::Issuer)),
        ("jti", absent.clone(), Err(Fault::Jti)),
        ("exp", absent.clone(), Err(Fault::Expired)),
        ("exp", json!(now - 60), Err(Fault::Expired)),
        ("iat", absent, Err(Fault::IssuedAt)),
        ("iat", json!(now - 601), Err(Fault::IssuedAt)),
        ("iat", json!(now + 61), Err(Fault::IssuedAt)),
        ("nbf", json!(now - 300), Ok(())),
        ("nbf", json!(now + 61), Err(Fault::NotYetValid)),
    ];
    for (name, value, wanted) in table {
        let claims = claims(&[("aud", json!(endpoint)), (name, value.clone())]);
        let found = check(Some(TYPE), &claims, &expected, NOW);
        assert_eq!(&found.map(drop), wanted, "{name} {value}");
    }
    let claims = claims(&[("aud", json!(endpoint))]);
    for typ in [None, Some("JWT"), Some("logout+jwt"), Some("at+jwt")] {
        let found = check(typ, &claims, &expected, NOW);
        assert_eq!(found, Err(Fault::Type), "{typ:?}");
    }
    let names: std::collections::BTreeSet<_> = Fault::ALL.iter().map(|f| f.name()).collect();
    assert_eq!(names.len(), Fault::ALL.len());
}

#[test]
fn whom_a_revocation_names() {
    use tenure_protocol::upstream::revocation::{Named, Unnamed, named};
    let iss_sub = |iss: &str, sub: Value| json!({ "format": "iss_sub", "iss": iss, "sub": sub });
    let ada = || iss_sub(EXPECTED.issuer, json!("ada"));
    let table = [
        (
            json!({ "sub_id": ada() }),
            Ok(Named::Subject("ada".to_owned())),
        ),
        (
            json!({ "subject": ada() }),
            Ok(Named::Subject("ada".to_owned())),
        ),
        (
            json!({ "sub_id": ada(), "x": 1 }),
            Ok(Named::Subject("ada".to_owned())),
        ),
        (
            json!({ "sub_id": ada(), "subject": ada() }),
            Err(Unnamed::Malformed),
        ),
        (
            json!({ "sub_id": { "format": "opaque", "id": "ada" } }),
            Ok(Named::Subject("ada".to_owned())),
        ),
        (
            json!({ "sub_id": { "format": "email", "email": "a@b" } }),
            Ok(Named::Email("a@b".to_owned())),
        ),
        (
            json!({ "sub_id": iss_sub("https://idp.example", json!("ada")) }),
            Err(Unnamed::OtherIssuer),
        ),
        (
            json!({ "sub_id": iss_sub(EXPECTED.issuer, json!("")) }),
            Err(Unnamed::Malformed),
        ),
        (
            json!({ "sub_id": iss_sub(EXPECTED.issuer, json!(7)) }),
            Err(Unnamed::Malformed),
        ),
        (
            json!({ "sub_id": { "format": "aliases", "identifiers": [ada()] } }),
            Err(Unnamed::Format),
        ),
        (json!({ "sub_id": {} }), Err(Unnamed::Malformed)),
        (json!({ "sub_id": [ada()] }), Err(Unnamed::Malformed)),
        (json!({}), Err(Unnamed::Malformed)),
        (json!([]), Err(Unnamed::Malformed)),
        (Value::Null, Err(Unnamed::Malformed)),
    ];
    for (body, expected) in table {
        assert_eq!(named(&body, EXPECTED.issuer), expected, "{body}");
    }
}
