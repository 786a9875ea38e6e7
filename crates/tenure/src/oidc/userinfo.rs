//! `/userinfo` (OpenID Connect Core 5.3).

use super::claims::{self, Place};
use super::{access, cors};
use crate::app::App;
use crate::http;
use crate::respond;
use ::http::{HeaderValue, StatusCode, header};
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::RefusalReason;

pub async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let settings = app.settings.current();
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    if cors::is_preflight(&parts.method) {
        return cors::preflight(&settings, &parts.headers);
    }
    let form = http::body_params(&parts.headers, &body).ok();
    let token = access::bearer(&parts.headers, form.as_ref()).unwrap_or_default();
    let checked = match access::check_userinfo(&app, &token, app.clock.now()).await {
        Ok(checked) => checked,
        Err(error) => return respond::broken(&error.into()),
    };
    let client = checked
        .as_ref()
        .and_then(|valid| settings.client(valid.client_id()));
    let mut response = match checked
        .as_ref()
        .and_then(|valid| Some((valid, valid.user.as_ref()?)))
    {
        Some((valid, (user, session))) => {
            // Only what the granted `claims` parameter of a token's family asks is added by scope here.
            let mut body = claims::of_user(&user.user, valid.text("scope"), None, Place::Userinfo);
            if let Some(registered) = client {
                claims::add_custom(&mut body, &registered.client.custom_claims);
            }
            body.insert("sub".to_owned(), session.user_id.clone().into());
            respond::json(StatusCode::OK, &body)
        }
        None => unauthorized(&token),
    };
    cors::expose(
        &mut response,
        &settings,
        client.map(|r| &r.client),
        &parts.headers,
    );
    response
}

/// RFC 6750 section 3: a challenge, with the error only where a token was presented.
fn unauthorized(token: &str) -> Response {
    let mut response = respond::oauth_error(RefusalReason::AccessTokenInvalid.oauth_error(), None);
    let challenge = if token.is_empty() {
        "Bearer realm=\"tenure\""
    } else {
        "Bearer realm=\"tenure\", error=\"invalid_token\", error_description=\"The access token is expired, revoked or not for this resource\""
    };
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(challenge),
    );
    response
}
