//! The login page and what its form does.

use super::answer;
use super::authorize::{self, Context};
use super::par::{self, Standing};
use super::sessions::{self, Found, end_session};
use super::transaction::{FormGuard, Transaction, form_is_ours};
use crate::app::App;
use crate::http::{self, Caller, SessionCookie};
use crate::pages;
use crate::passwords::Check;
use crate::tenant_log::{Entry, kind};
use crate::throttle;
use ::http::{HeaderMap, HeaderValue, Method};
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::model::CookieMode;
use tenure_protocol::params::Params;
use tenure_protocol::session::{End, EndReason, Factor, Login, Session};
use tenure_protocol::{RefusalReason, Sid};
use tenure_store::{StoreError, Tx, UserRow};

/// Why the page is shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Unknown user, wrong password, blocked user: one text for all of them.
    Credentials,
    Throttled,
    /// The form was stale or was not shown to this browser by us.
    Stale,
    Busy,
}

/// Shows the login page for a transaction.
pub fn page(
    context: &Context,
    headers: &HeaderMap,
    over: Option<EndReason>,
    problem: Option<(Problem, &str)>,
) -> Response {
    let guard = FormGuard::for_page(&context.app, headers);
    pages::login(&pages::LoginPage {
        context,
        guard: &guard,
        headers,
        sealed: &context.transaction.seal(&context.app),
        over,
        problem: problem.map(|(problem, _)| problem),
        username: problem
            .map(|(_, username)| username)
            .or(context.request.login_hint.as_deref())
            .unwrap_or_default(),
    })
}

/// `GET /login`: a bookmark or the back button; starts the transaction again where it names one.
/// `POST /login`: the form.
pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let (form, whole) = Params::read(&body);
    let transaction = Transaction::of_form(&app, &parts.uri, &form);
    let Some(transaction) = transaction else {
        return pages::start_over(&app, &parts.headers, None);
    };
    if parts.method != Method::POST {
        return authorize::restart(app, caller, &parts.headers, transaction).await;
    }
    if !whole {
        return pages::error(&app, &parts.headers, RefusalReason::MalformedRequest, None);
    }
    submit(app, caller, &parts.headers, transaction, &form).await
}

async fn submit(
    app: Arc<App>,
    caller: Caller,
    headers: &HeaderMap,
    transaction: Transaction,
    form: &Params,
) -> Response {
    let now = app.clock.now();
    let ours = form_is_ours(&app, headers, form);
    let fresh = transaction.is_fresh(now);
    match par::standing(&app, &transaction, now).await {
        Ok(Standing::Used) => return authorize::start_over(&app, headers, &transaction),
        Ok(Standing::Expired) if !fresh => {
            return authorize::start_over(&app, headers, &transaction);
        }
        Ok(_) => {}
        Err(error) => return pages::broken(&app, headers, &error.into()),
    }
    let transaction = if fresh {
        transaction
    } else {
        // The page that is shown anew is a new form.
        Transaction {
            began_at: now,
            authenticated: None,
            consented: false,
            ..transaction
        }
    };
    let cookie = app.session_cookie(headers);
    let context = match authorize::context(app.clone(), caller, transaction, cookie) {
        Ok(context) => context,
        Err(unfit) => return unfit.answer(&app, headers),
    };
    let username = form.first("username").unwrap_or_default().trim().to_owned();
    if !ours || !fresh {
        return page(&context, headers, None, Some((Problem::Stale, &username)));
    }
    if form.first("action") == Some("cancel") {
        let denied = RefusalReason::AccessDenied.oauth_error();
        return answer::error(&app, &context.settings, &context.target, denied);
    }
    let password = form.first("password").unwrap_or_default().to_owned();
    match authenticate(&context, &username, password).await {
        Ok(Ok(user)) => match start_session(&context, user, &username).await {
            Ok(Some((session, cookie))) => signed_in(context, headers, &session, cookie).await,
            Ok(None) => page(
                &context,
                headers,
                None,
                Some((Problem::Credentials, &username)),
            ),
            Err(error) => pages::broken(&app, headers, &error.into()),
        },
        Ok(Err(problem)) => page(&context, headers, None, Some((problem, &username))),
        Err(error) => pages::broken(&app, headers, &error.into()),
    }
}

/// Checks the password. Every wrong way takes the same time and says the same.
async fn authenticate(
    context: &Context,
    username: &str,
    password: String,
) -> Result<Result<UserRow, Problem>, StoreError> {
    let app = &context.app;
    let buckets = throttle::buckets(app, username, &context.caller.address);
    let (wanted, asked, now) = (username.to_lowercase(), buckets.clone(), context.now);
    let (user, delayed) = app
        .store
        .read(move |tx| {
            Ok((
                find_user(tx, &wanted)?,
                throttle::is_delayed(tx, &asked, now)?,
            ))
        })
        .await?;
    if delayed {
        app.metrics.login("throttled");
        let entry =
            Entry::new(kind::THROTTLED).from(&context.caller.address, &context.caller.user_agent);
        app.log.success(&entry.detail("user_name", username), now);
        return Ok(Err(Problem::Throttled));
    }
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let Ok(check) = app.passwords.check(password.clone(), hash).await else {
        return Ok(Err(Problem::Busy));
    };
    match (user, check) {
        (Some(user), Check::Right | Check::RightButOutdated) if !user.user.blocked => {
            let user = rehash(context, user, password, check).await?;
            Ok(Ok(user))
        }
        (user, _) => {
            record_failure(context, username, user, buckets).await?;
            Ok(Err(Problem::Credentials))
        }
    }
}

