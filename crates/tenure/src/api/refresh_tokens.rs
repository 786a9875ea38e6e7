//! `/api/v2/refresh-tokens`. A refresh token is its family: all tokens that descend from one grant.

use super::ask::{self, Id, Json, Query};
use super::error::ApiError;
use super::gate::Call;
use super::sessions::note;
use super::{done, page, shape};
use crate::graph::refresh_token_id;
use crate::respond;
use crate::settings::Settings;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use tenure_protocol::Timestamp;
use tenure_protocol::management::RefreshTokenId;
use tenure_protocol::refresh::{Family, FamilyKind};
use tenure_store::{FamilyFilter, Metadata, StoreError, Tx, UserRow};

/// A refresh token that lives. One that is over is not found.
pub async fn show(call: Call, id: Id) -> Result<Response, ApiError> {
    let id: RefreshTokenId = id.of(ApiError::no_refresh_token)?;
    let (settings, now) = (call.settings.clone(), call.now);
    let found = call.app.store.read(move |tx| match alive(tx, &id, now)? {
        Some(family) => shape::refresh_tokens(tx, &[family], &settings),
        None => Ok(Vec::new()),
    });
    let token = found.await?.pop().ok_or_else(ApiError::no_refresh_token)?;
    Ok(respond::json(StatusCode::OK, &token))
}

fn alive(tx: &Tx<'_>, id: &RefreshTokenId, now: Timestamp) -> Result<Option<Family>, StoreError> {
    let Some((session, user)) = tx.session_and_user(&id.sid)? else {
        return Ok(None);
    };
    let standing = UserRow::standing_of(user.as_ref());
    let family = tx.family(&id.sid, &id.family_id)?;
    Ok(family.filter(|family| family.is_good(standing, Some(&session), now)))
}

/// A user's live refresh tokens, of one client if it is named.
pub async fn list(call: Call, query: Query) -> Result<Response, ApiError> {
    let user_id = query.text("user_id")?;
    let user_id = user_id.ok_or_else(|| ApiError::query("user_id is missing"))?;
    let mut page = of_user(&call, user_id, &query).await?;
    let fields = query.fields()?;
    if let Some(Value::Array(tokens)) = page.remove("tokens") {
        let tokens = tokens.into_iter().map(|token| fields.of(token)).collect();
        page.insert("refresh_tokens".to_owned(), tokens);
    }
    Ok(respond::json(StatusCode::OK, &page))
}

/// The page under the name that a user's list has.
pub(super) async fn of_user(
    call: &Call,
    user_id: &str,
    query: &Query,
) -> Result<Map<String, Value>, ApiError> {
    let (after, take) = (query.from::<RefreshTokenId>()?, query.take()?);
    let filter = FamilyFilter {
        user_id: user_id.to_owned(),
        client_id: query.text("client_id")?.map(str::to_owned),
        alive_at: Some(call.now),
        after: after.map(|id| (id.sid, id.family_id)),
        limit: take + 1,
    };
    let (settings, now) = (call.settings.clone(), call.now);
    let read = call.app.store.read(move |tx| {
        let Some(user) = tx.user(&filter.user_id)? else {
            return Ok(None);
        };
        living(tx, &filter, (&user, &settings), now).map(Some)
    });
    let (tokens, next) = read.await?.ok_or_else(ApiError::no_user)?;
    Ok(page("tokens", tokens, next))
}

/// The families of a page that live, and where the next page begins.
fn living(
    tx: &Tx<'_>,
    filter: &FamilyFilter,
    (user, settings): (&UserRow, &Settings),
    now: Timestamp,
) -> Result<(Vec<Value>, Option<RefreshTokenId>), StoreError> {
    let mut families = tx.families_page(filter)?;
    let more = i64::try_from(families.len()).is_ok_and(|count| count == filter.limit);
    if more {
        families.pop();
    }
    let next = families.last().map(refresh_token_id).filter(|_| more);
    let mut good = Vec::with_capacity(families.len());
    for family in families {
        let session = match family.kind {
            FamilyKind::Offline => None,
            FamilyKind::Online => tx.session(&family.sid)?,
        };
        if family.is_good(user.standing(), session.as_ref(), now) {
            good.push(family);
        }
    }
    Ok((shape::refresh_tokens(tx, &good, settings)?, next))
}

/// Changes the metadata of a live refresh token.
pub async fn update(
    call: Call,
    id: Id,
    Json(body): Json<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let id: RefreshTokenId = id.of(ApiError::no_refresh_token)?;
    let entries = ask::metadata(&body, "refresh_token_metadata")?;
    let by = call.clone();
    let changed = call.app.store.write(move |tx| {
        let Some(family) = alive(tx, &id, by.now)? else {
            return Ok(Vec::new());
        };
        if let Some(entries) = entries {
            let metadata = Metadata {
                sid: id.sid,
                family_id: Some(id.family_id),
                entries,
                updated_at: by.now,
            };
            tx.put_metadata(&metadata)?;
            let what = "Update a refresh token's metadata";
            note(&by, what, (&family.user_id, &id.sid))
                .detail("familyId", id.family_id.to_string())
                .write(tx, by.now, &by.app.entropy.token(9))?;
        }
        shape::refresh_tokens(tx, &[family], &by.settings)
    });
    let token = changed
        .await?
        .pop()
        .ok_or_else(ApiError::no_refresh_token)?;
    Ok(respond::json(StatusCode::OK, &token))
}

/// Revokes a refresh token. A session that it is bound to goes on: to end that needs another scope.
pub async fn delete(call: Call, id: Id) -> Result<Response, ApiError> {
    let id: RefreshTokenId = id.of(ApiError::no_refresh_token)?;
    let ended = call.end_family(id).await?;
    ended.or(ApiError::no_refresh_token).map(done)
}

/// Which refresh tokens to revoke. A member that is not known is refused: a name that is written wrong
/// must not make it mean more.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    ids: Option<Vec<String>>,
    user_id: Option<String>,
    client_id: Option<String>,
    audience: Option<String>,
}

const MOST_IDS: usize = 100;

/// Revokes many: by their ids, of a user, of a client, of a user at a client and at an API.
pub async fn revoke(call: Call, Json(which): Json<Which>) -> Result<Response, ApiError> {
    match (which.ids, which.user_id, which.client_id, which.audience) {
        (Some(ids), None, None, None) => revoke_these(&call, &ids).await?,
        (None, Some(user_id), None, None) => {
            call.end_families_of_user(&user_id, |_| true).await?;
        }
        (None, None, Some(client_id), None) => call.end_families_of_client(&client_id).await?,
        (None, Some(user_id), Some(client_id), audience) => {
            let picked = move |family: &Family| {
                let at_api = audience.is_none() || family.audience == audience;
                family.client_id == client_id && at_api
            };
            call.end_families_of_user(&user_id, picked).await?;
        }
        _ => {
            let problem = "it must name ids, or user_id, or client_id, or user_id and client_id, \
                           or these two and audience";
            return Err(ApiError::body(problem));
        }
    }
    Ok(done(()))
}

async fn revoke_these(call: &Call, ids: &[String]) -> Result<(), ApiError> {
    if ids.is_empty() || ids.len() > MOST_IDS {
        let problem = format!("ids must name 1 to {MOST_IDS} refresh tokens");
        return Err(ApiError::body(problem));
    }
    let parsed: Result<Vec<RefreshTokenId>, _> = ids.iter().map(|id| id.parse()).collect();
    let parsed = parsed.map_err(|_| ApiError::body("one of the ids is no refresh token's"))?;
    for id in parsed {
        call.end_family(id).await?;
    }
    Ok(())
}
