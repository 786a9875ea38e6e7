//! An authorization request: what it asks for, and the next step towards its answer
//! (OpenID Connect Core 3.1.2, RFC 6749 section 4.1.1).

use crate::model::Client;
use crate::params::Params;
use crate::refusal::RefusalReason;
use crate::session::Session;
use crate::{Timestamp, dpop, pkce, scope};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    Code,
    IdToken,
    CodeIdToken,
}

impl ResponseType {
    pub const fn has_code(self) -> bool {
        matches!(self, Self::Code | Self::CodeIdToken)
    }

    pub const fn has_id_token(self) -> bool {
        matches!(self, Self::IdToken | Self::CodeIdToken)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    Query,
    Fragment,
    FormPost,
    WebMessage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    pub select_account: bool,
}

/// Everything but client and redirect URI, which are checked before.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizeRequest {
    pub response_type: ResponseType,
    pub response_mode: ResponseMode,
    pub scope: String,
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub code_challenge: Option<String>,
    /// The DPoP key to bind the code to.
    pub dpop_jkt: Option<String>,
    pub prompt: Prompt,
    /// Seconds.
    pub max_age: Option<i64>,
    pub login_hint: Option<String>,
    pub id_token_hint: Option<String>,
    pub ui_locales: Option<String>,
    /// The `claims` parameter, checked to be a JSON object.
    pub claims: Option<Value>,
    pub acr_values: Option<String>,
    pub audience: Option<String>,
    /// The connection to go straight to, past the login page (contract 3.3).
    pub connection: Option<String>,
}

/// The response mode by which even a broken request is answered.
pub fn answer_mode(params: &Params) -> ResponseMode {
    match params.first("response_mode") {
        Some("query") => ResponseMode::Query,
        Some("fragment") => ResponseMode::Fragment,
        Some("form_post") => ResponseMode::FormPost,
        Some("web_message") => ResponseMode::WebMessage,
        _ => match params.first("response_type") {
            Some(types) if types.split(' ').any(|t| t != "code") => ResponseMode::Fragment,
            _ => ResponseMode::Query,
        },
    }
}

/// Reads a request whose client and redirect URI are verified. Unknown parameters are ignored.
///
/// # Errors
/// What is wrong with it, to be answered at the redirect URI.
pub fn parse(params: &Params, client: &Client) -> Result<AuthorizeRequest, RefusalReason> {
    use RefusalReason as No;
    for (name, refusal) in [
        ("request", No::RequestNotSupported),
        ("registration", No::RegistrationNotSupported),
    ] {
        if params.get(name)?.is_some() {
            return Err(refusal);
        }
    }
    let response_type = parse_response_type(params, client)?;
    let response_mode = parse_response_mode(params, response_type)?;
    let nonce = owned(params, "nonce")?;
    if response_type.has_id_token() && nonce.is_none() {
        return Err(No::NonceMissing);
    }
    let scope = params.get("scope")?.unwrap_or_default().to_owned();
    check_scope(&scope)?;
    if response_type.has_id_token() && !scope.split(' ').any(|s| s == "openid") {
        return Err(No::ScopeInvalid);
    }
    Ok(AuthorizeRequest {
        response_type,
        response_mode,
        scope,
        state: owned(params, "state")?,
        nonce,
        code_challenge: parse_challenge(params, client, response_type)?,
        dpop_jkt: parse_thumbprint(params)?,
        prompt: parse_prompt(params)?,
        max_age: parse_max_age(params)?.or(client.default_max_age),
        login_hint: owned(params, "login_hint")?,
        id_token_hint: owned(params, "id_token_hint")?,
        ui_locales: owned(params, "ui_locales")?,
        claims: parse_claims(params)?,
        acr_values: owned(params, "acr_values")?,
        audience: owned(params, "audience")?,
        connection: owned(params, "connection")?,
    })
}

fn owned(params: &Params, name: &str) -> Result<Option<String>, RefusalReason> {
    Ok(params.get(name)?.map(str::to_owned))
}

