//! `/userinfo` (OpenID Connect Core 5.3).

use super::{access, claims, cors};
use crate::app::App;
use crate::http::{self, Caller};
use crate::respond;
use crate::settings::Registered;
use ::http::{StatusCode, header};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;
use tenure_protocol::RefusalReason;

pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let headers = request.headers().clone();
    if cors::is_preflight(request.method()) {
        return cors::preflight(&app, &caller, &headers);
    }
    let (mut response, client) = answer(&app, request).await;
    let client = client.as_deref().map(|r| &r.client);
    cors::expose(&mut response, &app, &caller, client, &headers);
    response
}

/// The answer, and the client that the token was issued to.
async fn answer(app: &Arc<App>, request: Request) -> (Response, Option<Arc<Registered>>) {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return (response, None),
    };
    let form = http::body_params(&parts.headers, &body).ok();
    let token = match access::bearer(&parts.headers, form.as_ref()) {
        Ok(Some(token)) => token,
        Ok(None) => return (no_token(), None),
        Err(reason) => return (refused(reason), None),
    };
    let valid = match access::check_userinfo(app, &token, app.clock.now()).await {
        Ok(Some(valid)) => valid,
        Ok(None) => return (refused(RefusalReason::AccessTokenInvalid), None),
        Err(error) => return (respond::broken(&error.into()), None),
    };
    let client = app.settings.current().client(valid.client_id()).cloned();
    let Some((user, session)) = &valid.user else {
        return (refused(RefusalReason::AccessTokenInvalid), client);
    };
    let asked = valid
        .claims
        .get("userinfo_claims")
        .and_then(Value::as_array);
    let asked: Vec<&str> = asked
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut body = claims::of_user(&user.user, valid.text("scope"), &asked);
    if let Some(registered) = &client {
        claims::add_custom(&mut body, &registered.client.custom_claims);
    }
    body.insert("sub".to_owned(), session.user_id.clone().into());
    (respond::json(StatusCode::OK, &body), client)
}

/// RFC 6750 section 3.1: who presents nothing hears only how to.
fn no_token() -> Response {
    let headers = [
        (header::WWW_AUTHENTICATE, "Bearer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::UNAUTHORIZED, headers).into_response()
}

/// RFC 6750 section 3: the error stands in the challenge as well.
pub(super) fn refused(reason: RefusalReason) -> Response {
    let error = reason.oauth_error();
    let mut response = respond::oauth_error(error, None);
    let challenge = format!(
        "Bearer realm=\"tenure\", error=\"{}\", error_description=\"{}\"",
        error.code, error.description
    );
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, http::header_value(challenge));
    response
}
