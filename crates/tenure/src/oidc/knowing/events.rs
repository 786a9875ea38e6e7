//! `GET /session/events`: the status as a stream of events, read with fetch (HTML, server-sent events).

use super::Seen;
use crate::app::App;
use crate::http::Caller;
use crate::streams::Full;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use std::sync::Arc;
use tenure_protocol::status::Change;

pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (question, found) = match super::to_read(&app, caller, request).await {
        Ok(readable) => readable,
        Err(response) => return response,
    };
    let sid = found.session.sid;
    let seen = Seen::new(&app, found.session, found.user.as_ref(), question.now);
    if seen.mark.is_over() {
        let end = event(Change::Ended.name(), &seen);
        return question.expose(stream(Body::from(end)));
    }
    let last = question.headers.get("last-event-id");
    let missed_nothing = last.is_some_and(|id| id.as_bytes() == seen.mark.id().as_bytes());
    let first = if missed_nothing {
        Bytes::from_static(b": nothing was missed\n\n")
    } else {
        event("status", &seen)
    };
    match app.streams.open(sid, seen.known(), first) {
        Ok(listening) => question.expose(stream(Body::new(listening))),
        Err(full) => question.expose(too_many(full)),
    }
}

/// One event; its id names the state, so that whoever comes again with it has missed nothing.
pub fn event(name: &str, seen: &Seen) -> Bytes {
    let data = serde_json::to_string(&seen.status).unwrap_or_default();
    let id = seen.mark.id();
    Bytes::from(format!("id: {id}\nevent: {name}\ndata: {data}\n\n"))
}

fn stream(body: Body) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        // nginx gathers answers otherwise.
        (
            header::HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    (headers, body).into_response()
}

fn too_many(full: Full) -> Response {
    let (status, text, after) = match full {
        Full::Session => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many streams of this session: share one among tabs\n",
            "60",
        ),
        Full::Server => (StatusCode::SERVICE_UNAVAILABLE, "too many streams\n", "10"),
    };
    (status, [(header::RETRY_AFTER, after)], text).into_response()
}
