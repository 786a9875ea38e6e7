//! The pages that people see: server-rendered, one style sheet, no script but where the protocol needs it.

mod messages;
mod over;
mod responses;
mod signed_out;
pub mod text;

pub use messages::{broken, by_page, error, go_on, logout_refused, start_over, still_signed_in};
pub use responses::{form_post, web_message};
pub use signed_out::{SignedOut, StillThere, signed_out};

use crate::app::App;
use crate::oidc::authorize::Context;
use crate::oidc::login::Problem;
use crate::oidc::transaction::{FormGuard, form_address};
use crate::oidc::upstream;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;
use tenure_protocol::model::{Client, Connection};
use tenure_protocol::params::Params;
use tenure_protocol::redirect::source_of;
use tenure_protocol::session::EndReason;
use text::Text;

const STYLE: &str = include_str!("../../assets/tenure.css");

/// What every page has.
struct Frame {
    text: &'static Text,
    brand: String,
    initial: String,
    logo: Option<String>,
    support_email: Option<String>,
    style_version: String,
}

/// Who reads a page: what the browser sent, and the languages that the request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub headers: &'a HeaderMap,
    pub ui_locales: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub fn asking(headers: &'a HeaderMap, params: &'a Params) -> Self {
        Self {
            headers,
            ui_locales: params.first("ui_locales"),
        }
    }
}

impl<'a> From<&'a HeaderMap> for Reader<'a> {
    fn from(headers: &'a HeaderMap) -> Self {
        Self {
            headers,
            ui_locales: None,
        }
    }
}

fn frame(app: &App, reader: Reader<'_>) -> Frame {
    let tenant = &app.settings.current().tenant;
    let brand = tenant
        .friendly_name
        .clone()
        .unwrap_or_else(|| "Tenure".to_owned());
    let initial = brand
        .chars()
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    let accept = reader
        .headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    Frame {
        text: text::choose(reader.ui_locales, accept, &tenant.enabled_locales),
        initial,
        brand,
        logo: tenant
            .picture_url
            .clone()
            .filter(|url| url.starts_with("https://")),
        support_email: tenant.support_email.clone(),
        style_version: style_version(),
    }
}

fn style_version() -> String {
    let hash = crate::crypto::mac::sha256(STYLE.as_bytes());
    hash.iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub async fn style() -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/css; charset=utf-8"),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
    ];
    (headers, STYLE).into_response()
}

/// Renders a page that must not be framed, and whose forms go only to us and, after the redirect
/// that follows, to the application.
fn page(status: StatusCode, template: &impl Template, form_targets: &str) -> Response {
    let csp = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' https: data:; form-action 'self' {form_targets}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    match template.render() {
        Ok(html) => {
            let mut response = html_response(status, html, &csp);
            response
                .headers_mut()
                .insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
            response
        }
        Err(error) => crate::respond::broken(&error.into()),
    }
}

fn html_response(status: StatusCode, html: String, csp: &str) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::CONTENT_SECURITY_POLICY,
            crate::http::header_value(csp.to_owned()),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    (status, headers, html).into_response()
}

fn with_guard(app: &App, guard: &FormGuard, mut response: Response) -> Response {
    if guard.is_new {
        response
            .headers_mut()
            .append(header::SET_COOKIE, app.set_form_cookie(&guard.cookie));
    }
    response
}

/// What the login page shows.
pub struct LoginPage<'a> {
    pub context: &'a Context,
    pub guard: &'a FormGuard,
    pub headers: &'a HeaderMap,
    pub sealed: &'a str,
    pub over: Option<EndReason>,
    pub problem: Option<Problem>,
    pub username: &'a str,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginTemplate<'a> {
    frame: Frame,
    client_name: &'a str,
    notice: Option<&'static str>,
    problem: Option<&'static str>,
    action: String,
    sealed: &'a str,
    csrf: &'a str,
    username: &'a str,
    /// Whether what was typed is wrong, rather than the moment.
    is_invalid: bool,
    providers: Vec<ProviderButton<'a>>,
    /// Whether an address may lead to another provider.
    has_realms: bool,
}

/// Another identity provider to sign in with.
struct ProviderButton<'a> {
    title: &'a str,
    icon: Option<&'a str>,
    address: String,
}

