//! Who may use the panel's endpoints: the demo's own pages, in a browser on this machine.

use super::Demo;
use crate::http::Peer;
use crate::operations::is_forwarded;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

/// The panel moves clocks and ends sessions without asking who you are. So it answers loopback peers
/// only, no proxy, only pages of the two sites (`Origin`), and only JSON, which no form can send.
pub async fn panel(State(demo): State<Arc<Demo>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let headers = request.headers();
    let near = peer.is_some_and(|peer| peer.is_loopback()) && !is_forwarded(headers);
    let Some(origin) = site_origin(&demo, headers).filter(|_| near) else {
        return refused("the panel answers only the demo's own sites, on this machine");
    };
    if request.method() == Method::OPTIONS {
        return with_cookies(allowed(StatusCode::NO_CONTENT.into_response(), origin));
    }
    if !is_json(headers) {
        let refused = refused("the panel takes application/json");
        return with_cookies(allowed(refused, origin));
    }
    with_cookies(allowed(next.run(request).await, origin))
}

/// One of the answers takes the server's cookie away.
fn with_cookies(mut response: Response) -> Response {
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
    response
}

/// Lets the two sites read the API's answers. Who is asking is the access token's matter.
pub async fn cors(State(demo): State<Arc<Demo>>, request: Request, next: Next) -> Response {
    let origin = site_origin(&demo, request.headers());
    let response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    match origin {
        Some(origin) => allowed(response, origin),
        None => response,
    }
}

/// The request's origin, if it is one of the sites': one header, compared exactly.
fn site_origin(demo: &Demo, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(header::ORIGIN).iter();
    let (first, second) = (all.next()?, all.next());
    let known = first.to_str().is_ok_and(|origin| demo.at.is_site(origin));
    (known && second.is_none()).then(|| first.clone())
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
}

fn allowed(mut response: Response, origin: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    for (name, text) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type",
        ),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(text));
    }
    response
}

fn refused(why: &'static str) -> Response {
    (StatusCode::FORBIDDEN, format!("{why}\n")).into_response()
}
