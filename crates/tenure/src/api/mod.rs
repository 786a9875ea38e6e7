//! The management API (docs/management-api.md): sessions and refresh tokens in the hands of an
//! operator's programs, in the shapes of Auth0's, so that its clients work as they are.

mod ask;
mod ending;
mod error;
mod gate;
mod refresh_tokens;
mod sessions;
mod settings;
mod shape;
mod users;

use crate::app::App;
use crate::respond::no_store;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use error::ApiError;
use gate::Needs;
use http::StatusCode;
use serde_json::{Map, Value};
use std::sync::Arc;
use tenure_protocol::management::{
    DELETE_REFRESH_TOKENS, DELETE_SESSIONS, READ_REFRESH_TOKENS, READ_SESSIONS, READ_SETTINGS,
    UPDATE_REFRESH_TOKENS, UPDATE_SESSIONS, UPDATE_SETTINGS,
};

/// What ends refresh tokens along with sessions needs both.
const DELETE_BOTH: [&str; 2] = [DELETE_SESSIONS, DELETE_REFRESH_TOKENS];

/// Every route below `/api/v2`, with the scopes that it needs.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let needs = |scopes: &'static [&'static str], route: MethodRouter<Arc<App>>| {
        let app = Arc::clone(app);
        route.route_layer(from_fn_with_state(Needs { app, scopes }, gate::gate))
    };
    Router::new()
        .route("/sessions", needs(&[READ_SESSIONS], get(sessions::list)))
        .route(
            "/sessions/{id}",
            needs(&[READ_SESSIONS], get(sessions::show))
                .merge(needs(&[UPDATE_SESSIONS], patch(sessions::update)))
                .merge(needs(&[DELETE_SESSIONS], delete(sessions::delete))),
        )
        .route(
            "/sessions/{id}/graph",
            needs(&[READ_SESSIONS], get(sessions::graph)),
        )
        .route(
            "/sessions/{id}/revoke",
            needs(&DELETE_BOTH, post(sessions::revoke)),
        )
        .route(
            "/refresh-tokens",
            needs(&[READ_REFRESH_TOKENS], get(refresh_tokens::list)),
        )
        .route(
            "/refresh-tokens/revoke",
            needs(&[DELETE_REFRESH_TOKENS], post(refresh_tokens::revoke)),
        )
        .route(
            "/refresh-tokens/{id}",
            needs(&[READ_REFRESH_TOKENS], get(refresh_tokens::show))
                .merge(needs(
                    &[UPDATE_REFRESH_TOKENS],
                    patch(refresh_tokens::update),
                ))
                .merge(needs(
                    &[DELETE_REFRESH_TOKENS],
                    delete(refresh_tokens::delete),
                )),
        )
        .route(
            "/users/{id}/sessions",
            needs(&[READ_SESSIONS], get(users::sessions))
                .merge(needs(&[DELETE_SESSIONS], delete(users::delete_sessions))),
        )
        .route(
            "/users/{id}/refresh-tokens",
            needs(&[READ_REFRESH_TOKENS], get(users::refresh_tokens)).merge(needs(
                &[DELETE_REFRESH_TOKENS],
                delete(users::delete_refresh_tokens),
            )),
        )
        .route(
            "/users/{id}/revoke-access",
            needs(&DELETE_BOTH, post(users::revoke_access)),
        )
        .route(
            "/tenants/settings",
            needs(&[READ_SETTINGS], get(settings::show))
                .merge(needs(&[UPDATE_SETTINGS], patch(settings::update))),
        )
        .fallback(async || ApiError::no_route().into_response())
        .method_not_allowed_fallback(async || ApiError::no_method().into_response())
}

/// A page of a list. `next` is there only where there may be more.
fn page(name: &str, items: Vec<Value>, next: Option<impl ToString>) -> Map<String, Value> {
    let mut page = Map::new();
    page.insert(name.to_owned(), Value::Array(items));
    if let Some(next) = next {
        page.insert("next".to_owned(), next.to_string().into());
    }
    page
}

/// It is done, and durable.
fn done((): ()) -> Response {
    no_store(StatusCode::NO_CONTENT.into_response())
}
