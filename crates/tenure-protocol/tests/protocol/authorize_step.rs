//! The next step of an authorization request (OpenID Connect Core 3.1.2.1, 3.1.2.3, 3.1.2.6).

use crate::common::{START, at, client, session};
use tenure_protocol::RefusalReason as No;
use tenure_protocol::authorize::{AuthorizeRequest, Facts, Step, next_step, parse};
use tenure_protocol::model::AppType;
use tenure_protocol::params::Params;
use tenure_protocol::session::{AuthState, Factor, Session};

fn request(extra: &str) -> AuthorizeRequest {
    let query = format!("response_type=code&scope=openid&{extra}");
    let params = Params::parse(query.as_bytes()).unwrap();
    parse(&params, &client(AppType::RegularWeb)).unwrap()
}

/// Ada signed in at the start.
const NOBODY: Facts<'static> = Facts {
    session: None,
    hinted_subject: None,
    just_authenticated: false,
    acr_reachable: false,
    consent_missing: false,
    just_consented: false,
};

fn step(extra: &str, facts: &Facts<'_>, now: i64) -> Step {
    next_step(&request(extra), facts, at(now))
}

const LOGIN_REQUIRED: Step = Step::Refuse(No::LoginRequired);

#[test]
fn nobody_is_signed_in() {
    assert_eq!(step("", &NOBODY, 10), Step::Login);
    assert_eq!(step("prompt=none", &NOBODY, 10), LOGIN_REQUIRED);
    assert_eq!(step("prompt=consent", &NOBODY, 10), Step::Login);
    // Lesson CVE-2026-4349: a hint is never authentication.
    let hinted = Facts {
        hinted_subject: Some("auth0|ada"),
        ..NOBODY
    };
    assert_eq!(step("prompt=none", &hinted, 10), LOGIN_REQUIRED);
    assert_eq!(step("", &hinted, 10), Step::Login);
}

/// Lesson CVE-2025-64103: after one of two factors nobody is signed in.
#[test]
fn cve_2025_64103_half_an_authentication_is_none() {
    for state in [AuthState::Pending, AuthState::Partial] {
        let half = Session {
            state,
            ..session(100, 1_000)
        };
        let facts = Facts {
            session: Some(&half),
            just_authenticated: true,
            ..NOBODY
        };
        assert_eq!(step("", &facts, 1), Step::Login);
        assert_eq!(step("prompt=none", &facts, 1), LOGIN_REQUIRED);
    }
}

/// Extra parameters; then the step for an old session, with `prompt=none` too, and just after a login.
#[test]
fn when_the_person_must_sign_in_again() {
    let ada = session(1_000, 10_000);
    let old = Facts {
        session: Some(&ada),
        ..NOBODY
    };
    let fresh = Facts {
        just_authenticated: true,
        ..old
    };
    let rows = [
        ("", 600, false),
        ("prompt=login", 1, true),
        ("prompt=select_account", 1, true),
        ("max_age=600", 600, false),
        ("max_age=599", 600, true),
        ("max_age=0", 0, true),
        ("max_age=10000", 600, false),
    ];
    for (extra, now, again) in rows {
        assert_eq!(
            step(extra, &old, now),
            if again { Step::Login } else { Step::Issue },
            "{extra}"
        );
        assert_eq!(
            step(extra, &fresh, now),
            Step::Issue,
            "{extra}, just signed in"
        );
        if extra.starts_with("prompt") {
            continue;
        }
        let silent = step(&format!("{extra}&prompt=none"), &old, now);
        assert_eq!(
            silent,
            if again { LOGIN_REQUIRED } else { Step::Issue },
            "{extra}, silently"
        );
    }
}

#[test]
fn max_age_counts_milliseconds() {
    let ada = session(1_000, 10_000);
    let facts = Facts {
        session: Some(&ada),
        ..NOBODY
    };
    let just_over = tenure_protocol::Timestamp::from_millis(START.millis() + 60_001);
    assert_eq!(
        next_step(&request("max_age=60"), &facts, just_over),
        Step::Login
    );
}

/// Lessons CVE-2022-3916 and CVE-2023-6787: never an answer for another user than the one demanded.
#[test]
fn cve_2023_6787_another_user_is_never_answered_for() {
    let ada = session(1_000, 10_000);
    let sub = |user: &str| {
        format!("claims=%7B%22id_token%22:%7B%22sub%22:%7B%22value%22:%22{user}%22%7D%7D%7D")
    };
    let ada_sub = sub("auth0%7Cada");
    let eve_sub = sub("auth0%7Ceve");
    // The hint's subject, the claims parameter: does the session fit?
    let rows = [
        (None, "", true),
        (Some("auth0|ada"), "", true),
        (Some("auth0|eve"), "", false),
        (None, ada_sub.as_str(), true),
        (None, eve_sub.as_str(), false),
        (Some("auth0|ada"), ada_sub.as_str(), true),
        (Some("auth0|ada"), eve_sub.as_str(), false),
        (Some("auth0|eve"), ada_sub.as_str(), false),
    ];
    for (hinted_subject, claims, fits) in rows {
        let old = Facts {
            session: Some(&ada),
            hinted_subject,
            ..NOBODY
        };
        let fresh = Facts {
            just_authenticated: true,
            ..old
        };
        let name = format!("{hinted_subject:?} {claims}");
        assert_eq!(
            step(claims, &old, 1),
            if fits { Step::Issue } else { Step::Login },
            "{name}"
        );
        assert_eq!(
            step(claims, &fresh, 1),
            if fits { Step::Issue } else { LOGIN_REQUIRED },
            "{name}"
        );
        let silent = step(&format!("prompt=none&{claims}"), &old, 1);
        assert_eq!(
            silent,
            if fits { Step::Issue } else { LOGIN_REQUIRED },
            "{name}"
        );
    }
}

