//! `/oauth/revoke` (RFC 7009): form or JSON; 200 with an empty body, for unknown tokens too.

use super::cors;
use super::sessions::{self, Judge};
use super::token::client_auth;
use crate::app::App;
use crate::crypto::jwt::TokenKind;
use crate::crypto::refresh as tokens;
use crate::http::{self, Caller};
use crate::respond::{self, Failure};
use crate::settings::Registered;
use crate::tenant_log::{Entry, kind};
use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;
use tenure_protocol::params::Params;
use tenure_protocol::refresh::{Family, FamilyKind, RefreshToken};
use tenure_protocol::session::{End, EndReason, Session};
use tenure_protocol::{RefusalReason, Sid, Timestamp};
use tenure_store::{StoreError, Tx};

pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let headers = request.headers().clone();
    if cors::is_preflight(request.method()) {
        return cors::preflight(&app, &caller, &headers);
    }
    let (mut response, named) = answer(&app, &caller, request).await;
    client_auth::challenge(&mut response, &headers);
    let client = named.as_deref().map(|r| &r.client);
    cors::expose(&mut response, &app, &caller, client, &headers);
    response
}

/// The answer, and the client that the request names.
async fn answer(
    app: &Arc<App>,
    caller: &Caller,
    request: Request,
) -> (Response, Option<Arc<Registered>>) {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return (response, None),
    };
    let params = match http::body_params(&parts.headers, &body) {
        Ok(params) => params,
        Err(reason) => return (respond::oauth_error(reason.oauth_error(), None), None),
    };
    let named = client_auth::named(&app.settings.current(), &params);
    let response = match revoke(app, caller, &parts.headers, &params).await {
        Ok(()) => (
            StatusCode::OK,
            [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        )
            .into_response(),
        Err(Failure::Refused(reason)) => respond::oauth_error(reason.oauth_error(), None),
        // 503 with Retry-After: the client must assume that the token still lives (RFC 7009 section 2.2.1).
        Err(Failure::Broken(error)) => respond::broken(&error),
    };
    (response, named)
}

async fn revoke(
    app: &Arc<App>,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
) -> Result<(), Failure> {
    let now = app.clock.now();
    let client = client_auth::authenticate(app, caller, headers, params, now).await?;
    let token = params
        .get("token")?
        .ok_or(RefusalReason::MissingParameter("token"))?;
    let request = Revocation {
        app: app.clone(),
        caller: caller.clone(),
        client,
        now,
    };
    if let Some(token) = RefreshToken::decode(token) {
        app.ring_with(|ring| ring.refresh_key(token.key_id).is_some())
            .await;
        app.store
            .write(move |tx| end_family(tx, &request, &token))
            .await?;
        return Ok(());
    }
    let ring = app.ring_with(|ring| ring.knows(token)).await;
    if let Some(claims) = ring.verify(token, TokenKind::Access, &app.issuer) {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let owner = text("client_id").or_else(|| text("azp"));
        // A token of another client is left alone, and nobody hears about it.
        if owner.as_ref() == Some(&request.client.client.client_id)
            && let Some(jti) = text("jti")
        {
            let sid: Option<Sid> = text("sid").and_then(|sid| sid.parse().ok());
            let exp = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
            let until = Timestamp::from_seconds(exp);
            app.store
                .write(move |tx| tx.revoke_token(sid.as_ref(), &jti, until))
                .await?;
        }
    }
    Ok(())
}

struct Revocation {
    app: Arc<App>,
    caller: Caller,
    client: Arc<Registered>,
    now: Timestamp,
}

/// A session-bound refresh token is the session in the application's hands: revoking it ends the
/// session, and the family with it (contract 3.4). Any other refresh token stands for its family, which ends as a whole; any generation of it will do, since
/// an application that lost the last answer must still be able to sign out.
fn end_family(tx: &Tx<'_>, request: &Revocation, token: &RefreshToken) -> Result<(), StoreError> {
    let client_id = &request.client.client.client_id;
    // The session first: whoever changes its families holds it.
    let Some(session) = tx.session(&token.sid)? else {
        return Ok(());
    };
    let family = tx.family(&token.sid, &token.family_id)?;
    let Some(family) = family.filter(|f| f.client_id == *client_id && f.end.is_none()) else {
        return Ok(());
    };
    if tokens::check(token, &family, &request.app.issuer, &request.app.ring()).is_none() {
        return Ok(());
    }
    let end = End {
        at: request.now,
        reason: EndReason::UserLogout,
        by: client_id.clone(),
        from: request.caller.address.clone(),
        rule: "revocation".to_owned(),
    };
    if family.kind == FamilyKind::Online && session.end.is_none() {
        end_its_session(tx, request, &session, end)?;
    } else {
        let ended = Family {
            end: Some(end),
            ..family.clone()
        };
        tx.change_family(&ended, family.generation)?;
    }
    Entry::new(kind::REFRESH_REVOKED)
        .user(&family.user_id)
        .session(&family.sid)
        .client(client_id)
        .from(&request.caller.address, &request.caller.user_agent)
        .detail("familyId", family.family_id.to_string())
        .write(tx, request.now, &request.app.entropy.token(9))
}

fn end_its_session(
    tx: &Tx<'_>,
    request: &Revocation,
    session: &Session,
    end: End,
) -> Result<(), StoreError> {
    let app = &request.app;
    let settings = app.settings.current();
    let judge = Judge {
        settings: &settings,
        caps: &app.config.caps,
        entropy: &app.entropy,
        metrics: Some(&app.metrics),
        now: request.now,
    };
    let user = tx.user_standing(&session.user_id)?;
    let today = settings.limits(session.persistent, judge.caps);
    match session.verdict(Some(&today), user, request.now) {
        // It was over before, and nobody had noticed.
        Some(verdict) => sessions::expire(tx, session, verdict, judge).map(drop),
        None => sessions::end_session(tx, session, end, judge),
    }
}
