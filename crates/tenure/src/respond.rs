//! From a failure to a response. Two kinds of failure: *refused* (we decided no; the RFC's error)
//! and *broken* (something failed; its cause goes to the log, a correlation id to the caller).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tenure_protocol::{OAuthError, RefusalReason};
use tenure_store::StoreError;

#[derive(Debug)]
pub enum Failure {
    Refused(RefusalReason),
    Broken(anyhow::Error),
}

impl From<RefusalReason> for Failure {
    fn from(reason: RefusalReason) -> Self {
        Self::Refused(reason)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Broken(error.into())
    }
}

/// An answer that no cache keeps.
pub fn no_store(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON answer that no cache keeps (RFC 6749 section 5.1).
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (
            status,
            [
                (
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                ),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (header::PRAGMA, HeaderValue::from_static("no-cache")),
            ],
            bytes,
        )
            .into_response(),
        Err(error) => broken(&error.into()),
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    error_description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// An error of the token endpoint and its siblings: JSON, and no `WWW-Authenticate`, which would
/// hide the code from clients that read challenges first.
pub fn oauth_error(error: OAuthError, reason: Option<&'static str>) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = ErrorBody {
        error: error.code,
        error_description: error.description,
        reason,
    };
    json(status, &body)
}

/// Something broke: 503 in plain text with `Retry-After`. Not JSON: a JSON body makes browser SDKs
/// throw their refresh token away.
pub fn broken(error: &anyhow::Error) -> Response {
    let correlation_id = correlation_id();
    tracing::error!(%correlation_id, error = format!("{error:#}"), "request failed");
    unavailable(&format!(
        "temporarily unavailable, correlation id {correlation_id}\n"
    ))
}

/// Overloaded or throttled.
pub fn unavailable(text: &str) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            ),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::RETRY_AFTER, HeaderValue::from_static("1")),
        ],
        text.to_owned(),
    )
        .into_response()
}

/// Names one failure in the log and to the caller; means nothing by itself.
pub fn correlation_id() -> String {
    crate::entropy::Entropy::system().token(9)
}
