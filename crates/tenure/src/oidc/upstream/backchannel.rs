//! `POST /connections/{name}/backchannel-logout`: a provider says that somebody signed out there
//! (OpenID Connect Back-Channel Logout 1.0, sections 2.5 to 2.8).

use super::signal::{self, Claimed, Outcome, Received};
use crate::app::App;
use crate::http::{self, Caller};
use crate::operations;
use crate::respond::{self, no_store};
use crate::upstream::peek;
use ::http::{HeaderMap, StatusCode};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_protocol::model::Connection;
use tenure_protocol::upstream::logout_token::{self, Expected};
use tenure_store::SignalKind;

/// Bytes that a token may have: a thousand of them wait for each connection.
pub(super) const MOST_OF_A_TOKEN: usize = 8_192;

const KIND: SignalKind = SignalKind::Logout;

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
    let Some(connection) = app.settings.current().connections.get(&name).cloned() else {
        return no_store(operations::not_found().await);
    };
    let now = app.clock.now();
    let read = read(&connection, (&parts.headers, &body), now);
    let (token, claimed) = match read {
        Ok((token, claimed)) => (
            token,
            Claimed {
                from: caller.address.clone(),
                ..claimed
            },
        ),
        Err(why) => return refused(&app, &connection, &caller.address, why),
    };
    let received = match signal::receive(&app, (KIND, &connection), token, claimed).await {
        Ok(received) => received,
        Err(error) => return respond::broken(&error.into()),
    };
    match &received {
        Received::Refused(why) => return refused(&app, &connection, &caller.address, why),
        Received::Judged(Outcome::Repeated) => {
            let why = "the jti of the logout token was used before";
            return refused(&app, &connection, &caller.address, why);
        }
        _ => app.metrics.signal(KIND.name(), received.name()),
    }
    match received {
        // It may come again (section 2.8: only what is invalid is 400).
        Received::Full => {
            respond::unavailable("too many logout tokens wait for the provider's keys\n")
        }
        _ => no_store(StatusCode::OK.into_response()),
    }
}

/// The token, and what it claims.
fn read(
    connection: &Connection,
    (headers, body): (&HeaderMap, &[u8]),
    now: Timestamp,
) -> Result<(String, Claimed), &'static str> {
    let params = http::body_params(headers, body)
        .map_err(|_| "the body is no application/x-www-form-urlencoded with one logout_token")?;
    let token = params
        .get("logout_token")
        .map_err(|_| "there is more than one logout_token")?
        .ok_or("there is no logout_token")?;
    if token.len() > MOST_OF_A_TOKEN {
        return Err("the logout_token is too long");
    }
    let (typ, claims) =
        peek(token).ok_or("the logout_token is no JWT with an algorithm that is allowed")?;
    let issuer = connection.issuer().unwrap_or_default();
    let expected = Expected {
        issuer: &issuer,
        client_id: &connection.options.client_id,
    };
    let checked = logout_token::check(typ.as_deref(), &claims, &expected, now)
        .map_err(logout_token::Fault::name)?;
    let claimed = Claimed {
        jti: checked.jti,
        good_until: checked.good_until,
        sid: checked.sid,
        subject: checked.subject,
        email: None,
        issuer,
        at: now,
        issued_at: checked.issued_at,
        from: String::new(),
    };
    Ok((token.to_owned(), claimed))
}

/// Section 2.8: 400, with an error as in RFC 6749 section 5.2.
fn refused(app: &App, connection: &Connection, from: &str, why: &str) -> Response {
    app.metrics.signal(KIND.name(), "refused");
    signal::log_failure(app, KIND, &connection.name, from, why);
    let body = json!({ "error": "invalid_request", "error_description": why });
    respond::json(StatusCode::BAD_REQUEST, &body)
}
