//! Pages that only say something: signed out, refused, broken, start over.

use super::{Frame, Reader, frame, page, with_guard};
use crate::app::App;
use crate::oidc::transaction::FormGuard;
use crate::settings::Registered;
use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use tenure_protocol::RefusalReason;
use tenure_protocol::model::Client;

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

#[derive(Template)]
#[template(path = "continue.html")]
struct ContinueTemplate {
    frame: Frame,
    target: String,
}

/// Takes the person on by themselves, in place of a redirect: what a redirect continues is a form that
/// another server's page sent, and that page's `form-action` would have to allow our application, which
/// it does not know (decision 102).
pub fn go_on(app: &App, reader: Reader<'_>, target: String) -> Response {
    let template = ContinueTemplate {
        frame: frame(app, reader),
        target,
    };
    page(StatusCode::OK, &template, "")
}

/// A page that goes on by itself in place of a redirect: what a redirect continues may be a form, and
/// its page's `form-action` would have to allow where it ends (decisions 102 and 171).
pub fn by_page(app: &App, reader: Reader<'_>, response: Response) -> Response {
    let target = response.headers().get(header::LOCATION);
    let Some(target) = target.and_then(|target| target.to_str().ok()) else {
        return response;
    };
    let mut page = go_on(app, reader, target.to_owned());
    for cookie in response.headers().get_all(header::SET_COOKIE) {
        page.headers_mut()
            .append(header::SET_COOKIE, cookie.clone());
    }
    page
}

pub fn still_signed_in(app: &App, reader: Reader<'_>) -> Response {
    let frame = frame(app, reader);
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
pub fn logout_refused<'a>(
    app: &App,
    reader: impl Into<Reader<'a>>,
    reason: RefusalReason,
    client: Option<&Registered>,
) -> Response {
    let reader = reader.into();
    let guard = FormGuard::for_page(app, reader.headers);
    let frame = frame(app, reader);
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
    template.anyway = app
        .session_cookie(reader.headers)
        .map(|_| guard.token.clone());
    with_guard(app, &guard, page(StatusCode::BAD_REQUEST, &template, ""))
}

/// An error that must not be redirected. It names the setting that is missing, and nothing that is
/// registered: a stranger learns no more than the request already said.
pub fn error<'a>(
    app: &App,
    reader: impl Into<Reader<'a>>,
    reason: RefusalReason,
    client: Option<&Client>,
) -> Response {
    let error = reason.oauth_error();
    let correlation_id = crate::respond::correlation_id();
    tracing::info!(%correlation_id, ?reason, client = client.map(|c| c.client_id.as_str()), "request refused");
    let frame = frame(app, reader.into());
    let (title, lines) = (frame.text.error, vec![frame.text.error_line]);
    let mut template = MessageTemplate::new(frame, title, lines);
    template.detail = Some(error.description.to_owned());
    template.code = Some(error.code);
    template.correlation_id = Some(correlation_id);
    page(StatusCode::BAD_REQUEST, &template, "")
}

pub fn broken<'a>(app: &App, reader: impl Into<Reader<'a>>, cause: &anyhow::Error) -> Response {
    let correlation_id = crate::respond::correlation_id();
    tracing::error!(%correlation_id, error = format!("{cause:#}"), "request failed");
    let frame = frame(app, reader.into());
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
pub fn start_over<'a>(
    app: &App,
    reader: impl Into<Reader<'a>>,
    client: Option<&Client>,
) -> Response {
    if let Some(url) = client.and_then(|client| initiate_login_url(app, client)) {
        return crate::oidc::answer::redirect(url);
    }
    let target = app
        .settings
        .current()
        .tenant
        .default_redirection_uri
        .clone();
    let frame = frame(app, reader.into());
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