fn parse_response_type(params: &Params, client: &Client) -> Result<ResponseType, RefusalReason> {
    let text = params
        .get("response_type")?
        .ok_or(RefusalReason::ResponseTypeMissing)?;
    let mut types: Vec<&str> = text.split(' ').collect();
    types.sort_unstable();
    let response_type = match types.as_slice() {
        ["code"] => ResponseType::Code,
        ["id_token"] => ResponseType::IdToken,
        ["code", "id_token"] => ResponseType::CodeIdToken,
        _ => return Err(RefusalReason::ResponseTypeUnsupported),
    };
    let code_allowed = !response_type.has_code() || client.allows_grant("authorization_code");
    let implicit_allowed = !response_type.has_id_token() || client.allows_grant("implicit");
    if code_allowed && implicit_allowed {
        Ok(response_type)
    } else {
        Err(RefusalReason::ResponseTypeNotAllowed)
    }
}

fn parse_response_mode(
    params: &Params,
    response_type: ResponseType,
) -> Result<ResponseMode, RefusalReason> {
    match params.get("response_mode")? {
        None if response_type.has_id_token() => Ok(ResponseMode::Fragment),
        None => Ok(ResponseMode::Query),
        // An ID token in a query would end up in logs (OAuth 2.0 Multiple Response Types section 5).
        Some("query") if response_type.has_id_token() => {
            Err(RefusalReason::ResponseModeUnsupported)
        }
        Some("query") => Ok(ResponseMode::Query),
        Some("fragment") => Ok(ResponseMode::Fragment),
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some("web_message") => Ok(ResponseMode::WebMessage),
        Some(_) => Err(RefusalReason::ResponseModeUnsupported),
    }
}

fn parse_challenge(
    params: &Params,
    client: &Client,
    response_type: ResponseType,
) -> Result<Option<String>, RefusalReason> {
    let challenge = params.get("code_challenge")?;
    // Without a method `plain` would be meant (RFC 7636 section 4.3), which is not supported.
    let method = params.get("code_challenge_method")?;
    match challenge {
        Some(_) if method != Some("S256") => Err(RefusalReason::PkceMethodUnsupported),
        Some(text) if !pkce::is_challenge(text) => Err(RefusalReason::MalformedRequest),
        Some(text) => Ok(Some(text.to_owned())),
        None if response_type.has_code() && client.is_public() => Err(RefusalReason::PkceRequired),
        None => Ok(None),
    }
}

fn parse_thumbprint(params: &Params) -> Result<Option<String>, RefusalReason> {
    match owned(params, "dpop_jkt")? {
        Some(text) if !dpop::is_thumbprint(&text) => Err(RefusalReason::MalformedRequest),
        thumbprint => Ok(thumbprint),
    }
}

fn parse_prompt(params: &Params) -> Result<Prompt, RefusalReason> {
    let mut prompt = Prompt::default();
    let text = params.get("prompt")?.unwrap_or_default();
    for value in text.split(' ').filter(|value| !value.is_empty()) {
        match value {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            // Initiating User Registration 1.0: unsupported values it names are errors; others are ignored (Core).
            "create" => return Err(RefusalReason::PromptUnsupported),
            _ => {}
        }
    }
    if prompt.none && text.split_whitespace().count() > 1 {
        return Err(RefusalReason::PromptInvalid);
    }
    Ok(prompt)
}

fn parse_max_age(params: &Params) -> Result<Option<i64>, RefusalReason> {
    params
        .get("max_age")?
        .map(|text| {
            text.parse()
                .ok()
                .filter(|age| *age >= 0)
                .ok_or(RefusalReason::MalformedRequest)
        })
        .transpose()
}

fn parse_claims(params: &Params) -> Result<Option<Value>, RefusalReason> {
    params
        .get("claims")?
        .map(|text| {
            serde_json::from_str(text)
                .ok()
                .filter(Value::is_object)
                .ok_or(RefusalReason::MalformedRequest)
        })
        .transpose()
}

