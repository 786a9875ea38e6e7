//! A provider that gave no refresh token is asked through the browser whether the person is still
//! welcome: by a request with `prompt=none`, on the way of a request that may show a page (decision 107).

use super::account::Arrival;
use super::callback::{believe, check_named_issuer, check_promised_issuer};
use super::errand::Errand;
use super::signal;
use super::{ERRAND, there};
use crate::oidc::authorize::{self, Context};
use crate::oidc::sessions::{self, Found};
use crate::oidc::transaction::{FormGuard, Transaction};
use crate::pages;
use crate::upstream::{Fault, open_tokens, seal_tokens};
use ::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::model::Connection;
use tenure_protocol::params::Params;
use tenure_protocol::session::{End, EndReason, Session};
use tenure_protocol::upstream::liveness::{CONFIRMATION, Liveness};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{Notice, StoreError, Tx, UpstreamSession};

/// What a provider says to `prompt=none` when it would have to ask (Core 3.1.2.6).
const NO: [&str; 4] = [
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "login_required",
];

/// The way to the provider, where the session waits for its word. `None`: the request goes on.
pub async fn before(context: &Context, headers: &HeaderMap) -> Option<Response> {
    let asks = |connection: &Arc<Connection>| Liveness::of(&connection.upstream).is_some();
    // Without such a connection nothing is read.
    if context.is_silent()
        || context.transaction.asked_upstream
        || !context.settings.connections.values().any(asks)
    {
        return None;
    }
    let sid = context.cookie.as_ref()?.sid;
    let rows = context.app.store.read(move |tx| tx.upstream_sessions(&sid));
    // A database that cannot be read is told of by what follows.
    let row = rows
        .await
        .ok()?
        .into_iter()
        .find(|row| waits(context, row))?;
    // One that people of this client may not use is not theirs to come back from.
    let client = &context.client.client;
    let connection = context.settings.connection_for(&row.connection, client);
    let connection = connection.ok().filter(|connection| asks(connection))?;
    begin(context, headers, connection, sid).await
}

/// The worker that asks by refreshing cannot.
fn waits(context: &Context, row: &UpstreamSession) -> bool {
    let is_due = row.confirm_failures > 0 || row.confirm_due_at.is_some_and(|at| at <= context.now);
    let refreshes =
        || open_tokens(&context.app, row).is_some_and(|tokens| tokens.refresh_token.is_some());
    row.ended_at.is_none() && row.confirm_due_at.is_some() && is_due && !refreshes()
}

async fn begin(
    context: &Context,
    headers: &HeaderMap,
    connection: &Arc<Connection>,
    sid: Sid,
) -> Option<Response> {
    let app = &context.app;
    // One that does not answer has a time of grace.
    let provider = app
        .providers
        .provider(&app.outbound, connection)
        .await
        .ok()?;
    let guard = FormGuard::for_page(app, headers);
    let errand = Errand::begin(context, connection, &guard.cookie, None).confirming(sid);
    let endpoint = &provider.metadata.authorization_endpoint;
    let silently = [("prompt", "none".to_owned())];
    there(app, (connection, endpoint), (&errand, &guard), &silently).ok()
}

/// What the provider said.
enum Word {
    Welcome(Box<Arrival>),
    Gone,
    Nothing(String),
}

/// The person comes back: the session goes on or ends, and the request with it.
pub(super) async fn come_back(
    context: Context,
    headers: &HeaderMap,
    (errand, connection): (&Errand, &Arc<Connection>),
    params: &Params,
) -> Response {
    let word = hear(&context, (errand, connection), params).await;
    let counted = match &word {
        Word::Welcome(_) => "accepted",
        Word::Gone => "refused",
        Word::Nothing(why) => {
            tracing::info!(
                connection = connection.name,
                why,
                "a session was not confirmed"
            );
            "unanswered"
        }
    };
    let (inner, id) = (context.clone(), errand.id.clone());
    let (sid, until) = (errand.confirms, errand.until());
    let connection = connection.clone();
    let settled = context.app.store.write(move |tx| {
        // A way back counts once.
        if !tx.put_once(ERRAND, &id, "", until)? {
            return Ok(());
        }
        settle(tx, &inner, &connection, sid, word)
    });
    if let Err(error) = settled.await {
        return pages::broken(&context.app, headers, &error.into());
    }
    context.app.metrics.signal("confirmation", counted);
    go_on(context, headers).await
}

