//! The management API (docs/management-api.md): sessions and refresh tokens in the hands of an
//! operator's programs, in the shapes of Auth0's, so that its clients work as they are.

mod ask;
mod error;
mod gate;
mod sessions;
mod shape;

pub use gate::Allowances;

use crate::app::App;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, get};
use error::ApiError;
use gate::Needs;
use std::sync::Arc;
use tenure_protocol::management::READ_SESSIONS;

/// Every route below `/api/v2`, with the scopes that it needs.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let needs = |scopes: &'static [&'static str], route: MethodRouter<Arc<App>>| {
        let app = Arc::clone(app);
        route.route_layer(from_fn_with_state(Needs { app, scopes }, gate::gate))
    };
    Router::new()
        .route(
            "/sessions/{id}",
            needs(&[READ_SESSIONS], get(sessions::show)),
        )
        .route(
            "/sessions/{id}/graph",
            needs(&[READ_SESSIONS], get(sessions::graph)),
        )
        .fallback(async || ApiError::no_route().into_response())
        .method_not_allowed_fallback(async || ApiError::no_method().into_response())
}
