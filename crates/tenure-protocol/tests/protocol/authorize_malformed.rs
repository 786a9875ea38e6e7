//! Authorization requests that cannot be read (RFC 6749 section 4.1.2.1), and how they are answered.

use crate::common::client;
use tenure_protocol::RefusalReason as No;
use tenure_protocol::authorize::{AuthorizeRequest, ResponseMode, answer_mode, parse};
use tenure_protocol::model::AppType;
use tenure_protocol::params::Params;

fn params(query: &str) -> Params {
    Params::parse(query.as_bytes()).unwrap_or_default()
}

fn read(query: &str) -> Result<AuthorizeRequest, No> {
    parse(&params(query), &client(AppType::RegularWeb))
}

#[test]
fn unsupported_response_types() {
    let bad = [
        "token",
        "code+token",
        "code+id_token+token",
        "none",
        "code+code",
        "CODE",
        "code++id_token",
        "id_token+token",
    ];
    for text in bad {
        let found = read(&format!("response_type={text}&scope=openid&nonce=n"));
        assert_eq!(found, Err(No::ResponseTypeUnsupported), "{text}");
    }
    assert_eq!(read("scope=openid"), Err(No::ResponseTypeMissing));
    assert_eq!(
        read("response_type=&scope=openid"),
        Err(No::ResponseTypeMissing)
    );
}

#[test]
fn malformed_parameters() {
    let rows = [
        ("request=e30.e30.", No::RequestNotSupported),
        ("registration=%7B%7D", No::RegistrationNotSupported),
        ("max_age=-1", No::MalformedRequest),
        ("max_age=soon", No::MalformedRequest),
        ("max_age=1.5", No::MalformedRequest),
        ("max_age=99999999999999999999", No::MalformedRequest),
        ("claims=nonsense", No::MalformedRequest),
        ("claims=%5B%5D", No::MalformedRequest),
        ("claims=null", No::MalformedRequest),
        (
            "code_challenge=short&code_challenge_method=S256",
            No::MalformedRequest,
        ),
        (
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            No::PkceMethodUnsupported,
        ),
        (
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=plain",
            No::PkceMethodUnsupported,
        ),
        (
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=s256",
            No::PkceMethodUnsupported,
        ),
        ("prompt=none+login", No::PromptInvalid),
        ("prompt=consent+none", No::PromptInvalid),
        ("prompt=none+future", No::PromptInvalid),
        ("prompt=create", No::PromptUnsupported),
        ("scope=open%22id", No::ScopeInvalid),
        ("scope=open%5Cid", No::ScopeInvalid),
        ("scope=openid%09email", No::ScopeInvalid),
        ("scope=%C3%A9", No::ScopeInvalid),
        ("scope=offline_access+online_access", No::ScopeConflict),
    ];
    for (extra, expected) in rows {
        assert_eq!(
            read(&format!("response_type=code&{extra}")),
            Err(expected),
            "{extra}"
        );
    }
}

#[test]
fn every_parameter_that_is_read_is_read_once() {
    let names = [
        "request",
        "registration",
        "response_type",
        "response_mode",
        "nonce",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "login_hint",
        "id_token_hint",
        "ui_locales",
        "claims",
        "acr_values",
        "audience",
    ];
    for name in names {
        let found = read(&format!("response_type=code&{name}=&{name}="));
        assert_eq!(found, Err(No::RepeatedParameter), "{name}");
    }
    assert!(read("response_type=code&unknown=1&unknown=2").is_ok());
}

/// Even a request that cannot be read is answered the way it asked for.
#[test]
fn the_mode_of_an_error() {
    let rows = [
        ("", ResponseMode::Query),
        ("response_type=code", ResponseMode::Query),
        ("response_type=token", ResponseMode::Fragment),
        ("response_type=code+id_token", ResponseMode::Fragment),
        (
            "response_type=code&response_mode=fragment",
            ResponseMode::Fragment,
        ),
        (
            "response_type=code&response_mode=form_post",
            ResponseMode::FormPost,
        ),
        (
            "response_mode=web_message&response_mode=web_message",
            ResponseMode::WebMessage,
        ),
        ("response_type=code&response_mode=jwt", ResponseMode::Query),
    ];
    for (query, expected) in rows {
        assert_eq!(answer_mode(&params(query)), expected, "{query}");
    }
}
