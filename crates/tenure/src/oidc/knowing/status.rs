//! `GET /session/status`: how long a session still lasts, or why it is over. Never an activity, never a write.

use super::{Question, Seen, told};
use crate::app::App;
use crate::http::Caller;
use crate::oidc::cors;
use crate::respond;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::RefusalReason;

pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    if cors::is_preflight(request.method()) {
        return super::preflight(&app, &caller, request.headers());
    }
    let question = Question::read(app.clone(), caller, request.headers().clone()).await;
    let question = Arc::new(question);
    let asked = question.clone();
    let found = match app.store.read(move |tx| asked.find(tx)).await {
        Ok(Some(found)) => found,
        Ok(None) => return question.refused(RefusalReason::AccessTokenInvalid),
        Err(error) => return respond::broken(&error.into()),
    };
    if let Err(reason) = found.asking.may_read() {
        return question.refused(reason);
    }
    let seen = Seen::new(&app, found.session, found.user.as_ref(), question.now);
    question.expose(told(&seen.status))
}
