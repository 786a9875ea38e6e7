//! The API that both sites use. It judges access tokens as an API elsewhere would, by the published
//! keys alone (RFC 9068 section 4): it never asks whether the session behind a token still lives.

use super::{Demo, guard, panel};
use crate::crypto::jwt::TokenKind;
use crate::crypto::keys::is_current;
use crate::respond;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub fn router(demo: &Arc<Demo>) -> Router {
    let guarded = axum::middleware::from_fn_with_state(demo.clone(), guard::cors);
    Router::new()
        .route("/orders", get(orders).options(preflight))
        .route("/posts", get(posts).options(preflight))
        .layer(guarded)
        .with_state(demo.clone())
        .merge(panel::router(demo))
}

/// Answered by the guard already.
async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn orders(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    answer(&demo, &headers, "read:orders", |name| {
        json!({ "for": name, "orders": [
            { "id": "1042", "what": "Walnut desk", "piece": "desk", "state": "on its way" },
            { "id": "1038", "what": "Brass reading lamp", "piece": "lamp", "state": "delivered" },
            { "id": "1017", "what": "Linen armchair", "piece": "chair", "state": "delivered" },
        ]})
    })
}

async fn posts(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    answer(&demo, &headers, "read:posts", |name| {
        json!({ "for": name, "posts": [
            { "by": "Grace", "title": "How long should a session last?", "replies": 12 },
            { "by": "Edsger", "title": "Signing out, and being believed", "replies": 7 },
            { "by": "Barbara", "title": "What a refresh token is good for", "replies": 23 },
        ]})
    })
}

/// What the token's bearer may have, or the challenge of RFC 6750 section 3.
fn answer(
    demo: &Demo,
    headers: &HeaderMap,
    scope: &str,
    body: impl FnOnce(&str) -> Value,
) -> Response {
    let Some(token) = bearer(headers) else {
        return challenge(StatusCode::UNAUTHORIZED, "Bearer".to_owned());
    };
    let Some(claims) = judged(demo, token) else {
        let error = "Bearer error=\"invalid_token\", error_description=\"the access token expired or is not for this API\"";
        return challenge(StatusCode::UNAUTHORIZED, error.to_owned());
    };
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if !text("scope").split(' ').any(|one| one == scope) {
        let error = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        return challenge(StatusCode::FORBIDDEN, error);
    }
    respond::json(StatusCode::OK, &body(text("sub")))
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (all.next()?, all.next());
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    (second.is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

/// Signature, type, issuer, audience and expiry. A token that is bound to a key is no bearer token
/// (RFC 9449 section 7.2), and this API checks no proofs.
fn judged(demo: &Demo, token: &str) -> Option<Map<String, Value>> {
    let app = &demo.app;
    let claims = app.ring().verify(token, TokenKind::Access, &app.issuer)?;
    let audience = Value::from(demo.at.audience());
    let named = match claims.get("aud") {
        Some(Value::Array(all)) => all.contains(&audience),
        one => one == Some(&audience),
    };
    let bound = claims.contains_key("cnf");
    (named && !bound && is_current(&claims, app.clock.now())).then_some(claims)
}

fn challenge(status: StatusCode, text: String) -> Response {
    let headers = [
        (header::WWW_AUTHENTICATE, crate::http::header_value(text)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers).into_response()
}
