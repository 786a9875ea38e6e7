//! What every way of signing in ends with: the session starts, or is renewed, and the request goes on.

use super::authorize::{self, Context};
use super::sessions::{self, Found, end_session};
use super::transaction::Transaction;
use super::upstream::left;
use crate::http::SessionCookie;
use crate::tenant_log::{Entry, kind};
use crate::users;
use ::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use tenure_protocol::model::CookieMode;
use tenure_protocol::session::{End, EndReason, Factor, Login, Session};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{Notice, StoreError, Tx, UserRow};

/// Who proved themselves, and how. The caller has checked it in the transaction that starts the session.
#[derive(Clone, Copy, Debug)]
pub struct Proven<'a> {
    pub user: &'a UserRow,
    /// Of the cookie.
    pub secret: &'a [u8; 32],
    pub factors: &'a [Factor],
    /// When the identity provider that vouches for the person wants the session to be over.
    pub upstream_deadline: Option<Timestamp>,
}

/// Starts a session, or renews the live one of the same user; another user's ends `superseded`.
pub fn start(
    tx: &Tx<'_>,
    context: &Context,
    proven: &Proven<'_>,
    fresh_sid: Sid,
) -> Result<Session, StoreError> {
    let user_id = proven.user.user.user_id.as_str();
    users::forget_the_future(tx, proven.user, context.now)?;
    let persistent = context.settings.tenant.session_cookie.mode == CookieMode::Persistent;
    let login = Login {
        user_id: user_id.to_owned(),
        secret_hash: crate::crypto::mac::sha256(proven.secret),
        limits: context
            .settings
            .limits(persistent, &context.app.config.caps),
        upstream_deadline: proven.upstream_deadline,
        persistent,
        factors: proven.factors.to_vec(),
        device: context.caller.device(),
    };
    let judge = context.judge();
    if let Found::Alive(old, user) = sessions::find(tx, context.cookie.as_ref(), judge)? {
        if old.user_id == user_id {
            if let Ok(renewed) = old.reauthenticate(login.clone(), user.standing(), context.now) {
                tx.update_session(&renewed)?;
                tx.notify(Notice::Session(renewed.sid))?;
                return Ok(renewed);
            }
        } else {
            let by = format!("user:{user_id}");
            let from = context.caller.address.clone();
            let end = End {
                at: context.now,
                reason: EndReason::Superseded,
                by,
                from,
                rule: "another user signed in".to_owned(),
            };
            end_session(tx, &old, end, judge)?;
        }
    }
    let session = Session::start(fresh_sid, login, context.now);
    tx.insert_session(&session)?;
    Ok(session)
}

/// The session is committed: log it, set its cookie, and go on with the transaction.
pub async fn finish(
    context: Context,
    headers: &HeaderMap,
    session: &Session,
    cookie: SessionCookie,
    connection: Option<&str>,
) -> Response {
    let app = context.app.clone();
    app.metrics.login("ok");
    let mut entry = Entry::new(kind::LOGIN)
        .user(&session.user_id)
        .session(&session.sid)
        .client(&context.client.client.client_id)
        .from(&context.caller.address, &context.caller.user_agent);
    if let Some(connection) = connection {
        entry = entry.detail("connection", connection);
    }
    app.log.success(&entry, context.now);
    let expires = session.persistent.then_some(session.absolute_deadline);
    let set_cookie: HeaderValue = app.set_session_cookie(&cookie, expires);
    let transaction = Transaction {
        authenticated: Some((session.sid, session.authenticated_at)),
        ..context.transaction.clone()
    };
    let context = Context {
        cookie: Some(cookie),
        transaction,
        ..context
    };
    let seen = connection.and_then(|name| left::seen_cookie(&app, headers, name));
    let mut response = authorize::resume(context, Some(set_cookie), headers).await;
    if let Some(clear) = seen {
        response.headers_mut().append(header::SET_COOKIE, clear);
    }
    response
}
