//! For operators and developers: health, metrics, time travel.

use crate::app::App;
use crate::http::{self, Peer};
use crate::respond;
use ::http::{HeaderMap, StatusCode, header};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_store::{Notice, StoreError, Tx};

/// The process runs.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers and takes writes, and the keys are there.
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    match app.store.read(|tx| tx.meta("master_fingerprint")).await {
        Ok(Some(_)) => {}
        Ok(None) | Err(_) => return respond::unavailable("the database does not answer\n"),
    }
    if app.readiness.takes_writes(&app.store, &app.entropy).await {
        "ready\n".into_response()
    } else {
        respond::unavailable("the database takes no writes\n")
    }
}

/// On the main listener `/metrics` is for loopback peers only, and never through a proxy.
pub async fn metrics(State(app): State<Arc<App>>, request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    if peer.is_none_or(|peer| !peer.is_loopback()) || is_forwarded(request.headers()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    metrics_text(&app)
}

pub fn metrics_text(app: &App) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.render()).into_response()
}

pub fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

pub async fn home(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match app
        .settings
        .current()
        .tenant
        .default_redirection_uri
        .clone()
    {
        Some(url) => crate::oidc::answer::redirect(url),
        None => crate::pages::start_over(&app, &headers, None),
    }
}

pub async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing at this address\n").into_response()
}

/// The server's clock, for tests: only with `--manual-clock`.
pub async fn clock(State(app): State<Arc<App>>) -> Response {
    respond::json(StatusCode::OK, &json!({ "now": app.clock.now().seconds() }))
}

#[derive(Deserialize)]
struct Move {
    advance_seconds: u32,
}

const END_OF_TIME: Timestamp = Timestamp::from_seconds(221_845_392_000);

/// Moves the clock forward. Nothing that a web page could send gets through: no form, no Origin, no proxy, no other host.
pub async fn move_clock(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let media = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let is_json = media.split(';').next().unwrap_or_default().trim() == "application/json";
    if peer.is_some_and(|peer: IpAddr| !peer.is_loopback())
        || parts.headers.contains_key(header::ORIGIN)
        || is_forwarded(&parts.headers)
        || !is_json
    {
        let text = "POST /dev/clock takes application/json from loopback, without Origin or forwarding headers\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let Ok(Move { advance_seconds }) = serde_json::from_slice(&body) else {
        let text = "expected {\"advance_seconds\": N} with a whole number from 0 to 4294967295\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    match advance(&app, advance_seconds).await {
        Ok(true) => clock(State(app)).await,
        Ok(false) => {
            let text = "the clock stops before the year 9000: dates on the wire have four digits\n";
            (StatusCode::BAD_REQUEST, text).into_response()
        }
        Err(error) => respond::broken(&error.into()),
    }
}

/// Moves the installation's clock forward. `false`: not so far.
///
/// # Errors
/// The database did not take it; then the clock stands where it stood.
pub async fn advance(app: &App, seconds: u32) -> Result<bool, StoreError> {
    if app.clock.now().plus(seconds.into()) > END_OF_TIME {
        return Ok(false);
    }
    // The offset is kept, so that a restart does not bring back sessions that ended.
    app.store
        .write(move |tx| add_to_clock(tx, i64::from(seconds) * 1000))
        .await?;
    app.clock.advance(seconds);
    Ok(true)
}

/// Added to what is stored, so that of two moves at once neither is lost; other servers follow.
fn add_to_clock(tx: &Tx<'_>, millis: i64) -> Result<(), StoreError> {
    tx.add_to_meta("clock_offset_ms", millis)?;
    tx.notify(Notice::Configuration)
}
