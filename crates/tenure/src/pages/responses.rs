//! Pages that carry an authorization response on: nobody reads them.

use super::html_response;
use crate::app::App;
use crate::oidc::answer::Answer;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPostTemplate<'a> {
    action: &'a str,
    fields: &'a Answer,
    nonce: &'a str,
}

/// OAuth 2.0 Form Post Response Mode 1.0: submits itself, with a button for browsers without script. Where
/// the application sends people on to afterwards nobody knows, and a browser would apply a `form-action` to
/// that as well (decision 171): there is none, on a page whose one form is ours.
pub fn form_post(app: &App, action: &str, fields: &Answer) -> Response {
    let nonce = app.entropy.token(16);
    let csp = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"
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
    /// Then the page also says whether its frame may have cookies at all: without them "login required"
    /// says nothing of the person.
    refused: bool,
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
        refused: answer.iter().any(|(name, _)| *name == "error"),
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
