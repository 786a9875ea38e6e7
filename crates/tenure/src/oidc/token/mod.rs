//! `/oauth/token` (RFC 6749 section 3.2): authenticate the client, then one file for each grant type.

pub mod authorization_code;
pub mod client_auth;
pub mod client_credentials;
pub mod refresh_token;

use super::cors;
use super::dpop::{self, Endpoint, Proven};
use crate::app::App;
use crate::http::{self, Caller};
use crate::respond::{self, Failure};
use crate::settings::{Registered, Settings};
use ::http::{HeaderMap, StatusCode};
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use tenure_protocol::dpop::{ProofFault, is_required};
use tenure_protocol::model::Api;
use tenure_protocol::params::Params;
use tenure_protocol::refresh::Origin;
use tenure_protocol::{OAuthError, RefusalReason, Timestamp};
use tenure_store::{ReadAhead, StoreError, Tx};

/// A successful answer (RFC 6749 section 5.1). Absent members are left out, never `null`.
#[derive(Debug, Serialize)]
pub struct TokenResponse {
    pub access_token: String,
    pub token_type: &'static str,
    pub expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
}

/// An authenticated request at the token endpoint.
pub struct TokenRequest {
    pub app: Arc<App>,
    pub settings: Arc<Settings>,
    pub client: Arc<Registered>,
    pub caller: Caller,
    pub params: Params,
    /// The key that it proves to hold.
    pub proof: Option<Proven>,
    pub now: Timestamp,
}

impl TokenRequest {
    pub fn jkt(&self) -> Option<&str> {
        self.proof.as_ref().map(|proof| proof.jkt.as_str())
    }

    /// RFC 9449 section 5: the type says how the token must be presented.
    pub fn token_type(&self) -> &'static str {
        match self.proof {
            Some(_) => "DPoP",
            None => "Bearer",
        }
    }

    /// Where it comes from, and by whose key.
    pub fn origin(&self) -> Origin {
        Origin {
            jkt: self.jkt().map(str::to_owned),
            ..self.caller.origin()
        }
    }

    /// Whether tokens for this API may be issued to this request, and its proof was used for nothing
    /// else than the credential that it presents.
    pub fn may_have_tokens(
        &self,
        tx: &Tx<'_>,
        api: Option<&Api>,
        credential: &str,
    ) -> Result<Result<(), RefusalReason>, StoreError> {
        let Some(proof) = &self.proof else {
            return Ok(self.need_not_prove(api));
        };
        let counts = proof.count(tx, &dpop::purpose(credential))?;
        let replayed = RefusalReason::DpopProof(ProofFault::Replayed);
        Ok(if counts { Ok(()) } else { Err(replayed) })
    }

    /// Runs what decides about the request. A proof is counted, and a third party's consent is looked up:
    /// such work begins with a transaction, since it needs one anyway.
    pub async fn write<T, F>(&self, ahead: ReadAhead, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> Result<T, StoreError> + Send + Sync + 'static,
    {
        let store = &self.app.store;
        if self.proof.is_none() && self.client.client.is_first_party {
            store.write_optimistically(ahead, work).await
        } else {
            store.write(work).await
        }
    }

    /// For a request without a proof.
    ///
    /// # Errors
    /// The client or the API requires one.
    pub fn need_not_prove(&self, api: Option<&Api>) -> Result<(), RefusalReason> {
        if is_required(&self.client.client, api) {
            Err(RefusalReason::DpopProof(ProofFault::Missing))
        } else {
            Ok(())
        }
    }
}

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
    let settings = app.settings.current();
    let named = client_auth::named(&settings, &params);
    let granted = grant(app.clone(), caller.clone(), &parts.headers, params).await;
    let response = match granted {
        Ok(tokens) => {
            let mut response = respond::json(StatusCode::OK, &tokens);
            if dpop::uses_nonces(&parts.headers) {
                dpop::offer_nonce(app, response.headers_mut(), app.clock.now());
            }
            response
        }
        Err(Failure::Refused(reason)) => {
            let mut response = refused(reason, &settings);
            if reason == RefusalReason::DpopNonceNeeded {
                dpop::offer_nonce(app, response.headers_mut(), app.clock.now());
            }
            response
        }
        Err(Failure::Broken(error)) => respond::broken(&error),
    };
    (response, named)
}

async fn grant(
    app: Arc<App>,
    caller: Caller,
    headers: &HeaderMap,
    params: Params,
) -> Result<TokenResponse, Failure> {
    let now = app.clock.now();
    let grant_type = params
        .get("grant_type")?
        .ok_or(RefusalReason::GrantTypeMissing)?
        .to_owned();
    let client = client_auth::authenticate(&app, &caller, headers, &params, now).await?;
    if !GRANT_TYPES.contains(&grant_type.as_str()) {
        return Err(RefusalReason::GrantTypeUnsupported.into());
    }
    if !client.client.allows_grant(&grant_type) {
        return Err(RefusalReason::GrantNotAllowed.into());
    }
    let endpoint = Endpoint {
        method: "POST",
        path: "/oauth/token",
        access_token: None,
    };
    let proof = dpop::verify(&app, headers, &endpoint, now)?;
    let settings = app.settings.current();
    let request = TokenRequest {
        app,
        settings,
        client,
        caller,
        params,
        proof,
        now,
    };
    match grant_type.as_str() {
        "authorization_code" => authorization_code::handle(request).await,
        "refresh_token" => refresh_token::handle(request).await,
        _ => client_credentials::handle(request).await,
    }
}

const GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// `invalid_grant` is 400 as RFC 6749 says, or Auth0's 403 where the tenant chose that. Why a family
/// ended is told only in the extra member `reason`.
fn refused(reason: RefusalReason, settings: &Settings) -> Response {
    let error = reason.oauth_error();
    let error = match error.code {
        "invalid_grant" => OAuthError {
            status: settings.tenant.invalid_grant_status,
            ..error
        },
        _ => error,
    };
    respond::oauth_error(error, reason.end_reason().map(|end| end.name()))
}
