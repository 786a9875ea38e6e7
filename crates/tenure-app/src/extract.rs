//! Extractors for handlers.

use crate::layer::{Visit, login_required};
use crate::pages::json;
use crate::session::{Session, User};
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde_json::json as object;
use std::convert::Infallible;

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get::<Self>().cloned().ok_or_else(no_layer)
    }
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let session = parts
            .extensions
            .get::<Session>()
            .cloned()
            .ok_or_else(no_layer)?;
        match session.user() {
            Some(user) => Ok(user),
            None => Err(login_required(&session.inner, Visit::of(parts), &session).await),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for User {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Session>().and_then(Session::user))
    }
}

fn no_layer() -> Response {
    tracing::error!(
        "a handler wants the session, but tenure_app::AppSession is not layered around it"
    );
    json(
        StatusCode::INTERNAL_SERVER_ERROR,
        &object!({"error": "server_error"}),
    )
}
