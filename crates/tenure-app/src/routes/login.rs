//! `GET /login`: to the provider, and then to `returnTo`, or back to where the person was.

use crate::app::Inner;
use crate::flow::Ask;
use crate::pages::json;
use crate::return_to;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::json as object;

pub async fn answer(app: &Inner, parts: &Parts) -> Response {
    if parts.method != Method::GET {
        return json(
            StatusCode::METHOD_NOT_ALLOWED,
            &object!({"error": "method_not_allowed"}),
        );
    }
    // What leads elsewhere is dropped: the person is signed in and arrives at the beginning.
    let return_to = super::parameter(parts, "returnTo")
        .and_then(|target| return_to::within(&app.base, &target))
        .filter(|target| {
            app.route(target.split(['?', '#']).next().unwrap_or_default())
                .is_none()
        })
        .unwrap_or_else(|| "/".to_owned());
    let ask = Ask {
        return_to,
        ..Ask::default()
    };
    app.begin(&parts.headers, ask).await
}
