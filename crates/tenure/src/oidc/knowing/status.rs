//! `GET /session/status`: how long a session still lasts, or why it is over. Never an activity, never a write.

use super::{Seen, told};
use crate::app::App;
use crate::http::Caller;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;

pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (question, found) = match super::to_read(&app, caller, request).await {
        Ok(readable) => readable,
        Err(response) => return response,
    };
    let seen = Seen::new(&app, found.session, found.user.as_ref(), question.now);
    question.expose(told(&seen.status))
}