pub fn login(view: &LoginPage<'_>) -> Response {
    let app = &view.context.app;
    let reader = Reader {
        headers: view.headers,
        ui_locales: view.context.request.ui_locales.as_deref(),
    };
    let frame = frame(app, reader);
    let text = frame.text;
    let status = match view.problem {
        None => StatusCode::OK,
        Some(Problem::Busy | Problem::Throttled) => StatusCode::TOO_MANY_REQUESTS,
        Some(Problem::Credentials | Problem::UpstreamRefused) => StatusCode::UNAUTHORIZED,
        Some(Problem::UpstreamUnreachable) => StatusCode::BAD_GATEWAY,
        Some(Problem::UpstreamCancelled | Problem::NoOrganisation) => StatusCode::OK,
        Some(Problem::Stale) => StatusCode::BAD_REQUEST,
    };
    let template = LoginTemplate {
        client_name: client_name(&view.context.client.client),
        notice: view.over.map(|reason| (text.why_over)(reason)),
        problem: view.problem.map(|problem| text.problem(problem)),
        action: form_address("/login", view.sealed),
        sealed: view.sealed,
        csrf: &view.guard.token,
        username: view.username,
        is_invalid: view.problem == Some(Problem::Credentials),
        providers: providers(view),
        has_realms: has_realms(view),
        frame,
    };
    let mut response = page(status, &template, &view.context.target.redirect.origin());
    let retry_after = match view.problem {
        Some(Problem::Busy) => Some("1"),
        Some(Problem::Throttled) => Some(crate::throttle::LONGEST_DELAY),
        _ => None,
    };
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    with_guard(app, view.guard, response)
}

/// A transaction that does not fit into an address would not fit into the provider's either.
fn providers<'a>(view: &LoginPage<'a>) -> Vec<ProviderButton<'a>> {
    if view.sealed.len() > upstream::MOST_OF_A_STATE {
        return Vec::new();
    }
    let context = view.context;
    let offered = context.settings.offered(&context.client.client);
    let button = |connection: &'a Arc<Connection>| ProviderButton {
        title: connection.title(),
        icon: connection
            .options
            .icon_url
            .as_deref()
            .filter(|url| url.starts_with("https://")),
        address: upstream::button_path(&connection.name, view.sealed),
    };
    offered.map(button).collect()
}

fn has_realms(view: &LoginPage<'_>) -> bool {
    let context = view.context;
    view.sealed.len() <= upstream::MOST_OF_A_STATE
        && context.settings.has_realms(&context.client.client)
}

fn client_name(client: &Client) -> &str {
    if client.name.is_empty() {
        &client.client_id
    } else {
        &client.name
    }
}

/// What the consent page shows.
pub struct ConsentPage<'a> {
    pub context: &'a Context,
    pub guard: &'a FormGuard,
    pub headers: &'a HeaderMap,
    pub sealed: &'a str,
    pub scopes: &'a [String],
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentTemplate<'a> {
    frame: Frame,
    client_name: &'a str,
    client_logo: Option<&'a str>,
    scopes: Vec<String>,
    action: String,
    sealed: &'a str,
    csrf: &'a str,
}

pub fn consent(view: &ConsentPage<'_>) -> Response {
    let context = view.context;
    let reader = Reader {
        headers: view.headers,
        ui_locales: context.request.ui_locales.as_deref(),
    };
    let frame = frame(&context.app, reader);
    let audience = context.request.audience.as_deref();
    let audience = crate::oidc::issue::resolve_audience(audience, &context.settings);
    let api = audience
        .as_deref()
        .and_then(|audience| context.settings.api(audience));
    let describe = |scope: &String| {
        let described = api.and_then(|api| api.scopes.iter().find(|s| s.value == *scope));
        match described.filter(|s| !s.description.is_empty()) {
            Some(known) => known.description.clone(),
            None => frame
                .text
                .scope(scope)
                .map_or_else(|| scope.clone(), str::to_owned),
        }
    };
    let scopes = view
        .scopes
        .iter()
        .filter(|scope| *scope != "openid")
        .map(describe)
        .collect();
    let logo = context
        .client
        .client
        .logo_uri
        .as_deref()
        .filter(|url| url.starts_with("https://"));
    let template = ConsentTemplate {
        client_name: client_name(&context.client.client),
        client_logo: logo,
        scopes,
        action: form_address("/consent", view.sealed),
        sealed: view.sealed,
        csrf: &view.guard.token,
        frame,
    };
    let response = page(StatusCode::OK, &template, &context.target.redirect.origin());
    with_guard(&context.app, view.guard, response)
}

#[derive(Template)]
#[template(path = "confirm_logout.html")]
struct ConfirmTemplate<'a> {
    frame: Frame,
    action: &'static str,
    sealed: &'a str,
    csrf: &'a str,
}

/// Asks before signing out. `plan` is sealed; `target` is where the browser goes afterwards.
pub fn confirm_logout(
    app: &App,
    reader: Reader<'_>,
    guard: &FormGuard,
    plan: &str,
    target: Option<&str>,
) -> Response {
    let template = ConfirmTemplate {
        frame: frame(app, reader),
        action: "/oidc/logout",
        sealed: plan,
        csrf: &guard.token,
    };
    let target = target.map(source_of).unwrap_or_default();
    with_guard(app, guard, page(StatusCode::OK, &template, &target))
}