/// RFC 6749 section 3.3: printable ASCII without quotes and back slashes, separated by spaces.
fn check_scope(text: &str) -> Result<(), RefusalReason> {
    let allowed = |b: u8| b == b' ' || (b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if !text.bytes().all(allowed) {
        return Err(RefusalReason::ScopeInvalid);
    }
    scope::check(text)
}

impl AuthorizeRequest {
    pub fn is_openid(&self) -> bool {
        self.scope.split(' ').any(|s| s == "openid")
    }

    /// The subject that the `claims` parameter demands (Core 5.5.1).
    pub fn demanded_subject(&self) -> Option<&str> {
        self.claims
            .as_ref()?
            .pointer("/id_token/sub/value")?
            .as_str()
    }

    /// The `acr` values that must be reached, if the request makes them essential.
    pub fn essential_acr(&self) -> Vec<&str> {
        let Some(acr) = self
            .claims
            .as_ref()
            .and_then(|c| c.pointer("/id_token/acr"))
        else {
            return Vec::new();
        };
        if acr.get("essential") != Some(&Value::Bool(true)) {
            return Vec::new();
        }
        let one = acr.get("value").and_then(Value::as_str);
        let many = acr
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        one.into_iter()
            .chain(many.filter_map(Value::as_str))
            .collect()
    }
}

/// What is known when the next step is decided.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The session behind the cookie, if it is alive.
    pub session: Option<&'a Session>,
    /// The subject of a verified `id_token_hint`.
    pub hinted_subject: Option<&'a str>,
    /// Whether the session's authentication was made in this transaction. (Instants could not tell:
    /// a login a moment before the request would count.)
    pub just_authenticated: bool,
    /// Whether another login may reach a class that the request makes essential.
    pub acr_reachable: bool,
    /// Whether scopes of this request still lack the person's consent.
    pub consent_missing: bool,
    /// Whether the person consented in this transaction.
    pub just_consented: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Issue the answer for the session.
    Issue,
    /// Show the login page.
    Login,
    /// Show the consent page.
    Consent,
    Refuse(RefusalReason),
}

/// The next step: with `prompt=none` never a page.
pub fn next_step(request: &AuthorizeRequest, facts: &Facts<'_>, now: Timestamp) -> Step {
    let none = request.prompt.none;
    let Some(session) = facts.session.filter(|s| s.is_authenticated()) else {
        return if none {
            Step::Refuse(RefusalReason::LoginRequired)
        } else {
            Step::Login
        };
    };
    let fresh = facts.just_authenticated;
    let mut demanded = facts
        .hinted_subject
        .into_iter()
        .chain(request.demanded_subject());
    if demanded.any(|subject| subject != session.user_id) {
        // Somebody else is signed in, or just signed in: never issue for another user.
        let hopeless = none || fresh;
        return if hopeless {
            Step::Refuse(RefusalReason::LoginRequired)
        } else {
            Step::Login
        };
    }
    let stale = request
        .max_age
        .is_some_and(|age| age == 0 || now.is_more_than(age, session.authenticated_at));
    if !fresh && (stale || request.prompt.login || request.prompt.select_account) {
        return if none {
            Step::Refuse(RefusalReason::LoginRequired)
        } else {
            Step::Login
        };
    }
    let wanted = request.essential_acr();
    if !wanted.is_empty()
        && !session
            .acr()
            .is_some_and(|acr| wanted.contains(&acr.as_str()))
    {
        return if facts.acr_reachable && !fresh && !none {
            Step::Login
        } else {
            Step::Refuse(RefusalReason::UnmetAuthenticationRequirements)
        };
    }
    if facts.consent_missing || (request.prompt.consent && !facts.just_consented) {
        return if none {
            Step::Refuse(RefusalReason::ConsentRequired)
        } else {
            Step::Consent
        };
    }
    Step::Issue
}
