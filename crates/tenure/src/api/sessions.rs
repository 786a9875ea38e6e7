//! `/api/v2/sessions`.

use super::ask::{self, Id, Json, Query};
use super::ending::Families;
use super::error::ApiError;
use super::gate::Call;
use super::{done, page, shape};
use crate::graph::whole::whole;
use crate::graph::{Graph, Rows};
use crate::respond;
use crate::tenant_log::{Entry, kind};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};
use tenure_protocol::session::Session;
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{Metadata, StoreError, Tx, UserRow};

/// Sessions, ended or not, that a page of the living looks at.
const LOOK: i64 = 5_000;

/// A session that lives. One that is over is not found here, as Auth0 has it; its graph remains.
pub async fn show(call: Call, id: Id) -> Result<Response, ApiError> {
    let sid: Sid = id.of(ApiError::no_session)?;
    let now = call.now;
    let found = call.app.store.read(move |tx| match alive(tx, &sid, now)? {
        Some(session) => shape::sessions(tx, &[session]),
        None => Ok(Vec::new()),
    });
    let session = found.await?.pop().ok_or_else(ApiError::no_session)?;
    Ok(respond::json(StatusCode::OK, &session))
}

/// Being looked at is no activity: what is stored counts.
fn alive(tx: &Tx<'_>, sid: &Sid, now: Timestamp) -> Result<Option<Session>, StoreError> {
    let Some(session) = tx.session(sid)? else {
        return Ok(None);
    };
    let standing = tx.user_standing(&session.user_id)?;
    let over = session.over(None, standing, now).is_some();
    Ok((!over).then_some(session))
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

/// Who is signed in now: live sessions of the whole installation. A page looks at so many sessions at
/// most, so that it may be short, or empty, and have a next one.
pub async fn list(call: Call, query: Query) -> Result<Response, ApiError> {
    let (after, take) = (query.from::<Sid>()?, query.take()?);
    let now = call.now;
    let found = call.app.store.read(move |tx| {
        let until = tx.sid_after(after, LOOK)?;
        let rows = tx.live_sessions((after, until), now, take)?;
        let full = i64::try_from(rows.len()).is_ok_and(|count| count == take);
        let last = rows.last().map(|(session, _)| session.sid);
        let next = if full { last } else { until };
        let alive = rows.into_iter().filter(|(session, user)| {
            let standing = UserRow::standing_of(user.as_ref());
            session.over(None, standing, now).is_none()
        });
        let sessions: Vec<Session> = alive.map(|(session, _)| session).collect();
        Ok((shape::sessions(tx, &sessions)?, next))
    });
    let (sessions, next) = found.await?;
    let page = page("sessions", sessions, next);
    Ok(respond::json(StatusCode::OK, &page))
}

/// Changes the metadata of a live session.
pub async fn update(
    call: Call,
    id: Id,
    Json(body): Json<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let sid: Sid = id.of(ApiError::no_session)?;
    let entries = ask::metadata(&body, "session_metadata")?;
    let by = call.clone();
    let changed = call.app.store.write(move |tx| {
        let Some(session) = alive(tx, &sid, by.now)? else {
            return Ok(Vec::new());
        };
        if let Some(entries) = entries {
            let metadata = Metadata {
                sid,
                family_id: None,
                entries,
                updated_at: by.now,
            };
            tx.put_metadata(&metadata)?;
            note(&by, "Update a session's metadata", (&session.user_id, &sid)).write(
                tx,
                by.now,
                &by.app.entropy.token(9),
            )?;
        }
        shape::sessions(tx, &[session])
    });
    let session = changed.await?.pop().ok_or_else(ApiError::no_session)?;
    Ok(respond::json(StatusCode::OK, &session))
}

/// An entry that names who changed what through this API.
pub(super) fn note(call: &Call, what: &str, (user_id, sid): (&str, &Sid)) -> Entry {
    Entry::new(kind::CONFIGURATION)
        .describe(what)
        .user(user_id)
        .session(sid)
        .client(&call.client_id)
        .from(&call.caller.address, &call.caller.user_agent)
}

/// Ends a session, and the families that end with it by the rules.
pub async fn delete(call: Call, id: Id) -> Result<Response, ApiError> {
    let sid: Sid = id.of(ApiError::no_session)?;
    let ended = call.end_session(sid, None, Families::ByRule).await?;
    ended.or(ApiError::no_session).map(done)
}

/// Ends a session, and every refresh token that was born in it.
pub async fn revoke(call: Call, id: Id) -> Result<Response, ApiError> {
    let sid: Sid = id.of(ApiError::no_session)?;
    let ended = call.end_session(sid, None, Families::All).await?;
    ended.or(ApiError::no_session).map(done)
}
