//! `/api/v2/sessions`.

use super::ask::Id;
use super::error::ApiError;
use super::gate::Call;
use super::shape;
use crate::graph::whole::whole;
use crate::graph::{Graph, Rows};
use crate::respond;
use axum::response::Response;
use http::StatusCode;
use tenure_protocol::Sid;

/// A session that lives. One that is over is not found here, as Auth0 has it; its graph remains.
pub async fn show(call: Call, id: Id) -> Result<Response, ApiError> {
    let sid: Sid = id.of(ApiError::no_session)?;
    let now = call.now;
    let found = call.app.store.read(move |tx| {
        let Some(session) = tx.session(&sid)? else {
            return Ok(None);
        };
        // Being looked at is no activity: what is stored counts.
        let standing = tx.user_standing(&session.user_id)?;
        if session.over(None, standing, now).is_some() {
            return Ok(None);
        }
        let clients = tx.participants(&sid)?;
        let clients: Vec<String> = clients.into_iter().map(|p| p.client_id).collect();
        Ok(Some(shape::session(&session, &clients)))
    });
    let session = found.await?.ok_or_else(ApiError::no_session)?;
    Ok(respond::json(StatusCode::OK, &session))
}

/// The whole picture of a session, also of one that is over, as long as it is kept: what
/// `tenure session show --json` prints.
pub async fn graph(call: Call, id: Id) -> Result<Response, ApiError> {
    let sid: Sid = id.of(ApiError::no_session)?;
    let rows = call.app.store.read(move |tx| Rows::load(tx, &sid));
    let rows = rows.await?.ok_or_else(ApiError::no_session)?;
    let graph = Graph::of(&rows, &call.settings, &call.app.config.caps, call.now);
    let whole = whole(&rows, &graph).map_err(|error| ApiError::broken(&error.into()))?;
    Ok(respond::json(StatusCode::OK, &whole))
}
