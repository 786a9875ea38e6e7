//! The pages that people see: server-rendered, one style sheet, no script but where the protocol needs it.

pub mod text;

use crate::app::App;
use crate::oidc::answer::Answer;
use crate::oidc::authorize::Context;
use crate::oidc::login::Problem;
use crate::oidc::transaction::{FormGuard, form_address};
use crate::settings::Registered;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tenure_protocol::RefusalReason;
use tenure_protocol::model::Client;
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

fn frame(app: &App, headers: &HeaderMap, ui_locales: Option<&str>) -> Frame {
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
    let accept = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    Frame {
        text: text::choose(ui_locales, accept, &tenant.enabled_locales),
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
}

pub fn login(view: &LoginPage<'_>) -> Response {
    let app = &view.context.app;
    let frame = frame(
        app,
        view.headers,
        view.context.request.ui_locales.as_deref(),
    );
    let text = frame.text;
    let status = match view.problem {
        None => StatusCode::OK,
        Some(Problem::Busy | Problem::Throttled) => StatusCode::TOO_MANY_REQUESTS,
        Some(Problem::Credentials) => StatusCode::UNAUTHORIZED,
        Some(Problem::Stale) => StatusCode::BAD_REQUEST,
    };
    let template = LoginTemplate {
        client_name: client_name(&view.context.client.client),
        notice: view.over.map(|reason| text.why_over(reason)),
        problem: view.problem.map(|problem| text.problem(problem)),
        action: form_address("/login", view.sealed),
        sealed: view.sealed,
        csrf: &view.guard.token,
        username: view.username,
        frame,
    };
    with_guard(
        app,
        view.guard,
        page(status, &template, &view.context.target.redirect.origin()),
    )
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
    let frame = frame(
        &context.app,
        view.headers,
        context.request.ui_locales.as_deref(),
    );
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
    headers: &HeaderMap,
    guard: &FormGuard,
    plan: &str,
    target: Option<&str>,
    ui_locales: Option<&str>,
) -> Response {
    let template = ConfirmTemplate {
        frame: frame(app, headers, ui_locales),
        action: "/oidc/logout",
        sealed: plan,
        csrf: &guard.token,
    };
    let target = target.map(source_of).unwrap_or_default();
    with_guard(app, guard, page(StatusCode::OK, &template, &target))
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessageTemplate {
    frame: Frame,
    title: &'static str,
    lines: Vec<&'static str>,
    detail: Option<String>,
    code: Option<&'static str>,
    correlation_id: Option<String>,
    /// A form token: offers "Sign out anyway".
    anyway: Option<String>,
    link: Option<(String, &'static str)>,
}

impl MessageTemplate {
    fn new(frame: Frame, title: &'static str, lines: Vec<&'static str>) -> Self {
        let (detail, code, correlation_id, anyway, link) = (None, None, None, None, None);
        Self {
            frame,
            title,
            lines,
            detail,
            code,
            correlation_id,
            anyway,
            link,
        }
    }
}

pub fn signed_out(app: &App, headers: &HeaderMap, ui_locales: Option<&str>) -> Response {
    let frame = frame(app, headers, ui_locales);
    let lines = vec![frame.text.signed_out_line, frame.text.upstream_note];
    let title = frame.text.signed_out;
    page(
        StatusCode::OK,
        &MessageTemplate::new(frame, title, lines),
        "",
    )
}

pub fn still_signed_in(app: &App, headers: &HeaderMap, ui_locales: Option<&str>) -> Response {
    let frame = frame(app, headers, ui_locales);
    let (title, lines) = (
        frame.text.still_signed_in,
        vec![frame.text.still_signed_in_line],
    );
    page(
        StatusCode::OK,
        &MessageTemplate::new(frame, title, lines),
        "",
    )
}

/// A logout request that may not redirect where it wants: nothing changed, and a safe way out.
pub fn logout_refused(
    app: &App,
    headers: &HeaderMap,
    reason: RefusalReason,
    client: Option<&Registered>,
) -> Response {
    let guard = FormGuard::for_page(app, headers);
    let frame = frame(app, headers, None);
    let lines = vec![frame.text.logout_refused_line];
    let title = frame.text.logout_refused;
    let mut template = MessageTemplate::new(frame, title, lines);
    let error = reason.oauth_error();
    let detail = match (reason, client) {
        (RefusalReason::RedirectUriNotRegistered, Some(_)) => {
            "The URL to return to is not in the client's allowed_logout_urls"
        }
        (RefusalReason::RedirectUriNotRegistered, None) => {
            "The URL to return to is not in the tenant's allowed_logout_urls; send client_id for the client's own list"
        }
        _ => error.description,
    };
    template.detail = Some(detail.to_owned());
    template.code = Some(error.code);
    template.anyway = app.session_cookie(headers).map(|_| guard.token.clone());
    with_guard(app, &guard, page(StatusCode::BAD_REQUEST, &template, ""))
}

/// An error that must not be redirected. It names the setting that is missing, and nothing that is
/// registered: a stranger learns no more than the request already said.
pub fn error(
    app: &App,
    headers: &HeaderMap,
    reason: RefusalReason,
    client: Option<&Client>,
) -> Response {
    let error = reason.oauth_error();
    let correlation_id = crate::respond::correlation_id();
    tracing::info!(%correlation_id, ?reason, client = client.map(|c| c.client_id.as_str()), "request refused");
    let frame = frame(app, headers, None);
    let (title, lines) = (frame.text.error, vec![frame.text.error_line]);
    let mut template = MessageTemplate::new(frame, title, lines);
    template.detail = Some(match reason {
        RefusalReason::MissingParameter(name) => format!("The parameter {name} is missing"),
        _ => error.description.to_owned(),
    });
    template.code = Some(error.code);
    template.correlation_id = Some(correlation_id);
    page(StatusCode::BAD_REQUEST, &template, "")
}

pub fn broken(app: &App, headers: &HeaderMap, cause: &anyhow::Error) -> Response {
    let correlation_id = crate::respond::correlation_id();
    tracing::error!(%correlation_id, error = format!("{cause:#}"), "request failed");
    let frame = frame(app, headers, None);
    let (title, lines) = (frame.text.broken, vec![frame.text.broken_line]);
    let mut template = MessageTemplate::new(frame, title, lines);
    template.detail = Some("server_error".to_owned());
    template.correlation_id = Some(correlation_id);
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, &template, "");
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A sign-in that is not under way any more: from a bookmark, the back button, an address that was
/// used before. Not an error, but a signpost to where the next one begins.
pub fn start_over(app: &App, headers: &HeaderMap, client: Option<&Client>) -> Response {
    if let Some(url) = client.and_then(|client| initiate_login_url(app, client)) {
        return crate::oidc::answer::redirect(url);
    }
    let target = app
        .settings
        .current()
        .tenant
        .default_redirection_uri
        .clone();
    let frame = frame(app, headers, None);
    let (title, lines) = (frame.text.start_over, vec![frame.text.start_over_line]);
    let link = target.map(|url| (url, frame.text.go_to_application));
    let mut template = MessageTemplate::new(frame, title, lines);
    template.link = link;
    page(StatusCode::OK, &template, "")
}

/// Where the application starts a sign-in by itself (OpenID Connect Core 4).
fn initiate_login_url(app: &App, client: &Client) -> Option<String> {
    let mut url = url::Url::parse(client.initiate_login_uri.as_deref()?).ok()?;
    if !matches!(url.scheme(), "https" | "http") {
        return None;
    }
    url.query_pairs_mut().append_pair("iss", &app.issuer);
    Some(url.into())
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPostTemplate<'a> {
    action: &'a str,
    fields: &'a Answer,
    nonce: &'a str,
}

/// OAuth 2.0 Form Post Response Mode 1.0: submits itself, with a button for browsers without script.
pub fn form_post(app: &App, action: &str, fields: &Answer) -> Response {
    let nonce = app.entropy.token(16);
    let target = source_of(action);
    let csp = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; form-action {target}; frame-ancestors 'none'; base-uri 'none'"
    );
    match (FormPostTemplate {
        action,
        fields,
        nonce: &nonce,
    })
    .render()
    {
        Ok(html) => html_response(StatusCode::OK, html, &csp),
        Err(error) => crate::respond::broken(&error.into()),
    }
}

#[derive(Template)]
#[template(path = "web_message.html")]
struct WebMessageTemplate<'a> {
    nonce: &'a str,
    /// JSON made safe for a script element.
    response: &'a str,
    origin: &'a str,
}

/// Posts the answer to the window that asked, to its origin alone, never to `*`. Framable by that
/// origin and nobody else.
pub fn web_message(app: &App, origin: &str, answer: &Answer) -> Response {
    let nonce = app.entropy.token(16);
    let object: serde_json::Map<String, serde_json::Value> = answer
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
        .collect();
    let response = script_json(&serde_json::Value::Object(object));
    let target = script_json(&origin.into());
    let csp = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors {origin}; base-uri 'none'"
    );
    match (WebMessageTemplate {
        nonce: &nonce,
        response: &response,
        origin: &target,
    })
    .render()
    {
        Ok(html) => html_response(StatusCode::OK, html, &csp),
        Err(error) => crate::respond::broken(&error.into()),
    }
}

/// JSON inside a script element: nothing in it may end the element or start a comment.
fn script_json(value: &serde_json::Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
