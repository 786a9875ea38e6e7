//! When a relying party is told, what its answer means, and what it is told.

use serde_json::json;
use tenure_protocol::delivery::{
    Answer, EVENT, GIVE_UP_AFTER, INITIATORS, LogoutToken, Outcome, Progress, address, delay,
    initiators, judge, names_user, wants,
};
use tenure_protocol::model::{BackchannelInitiators, Client, OidcLogout};
use tenure_protocol::session::EndReason;
use tenure_protocol::{Sid, Timestamp};

const CREATED: Timestamp = Timestamp::from_seconds(1_000_000);

fn progress(attempts: i64) -> Progress {
    Progress {
        attempts,
        created_at: CREATED,
    }
}

fn status(status: u16) -> Answer {
    Answer::Status {
        status,
        retry_at: None,
        words: String::new(),
    }
}

#[test]
fn the_schedule() {
    let delays: Vec<i64> = (1..=18).map(delay).collect();
    assert_eq!(
        delays,
        [
            1, 5, 15, 30, 60, 60, 60, 60, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600, 3_600
        ]
    );
    assert_eq!(delay(0), 1);
    assert_eq!(delay(i64::MAX), 3_600);
    assert_eq!(delay(i64::MIN), 1);
}

/// Failing all day: every delay is kept, the last attempt is a day after the end, and then it is dead.
#[test]
fn a_delivery_that_keeps_failing_is_dead_after_a_day() {
    let (mut now, mut attempts) = (CREATED, 1);
    loop {
        match judge(&status(503), progress(attempts), now, 0) {
            Outcome::Retry { at, .. } => {
                let expected = now.plus(delay(attempts)).min(CREATED.plus(GIVE_UP_AFTER));
                assert_eq!(at, expected, "attempt {attempts}");
                now = at;
                attempts += 1;
            }
            other => {
                assert_eq!(other, Outcome::Dead("answered 503".to_owned()));
                break;
            }
        }
    }
    assert_eq!(now, CREATED.plus(GIVE_UP_AFTER));
    assert_eq!(attempts, 38);
}

#[test]
fn jitter_only_shortens_and_by_a_fifth_at_most() {
    for attempts in 1..40 {
        let full = delay(attempts) * 1000;
        let mut before = i64::MAX;
        for jitter in [0, 1, 100, 254, 255] {
            let Outcome::Retry { at, .. } =
                judge(&status(500), progress(attempts), CREATED, jitter)
            else {
                panic!("attempt {attempts}");
            };
            let wait = at.millis_since(CREATED);
            assert!((full * 4 / 5..=full).contains(&wait), "{wait} of {full}");
            assert!(wait <= before);
            before = wait;
        }
    }
}

#[test]
fn what_an_answer_means() {
    let rejected = |why: &str| Outcome::Rejected(why.to_owned());
    let retry = |why: &str| Outcome::Retry {
        at: CREATED.plus(1),
        why: why.to_owned(),
    };
    let words = |code, words: &str| Answer::Status {
        status: code,
        retry_at: None,
        words: words.to_owned(),
    };
    let redirect = |code| {
        rejected(&format!(
            "answered {code}, a redirect, which is never followed"
        ))
    };
    let table = [
        (status(200), Outcome::Delivered),
        (status(204), Outcome::Delivered),
        (status(299), Outcome::Delivered),
        (status(301), redirect(301)),
        (status(302), redirect(302)),
        (status(307), redirect(307)),
        (status(400), rejected("answered 400")),
        (
            words(400, "invalid_request"),
            rejected("answered 400: invalid_request"),
        ),
        (status(401), rejected("answered 401")),
        (status(404), rejected("answered 404")),
        (status(408), retry("answered 408")),
        (status(410), rejected("answered 410")),
        (status(429), retry("answered 429")),
        (status(500), retry("answered 500")),
        (words(503, "later"), retry("answered 503: later")),
        (status(599), retry("answered 599")),
        (status(101), rejected("answered 101, which is no answer")),
        (status(600), rejected("answered 600, which is no answer")),
        (Answer::None("timed out".to_owned()), retry("timed out")),
        (
            Answer::Impossible("not a URL".to_owned()),
            rejected("not a URL"),
        ),
    ];
    for (answer, expected) in table {
        assert_eq!(
            judge(&answer, progress(1), CREATED, 0),
            expected,
            "{answer:?}"
        );
    }
}

