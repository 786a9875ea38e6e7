//! `POST /oauth/global-token-revocation/connection/{name}`: a provider says that everything of a person
//! is over (draft-parecki-oauth-global-token-revocation, by Auth0's path and Okta's assertion).

use super::backchannel::MOST_OF_A_TOKEN;
use super::signal::{self, Claimed, Outcome, Received};
use crate::app::App;
use crate::http::{self, Caller};
use crate::operations;
use crate::respond::{self, no_store};
use crate::upstream::peek;
use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_protocol::model::Connection;
use tenure_protocol::upstream::revocation::{self, Assertion, Expected, Named, Unnamed};
use tenure_store::SignalKind;

/// The path of a connection's endpoint.
pub fn path(connection: &str) -> String {
    format!("/oauth/global-token-revocation/connection/{connection}")
}

const KIND: SignalKind = SignalKind::Revocation;

pub async fn handle(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    caller: Caller,
    request: Request,
) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return no_store(response),
    };
    let connection = app.settings.current().connections.get(&name).cloned();
    let connection = connection.filter(|connection| connection.upstream.global_token_revocation);
    let Some(connection) = connection else {
        return no_store(operations::not_found().await);
    };
    let refused = |no: No| refused(&app, &connection, &caller.address, &no);
    let now = app.clock.now();
    let (token, assertion) = match assertion(&app, &connection, &parts.headers, now) {
        Ok(found) => found,
        Err(why) => return refused(No::Unproven(why.to_owned())),
    };
    let issuer = connection.issuer().unwrap_or_default();
    // Whoever proves nothing learns nothing about the body either: it is judged after the signature.
    let named = serde_json::from_slice::<Value>(&body)
        .map_err(|_| Unnamed::Malformed)
        .and_then(|body| revocation::named(&body, &issuer));
    let named = match named {
        Ok(named) => named,
        Err(unnamed) => {
            let proven = signal::verify(&app, &connection, &token).await;
            return refused(match proven {
                Err(why) => No::Unproven(why.to_string()),
                Ok(()) => No::Unnamed(unnamed),
            });
        }
    };
    let claimed = claimed(assertion, named, issuer, (now, &caller.address));
    let received = match signal::receive(&app, (KIND, &connection), token, claimed).await {
        Ok(received) => received,
        Err(error) => return respond::broken(&error.into()),
    };
    match &received {
        Received::Refused(why) => return refused(No::Unproven(why.clone())),
        Received::Judged(Outcome::Repeated) => {
            return refused(No::Unproven("the jti was used before".to_owned()));
        }
        Received::Judged(Outcome::Nobody) => return refused(No::Nobody),
        Received::Judged(_) | Received::Queued | Received::Full => {}
    }
    app.metrics.signal(KIND.name(), received.name());
    if received == Received::Full {
        return respond::unavailable("too many requests wait for the provider's keys\n");
    }
    no_store(StatusCode::NO_CONTENT.into_response())
}

fn claimed(
    assertion: Assertion,
    named: Named,
    issuer: String,
    (at, from): (Timestamp, &str),
) -> Claimed {
    let (subject, email) = match named {
        Named::Subject(subject) => (Some(subject), None),
        Named::Email(email) => (None, Some(email)),
    };
    Claimed {
        jti: assertion.jti,
        good_until: assertion.good_until,
        sid: None,
        subject,
        email,
        issuer,
        at,
        issued_at: assertion.issued_at,
        from: from.to_owned(),
    }
}

/// The bearer assertion.
fn assertion(
    app: &App,
    connection: &Connection,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<(String, Assertion), &'static str> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (sent.next(), sent.next()) else {
        return Err("there is no Authorization header, or more than one");
    };
    let token = one
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| token.len() <= MOST_OF_A_TOKEN)
        .ok_or("the Authorization header is no Bearer assertion")?;
    let (typ, claims) =
        peek(token).ok_or("the assertion is no JWT with an algorithm that is allowed")?;
    let issuer = connection.issuer().unwrap_or_default();
    let expected = Expected {
        issuer: &issuer,
        endpoint: &app.config.base_url.join(&path(&connection.name)),
    };
    let assertion = revocation::check(typ.as_deref(), &claims, &expected, now)
        .map_err(revocation::Fault::name)?;
    Ok((token.to_owned(), assertion))
}

/// Why nothing was done.
enum No {
    Unproven(String),
    Unnamed(Unnamed),
    Nobody,
}

fn refused(app: &App, connection: &Connection, from: &str, no: &No) -> Response {
    let (status, error, why) = match no {
        No::Unproven(why) => (StatusCode::UNAUTHORIZED, "invalid_token", why.as_str()),
        No::Unnamed(Unnamed::Malformed) => (
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the body must be JSON with one sub_id as in RFC 9493",
        ),
        No::Unnamed(Unnamed::Format) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
            "the format of the sub_id must be iss_sub, email or opaque",
        ),
        No::Unnamed(Unnamed::OtherIssuer) => (
            StatusCode::FORBIDDEN,
            "access_denied",
            "the iss of the sub_id is not the connection's issuer",
        ),
        No::Nobody => (
            StatusCode::NOT_FOUND,
            "not_found",
            "nobody here has this identity of the connection",
        ),
    };
    app.metrics.signal(KIND.name(), "refused");
    signal::log_failure(app, KIND, &connection.name, from, why);
    let mut response = respond::json(status, &json!({ "error": error, "error_description": why }));
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
