//! What `/api/v2/users` says of sessions and refresh tokens.

use super::ask::{Id, Json, Query};
use super::ending::Families;
use super::error::ApiError;
use super::gate::Call;
use super::{done, page, refresh_tokens, shape};
use crate::respond;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tenure_protocol::Sid;
use tenure_protocol::session::Session;
use tenure_store::SessionFilter;

/// A user's live sessions.
pub async fn sessions(call: Call, id: Id, query: Query) -> Result<Response, ApiError> {
    let (take, now) = (query.take()?, call.now);
    let with_total = query.flag("include_totals")? == Some(true);
    let filter = SessionFilter {
        user_id: Some(id.0),
        alive_at: Some(now),
        after: query.from::<Sid>()?,
        limit: take + 1,
    };
    let read = call.app.store.read(move |tx| {
        let user_id = filter.user_id.as_deref().unwrap_or_default();
        let Some(user) = tx.user(user_id)? else {
            return Ok(None);
        };
        let mut rows = tx.sessions(&filter)?;
        let more = i64::try_from(rows.len()).is_ok_and(|count| count == filter.limit);
        if more {
            rows.pop();
        }
        let next = rows.last().map(|session| session.sid).filter(|_| more);
        let alive = |session: &Session| session.over(None, user.standing(), now).is_none();
        rows.retain(alive);
        let total = match with_total {
            true if user.user.blocked => Some(0),
            true => Some(tx.count_sessions_of_user(user_id, now)?),
            false => None,
        };
        Ok(Some((shape::sessions(tx, &rows)?, next, total)))
    });
    let (sessions, next, total) = read.await?.ok_or_else(ApiError::no_user)?;
    let mut page = page("sessions", sessions, next);
    if let Some(total) = total {
        page.insert("total".to_owned(), Value::from(total));
    }
    Ok(respond::json(StatusCode::OK, &page))
}

/// Ends all of a user's sessions, and the families that end with them by the rules.
pub async fn delete_sessions(call: Call, id: Id) -> Result<Response, ApiError> {
    must_be_there(&call, &id).await?;
    call.end_sessions(&id.0, Families::ByRule).await?;
    Ok(done(()))
}

/// A user's live refresh tokens.
pub async fn refresh_tokens(call: Call, id: Id, query: Query) -> Result<Response, ApiError> {
    let page = refresh_tokens::of_user(&call, &id.0, &query).await?;
    Ok(respond::json(StatusCode::OK, &page))
}

/// Revokes all of a user's refresh tokens.
pub async fn delete_refresh_tokens(call: Call, id: Id) -> Result<Response, ApiError> {
    must_be_there(&call, &id).await?;
    call.end_families_of_user(&id.0, |_| true).await?;
    Ok(done(()))
}

/// Unknown members are refused, so that a `session_id` that is written wrong does not mean all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    session_id: Option<String>,
    preserve_refresh_tokens: Option<bool>,
}

/// Ends one of a user's sessions, or all, with the refresh tokens, unless these are to be kept.
pub async fn revoke_access(
    call: Call,
    id: Id,
    Json(access): Json<Access>,
) -> Result<Response, ApiError> {
    must_be_there(&call, &id).await?;
    let keep = access.preserve_refresh_tokens == Some(true);
    let families = if keep { Families::Bound } else { Families::All };
    if let Some(text) = access.session_id {
        let sid: Sid = text.parse().map_err(|_| ApiError::no_session())?;
        let ended = call.end_session(sid, Some(id.0), families).await?;
        return ended.or(ApiError::no_session).map(done);
    }
    call.end_sessions(&id.0, families).await?;
    if !keep {
        // Those also that outlived their sessions.
        call.end_families_of_user(&id.0, |_| true).await?;
    }
    Ok(done(()))
}

async fn must_be_there(call: &Call, id: &Id) -> Result<(), ApiError> {
    let user_id = id.0.clone();
    let user = call.app.store.read(move |tx| tx.user_standing(&user_id));
    if user.await?.exists {
        Ok(())
    } else {
        Err(ApiError::no_user())
    }
}