/// Consent missing, consent just given, `prompt=consent`; the step.
#[test]
fn consent() {
    let ada = session(1_000, 10_000);
    let rows = [
        (false, false, "", Step::Issue),
        (true, false, "", Step::Consent),
        (false, false, "prompt=consent", Step::Consent),
        (false, true, "prompt=consent", Step::Issue),
        (true, true, "prompt=consent", Step::Consent),
        (true, true, "", Step::Consent),
        (
            true,
            false,
            "prompt=none",
            Step::Refuse(No::ConsentRequired),
        ),
        (false, false, "prompt=none", Step::Issue),
    ];
    for (consent_missing, just_consented, extra, expected) in rows {
        let facts = Facts {
            session: Some(&ada),
            consent_missing,
            just_consented,
            ..NOBODY
        };
        assert_eq!(
            step(extra, &facts, 1),
            expected,
            "{consent_missing} {just_consented} {extra}"
        );
    }
}

#[test]
fn signing_in_comes_before_consent() {
    let ada = session(1_000, 10_000);
    let facts = Facts {
        session: Some(&ada),
        consent_missing: true,
        ..NOBODY
    };
    assert_eq!(step("prompt=login+consent", &facts, 1), Step::Login);
    let fresh = Facts {
        just_authenticated: true,
        ..facts
    };
    assert_eq!(step("prompt=login+consent", &fresh, 1), Step::Consent);
    assert_eq!(step("prompt=none&max_age=0", &facts, 1), LOGIN_REQUIRED);
}

#[test]
fn an_essential_acr_is_reached_or_refused() {
    let multi = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
    let claims = |acr: &str| format!("claims=%7B%22id_token%22:%7B%22acr%22:{acr}%7D%7D");
    let password = session(1_000, 10_000);
    let mut both = password.clone();
    both.factors.push(Factor {
        name: "mfa".to_owned(),
        at: START,
        ..Factor::default()
    });
    let unmet = Step::Refuse(No::UnmetAuthenticationRequirements);
    let rows = [
        (r#"{"value":"MULTI"}"#, Step::Issue, Step::Issue),
        (r#"{"essential":true}"#, Step::Issue, Step::Issue),
        (r#"{"essential":true,"value":"MULTI"}"#, unmet, Step::Issue),
        (
            r#"{"essential":true,"values":["x","MULTI"]}"#,
            unmet,
            Step::Issue,
        ),
        (r#"{"essential":true,"values":["x"]}"#, unmet, unmet),
    ];
    for (acr, alone, with_second) in rows {
        let acr = acr.replace("MULTI", multi);
        for (session, expected) in [(&password, alone), (&both, with_second)] {
            let facts = Facts {
                session: Some(session),
                ..NOBODY
            };
            let encoded: String = claims(&acr)
                .replace('"', "%22")
                .replace('{', "%7B")
                .replace('}', "%7D");
            assert_eq!(step(&encoded, &facts, 1), expected, "{acr}");
            // Where another login may reach it, there is one; and it is judged like any.
            let reachable = Facts {
                acr_reachable: true,
                ..facts
            };
            let instead = if expected == unmet {
                Step::Login
            } else {
                expected
            };
            assert_eq!(step(&encoded, &reachable, 1), instead, "{acr}");
            let after = Facts {
                just_authenticated: true,
                ..reachable
            };
            assert_eq!(step(&encoded, &after, 1), expected, "{acr}");
        }
    }
}

/// Invariant 7: with `prompt=none` no combination of facts shows a page.
#[test]
fn prompt_none_never_shows_a_page() {
    let ada = session(1_000, 10_000);
    for bits in 0..64_u32 {
        let is = |bit: u32| bits & (1 << bit) != 0;
        let facts = Facts {
            session: is(0).then_some(&ada),
            hinted_subject: is(1).then_some("auth0|eve"),
            just_authenticated: is(2),
            acr_reachable: is(5),
            consent_missing: is(3),
            just_consented: is(4),
        };
        for extra in [
            "prompt=none",
            "prompt=none&max_age=0",
            "prompt=none&max_age=5",
            "prompt=none&claims=%7B%22id_token%22:%7B%22acr%22:%7B%22essential%22:true,%22value%22:%22x%22%7D%7D%7D",
        ] {
            let found = step(extra, &facts, 60);
            assert!(
                matches!(found, Step::Issue | Step::Refuse(_)),
                "{extra} {bits:b}: {found:?}"
            );
            if !is(0) {
                assert_eq!(found, LOGIN_REQUIRED);
            }
        }
    }
}
