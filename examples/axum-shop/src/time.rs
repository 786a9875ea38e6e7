//! A clock that tests move forward: the machine's, plus an offset.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tenure_app::Clock;

#[derive(Clone, Debug, Default)]
pub struct Time(Arc<AtomicU32>);

#[derive(Deserialize)]
struct Move {
    advance_seconds: u32,
}

impl Time {
    pub fn clock(&self) -> Clock {
        let (ahead, machine) = (self.0.clone(), Clock::system());
        Clock::from_fn(move || machine.now().plus(i64::from(ahead.load(Ordering::SeqCst))))
    }

    pub fn router(&self) -> Router {
        Router::new()
            .route("/dev/clock", post(advance))
            .with_state(self.clone())
    }
}

/// No page can ask for it: it needs JSON, and no `Origin`.
async fn advance(
    State(time): State<Time>,
    headers: HeaderMap,
    Json(by): Json<Move>,
) -> Result<Json<Value>, StatusCode> {
    if headers.contains_key(header::ORIGIN) {
        return Err(StatusCode::FORBIDDEN);
    }
    time.0.fetch_add(by.advance_seconds, Ordering::SeqCst);
    Ok(Json(json!({"now": time.clock().now().seconds()})))
}
