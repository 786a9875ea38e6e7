//! What a call asks for: the id in its path, the page in its query, the JSON in its body.

use super::error::ApiError;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use std::str::FromStr;

/// The one id of a path, with its percent-encoding undone: a user's has a `|`.
#[derive(Clone, Debug)]
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        // Bytes that are no text name nothing.
        let path = path.map_err(|_| ApiError::no_route())?;
        Ok(Self(path.0))
    }
}

impl Id {
    /// Something that is no id names nothing, and hears no more than what names nothing.
    pub fn of<T: FromStr>(&self, nothing: fn() -> ApiError) -> Result<T, ApiError> {
        self.0.parse().map_err(|_| nothing())
    }
}
