//! Reading an authorization request (RFC 6749 section 4.1.1, OpenID Connect Core 3.1.2.1).

use crate::common::{client, strings};
use tenure_protocol::RefusalReason as No;
use tenure_protocol::authorize::{AuthorizeRequest, Prompt, ResponseMode, ResponseType, parse};
use tenure_protocol::model::{AppType, Client};
use tenure_protocol::params::Params;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn params(query: &str) -> Params {
    Params::parse(query.as_bytes()).unwrap_or_default()
}

fn read(query: &str) -> Result<AuthorizeRequest, No> {
    parse(&params(query), &client(AppType::RegularWeb))
}

#[test]
fn a_whole_request() {
    let query = "response_type=code&scope=openid+email&state=s&nonce=n&prompt=login+consent&max_age=60\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256\
        &dpop_jkt=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&login_hint=ada&id_token_hint=x.y.z&ui_locales=de&acr_values=1&audience=https://api/\
        &claims=%7B%22userinfo%22%3A%7B%7D%7D&auth0Client=ignored";
    let expected = AuthorizeRequest {
        response_type: ResponseType::Code,
        response_mode: ResponseMode::Query,
        scope: "openid email".to_owned(),
        state: Some("s".to_owned()),
        nonce: Some("n".to_owned()),
        code_challenge: Some(CHALLENGE.to_owned()),
        dpop_jkt: Some(CHALLENGE.to_owned()),
        prompt: Prompt {
            login: true,
            consent: true,
            ..Prompt::default()
        },
        max_age: Some(60),
        login_hint: Some("ada".to_owned()),
        id_token_hint: Some("x.y.z".to_owned()),
        ui_locales: Some("de".to_owned()),
        claims: Some(serde_json::json!({"userinfo": {}})),
        acr_values: Some("1".to_owned()),
        audience: Some("https://api/".to_owned()),
        connection: None,
    };
    assert_eq!(read(query), Ok(expected));
}

#[test]
fn response_types_and_modes() {
    use ResponseMode::{FormPost, Fragment, Query, WebMessage};
    use ResponseType::{Code, CodeIdToken, IdToken};
    // Without a mode; then query, fragment, form_post, web_message.
    let rows = [
        ("code", Code, Query, Ok(Query)),
        (
            "id_token",
            IdToken,
            Fragment,
            Err(No::ResponseModeUnsupported),
        ),
        (
            "code id_token",
            CodeIdToken,
            Fragment,
            Err(No::ResponseModeUnsupported),
        ),
        (
            "id_token code",
            CodeIdToken,
            Fragment,
            Err(No::ResponseModeUnsupported),
        ),
    ];
    for (text, response_type, default, query_mode) in rows {
        let with = |mode: &str| {
            let query = format!(
                "response_type={}&scope=openid&nonce=n{mode}",
                text.replace(' ', "+")
            );
            read(&query).map(|found| (found.response_type, found.response_mode))
        };
        assert_eq!(with(""), Ok((response_type, default)), "{text}");
        assert_eq!(
            with("&response_mode=query"),
            query_mode.map(|mode| (response_type, mode)),
            "{text}"
        );
        for (name, mode) in [
            ("fragment", Fragment),
            ("form_post", FormPost),
            ("web_message", WebMessage),
        ] {
            assert_eq!(
                with(&format!("&response_mode={name}")),
                Ok((response_type, mode)),
                "{text} {name}"
            );
        }
        assert_eq!(
            with("&response_mode=jwt"),
            Err(No::ResponseModeUnsupported),
            "{text}"
        );
    }
}

#[test]
fn a_response_type_needs_its_grant_types() {
    let rows: &[(&str, &[&str], bool)] = &[
        ("code", &["authorization_code"], true),
        ("code", &["implicit"], false),
        ("id_token", &["implicit"], true),
        ("id_token", &["authorization_code"], false),
        ("code+id_token", &["authorization_code", "implicit"], true),
        ("code+id_token", &["authorization_code"], false),
        ("code+id_token", &["implicit"], false),
        ("code", &[], false),
    ];
    for (text, grant_types, allowed) in rows {
        let app = Client {
            grant_types: Some(strings(grant_types)),
            ..client(AppType::RegularWeb)
        };
        let found = parse(
            &params(&format!("response_type={text}&scope=openid&nonce=n")),
            &app,
        );
        assert_eq!(
            found.err(),
            (!allowed).then_some(No::ResponseTypeNotAllowed),
            "{text} {grant_types:?}"
        );
    }
}

#[test]
fn an_id_token_needs_a_nonce_and_openid() {
    for text in ["id_token", "code+id_token"] {
        assert_eq!(
            read(&format!("response_type={text}&scope=openid")),
            Err(No::NonceMissing)
        );
        assert_eq!(
            read(&format!("response_type={text}&scope=email&nonce=n")),
            Err(No::ScopeInvalid)
        );
        assert_eq!(
            read(&format!("response_type={text}&nonce=n")),
            Err(No::ScopeInvalid)
        );
    }
    let plain = read("response_type=code").unwrap();
    assert!(!plain.is_openid());
    assert!(read("response_type=code&scope=openid").unwrap().is_openid());
}

#[test]
fn public_clients_must_use_pkce_for_a_code() {
    for app_type in [AppType::Spa, AppType::Native] {
        let app = client(app_type);
        let with = |query: &str| parse(&params(query), &app).err();
        assert_eq!(with("response_type=code"), Some(No::PkceRequired));
        assert_eq!(
            with("response_type=code+id_token&scope=openid&nonce=n"),
            Some(No::PkceRequired)
        );
        assert_eq!(with("response_type=id_token&scope=openid&nonce=n"), None);
        let challenge =
            format!("response_type=code&code_challenge={CHALLENGE}&code_challenge_method=S256");
        assert_eq!(with(&challenge), None);
    }
    assert!(
        read("response_type=code").is_ok(),
        "a confidential client may"
    );
}

#[test]
fn max_age_falls_back_to_the_clients_default() {
    let app = Client {
        default_max_age: Some(300),
        ..client(AppType::RegularWeb)
    };
    let with = |query: &str| parse(&params(query), &app).unwrap().max_age;
    assert_eq!(with("response_type=code"), Some(300));
    assert_eq!(with("response_type=code&max_age=0"), Some(0));
    assert_eq!(with("response_type=code&max_age=900"), Some(900));
}

#[test]
fn prompts() {
    let with = |text: &str| {
        read(&format!("response_type=code&prompt={text}"))
            .unwrap()
            .prompt
    };
    assert_eq!(with(""), Prompt::default());
    assert_eq!(
        with("none"),
        Prompt {
            none: true,
            ..Prompt::default()
        }
    );
    assert_eq!(
        with("login+select_account"),
        Prompt {
            login: true,
            select_account: true,
            ..Prompt::default()
        }
    );
    assert_eq!(
        with("consent+future"),
        Prompt {
            consent: true,
            ..Prompt::default()
        }
    );
}
