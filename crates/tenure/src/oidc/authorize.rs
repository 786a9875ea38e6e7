//! `/authorize` (RFC 6749 section 3.1, OpenID Connect Core 3.1.2): parse, decide, commit, answer.

mod advance;
mod request;

pub use advance::{Issued, consented_scopes, missing_consent};
pub use request::{Addressed, Context, Unfit, check, context};

use super::answer::{self, Answer, Target};
use super::issue;
use super::par::{self, Standing};
use super::transaction::Transaction;
use super::{consent, login, upstream};
use crate::app::App;
use crate::http::{self, Caller};
use crate::pages::{self, Reader};
use crate::respond::Failure;
use crate::settings::Settings;
use crate::tenant_log::kind;
use ::http::{HeaderMap, HeaderValue, Method, header};
use advance::{Advance, advance};
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::RefusalReason;
use tenure_protocol::params::Params;
use tenure_protocol::session::EndReason;

/// Bytes. What is larger could not travel on through the pages that follow.
pub const MOST_OF_A_REQUEST: usize = 16_384;

/// GET with a query, POST with a form: alike (Core 3.1.2.1).
pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let text = match parts.method {
        Method::POST => body.as_ref(),
        _ => parts.uri.query().unwrap_or_default().as_bytes(),
    };
    let (params, whole) = Params::read(text);
    let refused = if text.len() > MOST_OF_A_REQUEST {
        Some(RefusalReason::RequestTooLarge)
    } else {
        (!whole).then_some(RefusalReason::MalformedRequest)
    };
    if let Some(reason) = refused {
        return Unfit::because(&app, &params, reason).answer(&app, &parts.headers);
    }
    if parts.method == Method::POST {
        // The page that follows must survive a reload: the request goes on as a GET where it fits one.
        if params.first("prompt") != Some("none") && body.len() < 6_000 {
            return answer::redirect(format!("/authorize?{}", params.to_query()));
        }
    }
    begin(app, caller, &parts.headers, params).await
}

async fn begin(app: Arc<App>, caller: Caller, headers: &HeaderMap, params: Params) -> Response {
    let now = app.clock.now();
    let transaction = match par::resolve(&app, &params, now).await {
        Ok(Some((pushed, reference))) => Transaction::begin(&pushed, Some(reference), now),
        Ok(None) => Transaction::begin(&params, None, now),
        Err(Failure::Refused(reason)) => {
            return Unfit::because(&app, &params, reason).answer(&app, headers);
        }
        Err(Failure::Broken(error)) => {
            return match Addressed::of(&app, &params) {
                Ok(to) => broken_at(&app, &to.settings, &to.target, &error),
                Err(_) => pages::broken(&app, Reader::asking(headers, &params), &error),
            };
        }
    };
    if let Some(hint) = params.first("id_token_hint") {
        app.ring_with(|ring| ring.knows(hint)).await;
    }
    proceed(app, caller, headers, transaction).await
}

/// Takes a transaction as far as it goes now: to an answer, the login page or the consent page.
pub async fn proceed(
    app: Arc<App>,
    caller: Caller,
    headers: &HeaderMap,
    transaction: Transaction,
) -> Response {
    let cookie = app.session_cookie(headers);
    let context = match context(app.clone(), caller, transaction, cookie) {
        Ok(context) => context,
        Err(refused) => return refused.answer(&app, headers),
    };
    resume(context, None, headers).await
}

/// The address of a form, opened by itself: the request starts again.
pub async fn restart(
    app: Arc<App>,
    caller: Caller,
    headers: &HeaderMap,
    transaction: Transaction,
) -> Response {
    let now = app.clock.now();
    match par::standing(&app, &transaction, now).await {
        Ok(Standing::Open) => return answer::redirect(transaction.authorize_path()),
        // The reference is of no use any more, but the form has all that it stood for.
        Ok(Standing::Expired) if transaction.is_fresh(now) => {}
        Ok(_) => return start_over(&app, headers, &transaction),
        Err(error) => return pages::broken(&app, headers, &error.into()),
    }
    let cookie = app.session_cookie(headers);
    match context(app.clone(), caller, transaction, cookie) {
        Ok(context) => login::page(&context, headers, None, None),
        Err(unfit) => unfit.answer(&app, headers),
    }
}

