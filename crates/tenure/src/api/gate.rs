//! Who may call the management API: a client with an access token for it, that still holds what the
//! call needs. The token says what was granted; the settings say what is granted now.

use super::error::ApiError;
use crate::app::App;
use crate::http::{Caller, header_value};
use crate::oidc::access::{self, Unpresentable};
use crate::oidc::{dpop, userinfo};
use crate::settings::Settings;
use ::http::request::Parts;
use ::http::{HeaderValue, header};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tenure_protocol::rate::{BURST, Told};
use tenure_protocol::{RefusalReason, Timestamp, management};

/// A call that was let in.
#[derive(Clone, Debug)]
pub struct Call {
    pub app: Arc<App>,
    pub settings: Arc<Settings>,
    pub client_id: String,
    pub caller: Caller,
    pub now: Timestamp,
}

/// What a route needs.
#[derive(Clone)]
pub struct Needs {
    pub app: Arc<App>,
    pub scopes: &'static [&'static str],
}

/// Around every route of the API.
pub async fn gate(State(needs): State<Needs>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let (call, token_scope) = match let_in(&needs.app, &mut parts).await {
        Ok(let_in) => let_in,
        Err(response) => return *response,
    };
    let told = needs.app.allowances.take(&call.client_id, call.now);
    let granted = granted(&call.settings, &call.client_id);
    let missing = management::missing(needs.scopes, &token_scope, granted);
    let mut response = if !told.allowed {
        ApiError::too_many().into_response()
    } else if missing.is_empty() {
        parts.extensions.insert(call);
        next.run(Request::from_parts(parts, body)).await
    } else {
        out_of_reach(&missing)
    };
    tell(&mut response, &told);
    response
}

/// The call, and the scope of its token.
async fn let_in(app: &Arc<App>, parts: &mut Parts) -> Result<(Call, String), Box<Response>> {
    let now = app.clock.now();
    let path = full_path(parts);
    let request = (parts.method.as_str(), path.as_str());
    let presented = match access::presented(app, (&parts.headers, None), request, now) {
        Ok(Some(presented)) => presented,
        Ok(None) => return Err(Box::new(no_token())),
        Err(refusal) => return Err(Box::new(refused(app, refusal, now))),
    };
    let settings = app.settings.current();
    let audience = management::audience(&app.issuer);
    let valid = match access::check_machine(app, &presented, &audience, now).await {
        Ok(Ok(valid)) => valid,
        Ok(Err(reason)) => return Err(Box::new(refused(app, presented.refused(reason), now))),
        Err(error) => return Err(Box::new(ApiError::from(error).into_response())),
    };
    // A client that is gone, or may not have such tokens any more, has no use of those it has.
    let client = settings.client(valid.client_id());
    let may = client.is_some_and(|client| client.client.allows_grant("client_credentials"));
    if !may {
        let refusal = presented.refused(RefusalReason::AccessTokenInvalid);
        return Err(Box::new(refused(app, refusal, now)));
    }
    let Ok(caller) = Caller::from_request_parts(parts, app).await;
    let call = Call {
        app: Arc::clone(app),
        client_id: valid.client_id().to_owned(),
        settings,
        caller,
        now,
    };
    Ok((call, valid.text("scope").to_owned()))
}

/// As the client sent it, which is what its proof of possession names.
fn full_path(parts: &Parts) -> String {
    let original = parts.extensions.get::<axum::extract::OriginalUri>();
    original
        .map_or_else(|| parts.uri.path(), |uri| uri.path())
        .to_owned()
}

fn granted<'s>(settings: &'s Settings, client_id: &str) -> &'s [String] {
    let audience = settings.management.as_ref().map(|api| &api.identifier);
    audience
        .and_then(|audience| {
            let key = (client_id.to_owned(), audience.clone());
            settings.client_grants.get(&key)
        })
        .map_or(&[], Vec::as_slice)
}

fn no_token() -> Response {
    let mut response = ApiError::unauthorized("Missing authentication").into_response();
    let challenge = header_value(userinfo::bare_challenge());
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn refused(app: &App, refusal: Unpresentable, now: Timestamp) -> Response {
    let error = refusal.reason.oauth_error();
    let mut response = ApiError::unauthorized(error.description).into_response();
    let headers = response.headers_mut();
    let challenge = header_value(userinfo::challenge(&refusal));
    headers.insert(header::WWW_AUTHENTICATE, challenge);
    if refusal.reason == RefusalReason::DpopNonceNeeded {
        dpop::offer_nonce(app, headers, now);
    }
    response
}

/// RFC 6750 section 3.1: the challenge names the scopes that would do.
fn out_of_reach(missing: &[&str]) -> Response {
    let mut response = ApiError::insufficient_scope(missing).into_response();
    let challenge = format!(
        "Bearer realm=\"tenure\", error=\"insufficient_scope\", scope=\"{}\"",
        missing.join(" ")
    );
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, header_value(challenge));
    response
}

fn tell(response: &mut Response, told: &Told) {
    let headers = response.headers_mut();
    let mut put = |name, number: i64| headers.insert(name, HeaderValue::from(number));
    put("x-ratelimit-limit", BURST);
    put("x-ratelimit-remaining", told.remaining);
    // Seconds since the epoch, rounded up.
    put("x-ratelimit-reset", told.full_at.plus(1).seconds());
    if !told.allowed {
        put("retry-after", told.retry_after);
    }
}

/// The call that the gate let in.
impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| ApiError::broken(&anyhow::anyhow!("a route of the API has no gate")))
    }
}
