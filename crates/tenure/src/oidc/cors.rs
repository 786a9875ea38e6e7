//! CORS: which pages may read our answers (contract 1.8). Preflights carry no client, so they are
//! answered for any registered origin; answers are readable only by origins of the client they are for.

use crate::settings::Settings;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tenure_protocol::model::Client;
use tenure_protocol::redirect::origin_matches;

/// The answer to a preflight of an endpoint that takes POST (and GET).
pub fn preflight(settings: &Settings, headers: &HeaderMap) -> Response {
    let Some(origin) = crate::http::origin(headers).filter(|o| is_registered(settings, o)) else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
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

/// Whether any client registered the origin, wildcards included.
fn is_registered(settings: &Settings, origin: &str) -> bool {
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
    settings: &Settings,
    client: Option<&Client>,
    headers: &HeaderMap,
) {
    let Some(origin) = crate::http::origin(headers) else {
        return;
    };
    let allowed = match client {
        Some(client) => is_origin_of(client, origin),
        None => is_registered(settings, origin),
    };
    if allowed {
        allow(response, origin);
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
