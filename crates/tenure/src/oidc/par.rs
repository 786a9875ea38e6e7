//! `/oauth/par` (RFC 9126): the request is pushed, and the browser carries only a reference to it.

use super::authorize;
use super::dpop::{self, Endpoint};
use super::token::client_auth;
use super::transaction::{FORM_LIFETIME, Transaction};
use crate::app::App;
use crate::http::{self, Caller};
use crate::operations;
use crate::respond::{self, Failure};
use crate::throttle::network;
use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;
use tenure_protocol::dpop::ProofFault;
use tenure_protocol::params::Params;
use tenure_protocol::{RefusalReason, Timestamp, authorize as request, redirect};
use tenure_store::{StoreError, Tx};

const KIND: &str = "par";
/// The mark of a request that was answered, kept for as long as a form of it could still be sent.
const USED: &str = "par_used";
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// Seconds. Long enough for the login that follows.
const LIFETIME: i64 = 600;

pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    if !is_on(&app) {
        return operations::not_found().await;
    }
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    match push(&app, &caller, &parts.headers, &body).await {
        Ok(reference) => {
            let body = json!({ "request_uri": reference, "expires_in": LIFETIME });
            respond::json(StatusCode::CREATED, &body)
        }
        Err(Failure::Refused(reason)) => {
            let mut response = respond::oauth_error(reason.oauth_error(), None);
            client_auth::challenge(&mut response, &parts.headers);
            let headers = response.headers_mut();
            match reason {
                RefusalReason::DpopNonceNeeded => dpop::offer_nonce(&app, headers, app.clock.now()),
                RefusalReason::PushedTooOften => {
                    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                }
                _ => {}
            }
            response
        }
        Err(Failure::Broken(error)) => respond::broken(&error),
    }
}

fn is_on(app: &App) -> bool {
    let settings = app.settings.current();
    settings.tenant.pushed_authorization_requests_supported
}

async fn push(
    app: &Arc<App>,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<String, Failure> {
    let params = http::body_params(headers, body)?;
    let now = app.clock.now();
    let client = client_auth::authenticate(app, caller, headers, &params, now).await?;
    // Anybody can speak for a public client, and each request is stored: a stranger fills no disk.
    if client.client.is_public() && !app.pushes.take(&network(&caller.address), now).allowed {
        return Err(RefusalReason::PushedTooOften.into());
    }
    if body.len() > authorize::MOST_OF_A_REQUEST {
        return Err(RefusalReason::RequestTooLarge.into());
    }
    if params.has("request_uri") {
        return Err(RefusalReason::RequestUriNotSupported.into());
    }
    let redirect = redirect::verify(&client.client, params.get("redirect_uri")?)?;
    let asked = request::parse(&params, &client.client)?;
    let settings = app.settings.current();
    authorize::check(app, &settings, &client.client, (&asked, &redirect))?;
    let rewritten = ["client_id", "dpop_jkt"];
    let secret = ["client_secret", "client_assertion", "client_assertion_type"];
    let kept = params
        .iter()
        .filter(|(name, _)| !secret.contains(name) && !rewritten.contains(name));
    let mut kept: Vec<_> = kept.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    kept.push(("client_id".to_owned(), client.client.client_id.clone()));
    if let Some(jkt) = bound_key(app, headers, asked.dpop_jkt.as_deref(), now)? {
        kept.push(("dpop_jkt".to_owned(), jkt));
    }
    let query = Params::from_pairs(kept).to_query();
    let reference = format!("{PREFIX}{}", app.entropy.token(24));
    let (id, expires_at) = (reference.clone(), now.plus(LIFETIME));
    app.store
        .write(move |tx| tx.put_once(KIND, &id, &query, expires_at))
        .await?;
    Ok(reference)
}

/// The key that the code will be bound to: named by `dpop_jkt`, or proven here; if both, one key (RFC
/// 9449 section 10.1).
fn bound_key(
    app: &App,
    headers: &HeaderMap,
    named: Option<&str>,
    now: Timestamp,
) -> Result<Option<String>, RefusalReason> {
    let endpoint = Endpoint {
        method: "POST",
        path: "/oauth/par",
        access_token: None,
    };
    let proven = dpop::verify(app, headers, &endpoint, now)?.map(|proof| proof.jkt);
    match (named, proven) {
        (Some(named), Some(proven)) if named != proven => {
            Err(RefusalReason::DpopProof(ProofFault::OtherKey))
        }
        (named, proven) => Ok(proven.or(named.map(str::to_owned))),
    }
}

/// The parameters that a `request_uri` stands for; the reference is used up when the answer is issued.
///
/// # Errors
/// The reference is unknown, expired, another client's, or not one of ours.
pub async fn resolve(
    app: &App,
    params: &Params,
    now: Timestamp,
) -> Result<Option<(Params, String)>, Failure> {
    let Some(reference) = params.get("request_uri")?.map(str::to_owned) else {
        return Ok(None);
    };
    if !reference.starts_with(PREFIX) || !is_on(app) {
        return Err(RefusalReason::RequestUriNotSupported.into());
    }
    let id = reference.clone();
    let found = app.store.read(move |tx| tx.peek_once(KIND, &id)).await?;
    let Some((query, _)) = found.filter(|(_, expires_at)| now < *expires_at) else {
        return Err(RefusalReason::RequestUriInvalid.into());
    };
    let pushed = Params::parse(query.as_bytes())?;
    if params.get("client_id")? != pushed.get("client_id")? {
        return Err(RefusalReason::ParNotBound.into());
    }
    Ok(Some((pushed, reference)))
}

/// What became of the pushed request that a transaction came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can still be named, or there is none.
    Open,
    Used,
    Expired,
}

pub async fn standing(
    app: &App,
    transaction: &Transaction,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    let Some(reference) = transaction.pushed.clone() else {
        return Ok(Standing::Open);
    };
    let found = app.store.read(move |tx| {
        Ok((
            tx.peek_once(USED, &reference)?,
            tx.peek_once(KIND, &reference)?,
        ))
    });
    Ok(match found.await? {
        (Some(_), _) => Standing::Used,
        (None, Some((_, expires_at))) if now < expires_at => Standing::Open,
        (None, _) => Standing::Expired,
    })
}

/// Takes note that a transaction is answered. `false`: its pushed request was answered before
/// (RFC 9126 section 7.3). That the reference expired meanwhile does not matter: the login that
/// followed took its time.
pub fn use_up(tx: &Tx<'_>, transaction: &Transaction, now: Timestamp) -> Result<bool, StoreError> {
    let Some(reference) = &transaction.pushed else {
        return Ok(true);
    };
    tx.take_once(KIND, reference)?;
    tx.put_once(USED, reference, "", now.plus(FORM_LIFETIME))
}