fn find_user(tx: &Tx<'_>, folded: &str) -> Result<Option<UserRow>, StoreError> {
    match tx.user_by_identifier("email", folded)? {
        Some(user) => Ok(Some(user)),
        None => tx.user_by_identifier("username", folded),
    }
}

/// An imported or outdated hash is replaced while the password is at hand.
async fn rehash(
    context: &Context,
    user: UserRow,
    password: String,
    check: Check,
) -> Result<UserRow, StoreError> {
    if check == Check::Right {
        return Ok(user);
    }
    if let Ok(Ok(hash)) = context.app.passwords.hash(password).await {
        let (user_id, old) = (user.user.user_id.clone(), user.password_hash.clone());
        let replaced = context.app.store.write(move |tx| {
            match tx.user(&user_id)? {
                // Only if nobody changed the password meanwhile.
                Some(row) if row.password_hash == old => tx.put_user(&UserRow {
                    password_hash: Some(hash),
                    ..row
                }),
                _ => Ok(false),
            }
        });
        replaced.await?;
    }
    Ok(user)
}

async fn record_failure(
    context: &Context,
    username: &str,
    user: Option<UserRow>,
    buckets: Vec<throttle::Bucket>,
) -> Result<(), StoreError> {
    context.app.metrics.login("failed");
    let code = if user.is_some() {
        kind::WRONG_PASSWORD
    } else {
        kind::UNKNOWN_USER
    };
    let mut entry = Entry::new(code)
        .client(&context.client.client.client_id)
        .from(&context.caller.address, &context.caller.user_agent);
    username.clone_into(&mut entry.user_name);
    if let Some(user) = &user {
        entry = entry.user(&user.user.user_id);
    }
    let (now, tail) = (context.now, context.app.entropy.token(9));
    context
        .app
        .store
        .write(move |tx| {
            throttle::record_failure(tx, &buckets, now)?;
            entry.write(tx, now, &tail)
        })
        .await
}

/// Starts a session, or renews the live one of the same user; another user's ends `superseded`.
async fn start_session(
    context: &Context,
    user: UserRow,
    username: &str,
) -> Result<Option<(Session, SessionCookie)>, StoreError> {
    let buckets = throttle::buckets(&context.app, username, &context.caller.address);
    let secret = context.app.entropy.bytes::<32>();
    let fresh_sid = context.app.entropy.sid();
    let inner = context.clone();
    let user_id = user.user.user_id;
    let session = context
        .app
        .store
        .write(move |tx| {
            throttle::forgive(tx, &buckets)?;
            start_in(tx, &inner, &user_id, &secret, fresh_sid)
        })
        .await?;
    Ok(session.map(|session| {
        let cookie = SessionCookie {
            sid: session.sid,
            secret,
        };
        (session, cookie)
    }))
}

fn start_in(
    tx: &Tx<'_>,
    context: &Context,
    user_id: &str,
    secret: &[u8; 32],
    fresh_sid: Sid,
) -> Result<Option<Session>, StoreError> {
    let standing = tx.user_standing(user_id)?;
    if !standing.exists || standing.blocked {
        // Blocked while the password was being checked.
        return Ok(None);
    }
    let persistent = context.settings.tenant.session_cookie.mode == CookieMode::Persistent;
    let login = Login {
        user_id: user_id.to_owned(),
        secret_hash: crate::crypto::mac::sha256(secret),
        limits: context
            .settings
            .limits(persistent, &context.app.config.caps),
        persistent,
        factors: vec![Factor {
            name: "pwd".to_owned(),
            at: context.now,
        }],
        device: context.caller.device(),
    };
    let judge = context.judge();
    if let Found::Alive(old, user) = sessions::find(tx, context.cookie.as_ref(), judge)? {
        if old.user_id == user_id {
            if let Ok(renewed) = old.reauthenticate(login.clone(), user.standing(), context.now) {
                tx.update_session(&renewed)?;
                return Ok(Some(renewed));
            }
        } else {
            let by = format!("user:{user_id}");
            let from = context.caller.address.clone();
            let end = End {
                at: context.now,
                reason: EndReason::Superseded,
                by,
                from,
            };
            end_session(tx, &old, end, judge, "another user signed in")?;
        }
    }
    let mut session = Session::start(fresh_sid, login, context.now);
    // A password changed within this very millisecond must not end the session it just opened.
    session.authenticated_at = session.authenticated_at.max(standing.valid_after);
    tx.insert_session(&session)?;
    Ok(Some(session))
}

/// The session is committed: log it, set its cookie, and go on with the transaction.
async fn signed_in(
    context: Context,
    headers: &HeaderMap,
    session: &Session,
    cookie: SessionCookie,
) -> Response {
    let app = context.app.clone();
    app.metrics.login("ok");
    let entry = Entry::new(kind::LOGIN)
        .user(&session.user_id)
        .session(&session.sid)
        .client(&context.client.client.client_id)
        .from(&context.caller.address, &context.caller.user_agent);
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
    authorize::resume(context, Some(set_cookie), headers).await
}
