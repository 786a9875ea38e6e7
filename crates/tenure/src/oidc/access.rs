//! The one validator of access tokens for Tenure's own endpoints (lesson CVE-2024-49755): signature,
//! issuer, kind, expiry, and whether the thing that the token hangs on still lives.

use super::issue::userinfo_audience;
use crate::app::App;
use crate::crypto::jwt::TokenKind;
use crate::crypto::keys::is_current;
use serde_json::{Map, Value};
use std::sync::Arc;
use tenure_protocol::params::Params;
use tenure_protocol::session::Session;
use tenure_protocol::{FamilyId, RefusalReason, Sid, Timestamp};
use tenure_store::{StoreError, Tx, UserRow};

/// A token's claims, and what was found for it.
#[derive(Debug)]
pub struct Valid {
    pub claims: Map<String, Value>,
    /// `None` for a machine's token.
    pub user: Option<(UserRow, Session)>,
}

impl Valid {
    pub fn text(&self, name: &str) -> &str {
        self.claims
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub fn client_id(&self) -> &str {
        client_id_of(&self.claims)
    }

    pub fn has_audience(&self, audience: &str) -> bool {
        has_audience(&self.claims, audience)
    }
}

/// `client_id`, or `azp` in Auth0's dialect.
pub fn client_id_of(claims: &Map<String, Value>) -> &str {
    ["client_id", "azp"]
        .into_iter()
        .find_map(|name| claims.get(name).and_then(Value::as_str))
        .unwrap_or_default()
}

fn has_audience(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(many)) => many.iter().any(|aud| aud == audience),
        _ => false,
    }
}

/// Checks a token. `None`: it is not one of ours, has expired, was revoked, or what it hung on has ended.
pub async fn check(
    app: &Arc<App>,
    token: &str,
    now: Timestamp,
) -> Result<Option<Valid>, StoreError> {
    let ring = app.ring_with(|ring| ring.knows(token)).await;
    let Some(claims) = ring.verify(token, TokenKind::Access, &app.issuer) else {
        return Ok(None);
    };
    if !is_current(&claims, now) {
        return Ok(None);
    }
    let fresh = claims.clone();
    let user = app
        .store
        .read(move |tx| what_it_hangs_on(tx, &fresh, now))
        .await?;
    Ok(user.map(|user| Valid { claims, user }))
}

/// The claims of an authentic token for the userinfo endpoint, perhaps an expired or revoked one: what
/// it is worth is the caller's question.
pub async fn userinfo_claims(app: &Arc<App>, token: &str) -> Option<Map<String, Value>> {
    let ring = app.ring_with(|ring| ring.knows(token)).await;
    let claims = ring.verify(token, TokenKind::Access, &app.issuer)?;
    has_audience(&claims, &userinfo_audience(app)).then_some(claims)
}

/// Whether what a token hangs on besides its session still stands: its family, if it names one, and
/// its user.
pub fn still_hangs(
    tx: &Tx<'_>,
    claims: &Map<String, Value>,
    user: &UserRow,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let issued_at = Timestamp::from_seconds(claims.get("iat").and_then(Value::as_i64).unwrap_or(0));
    if user.user.blocked || issued_at.plus(1) <= user.user.valid_after {
        return Ok(false);
    }
    match (text("sid").map(str::parse::<Sid>), text("fid")) {
        (Some(Ok(sid)), Some(fid)) => family_lives(tx, (&sid, fid), user, now),
        (Some(Ok(_)), None) => Ok(true),
        _ => Ok(false),
    }
}

/// Checks a token that must be for the userinfo endpoint (ID tokens and machine tokens are not).
pub async fn check_userinfo(
    app: &Arc<App>,
    token: &str,
    now: Timestamp,
) -> Result<Option<Valid>, StoreError> {
    let audience = userinfo_audience(app);
    let valid = check(app, token, now).await?;
    Ok(valid.filter(|valid| valid.user.is_some() && valid.has_audience(&audience)))
}

/// `None`: nothing that is alive. `Some(None)`: a machine's token hangs on nothing.
type Hangs = Option<Option<(UserRow, Session)>>;

fn what_it_hangs_on(
    tx: &Tx<'_>,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Hangs, StoreError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let jti = text("jti").unwrap_or_default();
    let Some(sid) = text("sid") else {
        let revoked = tx.token_is_revoked(None, jti)?;
        return Ok((!revoked).then_some(None));
    };
    let Ok(sid) = sid.parse::<Sid>() else {
        return Ok(None);
    };
    let Some((session, Some(user))) = tx.session_and_user(&sid)? else {
        return Ok(None);
    };
    // The token's user and the session's must be one (lesson CVE-2022-3916).
    if text("sub") != Some(session.user_id.as_str()) || tx.token_is_revoked(Some(&sid), jti)? {
        return Ok(None);
    }
    let hangs = still_hangs(tx, claims, &user, now)?;
    // Judged by what is stored: asking about a token is no activity. An offline family outlives its session.
    let alive =
        hangs && (text("fid").is_some() || session.over(None, user.standing(), now).is_none());
    Ok(alive.then_some(Some((user, session))))
}

fn family_lives(
    tx: &Tx<'_>,
    (sid, fid): (&Sid, &str),
    user: &UserRow,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Ok(family_id) = fid.parse::<FamilyId>() else {
        return Ok(false);
    };
    // An idle family can no longer be refreshed, but its last access token runs to its own end.
    let family = tx.family(sid, &family_id)?;
    Ok(family.is_some_and(|f| {
        f.end.is_none()
            && f.absolute_deadline.is_none_or(|at| now < at)
            // Milliseconds, where the token's `iat` has seconds.
            && f.created_at >= user.user.valid_after
    }))
}

/// The token of a request: the header, or the body of a form (RFC 6750 sections 2.1, 2.2); never the query.
///
/// # Errors
/// It was sent in more than one way, or twice.
pub fn bearer(
    headers: &http::HeaderMap,
    form: Option<&Params>,
) -> Result<Option<String>, RefusalReason> {
    let in_header = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let in_body = form.map(|form| form.get("access_token")).transpose();
    match (in_header, in_body.map(Option::flatten)) {
        (_, Err(_)) | (Some(_), Ok(Some(_))) => Err(RefusalReason::AccessTokenTwice),
        (token, Ok(None)) | (None, Ok(token)) => Ok(token.map(str::to_owned)),
    }
}
