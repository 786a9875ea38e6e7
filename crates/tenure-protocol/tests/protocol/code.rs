//! Exchanging an authorization code (RFC 6749 section 4.1.3, RFC 7636).

use crate::common::{START, at, sid};
use tenure_protocol::RefusalReason as No;
use tenure_protocol::code::{CODE_LIFETIME, Code, Outcome, Presented, decide};
use tenure_protocol::dpop::ProofFault;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://app.example.com/callback";

fn code() -> Code {
    Code {
        sid: sid(),
        hash: [4; 32],
        client_id: "app".to_owned(),
        user_id: "auth0|ada".to_owned(),
        redirect_uri: CALLBACK.to_owned(),
        redirect_uri_sent: true,
        code_challenge: Some(CHALLENGE.to_owned()),
        dpop_jkt: None,
        nonce: None,
        scope: "openid".to_owned(),
        audience: None,
        auth_time: START,
        amr: Vec::new(),
        acr: None,
        claims: None,
        expires_at: at(CODE_LIFETIME),
        consumed_at: None,
        family_id: None,
        access_token_id: None,
    }
}

const GOOD: Presented<'static> = Presented {
    client_id: "app",
    client_is_public: true,
    redirect_uri: Some(CALLBACK),
    code_verifier: Some(VERIFIER),
    jkt: None,
};

#[test]
fn a_code_lives_for_a_minute() {
    assert_eq!(CODE_LIFETIME, 60);
    assert_eq!(decide(&code(), &GOOD, START), Outcome::Redeem);
    assert_eq!(decide(&code(), &GOOD, at(59)), Outcome::Redeem);
    assert_eq!(
        decide(&code(), &GOOD, at(60)),
        Outcome::Refused(No::CodeExpired)
    );
}

#[test]
fn the_redirect_uri_is_the_one_of_the_request() {
    let without = Code {
        redirect_uri_sent: false,
        ..code()
    };
    let rows = [
        (code(), Some(CALLBACK), true),
        (code(), Some("https://app.example.com/callback/"), false),
        (code(), Some("https://app.example.com/callback?x"), false),
        (code(), Some("HTTPS://app.example.com/callback"), false),
        (code(), None, false),
        (without.clone(), None, true),
        (without.clone(), Some(CALLBACK), true),
        (without, Some("https://evil.example"), false),
    ];
    for (code, redirect_uri, fits) in rows {
        let found = decide(
            &code,
            &Presented {
                redirect_uri,
                ..GOOD
            },
            START,
        );
        let expected = if fits {
            Outcome::Redeem
        } else {
            Outcome::Refused(No::RedirectUriMismatch)
        };
        assert_eq!(found, expected, "{redirect_uri:?}");
    }
}

/// Challenge of the request, verifier of the exchange, public client.
#[test]
fn challenge_and_verifier_go_together() {
    let wrong = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX";
    let rows = [
        (true, Some(VERIFIER), true, Outcome::Redeem),
        (true, Some(VERIFIER), false, Outcome::Redeem),
        (
            true,
            Some(wrong),
            true,
            Outcome::Refused(No::CodeVerifierWrong),
        ),
        (
            true,
            Some(CHALLENGE),
            false,
            Outcome::Refused(No::CodeVerifierWrong),
        ),
        (true, None, true, Outcome::Refused(No::CodeVerifierMissing)),
        (true, None, false, Outcome::Refused(No::CodeVerifierMissing)),
        (
            false,
            Some(VERIFIER),
            true,
            Outcome::Refused(No::CodeVerifierUnexpected),
        ),
        (
            false,
            Some(VERIFIER),
            false,
            Outcome::Refused(No::CodeVerifierUnexpected),
        ),
        (false, None, true, Outcome::Refused(No::PkceRequired)),
        (false, None, false, Outcome::Redeem),
    ];
    for (challenge, code_verifier, client_is_public, expected) in rows {
        let code = Code {
            code_challenge: challenge.then(|| CHALLENGE.to_owned()),
            ..code()
        };
        let presented = Presented {
            code_verifier,
            client_is_public,
            ..GOOD
        };
        assert_eq!(
            decide(&code, &presented, START),
            expected,
            "{challenge} {code_verifier:?}"
        );
    }
}

#[test]
fn a_second_use_is_told_from_expiry_and_from_any_other_fault() {
    let used = Code {
        consumed_at: Some(at(1)),
        ..code()
    };
    let careless = Presented {
        code_verifier: None,
        redirect_uri: None,
        ..GOOD
    };
    for now in [at(1), at(2), at(5_000)] {
        assert_eq!(decide(&used, &GOOD, now), Outcome::Replayed);
        assert_eq!(decide(&used, &careless, now), Outcome::Replayed);
    }
}

/// Lesson CVE-2026-55672: a code is bound to its client, and another client cannot even use it up.
#[test]
fn cve_2026_55672_another_client_changes_nothing() {
    let foreign = Presented {
        client_id: "other",
        ..GOOD
    };
    for code in [
        code(),
        Code {
            consumed_at: Some(at(1)),
            ..code()
        },
    ] {
        for now in [START, at(5_000)] {
            assert_eq!(
                decide(&code, &foreign, now),
                Outcome::Refused(No::CodeForeignClient)
            );
        }
    }
}

/// RFC 9449 section 10: only the key that the request named redeems the code; another one uses nothing up.
#[test]
fn a_code_may_be_bound_to_a_key() {
    let bound = Code {
        dpop_jkt: Some("k1".to_owned()),
        ..code()
    };
    let other_key = Outcome::Refused(No::DpopProof(ProofFault::OtherKey));
    let rows = [
        ("bound, with its key", &bound, Some("k1"), Outcome::Redeem),
        ("bound, with another", &bound, Some("k2"), other_key.clone()),
        ("bound, without", &bound, None, other_key),
        ("free, with a key", &code(), Some("k1"), Outcome::Redeem),
        ("free, without", &code(), None, Outcome::Redeem),
    ];
    for (name, code, jkt, expected) in rows {
        let presented = Presented { jkt, ..GOOD };
        assert_eq!(decide(code, &presented, START), expected, "{name}");
    }
}
