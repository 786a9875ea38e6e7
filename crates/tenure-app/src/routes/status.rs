//! `GET /session`: the application session's deadlines, for the page's monitor, in the shape of the
//! provider's `/session/status`. Reading is never an activity. `POST /session/extend` is one.

use crate::app::Inner;
use crate::keeping::{Found, Live, Over, name_of};
use crate::life::{Deadline, Rule};
use crate::origin;
use crate::pages::{json, not_allowed};
use crate::session::Session;
use crate::store::StoreError;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::{Value, json as object};
use std::sync::Arc;
use tenure_protocol::Timestamp;

pub async fn read(app: &Inner, parts: &Parts) -> Response {
    if parts.method != Method::GET {
        return not_allowed("GET");
    }
    let now = app.clock.now();
    match app.find(&parts.headers, now).await {
        Ok(found) => told(app, &found, now),
        Err(error) => broken(&error),
    }
}

pub async fn extend(app: &Arc<Inner>, parts: &Parts) -> Response {
    let headers = &parts.headers;
    if parts.method != Method::POST {
        return not_allowed("POST");
    }
    // No page of somebody else keeps a session alive.
    if !origin::is_from_here(headers, &app.origin) || !origin::is_json(headers) {
        let why = "a request from this origin with the content type application/json is needed";
        let body = object!({"error": "invalid_request", "error_description": why});
        return json(StatusCode::FORBIDDEN, &body);
    }
    match try_extend(app, parts).await {
        Ok(response) => response,
        Err(error) => broken(&error),
    }
}

async fn try_extend(app: &Arc<Inner>, parts: &Parts) -> Result<Response, StoreError> {
    let now = app.clock.now();
    let found = app.find(&parts.headers, now).await?;
    let session = Session::new(Arc::clone(app), found, now);
    session.touch().await?;
    let lines = session.finish(&parts.headers).await?;
    let found = match (session.live(), session.over()) {
        (Some(live), _) => Found::Live(Box::new(live)),
        (None, Some(over)) => Found::Over(over),
        // Also where the row has gone since it was read.
        (None, None) => Found::Nothing,
    };
    let mut response = told(app, &found, now);
    crate::cookies::add(response.headers_mut(), &lines);
    Ok(response)
}

fn broken(error: &StoreError) -> Response {
    tracing::error!("{error}");
    json(
        StatusCode::SERVICE_UNAVAILABLE,
        &object!({"error": "temporarily_unavailable"}),
    )
}

fn told(app: &Inner, found: &Found, now: Timestamp) -> Response {
    match found {
        Found::Live(live) => json(StatusCode::OK, &active(app, live, now)),
        Found::Over(over) => json(StatusCode::OK, &ended(over, now)),
        Found::Nothing => json(
            StatusCode::UNAUTHORIZED,
            &object!({"error": "login_required"}),
        ),
    }
}

fn active(app: &Inner, live: &Live, now: Timestamp) -> Value {
    let record = &live.record;
    let limits = app.limits_of(record);
    let life = record.life(app.config.session.follow_tokens);
    let seconds = |deadline: Option<Deadline>| deadline.map(|deadline| deadline.at.seconds());
    let rolling = life
        .deadlines(limits)
        .find(|one| one.rule == Rule::RollingDuration);
    let end = life.end(limits);
    object!({
        "active": true,
        "sid": name_of(&live.key),
        "op_sid": record.sid(),
        "sub": record.sub(),
        "auth_time": record.auth_time().map(Timestamp::seconds),
        "now": now.seconds(),
        "expires_at": seconds(end),
        "idle_expires_at": seconds(rolling),
        "absolute_expires_at": seconds(life.hard_end(limits)),
        "extend_before": seconds(end),
        "will_end": end.map(|end| object!({"reason": end.rule.reason(), "rule": end.rule.name()})),
        "limits": {
            "idle_timeout": limit(rolling, record.touched_at),
            "absolute_lifetime": limit(life.hard_end(limits), record.created_at),
        },
    })
}

/// One limit as the provider tells it. Today's configuration is in it already.
fn limit(deadline: Option<Deadline>, since: Timestamp) -> Option<Value> {
    let deadline = deadline?;
    let (seconds, rule) = (deadline.at.millis_since(since) / 1000, deadline.rule.name());
    let expires_at = deadline.at.seconds();
    Some(object!({
        "seconds": seconds, "since": since.seconds(), "expires_at": expires_at, "rule": rule,
        "today": {"seconds": seconds, "source": "application", "expires_at": expires_at, "rule": rule},
    }))
}

fn ended(over: &Over, now: Timestamp) -> Value {
    object!({
        "active": false,
        "sid": over.sid,
        "now": now.seconds(),
        "reason": over.reason,
        "rule": over.rule,
        "ended_at": over.ended_at.seconds(),
    })
}
