//! The sample application of `tenure demo`: one page that signs in with the code flow and PKCE,
//! renews silently, refreshes and signs out, and shows every deadline as it happens.

use crate::app::App;
use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};

pub const TENANT: &str = include_str!("tenant.yaml");
const PAGE: &str = include_str!("index.html");
const SCRIPT: &str = include_str!("sample.js");

pub fn router(app: &App) -> Router {
    let page = PAGE.replace("{issuer}", app.config.base_url.as_str());
    Router::new()
        .route("/", get(move || async move { Html(page) }))
        .route("/sample.js", get(script))
}

async fn script() -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], SCRIPT).into_response()
}