/// For a person whose pushed request was answered before or has expired.
pub fn start_over(app: &App, headers: &HeaderMap, transaction: &Transaction) -> Response {
    let settings = app.settings.current();
    let params = transaction.params();
    let client = params.first("client_id").and_then(|id| settings.client(id));
    pages::start_over(
        app,
        Reader::asking(headers, &params),
        client.map(|client| &client.client),
    )
}

/// Continues after a login or a consent, with the session that the form just made or confirmed.
pub async fn resume(
    context: Context,
    cookie: Option<HeaderValue>,
    headers: &HeaderMap,
) -> Response {
    // Not of somebody who comes from signing in.
    if cookie.is_none()
        && let Some(away) = upstream::confirming::before(&context, headers).await
    {
        return away;
    }
    match advance(&context).await {
        Ok(Advance::Issued(issued)) => issued_response(&context, *issued, cookie).await,
        Ok(Advance::Login(over)) => {
            let page = match context.connection().or_else(|| context.realm()) {
                Some(connection) => upstream::begin(&context, headers, connection).await,
                None => login::page(&context, headers, over, None),
            };
            with_cookie(page, cookie)
        }
        Ok(Advance::Consent(missing)) => {
            with_cookie(consent::page(&context, headers, &missing), cookie)
        }
        Ok(Advance::Refused(RefusalReason::RequestUriInvalid, _)) if !context.is_silent() => {
            let client = Some(&context.client.client);
            with_cookie(pages::start_over(&context.app, headers, client), cookie)
        }
        Ok(Advance::Refused(reason, over)) => {
            with_cookie(refused_response(&context, reason, over), cookie)
        }
        Err(error) => broken_response(&context, &error.into()),
    }
}

/// Signs, after the commit, and answers.
async fn issued_response(
    context: &Context,
    issued: Issued,
    cookie: Option<HeaderValue>,
) -> Response {
    let mut answer: Answer = Vec::new();
    if context.request.response_type.has_id_token() {
        match issue::front_channel_id_token(context, &issued) {
            Ok(token) => answer.push(("id_token", token)),
            Err(error) => return broken_response(context, &error),
        }
    }
    if let Some(code) = &issued.code {
        answer.insert(0, ("code", code.clone()));
    }
    if context.is_silent() {
        let entry = context.log_entry(kind::SILENT_OK);
        let entry = entry
            .user(&issued.session.user_id)
            .session(&issued.session.sid);
        context.app.log.success(&entry, context.now);
    } else if cookie.is_none() && !context.transaction.authenticated_by(&issued.session) {
        // Nobody typed anything: the session signed the person in to one more application.
        let entry = context.log_entry(kind::LOGIN).detail("sso", true);
        let entry = entry
            .user(&issued.session.user_id)
            .session(&issued.session.sid);
        context.app.log.success(&entry, context.now);
    }
    let response = answer::success(&context.app, &context.settings, &context.target, answer);
    with_cookie(response, cookie)
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
        // Wherever a cookie is set, nothing may be kept by a cache (lesson CVE-2025-48947).
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn refused_response(context: &Context, reason: RefusalReason, over: Option<EndReason>) -> Response {
    if context.is_silent() {
        // On the server the two can be told apart: no cookie came, or its session is over.
        let why = over.map_or(
            if context.cookie.is_none() {
                "no_cookie"
            } else {
                "other"
            },
            EndReason::name,
        );
        let entry = context.log_entry(kind::SILENT_FAILED).detail("why", why);
        let entry = entry.describe(reason.oauth_error().description);
        context.app.log.success(&entry, context.now);
    }
    answer::error(
        &context.app,
        &context.settings,
        &context.target,
        reason.oauth_error(),
    )
}

/// The redirect target is verified, so even a broken database is answered there: a silent request
/// must never leave its application waiting.
fn broken_response(context: &Context, error: &anyhow::Error) -> Response {
    broken_at(&context.app, &context.settings, &context.target, error)
}

fn broken_at(app: &App, settings: &Settings, target: &Target, error: &anyhow::Error) -> Response {
    let correlation_id = crate::respond::correlation_id();
    tracing::error!(%correlation_id, error = format!("{error:#}"), "authorization failed");
    let error = tenure_protocol::OAuthError {
        code: "server_error",
        description: "The authorization server failed; try again",
        status: 503,
    };
    answer::error(app, settings, target, error)
}
