//! The consent page for third-party clients, and what its form does.

use super::answer;
use super::authorize::{self, Context};
use super::issue::resolve_audience;
use super::sessions::{self, Found};
use super::transaction::{FormGuard, Transaction, form_is_ours};
use crate::app::App;
use crate::http::{self, Caller};
use crate::pages;
use ::http::{HeaderMap, Method};
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::RefusalReason;
use tenure_protocol::params::Params;
use tenure_store::{ConsentRow, StoreError, Tx};

pub fn page(context: &Context, headers: &HeaderMap, missing: &[String]) -> Response {
    let guard = FormGuard::for_page(&context.app, headers);
    pages::consent(&pages::ConsentPage {
        context,
        guard: &guard,
        headers,
        sealed: &context.transaction.seal(&context.app),
        scopes: missing,
    })
}

/// `GET /consent`: reload or bookmark. `POST /consent`: the form, `action=accept` or `deny`.
pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let form = Params::parse(&body).unwrap_or_default();
    let Some(transaction) = Transaction::of_form(&app, &parts.uri, &form) else {
        return pages::start_over(&app, &parts.headers, None);
    };
    let now = app.clock.now();
    let usable = form_is_ours(&app, &parts.headers, &form) && transaction.is_fresh(now);
    if parts.method != Method::POST || !usable {
        return authorize::restart(app, caller, &parts.headers, transaction).await;
    }
    let cookie = app.session_cookie(&parts.headers);
    let context = match authorize::context(app.clone(), caller, transaction, cookie) {
        Ok(context) => context,
        Err(unfit) => return unfit.answer(&app, &parts.headers),
    };
    match form.first("action") {
        Some("accept") => accept(context, &parts.headers).await,
        _ => {
            let denied = RefusalReason::AccessDenied.oauth_error();
            answer::error(&app, &context.settings, &context.target, denied)
        }
    }
}

async fn accept(context: Context, headers: &HeaderMap) -> Response {
    let inner = context.clone();
    let remembered = context
        .app
        .store
        .write(move |tx| remember(tx, &inner))
        .await;
    if let Err(error) = remembered {
        return pages::broken(&context.app, headers, &error.into());
    }
    let transaction = Transaction {
        consented: true,
        ..context.transaction.clone()
    };
    authorize::resume(
        Context {
            transaction,
            ..context
        },
        None,
        headers,
    )
    .await
}

/// Adds the scopes just consented to what the user gave before.
fn remember(tx: &Tx<'_>, context: &Context) -> Result<(), StoreError> {
    let Found::Alive(session, _) = sessions::find(tx, context.cookie.as_ref(), context.judge())?
    else {
        // The session ended while the page was open: the login page follows.
        return Ok(());
    };
    let client_id = &context.client.client.client_id;
    let audience = resolve_audience(context.request.audience.as_deref(), &context.settings);
    let audience = audience.unwrap_or_default();
    let mut scope = authorize::consented_scopes(tx, context, &session.user_id)?;
    scope.extend(authorize::missing_consent(context, &scope));
    scope.retain(|s| !s.is_empty());
    let consent = ConsentRow {
        client_id: client_id.clone(),
        audience,
        scope: scope.join(" "),
        granted_at: context.now,
    };
    tx.put_consent(&session.user_id, &consent)
}