/// With the request that led there, once.
pub(super) async fn go_on(context: Context, headers: &HeaderMap) -> Response {
    let transaction = Transaction {
        asked_upstream: true,
        ..context.transaction.clone()
    };
    let context = Context {
        transaction,
        ..context
    };
    authorize::resume(context, None, headers).await
}

async fn hear(
    context: &Context,
    (errand, connection): (&Errand, &Arc<Connection>),
    params: &Params,
) -> Word {
    // Who cancels a login only sees the login page again; here an error ends a session.
    let issuer = check_named_issuer(connection, params)
        .and_then(|()| check_promised_issuer(&context.app, connection, params));
    if let Err(fault) = issuer {
        return Word::Nothing(fault.to_string());
    }
    match (params.get("error"), params.get("code")) {
        (Ok(Some(error)), _) if NO.contains(&error) => Word::Gone,
        (Ok(None), Ok(Some(code))) => {
            match believe(context, (errand, connection), params, code).await {
                Ok(arrival) => Word::Welcome(Box::new(arrival)),
                Err(Fault::Refused(why) | Fault::Unreachable(why)) => Word::Nothing(why),
            }
        }
        _ => Word::Nothing("neither a code nor a definite no".to_owned()),
    }
}

fn settle(
    tx: &Tx<'_>,
    context: &Context,
    connection: &Connection,
    sid: Option<Sid>,
    word: Word,
) -> Result<(), StoreError> {
    let judge = context.judge();
    let Found::Alive(session, _) = sessions::find(tx, context.cookie.as_ref(), judge)? else {
        return Ok(());
    };
    let rows = tx.upstream_sessions(&session.sid)?;
    let row = rows
        .into_iter()
        .find(|row| row.connection == connection.name);
    let Some(row) = row.filter(|row| row.ended_at.is_none() && sid == Some(session.sid)) else {
        return Ok(());
    };
    match word {
        Word::Nothing(_) => Ok(()),
        Word::Gone => over(tx, context, &session, &row),
        Word::Welcome(arrival) => welcome(tx, context, &session, &row, *arrival),
    }
}

/// The provider would have to ask: its session is over, or somebody else's.
fn over(
    tx: &Tx<'_>,
    context: &Context,
    session: &Session,
    row: &UpstreamSession,
) -> Result<(), StoreError> {
    tx.end_upstream_session(&row.sid, &row.connection, context.now, CONFIRMATION)?;
    let end = End {
        at: context.now,
        reason: EndReason::UpstreamExpired,
        by: format!("connection:{}", row.connection),
        from: context.caller.address.clone(),
        rule: CONFIRMATION.to_owned(),
    };
    sessions::end_session(tx, session, end, context.judge())
}

fn welcome(
    tx: &Tx<'_>,
    context: &Context,
    session: &Session,
    row: &UpstreamSession,
    arrival: Arrival,
) -> Result<(), StoreError> {
    let (proven, name) = (&arrival.proven, &row.connection);
    if (&proven.issuer, &proven.subject) != (&row.issuer, &row.subject) {
        return over(tx, context, session, row);
    }
    if signal::is_over(tx, name, proven, context.now)? {
        return over(tx, context, session, row);
    }
    let liveness = Liveness::of(&arrival.connection.upstream);
    let next = liveness.map(|liveness| liveness.next(context.now));
    let sealed = seal_tokens(&context.app, (row.sid, name), &arrival.tokens);
    tx.put_upstream_session(&UpstreamSession {
        upstream_sid: proven.sid.clone().or_else(|| row.upstream_sid.clone()),
        session_expiry: arrival.upstream_deadline.or(row.session_expiry),
        confirmed_at: context.now,
        confirm_due_at: next.map(|next| next.due_at),
        confirm_failures: 0,
        confirm_error: None,
        sealed: Some(sealed),
        ..row.clone()
    })?;
    let deadline: Option<Timestamp> = next.map(|next| next.deadline);
    let confirmed = session.confirmed(deadline, arrival.upstream_deadline);
    tx.update_session(&confirmed)?;
    tx.notify(Notice::Session(confirmed.sid))
}
