//! The login page and what its form does.

use super::answer;
use super::authorize::{self, Context};
use super::par::{self, Standing};
use super::sign_in::{self, Proven};
use super::transaction::{FormGuard, Transaction, form_is_ours};
use super::upstream;
use crate::app::App;
use crate::http::{self, Caller, SessionCookie};
use crate::pages;
use crate::password_cost::{self, Cost};
use crate::passwords::Check;
use crate::tenant_log::{Entry, kind};
use crate::throttle;
use ::http::{HeaderMap, Method};
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;
use tenure_protocol::RefusalReason;
use tenure_protocol::params::Params;
use tenure_protocol::session::{EndReason, Factor, Session};
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
    /// The identity provider could not be asked.
    UpstreamUnreachable,
    /// What it answered signs nobody in here.
    UpstreamRefused,
    /// The person did not go through with it there.
    UpstreamCancelled,
    /// No identity provider has the domain of the address.
    NoOrganisation,
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
        // The page that is shown instead must work, however old the request is.
        let context = Context {
            transaction: context.transaction.renewed(now),
            ..context
        };
        return page(&context, headers, None, Some((Problem::Stale, &username)));
    }
    if form.first("action") == Some("cancel") {
        let denied = RefusalReason::AccessDenied.oauth_error();
        return answer::error(&app, &context.settings, &context.target, denied);
    }
    let password = form.first("password").unwrap_or_default().to_owned();
    let elsewhere = form.first("action") == Some("organisation");
    if elsewhere || password.is_empty() {
        // By the domain alone: whether anybody has the address here plays no part.
        let realm = context.settings.realm(&username, &context.client.client);
        if let Some(connection) = realm.cloned() {
            return upstream::begin_for(context, headers, &connection, username).await;
        }
    }
    if elsewhere {
        let problem = (Problem::NoOrganisation, username.as_str());
        return page(&context, headers, None, Some(problem));
    }
    let began = Instant::now();
    let problem = match check_password(&context, &username, password, began).await {
        Ok(Ok((session, cookie))) => {
            return sign_in::finish(context, headers, &session, cookie, None).await;
        }
        Ok(Err(problem)) => problem,
        Err(error) => return pages::broken(&app, headers, &error.into()),
    };
    page(&context, headers, None, Some((problem, &username)))
}

/// Checks the password and starts the session. Every wrong way says the same, at the same time.
async fn check_password(
    context: &Context,
    username: &str,
    password: String,
    began: Instant,
) -> Result<Result<(Session, SessionCookie), Problem>, StoreError> {
    let attempt = match begin_attempt(context, username).await? {
        Ok(attempt) => attempt,
        Err(problem) => return Ok(Err(problem)),
    };
    let Ok(floor) = context.app.passwords.floor(attempt.present.clone()).await else {
        return busy(context, &attempt).await;
    };
    let hash = attempt.user.as_ref().and_then(|u| u.password_hash.clone());
    let check = context.app.passwords.check(password.clone(), hash);
    let Ok(check) = check.await else {
        return busy(context, &attempt).await;
    };
    let verified = match (&attempt.user, check) {
        (Some(user), Check::Right | Check::RightButOutdated) if !user.user.blocked => {
            Some(rehash(context, user.clone(), password, check).await?)
        }
        _ => None,
    };
    let started = match verified {
        Some(user) => start_session(context, user, &attempt.counted).await?,
        None => None,
    };
    if let Some(started) = started {
        return Ok(Ok(started));
    }
    record_failure(context, username, &attempt).await?;
    tokio::time::sleep(password_cost::wait(floor, began.elapsed())).await;
    Ok(Err(Problem::Credentials))
}

/// An attempt that was counted and may go on.
struct Attempt {
    user: Option<UserRow>,
    /// What the installation's hashes cost.
    present: Vec<Cost>,
    counted: throttle::Counted,
}

async fn begin_attempt(
    context: &Context,
    username: &str,
) -> Result<Result<Attempt, Problem>, StoreError> {
    let app = &context.app;
    let buckets = throttle::buckets(app, username, &context.caller.address);
    let (wanted, now) = (username.to_lowercase(), context.now);
    let begun = app.store.write(move |tx| {
        let user = find_user(tx, &wanted)?;
        let counted = throttle::count(tx, &buckets, now)?;
        Ok((user, Cost::present(tx)?, counted))
    });
    let (user, present, counted) = begun.await?;
    if let Some(counted) = counted {
        return Ok(Ok(Attempt {
            user,
            present,
            counted,
        }));
    }
    app.metrics.login("throttled");
    let entry = named(
        context,
        Entry::new(kind::THROTTLED),
        username,
        user.as_ref(),
    );
    app.log.success(&entry, now);
    Ok(Err(Problem::Throttled))
}

