//! `/userinfo` (OpenID Connect Core 5.3).

use super::access::{self, Scheme, Unpresentable};
use super::{claims, cors, dpop};
use crate::app::App;
use crate::http::{self, Caller};
use crate::respond;
use crate::settings::Registered;
use ::http::{HeaderValue, StatusCode, header};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;
use tenure_protocol::dpop::ALGORITHMS;
use tenure_protocol::{OAuthError, RefusalReason, Timestamp};

const PATH: &str = "/userinfo";

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
    let now = app.clock.now();
    let request = (parts.method.as_str(), PATH);
    let presented = match access::presented(app, (&parts.headers, form.as_ref()), request, now) {
        Ok(Some(presented)) => presented,
        Ok(None) => return (no_token(), None),
        Err(refusal) => return (refused(app, refusal, now), None),
    };
    let refuse = |reason| refused(app, presented.refused(reason), now);
    let valid = match access::check_userinfo(app, &presented, now).await {
        Ok(Ok(valid)) => valid,
        Ok(Err(reason)) => return (refuse(reason), None),
        Err(error) => return (respond::broken(&error.into()), None),
    };
    let client = app.settings.current().client(valid.client_id()).cloned();
    let Some((user, session)) = &valid.user else {
        return (refuse(RefusalReason::AccessTokenInvalid), client);
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

/// RFC 6750 section 3.1: who presents nothing hears only how to, in one line, since some readers see
/// only the first.
fn no_token() -> Response {
    let headers = [
        (
            header::WWW_AUTHENTICATE,
            http::header_value(bare_challenge()),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::UNAUTHORIZED, headers).into_response()
}

/// How a token can be presented.
pub fn bare_challenge() -> String {
    format!("Bearer, DPoP {}", algorithms())
}

/// RFC 6750 section 3, RFC 9449 section 7.1: the error stands in the challenge as well.
pub(super) fn refused(app: &App, refusal: Unpresentable, now: Timestamp) -> Response {
    let error = refusal.reason.oauth_error();
    let is_about_the_proof = matches!(
        refusal.reason,
        RefusalReason::DpopProof(_) | RefusalReason::DpopNonceNeeded
    );
    // At the token endpoint these are 400 (RFC 9449 section 5).
    let status = if is_about_the_proof {
        401
    } else {
        error.status
    };
    let mut response = respond::oauth_error(OAuthError { status, ..error }, None);
    let headers = response.headers_mut();
    let challenge = http::header_value(challenge(&refusal));
    headers.insert(header::WWW_AUTHENTICATE, challenge);
    if refusal.reason == RefusalReason::DpopNonceNeeded {
        dpop::offer_nonce(app, headers, now);
    }
    response
}

/// What a refused token hears besides the status.
pub fn challenge(refusal: &Unpresentable) -> String {
    let error = refusal.reason.oauth_error();
    let (scheme, more) = match refusal.scheme {
        Scheme::Bearer => ("Bearer", String::new()),
        Scheme::Dpop => ("DPoP", format!(", {}", algorithms())),
    };
    format!(
        "{scheme} realm=\"tenure\", error=\"{}\", error_description=\"{}\"{more}",
        error.code, error.description
    )
}

fn algorithms() -> String {
    format!("algs=\"{}\"", ALGORITHMS.join(" "))
}
