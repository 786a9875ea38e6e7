//! The one validator of access tokens for Tenure's own endpoints (lesson CVE-2024-49755): signature,
//! issuer, kind, expiry, and whether the thing that the token hangs on still lives.

use super::dpop::{self, Endpoint, Proven};
use super::issue::userinfo_audience;
use crate::app::App;
use crate::crypto::jwt::TokenKind;
use crate::crypto::keys::is_current;
use crate::settings::Settings;
use serde_json::{Map, Value};
use std::sync::Arc;
use tenure_protocol::dpop::ProofFault;
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
    if !is_current(&claims, now) || !still_registered(&app.settings.current(), &claims) {
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
/// it is worth is the caller's question, but not whose key it is bound to.
pub async fn userinfo_claims(
    app: &Arc<App>,
    presented: &Presented,
) -> Result<Map<String, Value>, RefusalReason> {
    let invalid = RefusalReason::AccessTokenInvalid;
    let token = presented.token.as_str();
    let ring = app.ring_with(|ring| ring.knows(token)).await;
    let claims = ring.verify(token, TokenKind::Access, &app.issuer);
    let claims = claims.ok_or(invalid)?;
    let registered = still_registered(&app.settings.current(), &claims);
    if !registered || !has_audience(&claims, &userinfo_audience(app)) {
        return Err(invalid);
    }
    presented.fits(&claims).map(|()| claims)
}

/// Whether there still is the client that a token was issued to, and a machine still has the grant that it
/// was issued by: who took either away has decided about the tokens too (invariant 5).
fn still_registered(settings: &Settings, claims: &Map<String, Value>) -> bool {
    let client_id = client_id_of(claims);
    let mut grants = settings.client_grants.keys();
    let is_machine = !claims.contains_key("sid");
    settings.client(client_id).is_some()
        && (!is_machine || grants.any(|(id, aud)| id == client_id && has_audience(claims, aud)))
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

/// Checks a token that must be for the userinfo endpoint (ID tokens and machine tokens are not), and
/// that whoever presents it holds its key.
pub async fn check_userinfo(
    app: &Arc<App>,
    presented: &Presented,
    now: Timestamp,
) -> Result<Result<Valid, RefusalReason>, StoreError> {
    let audience = userinfo_audience(app);
    let valid = check(app, &presented.token, now).await?;
    let valid = valid.filter(|valid| valid.user.is_some() && valid.has_audience(&audience));
    Ok(match valid {
        Some(valid) => presented.fits(&valid.claims).map(|()| valid),
        None => Err(RefusalReason::AccessTokenInvalid),
    })
}

/// Checks a machine's token for one API of our own; one that a person got is none, whatever it is for.
pub async fn check_machine(
    app: &Arc<App>,
    presented: &Presented,
    audience: &str,
    now: Timestamp,
) -> Result<Result<Valid, RefusalReason>, StoreError> {
    let valid = check(app, &presented.token, now).await?;
    let valid = valid.filter(|valid| {
        let by_itself =
            valid.text("gty") == "client-credentials" && !valid.claims.contains_key("sid");
        valid.user.is_none() && by_itself && valid.has_audience(audience)
    });
    Ok(match valid {
        Some(valid) => presented.fits(&valid.claims).map(|()| valid),
        None => Err(RefusalReason::AccessTokenInvalid),
    })
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

/// How a request presents its access token.
#[derive(Clone, Debug)]
pub struct Presented {
    pub token: String,
    /// The key that it proves to hold; `None`: a bearer.
    pub proof: Option<Proven>,
}

/// Why a token is not accepted, and in which scheme that is said.
#[derive(Clone, Copy, Debug)]
pub struct Unpresentable {
    pub reason: RefusalReason,
    pub scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Bearer,
    Dpop,
}

impl Presented {
    pub fn scheme(&self) -> Scheme {
        match self.proof {
            Some(_) => Scheme::Dpop,
            None => Scheme::Bearer,
        }
    }

    pub fn refused(&self, reason: RefusalReason) -> Unpresentable {
        let scheme = match reason {
            RefusalReason::AccessTokenBound => Scheme::Dpop,
            _ => self.scheme(),
        };
        Unpresentable { reason, scheme }
    }

    /// A token that is bound to a key comes with a proof by that key, and any other without one
    /// (RFC 9449 section 7.2).
    fn fits(&self, claims: &Map<String, Value>) -> Result<(), RefusalReason> {
        let bound = claims.get("cnf").and_then(|cnf| cnf.get("jkt"));
        match (bound.and_then(Value::as_str), &self.proof) {
            (None, None) => Ok(()),
            (Some(jkt), Some(proof)) if jkt == proof.jkt => Ok(()),
            (Some(_), None) => Err(RefusalReason::AccessTokenBound),
            (_, Some(_)) => Err(RefusalReason::AccessTokenInvalid),
        }
    }
}

/// The token of a request: the header, or the body of a form (RFC 6750 sections 2.1, 2.2); never the
/// query. With the scheme `DPoP` also the proof.
///
/// # Errors
/// It was sent in more than one way, or twice, or its proof is not valid.
pub fn presented(
    app: &App,
    parts: (&http::HeaderMap, Option<&Params>),
    (method, path): (&str, &str),
    now: Timestamp,
) -> Result<Option<Presented>, Unpresentable> {
    let (headers, form) = parts;
    let refused = |scheme| move |reason| Unpresentable { reason, scheme };
    let in_header = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '));
    let is = |wanted: &str| {
        let token = in_header.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(wanted));
        token.map(|(_, token)| token.trim())
    };
    let in_body = form.map(|form| form.get("access_token")).transpose();
    let in_body = match in_body.map(Option::flatten) {
        Ok(token) if token.is_none() || in_header.is_none() => token,
        _ => return Err(refused(Scheme::Bearer)(RefusalReason::AccessTokenTwice)),
    };
    let Some(token) = is("dpop") else {
        let token = is("bearer").or(in_body).map(str::to_owned);
        return Ok(token.map(|token| Presented { token, proof: None }));
    };
    let endpoint = Endpoint {
        method,
        path,
        access_token: Some(token),
    };
    let proof = dpop::verify(app, headers, &endpoint, now).map_err(refused(Scheme::Dpop))?;
    let missing = RefusalReason::DpopProof(ProofFault::Missing);
    Ok(Some(Presented {
        token: token.to_owned(),
        proof: Some(proof.ok_or(missing).map_err(refused(Scheme::Dpop))?),
    }))
}
