//! `GET /login`: to the provider, and then to `returnTo`, or back to where the person was.

use crate::app::Inner;
use crate::flow::Ask;
use crate::pages::not_allowed;
use crate::return_to;
use axum::response::Response;
use http::Method;
use http::request::Parts;

pub async fn answer(app: &Inner, parts: &Parts) -> Response {
    if parts.method != Method::GET {
        return not_allowed("GET");
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
