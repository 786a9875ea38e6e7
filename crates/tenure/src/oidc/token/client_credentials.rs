//! The client credentials grant (RFC 6749 section 4.4). Machine clients never get a refresh token.

use super::{TokenRequest, TokenResponse};
use crate::oidc::issue::{Grant, Issuer};
use crate::respond::Failure;
use crate::tenant_log::{Entry, kind};
use tenure_protocol::RefusalReason;
use tenure_protocol::dpop::ProofFault;
use tenure_store::Tx;

pub async fn handle(request: TokenRequest) -> Result<TokenResponse, Failure> {
    let result = issue(&request).await;
    let code = if result.is_ok() {
        kind::MACHINE_TOKEN
    } else {
        kind::MACHINE_TOKEN_FAILED
    };
    let entry = Entry::new(code)
        .client(&request.client.client.client_id)
        .from(&request.caller.address, &request.caller.user_agent);
    request.app.log.success(&entry, request.now);
    result
}

async fn issue(request: &TokenRequest) -> Result<TokenResponse, Failure> {
    let client = &request.client.client;
    if client.is_public() {
        return Err(RefusalReason::GrantNotAllowed.into());
    }
    let asked = request.params.get("audience")?;
    let audience = asked
        .or(request.settings.tenant.default_audience.as_deref())
        .ok_or(RefusalReason::MissingParameter("audience"))?;
    let api = request.settings.machine_api(audience);
    let api = api.ok_or(RefusalReason::AudienceUnknown)?;
    match request.proof.clone() {
        None => request.need_not_prove(Some(api))?,
        Some(proof) => {
            let counted = move |tx: &Tx<'_>| proof.count(tx, "");
            if !request.app.store.write(counted).await? {
                return Err(RefusalReason::DpopProof(ProofFault::Replayed).into());
            }
        }
    }
    let key = (client.client_id.clone(), audience.to_owned());
    let held = request
        .settings
        .client_grants
        .get(&key)
        .ok_or(RefusalReason::AudienceNotGranted)?;
    let granted: Vec<&str> = match request.params.get("scope")? {
        None => held.iter().map(String::as_str).collect(),
        Some(scope) => scope
            .split(' ')
            .filter(|s| held.iter().any(|h| h == s))
            .collect(),
    };
    let grant = Grant {
        scope: granted.join(" "),
        audience: Some(audience.to_owned()),
    };
    let permissions: Vec<String> = granted.iter().map(|&s| s.to_owned()).collect();
    let issuer = Issuer {
        app: &request.app,
        settings: &request.settings,
        client,
        grant: &grant,
        jkt: request.jkt(),
        now: request.now,
    };
    let token = issuer.machine_token(Some(&permissions))?;
    Ok(TokenResponse {
        access_token: token.token,
        token_type: request.token_type(),
        expires_in: token.expires_in,
        refresh_token: None,
        id_token: None,
        scope: grant.scope,
    })
}
