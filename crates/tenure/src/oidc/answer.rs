//! The authorization response, by response mode: query, fragment, form post, web message
//! (OAuth 2.0 Multiple Response Types, Form Post Response Mode 1.0, contract 1.1.3).

use crate::app::App;
use crate::pages;
use crate::settings::Settings;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tenure_protocol::OAuthError;
use tenure_protocol::authorize::ResponseMode;
use tenure_protocol::redirect::VerifiedRedirect;

/// Where and how the answer goes.
#[derive(Clone, Debug)]
pub struct Target {
    pub redirect: VerifiedRedirect,
    pub mode: ResponseMode,
    pub state: Option<String>,
}

/// Parameters of the answer besides `state` and `iss`.
pub type Answer = Vec<(&'static str, String)>;

pub fn success(app: &App, settings: &Settings, target: &Target, answer: Answer) -> Response {
    send(app, settings, target, answer)
}

pub fn error(app: &App, settings: &Settings, target: &Target, error: OAuthError) -> Response {
    let answer = vec![
        ("error", error.code.to_owned()),
        ("error_description", error.description.to_owned()),
    ];
    send(app, settings, target, answer)
}

fn send(app: &App, settings: &Settings, target: &Target, mut answer: Answer) -> Response {
    if let Some(state) = &target.state {
        answer.push(("state", state.clone()));
    }
    // RFC 9207: in every response, errors included.
    if settings
        .tenant
        .authorization_response_iss_parameter_supported
    {
        answer.push(("iss", app.issuer.clone()));
    }
    // A browser hands over to an application on the device where a redirect comes from a person's click,
    // and not where a page goes on by itself.
    let leave = if target.redirect.native {
        redirect
    } else {
        onward
    };
    let mut response = match target.mode {
        ResponseMode::Query => leave(with_query(target.redirect.uri(), &answer)),
        ResponseMode::Fragment => leave(format!("{}#{}", target.redirect.uri(), encode(&answer))),
        ResponseMode::FormPost => pages::form_post(app, target.redirect.uri(), &answer),
        ResponseMode::WebMessage => pages::web_message(app, &target.redirect.origin(), &answer),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

/// 302; the router makes it 303 after a POST, so that no browser posts a password on to the
/// application (RFC 9700 section 4.12).
pub fn redirect(location: String) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(error) => crate::respond::broken(&error.into()),
    }
}

/// Marks a redirect that leaves for a site. A browser applies the `form-action` of our page to all that
/// follows its form, and where the site sends people on to nobody knows: after a form the router makes a
/// page of it that goes on by itself (decision 171).
#[derive(Clone, Copy, Debug)]
pub struct Leaves;

/// A redirect to a site that is not ours.
pub fn onward(location: String) -> Response {
    let is_site = location.starts_with("https://") || location.starts_with("http://");
    let mut response = redirect(location);
    if is_site {
        response.extensions_mut().insert(Leaves);
    }
    response
}

fn encode(answer: &Answer) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(answer)
        .finish()
}

/// The redirect URI may have a query of its own, which stays (RFC 6749 section 3.1.2).
fn with_query(uri: &str, answer: &Answer) -> String {
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{}", encode(answer))
}