#[test]
fn retry_after_asks_for_patience_within_bounds_and_never_for_haste() {
    let at = |seconds| Some(CREATED.plus(seconds));
    let table = [
        // attempts, Retry-After, next attempt after
        (1, None, 1),
        (1, at(0), 1),
        (1, at(-50), 1),
        (1, at(30), 30),
        (1, at(3_600), 3_600),
        (1, at(3_601), 3_600),
        (1, at(10_000_000), 3_600),
        (12, at(10), 480),
    ];
    for (attempts, retry_at, expected) in table {
        for code in [429, 503, 408] {
            let answer = Answer::Status {
                status: code,
                retry_at,
                words: String::new(),
            };
            let outcome = judge(&answer, progress(attempts), CREATED, 0);
            let expected = Outcome::Retry {
                at: CREATED.plus(expected),
                why: format!("answered {code}"),
            };
            assert_eq!(outcome, expected, "{retry_at:?}");
        }
    }
    // Never past the day that it is tried for.
    let late = CREATED.plus(GIVE_UP_AFTER - 5);
    let answer = Answer::Status {
        status: 503,
        retry_at: Some(late.plus(600)),
        words: String::new(),
    };
    let Outcome::Retry { at, .. } = judge(&answer, progress(30), late, 0) else {
        panic!("{answer:?}");
    };
    assert_eq!(at, CREATED.plus(GIVE_UP_AFTER));
}

fn list(mode: &str, names: &[&str]) -> OidcLogout {
    OidcLogout {
        backchannel_logout_urls: vec!["https://rp.example.com/bcl".to_owned()],
        backchannel_logout_initiators: Some(BackchannelInitiators {
            mode: mode.to_owned(),
            selected_initiators: names.iter().map(|&name| name.to_owned()).collect(),
        }),
        ..OidcLogout::default()
    }
}

#[test]
fn who_hears_of_what() {
    use EndReason::{
        AccountDisabled, AdminRevoked, CredentialChange, Idle, PolicyChange, Superseded,
        UpstreamLogout, UserLogout,
    };
    for reason in EndReason::ALL {
        assert!(wants(&OidcLogout::default(), reason), "all by default");
        assert!(wants(&list("all", &[]), reason));
        assert!(!wants(&list("custom", &[]), reason));
        assert!(wants(&list("custom", &INITIATORS), reason));
        for name in initiators(reason) {
            assert!(INITIATORS.contains(name), "{name}");
        }
    }
    let table = [
        ("rp-logout", UserLogout, true),
        ("rp-logout", Superseded, true),
        ("rp-logout", Idle, false),
        ("idp-logout", UpstreamLogout, true),
        ("idp-logout", UserLogout, false),
        ("session-expired", Idle, true),
        ("session-expired", AdminRevoked, false),
        ("session-revoked", AdminRevoked, true),
        ("session-revoked", PolicyChange, true),
        ("password-changed", CredentialChange, true),
        ("mfa-phone-unenrolled", CredentialChange, true),
        ("account-deleted", AccountDisabled, true),
        ("account-deactivated", AccountDisabled, true),
        ("account-deactivated", CredentialChange, false),
    ];
    for (name, reason, expected) in table {
        assert_eq!(
            wants(&list("custom", &[name]), reason),
            expected,
            "{name} {reason:?}"
        );
    }
}

#[test]
fn a_client_without_a_url_or_interest_is_not_asked() {
    let mut client = Client::default();
    assert_eq!(address(&client, EndReason::UserLogout), None);
    client.oidc_logout = list("custom", &["rp-logout"]);
    let url = Some("https://rp.example.com/bcl");
    assert_eq!(address(&client, EndReason::UserLogout), url);
    assert_eq!(address(&client, EndReason::Idle), None);
}

#[test]
fn the_user_is_named_where_every_session_ends_or_where_the_client_asks() {
    let always = OidcLogout {
        backchannel_logout_include_sub: true,
        ..OidcLogout::default()
    };
    for reason in EndReason::ALL {
        let all_sessions = matches!(
            reason,
            EndReason::CredentialChange | EndReason::AccountDisabled
        );
        assert_eq!(names_user(&OidcLogout::default(), reason), all_sessions);
        assert!(names_user(&always, reason));
    }
}

#[test]
fn the_claims_of_the_specification() {
    let client = Client {
        client_id: "web".to_owned(),
        ..Client::default()
    };
    let sid = Sid::from_bytes([7; 16]);
    let mut token = LogoutToken {
        issuer: "https://id.example.com/",
        client: &client,
        user_id: "auth0|ada",
        sid: &sid,
        reason: EndReason::UserLogout,
        jti: "j-1",
    };
    let now = Timestamp::from_millis(1_000_999);
    let expected = json!({
        "iss": "https://id.example.com/", "aud": "web", "iat": 1_000, "exp": 1_120, "jti": "j-1",
        "events": { EVENT: {} }, "sid": sid.to_string(), "reason": "user_logout",
    });
    assert_eq!(json!(token.claims(now)), expected);
    token.reason = EndReason::CredentialChange;
    let claims = token.claims(now);
    assert_eq!(claims["sub"], "auth0|ada");
    assert_eq!(claims["sid"], json!(sid.to_string()));
    assert!(!claims.contains_key("nonce"));
}
