//! CORS: which pages may read our answers (contract 1.8). Preflights carry no client, so they are
//! answered for any registered origin; answers are readable only by origins of the client they are for.

use crate::app::App;
use crate::http::Caller;
use crate::settings::Settings;
use crate::tenant_log::{Entry, kind};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tenure_protocol::Timestamp;
use tenure_protocol::model::Client;
use tenure_protocol::redirect::origin_matches;

/// The answer to a preflight of an endpoint that takes POST (and GET).
pub fn preflight(app: &App, caller: &Caller, headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let Some(origin) = crate::http::origin(headers) else {
        return response;
    };
    if !is_registered(&app.settings.current(), origin) {
        log_refusal(app, caller, None, origin);
        return response;
    }
    allow(&mut response, origin);
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("content-type, auth0-client, authorization, dpop"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("600"),
    );
    response
}

/// The answer to a preflight of what everybody may read.
pub async fn public_preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Whether any client registered the origin, wildcards included.
pub fn is_registered(settings: &Settings, origin: &str) -> bool {
    settings.origins.contains(origin)
        || settings
            .clients
            .values()
            .any(|r| is_origin_of(&r.client, origin))
}

/// Whether an origin belongs to a client: callbacks, web origins, allowed origins.
pub fn is_origin_of(client: &Client, origin: &str) -> bool {
    [
        &client.web_origins,
        &client.allowed_origins,
        &client.callbacks,
    ]
    .into_iter()
    .any(|list| origin_matches(list, origin))
}

/// Lets the page that asked read the answer, if its origin is the client's; without a client
/// (it could not be told who asks), if it is anybody's.
pub fn expose(
    response: &mut Response,
    app: &App,
    caller: &Caller,
    client: Option<&Client>,
    headers: &HeaderMap,
) {
    let Some(origin) = crate::http::origin(headers) else {
        return;
    };
    let allowed = match client {
        Some(client) => is_origin_of(client, origin),
        None => is_registered(&app.settings.current(), origin),
    };
    if allowed {
        allow(response, origin);
    } else {
        log_refusal(app, caller, client, origin);
    }
}

/// The log says which origin is not registered, once a minute: any page can make such requests.
pub fn log_refusal(app: &App, caller: &Caller, client: Option<&Client>, origin: &str) {
    let (origin, now): (String, _) = (origin.chars().take(256).collect(), app.clock.now());
    if !app.refused_origins.is_news(&origin, now) {
        return;
    }
    let mut entry = Entry::new(kind::ORIGIN_REFUSED).from(&caller.address, &caller.user_agent);
    if let Some(client) = client {
        entry = entry.client(&client.client_id);
    }
    let entry = entry
        .describe("the origin is not in callbacks, web_origins or allowed_origins")
        .detail("origin", origin);
    app.log.success(&entry, now);
}

/// Origins that were refused within the last minute.
#[derive(Debug, Default)]
pub struct RefusedOrigins(Mutex<HashMap<String, Timestamp>>);

/// More origins than this within a minute are somebody's game; nothing is said about the rest.
const MOST_REFUSED: usize = 100;
const QUIET: i64 = 60;

impl RefusedOrigins {
    fn is_news(&self, origin: &str, now: Timestamp) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, at| now < at.plus(QUIET));
        if said.len() >= MOST_REFUSED || said.contains_key(origin) {
            return false;
        }
        said.insert(origin.to_owned(), now);
        true
    }
}

fn allow(response: &mut Response, origin: &str) {
    let Ok(origin) = HeaderValue::from_str(origin) else {
        return;
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("dpop-nonce, www-authenticate, retry-after"),
    );
}

pub fn is_preflight(method: &Method) -> bool {
    *method == Method::OPTIONS
}
