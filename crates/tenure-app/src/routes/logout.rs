//! `/logout`: out of the application, and out of the provider where `idp_logout` says so.

use crate::app::Inner;
use crate::keeping::{Found, Live};
use crate::origin;
use crate::pages::{Page, not_allowed, redirect};
use crate::store::StoreError;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;
use url::Url;

pub async fn answer(app: &Arc<Inner>, parts: &Parts) -> Response {
    let headers = &parts.headers;
    let meant = match parts.method {
        Method::GET => origin::is_meant(headers),
        Method::POST => true,
        _ => return not_allowed("GET, POST"),
    };
    // Another page can send a browser here. Then, and where the browser does not say who did, the person is
    // asked (lesson CVE-2020-10734).
    if !meant || !origin::is_from_here(headers, &app.origin) {
        return Page {
            status: StatusCode::OK,
            heading: "Do you want to sign out?",
            text: "Nothing has happened yet.",
            link: Some(("/", "No, stay signed in")),
            button: Some((&app.config.routes.logout, "Sign out")),
        }
        .respond();
    }
    // A task of its own: whoever closes the window meanwhile is signed out with everything that belongs to it.
    let (app_there, headers) = (Arc::clone(app), headers.clone());
    let task = tokio::spawn(async move { run(&app_there, &headers).await });
    let done = task
        .await
        .unwrap_or_else(|error| Err(StoreError::new(error)));
    match done {
        Ok(response) => response,
        Err(error) => {
            tracing::error!("a logout failed: {error}");
            app.unavailable()
        }
    }
}

/// First the application session, then the refresh token, and only then the provider: whatever of the later
/// steps fails, the person is signed out here.
async fn run(app: &Inner, headers: &HeaderMap) -> Result<Response, StoreError> {
    let now = app.clock.now();
    let found = app.find(headers, now).await?;
    let live = match found {
        Found::Live(live) => Some(*live),
        Found::Over(_) | Found::Nothing => None,
    };
    if let Some(live) = &live {
        app.store
            .end(&app.mark(live.key, "logout", "user_logout", now))
            .await?;
        app.flights.forget(&live.key);
        app.revoke(live.record.refresh_token.as_deref()).await;
    }
    let mut lines = app.clear(headers);
    // Who signs out is not signed in again by the next page.
    lines.push(app.jar.set(&app.jar.skip_silent_login(), "1", None));
    let target = target(app, live.as_ref()).await;
    Ok(redirect(&target, &lines))
}

async fn target(app: &Inner, live: Option<&Live>) -> String {
    let after = &app.config.routes.post_logout_redirect;
    let here = app
        .base
        .join(after)
        .map_or_else(|_| after.clone(), String::from);
    if !app.config.idp_logout {
        return here;
    }
    let metadata = match app.provider.metadata().await {
        Ok(metadata) => metadata,
        Err(error) => {
            tracing::error!("the provider's session goes on: {error}");
            return here;
        }
    };
    match &metadata.additional_metadata().end_session_endpoint {
        Some(endpoint) => end_session_url(app, endpoint.clone(), live, &here),
        None => {
            tracing::error!("the provider has no end_session_endpoint: its session goes on");
            here
        }
    }
}

/// RP-Initiated Logout 1.0 section 2. The ID token proves whose logout it is, also when it has expired.
fn end_session_url(app: &Inner, mut url: Url, live: Option<&Live>, here: &str) -> String {
    // Registered URLs of an origin alone are written without a slash, as express-openid-connect sends them.
    let root = format!("{}/", app.origin);
    let after = if here == root { &app.origin } else { here };
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", &app.config.client_id);
        if let Some(token) = live.and_then(|live| live.record.id_token.as_deref()) {
            query.append_pair("id_token_hint", token);
        }
        query.append_pair("post_logout_redirect_uri", after);
        for (name, value) in &app.config.logout_params {
            query.append_pair(name, value);
        }
    }
    url.into()
}
