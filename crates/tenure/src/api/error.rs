//! What the management API says when it does not do what it is asked, in Auth0's shape
//! `{statusCode, error, message, errorCode}`.

use crate::respond;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tenure_store::StoreError;

#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    /// `errorCode`, for programs.
    pub code: &'static str,
    pub message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
        }
    }

    pub fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", message)
    }

    pub fn insufficient_scope(missing: &[&str]) -> Self {
        let message = format!("Insufficient scope, it lacks: {}", missing.join(", "));
        Self::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
    }

    pub fn too_many() -> Self {
        let message = "Too many calls by this client: wait as long as Retry-After says";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
    }

    pub fn body(problem: impl std::fmt::Display) -> Self {
        let message = format!("The body is not accepted: {problem}");
        Self::new(StatusCode::BAD_REQUEST, "invalid_body", message)
    }

    pub fn conflict(problem: String) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", problem)
    }

    /// A body that could not be read to its end.
    pub fn unread(status: StatusCode) -> Self {
        let message = "The body is too large, or did not come in time";
        Self::new(status, "invalid_body", message)
    }

    pub fn query(problem: impl std::fmt::Display) -> Self {
        let message = format!("The query is not accepted: {problem}");
        Self::new(StatusCode::BAD_REQUEST, "invalid_query_string", message)
    }

    pub fn no_session() -> Self {
        let message = "There is no live session with this id";
        Self::new(StatusCode::NOT_FOUND, "inexistent_session", message)
    }

    pub fn no_refresh_token() -> Self {
        let message = "There is no live refresh token with this id";
        Self::new(StatusCode::NOT_FOUND, "inexistent_refresh_token", message)
    }

    pub fn no_user() -> Self {
        let message = "The user does not exist.";
        Self::new(StatusCode::NOT_FOUND, "inexistent_user", message)
    }

    pub fn no_route() -> Self {
        let message = "There is no such endpoint";
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn no_method() -> Self {
        let message = "This endpoint does not take this method";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        )
    }

    /// Something failed: its cause is logged, and the caller may try again.
    pub fn broken(error: &anyhow::Error) -> Self {
        let id = respond::correlation_id();
        tracing::error!(correlation_id = %id, error = format!("{error:#}"), "request failed");
        let message = format!("Temporarily unavailable, correlation id {id}");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            message,
        )
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::broken(&error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "statusCode": self.status.as_u16(),
            "error": self.status.canonical_reason().unwrap_or("Error"),
            "message": self.message,
            "errorCode": self.code,
        });
        let mut response = respond::json(self.status, &body);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
