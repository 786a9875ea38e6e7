//! Signing in at another identity provider: there and back.

mod account;
mod backchannel;
mod callback;
pub mod cascade;
pub mod confirming;
mod errand;
pub mod farewell;
pub mod left;
pub mod revocation;
pub mod signal;

pub use backchannel::handle as backchannel_logout;
pub use callback::handle as callback;

use super::authorize::{self, Context};
use super::par::{self, Standing};
use super::transaction::{FormGuard, Transaction};
use super::{answer, login};
use crate::app::App;
use crate::http::Caller;
use crate::pages::{self, Reader};
use crate::respond::no_store;
use crate::tenant_log::kind;
use crate::upstream::Fault;
use ::http::header;
use axum::extract::{Request, State};
use axum::response::Response;
use errand::Errand;
use std::sync::Arc;
use tenure_protocol::RefusalReason;
use tenure_protocol::authorize::AuthorizeRequest;
use tenure_protocol::model::Connection;
use tenure_protocol::params::Params;
use tenure_protocol::upstream::again::chooser;
use tenure_protocol::upstream::onward::Onward;

/// Where providers send people back, by Auth0's path: it is registered there.
pub const CALLBACK: &str = "/login/callback";

/// The kind of a mark that an errand was used.
const ERRAND: &str = "upstream_errand";

/// Characters that a `state` of ours may have. Longer ones do not fit into addresses that every server
/// and proxy on the way accepts.
pub const MOST_OF_A_STATE: usize = 6_000;

/// The address behind a button of the login page.
pub fn button_path(connection: &str, sealed: &str) -> String {
    let query = Params::from_pairs(vec![
        ("connection".to_owned(), connection.to_owned()),
        ("request".to_owned(), sealed.to_owned()),
    ]);
    format!("/login/upstream?{}", query.to_query())
}

/// `GET /login/upstream`: a button of the login page.
pub async fn choose(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: ::http::HeaderMap,
    request: Request,
) -> Response {
    let query = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
    let query = query.unwrap_or_default();
    let transaction = query
        .first("request")
        .and_then(|sealed| Transaction::open(&app, sealed));
    let Some(transaction) = transaction else {
        return pages::start_over(&app, &headers, None);
    };
    let now = app.clock.now();
    match par::standing(&app, &transaction, now).await {
        Ok(Standing::Open) => {}
        Ok(Standing::Expired) if transaction.is_fresh(now) => {}
        Ok(_) => return authorize::start_over(&app, &headers, &transaction),
        Err(error) => return pages::broken(&app, &headers, &error.into()),
    }
    let cookie = app.session_cookie(&headers);
    let transaction = transaction.renewed(now);
    let context = match authorize::context(app.clone(), caller, transaction, cookie) {
        Ok(context) => context,
        Err(unfit) => return unfit.answer(&app, &headers),
    };
    let wanted = query.first("connection").unwrap_or_default();
    match context
        .settings
        .connection_for(wanted, &context.client.client)
    {
        Ok(connection) => begin(&context, &headers, &connection.clone()).await,
        Err(reason) => answer::error(
            &app,
            &context.settings,
            &context.target,
            reason.oauth_error(),
        ),
    }
}

/// Sends the person to the provider.
pub async fn begin(
    context: &Context,
    headers: &::http::HeaderMap,
    connection: &Arc<Connection>,
) -> Response {
    let app = &context.app;
    let provider = match app.providers.provider(&app.outbound, connection).await {
        Ok(provider) => provider,
        Err(fault) => return failed(context, headers, connection, &fault),
    };
    let guard = FormGuard::for_page(app, headers);
    let choose = match left::asks(context, headers, connection).await {
        Ok(choose) => choose,
        Err(error) => return pages::broken(app, headers, &error.into()),
    };
    let prompts = provider.metadata.prompt_values_supported.as_deref();
    let onward = Onward::of(
        &context.request,
        connection,
        choose,
        chooser(connection.preset, prompts),
        context.now,
    );
    let errand = Errand::begin(context, connection, &guard.cookie, onward.fresh_since);
    let endpoint = &provider.metadata.authorization_endpoint;
    let on_its_way = (&errand, &guard);
    match there(app, (connection, endpoint), on_its_way, &onward.parameters) {
        Ok(response) => response,
        Err(Unsent::TooLarge) => {
            let error = RefusalReason::RequestTooLarge.oauth_error();
            answer::error(app, &context.settings, &context.target, error)
        }
        Err(Unsent::Endpoint) => {
            let fault = Fault::Refused(format!("the authorization endpoint {endpoint:?}"));
            failed(context, headers, connection, &fault)
        }
    }
}

/// Why nobody can be sent to a provider.
enum Unsent {
    /// With this request the address would be longer than servers accept.
    TooLarge,
    /// The provider's authorization endpoint is no address.
    Endpoint,
}

/// The way to the provider's authorization endpoint (Core 3.1.2.1, with PKCE), with the cookie that the
/// errand is bound to where the browser has none yet.
fn there(
    app: &App,
    (connection, endpoint): (&Connection, &str),
    (errand, guard): (&Errand, &FormGuard),
    more: &[(&'static str, String)],
) -> Result<Response, Unsent> {
    let state = errand.seal(app);
    if state.len() > MOST_OF_A_STATE {
        return Err(Unsent::TooLarge);
    }
    let mut url = url::Url::parse(endpoint).map_err(|_| Unsent::Endpoint)?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &connection.options.client_id)
        .append_pair("redirect_uri", &app.config.base_url.join(CALLBACK))
        .append_pair("scope", &connection.scope())
        .append_pair("state", &state)
        .append_pair("nonce", &errand.nonce)
        .append_pair("code_challenge", &errand.challenge())
        .append_pair("code_challenge_method", "S256")
        .extend_pairs(more);
    let mut response = no_store(answer::redirect(url.into()));
    if guard.is_new {
        response
            .headers_mut()
            .append(header::SET_COOKIE, app.set_form_cookie(&guard.cookie));
    }
    Ok(response)
}

/// Sends a person there whose address belongs to the provider, from the login form.
pub async fn begin_for(
    context: Context,
    headers: &::http::HeaderMap,
    connection: &Arc<Connection>,
    address: String,
) -> Response {
    let context = Context {
        request: AuthorizeRequest {
            login_hint: Some(address),
            ..context.request.clone()
        },
        ..context
    };
    let response = begin(&context, headers, connection).await;
    let reader = Reader {
        headers,
        ui_locales: context.request.ui_locales.as_deref(),
    };
    pages::by_page(&context.app, reader, response)
}

/// The login page once more, which says that it did not work; why, is in the log.
fn failed(
    context: &Context,
    headers: &::http::HeaderMap,
    connection: &Connection,
    fault: &Fault,
) -> Response {
    let problem = match fault {
        Fault::Unreachable(_) => login::Problem::UpstreamUnreachable,
        Fault::Refused(_) => login::Problem::UpstreamRefused,
    };
    log_failure(context, connection, &fault.to_string());
    login::page(context, headers, None, Some((problem, "")))
}

fn log_failure(context: &Context, connection: &Connection, why: &str) {
    let app = &context.app;
    app.metrics.login("failed");
    tracing::info!(
        connection = connection.name,
        why,
        "sign-in at another provider failed"
    );
    let entry = context
        .log_entry(kind::LOGIN_FAILED)
        .detail("connection", connection.name.as_str())
        .describe(why);
    app.log.success(&entry, context.now);
}

/// A page for a person whose way back leads nowhere.
fn lost(app: &App, headers: &::http::HeaderMap) -> Response {
    pages::start_over(app, Reader::from(headers), None)
}