/// Nobody looked at the password: the attempt is none.
async fn busy<T>(context: &Context, attempt: &Attempt) -> Result<Result<T, Problem>, StoreError> {
    let (counted, now) = (attempt.counted.clone(), context.now);
    let taken_back = context
        .app
        .store
        .write(move |tx| throttle::take_back(tx, &counted, now));
    taken_back.await?;
    Ok(Err(Problem::Busy))
}

fn find_user(tx: &Tx<'_>, folded: &str) -> Result<Option<UserRow>, StoreError> {
    match tx.user_by_identifier("email", folded)? {
        Some(user) => Ok(Some(user)),
        None => tx.user_by_identifier("username", folded),
    }
}

/// An imported or outdated hash is replaced while the password is at hand. Answers the user with the
/// hash that is stored now, if it is still of the password just checked.
async fn rehash(
    context: &Context,
    user: UserRow,
    password: String,
    check: Check,
) -> Result<UserRow, StoreError> {
    if check == Check::Right {
        return Ok(user);
    }
    let Ok(Ok(hash)) = context.app.passwords.hash(password).await else {
        return Ok(user);
    };
    let old = user.clone();
    let replaced = context.app.store.write(move |tx| {
        let Some(row) = tx.user(&old.user.user_id)? else {
            return Ok(old);
        };
        if row.password_hash != old.password_hash {
            // Somebody changed the password meanwhile: theirs stays.
            return Ok(old);
        }
        let row = UserRow {
            password_hash: Some(hash),
            ..row
        };
        Ok(if tx.put_user(&row)? { row } else { old })
    });
    replaced.await
}

async fn record_failure(
    context: &Context,
    username: &str,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    context.app.metrics.login("failed");
    let code = if attempt.user.is_some() {
        kind::WRONG_PASSWORD
    } else {
        kind::UNKNOWN_USER
    };
    let entry = named(context, Entry::new(code), username, attempt.user.as_ref());
    let hash = attempt.user.as_ref().and_then(|u| u.password_hash.clone());
    let (now, tail) = (context.now, context.app.entropy.token(9));
    context
        .app
        .store
        .write(move |tx| {
            // A hash that came by another way than an import counts from now on.
            Cost::record(tx, hash.as_deref().unwrap_or_default())?;
            entry.write(tx, now, &tail)
        })
        .await
}

/// Who tried, as far as it may be written down: a name that is nobody's may be a password.
fn named(context: &Context, entry: Entry, username: &str, user: Option<&UserRow>) -> Entry {
    let entry = entry
        .client(&context.client.client.client_id)
        .from(&context.caller.address, &context.caller.user_agent);
    match user {
        Some(user) => entry.user(&user.user.user_id).user_name(username),
        None => entry.detail("name_tag", throttle::account_tag(&context.app, username)),
    }
}

/// Starts the session, if what was verified still holds in the transaction that does it.
async fn start_session(
    context: &Context,
    verified: UserRow,
    counted: &throttle::Counted,
) -> Result<Option<(Session, SessionCookie)>, StoreError> {
    let secret = context.app.entropy.bytes::<32>();
    let fresh_sid = context.app.entropy.sid();
    let (inner, counted) = (context.clone(), counted.clone());
    let started = context.app.store.write(move |tx| {
        let user_id = verified.user.user_id.as_str();
        let user = tx.user(user_id)?;
        let Some(user) = user.filter(|user| still_holds(&verified, user)) else {
            return Ok(None);
        };
        let password = Factor {
            name: "pwd".to_owned(),
            at: inner.now,
            ..Factor::default()
        };
        let proven = Proven {
            user: &user,
            secret: &secret,
            factors: &[password],
            upstream_deadline: None,
        };
        let session = sign_in::start(tx, &inner, &proven, fresh_sid)?;
        throttle::forgive(tx, &counted, inner.now)?;
        Ok(Some(session))
    });
    Ok(started.await?.map(|session| {
        let cookie = SessionCookie {
            sid: session.sid,
            secret,
        };
        (session, cookie)
    }))
}

/// Whether what was verified outside the transaction is still so: the user is not blocked, and has the
/// password that was checked.
fn still_holds(verified: &UserRow, now: &UserRow) -> bool {
    !now.user.blocked && now.password_hash == verified.password_hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_protocol::model::User;

    /// The password is checked outside of any transaction: what changed meanwhile counts.
    #[test]
    fn a_password_changed_while_the_old_one_was_checked_signs_nobody_in() {
        let row = |hash: &str, blocked| UserRow {
            user: User {
                user_id: "auth0|ada".to_owned(),
                blocked,
                ..User::default()
            },
            password_hash: Some(hash.to_owned()),
        };
        let verified = row("old", false);
        let table = [
            (row("old", false), true),
            (row("new", false), false),
            (row("old", true), false),
            (
                UserRow {
                    password_hash: None,
                    ..row("old", false)
                },
                false,
            ),
        ];
        for (now, expected) in table {
            assert_eq!(still_holds(&verified, &now), expected, "{now:?}");
        }
    }
}
