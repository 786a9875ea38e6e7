//! What a call asks for: the id in its path, the page in its query, the JSON in its body.

use super::error::ApiError;
use crate::http::read_body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::str::FromStr;
use tenure_protocol::management;
use tenure_protocol::params::Params;

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

/// The query of a call.
#[derive(Clone, Debug)]
pub struct Query(Params);

/// Items of a page, unless it says otherwise, and at most.
const TAKE: i64 = 50;
const MOST: i64 = 100;

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let params = Params::parse(query.as_bytes());
        params
            .map(Self)
            .map_err(|_| ApiError::query("it is not percent-encoded UTF-8"))
    }
}

impl Query {
    pub fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let value = self.0.get(name);
        value.map_err(|_| ApiError::query(format!("{name} stands there twice")))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::query(format!("{name} must be true or false"))),
        }
    }

    /// How many items the page may have.
    pub fn take(&self) -> Result<i64, ApiError> {
        let Some(text) = self.text("take")? else {
            return Ok(TAKE);
        };
        let number = text.parse().ok().filter(|take| (1..=MOST).contains(take));
        number.ok_or_else(|| ApiError::query(format!("take must be a number from 1 to {MOST}")))
    }

    /// Where the page begins: after this item, which the page before named as `next`.
    pub fn from<T: FromStr>(&self) -> Result<Option<T>, ApiError> {
        let text = self.text("from")?;
        let parsed = text.map(str::parse).transpose();
        parsed.map_err(|_| ApiError::query("from must be the next of the page before"))
    }

    /// Of each item the members that are wanted.
    pub fn fields(&self) -> Result<Fields, ApiError> {
        let Some(names) = self.text("fields")? else {
            return Ok(Fields::default());
        };
        Ok(Fields {
            names: names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
            exclude: self.flag("include_fields")? == Some(false),
        })
    }
}

/// `fields` and `include_fields`.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    names: Vec<String>,
    exclude: bool,
}

impl Fields {
    pub fn of(&self, item: Value) -> Value {
        match item {
            Value::Object(mut map) if !self.names.is_empty() => {
                map.retain(|name, _| self.names.contains(name) != self.exclude);
                Value::Object(map)
            }
            other => other,
        }
    }
}

/// A JSON body.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let (parts, body) = read_body(request).await.map_err(in_our_shape)?;
        let media = parts.headers.get(header::CONTENT_TYPE);
        let media = media
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            let problem = "send it as application/json";
            return Err(ApiError::body(problem).into_response());
        }
        let parsed = serde_json::from_slice(&body);
        parsed
            .map(Self)
            .map_err(|error| ApiError::body(error).into_response())
    }
}

/// A body that is too large, or does not come: the connection ends with that answer.
fn in_our_shape(refused: Response) -> Response {
    let mut response = ApiError::unread(refused.status()).into_response();
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// The metadata that a body asks for under this name; `None`: it asks for no change.
///
/// # Errors
/// The body has other members, or the metadata is not accepted: nothing is changed.
pub fn metadata(
    body: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Map<String, Value>>, ApiError> {
    if let Some(other) = body.keys().find(|key| *key != name) {
        let shown: String = other.chars().take(40).collect();
        let problem = format!("{shown:?} cannot be changed, only {name}");
        return Err(ApiError::body(problem));
    }
    let Some(value) = body.get(name) else {
        return Ok(None);
    };
    let metadata = management::metadata(value);
    metadata
        .map(Some)
        .map_err(|problem| ApiError::body(format!("{name} {problem}")))
}
