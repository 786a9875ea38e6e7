//! `/oauth/introspect` (RFC 7662), for confidential clients: their own tokens, and tokens for an API that they are granted.

use super::access;
use super::token::client_auth;
use crate::app::App;
use crate::crypto::refresh as tokens;
use crate::http::{self, Caller};
use crate::respond::{self, Failure};
use crate::settings::Registered;
use ::http::{HeaderMap, StatusCode};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;
use tenure_protocol::refresh::{FamilyKind, RefreshToken};
use tenure_protocol::{RefusalReason, Timestamp};
use tenure_store::{StoreError, Tx};

pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    match introspect(&app, &caller, &parts.headers, &body).await {
        Ok(answer) => respond::json(StatusCode::OK, &answer),
        Err(Failure::Refused(reason)) => {
            let mut response = respond::oauth_error(reason.oauth_error(), None);
            client_auth::challenge(&mut response, &parts.headers);
            response
        }
        Err(Failure::Broken(error)) => respond::broken(&error),
    }
}

async fn introspect(
    app: &Arc<App>,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, Failure> {
    let params = http::body_params(headers, body)?;
    let now = app.clock.now();
    let client = client_auth::authenticate(app, caller, headers, &params, now).await?;
    if client.client.is_public() {
        return Err(RefusalReason::ClientAuthMissing.into());
    }
    let token = params
        .get("token")?
        .ok_or(RefusalReason::MissingParameter("token"))?
        .to_owned();
    if let Some(token) = RefreshToken::decode(&token) {
        app.ring_with(|ring| ring.refresh_key(token.key_id).is_some())
            .await;
        let (app_, client) = (app.clone(), client.clone());
        let answer = app
            .store
            .read(move |tx| refresh_token(tx, &app_, &client, (&token, now)))
            .await?;
        return Ok(answer.unwrap_or_else(inactive));
    }
    let valid = access::check(app, &token, now).await?;
    Ok(valid
        .filter(|valid| may_see(app, &client, valid))
        .map_or_else(inactive, |valid| describe(&valid)))
}

fn inactive() -> Value {
    json!({ "active": false })
}

/// Scoped by client and audience (lesson CVE-2024-47077): the token's own client, or a client that
/// holds a grant for one of the APIs that the token is for.
fn may_see(app: &App, client: &Registered, valid: &access::Valid) -> bool {
    let id = &client.client.client_id;
    let settings = app.settings.current();
    let granted = settings
        .client_grants
        .keys()
        .any(|(c, aud)| c == id && valid.has_audience(aud));
    valid.client_id() == id || granted
}

fn describe(valid: &access::Valid) -> Value {
    let bound = valid.claims.contains_key("cnf");
    let token_type = if bound { "DPoP" } else { "Bearer" };
    let mut answer = json!({ "active": true, "token_type": token_type });
    let members = [
        "scope",
        "sub",
        "exp",
        "iat",
        "aud",
        "iss",
        "jti",
        "sid",
        "auth_time",
        "acr",
        "amr",
        "permissions",
        "cnf",
    ];
    if let Some(map) = answer.as_object_mut() {
        for name in members {
            if let Some(value) = valid.claims.get(name) {
                map.insert(name.to_owned(), value.clone());
            }
        }
        map.insert("client_id".to_owned(), valid.client_id().into());
        if let Some((user, _)) = &valid.user
            && let Some(name) = user.user.username.as_ref().or(user.user.email.as_ref())
        {
            map.insert("username".to_owned(), name.clone().into());
        }
    }
    answer
}

fn refresh_token(
    tx: &Tx<'_>,
    app: &App,
    client: &Registered,
    (token, now): (&RefreshToken, Timestamp),
) -> Result<Option<Value>, StoreError> {
    let family = tx.family(&token.sid, &token.family_id)?;
    let Some(family) = family.filter(|f| f.client_id == client.client.client_id) else {
        return Ok(None);
    };
    let current = tokens::check(token, &family, &app.issuer, &app.ring())
        .is_some_and(|presented| presented.generation == family.generation);
    let standing = tx.user_standing(&family.user_id)?;
    let session = match family.kind {
        FamilyKind::Offline => None,
        FamilyKind::Online => tx.session(&family.sid)?,
    };
    if !(current && family.is_good(standing, session.as_ref(), now)) {
        return Ok(None);
    }
    let mut answer = json!({
        "active": true,
        "token_type": "refresh_token",
        "client_id": family.client_id,
        "sub": family.user_id,
        "scope": family.scope,
        "iss": app.issuer,
        "sid": family.sid.to_string(),
        "iat": family.created_at.seconds(),
        "auth_time": family.auth_time.seconds(),
    });
    let deadline = [family.idle_deadline, family.absolute_deadline]
        .into_iter()
        .flatten()
        .min();
    if let (Some(at), Some(map)) = (deadline, answer.as_object_mut()) {
        map.insert("exp".to_owned(), at.seconds().into());
    }
    Ok(Some(answer))
}
