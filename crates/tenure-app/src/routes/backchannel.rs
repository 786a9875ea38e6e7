//! `POST /backchannel-logout`: the provider tells that a session has ended (Back-Channel Logout 1.0).

use super::{form, single};
use crate::app::Inner;
use crate::logout_token::{Logout, REMEMBERED, judge};
use crate::pages::{json, not_allowed};
use crate::renew::is_known;
use crate::store::{Mark, StoreError};
use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::json as object;

pub async fn answer(app: &Inner, parts: &Parts, body: Body) -> Response {
    if parts.method != Method::POST {
        return not_allowed("POST");
    }
    let token = form(parts, body)
        .await
        .and_then(|form| single(&form, "logout_token"));
    let Some(token) = token else {
        return refused("a form with one logout_token is needed");
    };
    let claims = match app.provider.verify_logout(&token).await {
        Ok(claims) => claims,
        // The provider's keys cannot be had: it may try again, and its logout is not lost (lesson
        // jellyfin-plugin-sso#1060).
        Err(error @ crate::provider::ProviderError::Unavailable(_)) => {
            tracing::error!("a logout token could not be verified: {error}");
            return json(
                StatusCode::SERVICE_UNAVAILABLE,
                &object!({"error": "temporarily_unavailable"}),
            );
        }
        Err(error) => return refused(&error.to_string()),
    };
    let us = (
        app.config.issuer_base_url.as_str(),
        app.config.client_id.as_str(),
    );
    let logout = match judge(&claims, us, app.config.clock_tolerance, app.clock.now()) {
        Ok(logout) => logout,
        Err(why) => return refused(why),
    };
    match end(app, &logout).await {
        Ok(()) => json(StatusCode::OK, &object!({})),
        Err(error) => {
            tracing::error!("a logout could not be written down: {error}");
            json(
                StatusCode::SERVICE_UNAVAILABLE,
                &object!({"error": "temporarily_unavailable"}),
            )
        }
    }
}

fn refused(why: &str) -> Response {
    tracing::warn!("a logout token was refused: {why}");
    let body = object!({"error": "invalid_request", "error_description": why});
    json(StatusCode::BAD_REQUEST, &body)
}

/// Ends the sessions that the token names: with a `sid`, those of that session of the provider's; without, all of the
/// user's that exist by now (section 2.4). Later logins are nobody's business here.
async fn end(app: &Inner, logout: &Logout) -> Result<(), StoreError> {
    let now = app.clock.now();
    let seen = app.jti_key(&logout.jti);
    // A repeat is answered as the first one was, and ends nothing: its sender may have lost our answer, or
    // may be somebody who recorded it.
    if !app.store.marks(&[seen]).await?.is_empty() {
        return Ok(());
    }
    let reason = logout.reason.as_deref().filter(|reason| is_known(reason));
    let reason = reason.unwrap_or("upstream_logout");
    let key = match (&logout.sid, &logout.sub) {
        (Some(sid), _) => Some(app.sid_key(sid)),
        (None, sub) => sub.as_deref().map(|sub| app.sub_key(sub)),
    };
    if let Some(key) = key {
        app.store
            .end(&app.mark(key, "backchannel_logout", reason, now))
            .await?;
    }
    // Last: a token whose work was not done is not remembered as seen.
    let seen = Mark {
        key: seen,
        at: now,
        reason: String::new(),
        expires_at: now.plus(REMEMBERED),
    };
    app.store.end(&seen).await?;
    Ok(())
}
