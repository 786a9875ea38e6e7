//! `GET /login/callback`: the person comes back from another provider.

use super::account::{self, Arrival};
use super::errand::Errand;
use super::{ERRAND, confirming, failed, log_failure, lost};
use crate::app::App;
use crate::http::{Caller, SessionCookie};
use crate::oidc::authorize::{self, Context};
use crate::oidc::par::{self, Standing};
use crate::oidc::transaction::Transaction;
use crate::oidc::{login, sign_in};
use crate::pages::{self, Reader};
use crate::upstream::{Fault, Provider, Tokens, redeem, userinfo};
use ::http::{HeaderMap, Uri};
use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use std::sync::Arc;
use tenure_protocol::model::Connection;
use tenure_protocol::params::Params;
use tenure_protocol::session::Session;
use tenure_protocol::upstream::expiry;
use tenure_protocol::upstream::id_token::{self, Expected, Proven};
use tenure_store::StoreError;

pub async fn handle(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let response = come_back(app.clone(), caller, &headers, query).await;
    pages::by_page(&app, Reader::from(&headers), response)
}

async fn come_back(app: Arc<App>, caller: Caller, headers: &HeaderMap, query: &str) -> Response {
    // A repeated parameter could be read in two ways: none is.
    let Ok(params) = Params::parse(query.as_bytes()) else {
        return lost(&app, headers);
    };
    let errand = params
        .get("state")
        .ok()
        .flatten()
        .and_then(|state| Errand::open(&app, state));
    let now = app.clock.now();
    // Another browser's errand is nobody's here: or a stranger could sign a person in as themselves.
    let errand = errand.filter(|errand| {
        errand.is_fresh(now) && errand.is_of_browser(app.form_cookie(headers).as_deref())
    });
    let Some(errand) = errand else {
        return lost(&app, headers);
    };
    match par::standing(&app, &errand.transaction, now).await {
        Ok(Standing::Used) => return authorize::start_over(&app, headers, &errand.transaction),
        Ok(_) => {}
        Err(error) => return pages::broken(&app, headers, &error.into()),
    }
    let cookie = app.session_cookie(headers);
    let transaction = Transaction {
        authenticated: None,
        ..errand.transaction.clone()
    };
    let context = match authorize::context(app.clone(), caller, transaction, cookie) {
        Ok(context) => context,
        Err(unfit) => return unfit.answer(&app, headers),
    };
    // Judged with today's settings: a connection that was removed or withdrawn meanwhile signs nobody in.
    let connection = match context
        .settings
        .connection_for(&errand.connection, &context.client.client)
    {
        Ok(connection) => Arc::clone(connection),
        Err(_) => return login::page(&context, headers, None, None),
    };
    // The back button opens it again. A provider that is shown a code twice may revoke what it gave for it.
    let used = match is_used(&app, &errand).await {
        Ok(used) => used,
        Err(error) => return pages::broken(&app, headers, &error.into()),
    };
    match (errand.confirms, used) {
        (Some(_), true) => return confirming::go_on(context, headers).await,
        (Some(_), false) => {
            return confirming::come_back(context, headers, (&errand, &connection), &params).await;
        }
        (None, true) => {
            let fault = Fault::Refused(USED.to_owned());
            return failed(&context, headers, &connection, &fault);
        }
        (None, false) => {}
    }
    if let Err(fault) = check_named_issuer(&connection, &params) {
        return failed(&context, headers, &connection, &fault);
    }
    arrive(context, headers, (&errand, &connection), &params).await
}

/// What is said of an answer that comes again.
pub(super) const USED: &str = "this answer was used before";

async fn is_used(app: &App, errand: &Errand) -> Result<bool, StoreError> {
    let id = errand.id.clone();
    let read = app.store.read(move |tx| tx.peek_once(ERRAND, &id));
    Ok(read.await?.is_some())
}

async fn arrive(
    context: Context,
    headers: &HeaderMap,
    (errand, connection): (&Errand, &Arc<Connection>),
    params: &Params,
) -> Response {
    let code = match read(params) {
        Ok(code) => code,
        Err(Refusal::Cancelled) => {
            let problem = login::Problem::UpstreamCancelled;
            log_failure(&context, connection, "access_denied");
            return login::page(&context, headers, None, Some((problem, "")));
        }
        Err(Refusal::Error(fault)) => return failed(&context, headers, connection, &fault),
    };
    let believed = believe(&context, (errand, connection), params, code).await;
    let arrival = match believed {
        Ok(arrival) => arrival,
        Err(fault) => return failed(&context, headers, connection, &fault),
    };
    match start(&context, arrival).await {
        Ok(Ok((session, cookie))) => {
            let name = Some(connection.name.as_str());
            sign_in::finish(context, headers, &session, cookie, name).await
        }
        Ok(Err(fault)) => failed(&context, headers, connection, &fault),
        Err(error) => pages::broken(&context.app, headers, &error.into()),
    }
}

enum Refusal {
    Cancelled,
    Error(Fault),
}

/// The code, or the provider's error (RFC 6749 section 4.1.2.1).
fn read(params: &Params) -> Result<&str, Refusal> {
    let refused = |why: String| Refusal::Error(Fault::Refused(why));
    let error = params
        .get("error")
        .map_err(|_| refused("a repeated parameter".to_owned()))?;
    match error {
        Some("access_denied") => return Err(Refusal::Cancelled),
        Some(error @ ("temporarily_unavailable" | "server_error")) => {
            return Err(Refusal::Error(Fault::Unreachable(error.to_owned())));
        }
        Some(error) => return Err(refused(format!("the provider answered {error}"))),
        None => {}
    }
    match params.get("code") {
        Ok(Some(code)) => Ok(code),
        _ => Err(refused(
            "the provider answered neither code nor error".to_owned(),
        )),
    }
}

/// Redeems the code and checks everything that the answer claims.
pub(super) async fn believe(
    context: &Context,
    (errand, connection): (&Errand, &Arc<Connection>),
    params: &Params,
    code: &str,
) -> Result<Arrival, Fault> {
    let app = &context.app;
    let provider = app.providers.provider(&app.outbound, connection).await?;
    check_promised_issuer(app, connection, params)?;
    let tokens = redeem(app, connection, &provider, (code, &errand.verifier)).await?;
    let id_token = tokens
        .id_token
        .as_deref()
        .ok_or_else(|| Fault::Refused("the token endpoint answered no id_token".to_owned()))?;
    let claims = app
        .providers
        .verify(&app.outbound, connection, id_token)
        .await?;
    let now = app.clock.now();
    let expected = Expected {
        issuer: &provider.metadata.issuer,
        client_id: &connection.options.client_id,
        nonce: &errand.nonce,
        fresh_since: errand.fresh_since,
    };
    let refused = |why: &str| Fault::Refused(why.to_owned());
    let proven = id_token::check(claims, &expected, now).map_err(|fault| refused(fault.name()))?;
    let policy = connection.expiry_policy();
    let upstream_deadline = expiry::cap(proven.session_expiry.as_ref(), policy, now)
        .map_err(|fault| refused(fault.name()))?;
    let proven = with_userinfo(app, connection, &provider, (proven, &tokens)).await?;
    Ok(Arrival {
        connection: Arc::clone(connection),
        errand_id: errand.id.clone(),
        errand_until: errand.until(),
        proven,
        upstream_deadline,
        tokens,
    })
}

/// RFC 9207 section 2.4, of codes and errors alike: a provider that names itself must name the right one.
pub(super) fn check_named_issuer(connection: &Connection, params: &Params) -> Result<(), Fault> {
    let named = params
        .get("iss")
        .map_err(|_| Fault::Refused("a repeated iss".to_owned()))?;
    match named {
        Some(issuer) if connection.issuer().as_deref() != Some(issuer) => Err(Fault::Refused(
            "the answer came from another issuer".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// One whose metadata say that it names itself must. Metadata that nobody has fetched promise nothing.
pub(super) fn check_promised_issuer(
    app: &App,
    connection: &Connection,
    params: &Params,
) -> Result<(), Fault> {
    let metadata = app.providers.known(connection);
    let promised =
        metadata.is_some_and(|known| known.authorization_response_iss_parameter_supported);
    if promised && !params.has("iss") {
        return Err(Fault::Refused(
            "the answer does not name its issuer (iss)".to_owned(),
        ));
    }
    Ok(())
}

/// Many providers keep the person's e-mail address out of the ID token.
async fn with_userinfo(
    app: &App,
    connection: &Connection,
    provider: &Provider,
    (proven, tokens): (Proven, &Tokens),
) -> Result<Proven, Fault> {
    let wants = connection.scope().split(' ').any(|scope| scope == "email");
    let has = proven.claims.get("email").is_some_and(Value::is_string);
    let Some(access_token) = tokens.access_token.as_deref().filter(|_| wants && !has) else {
        return Ok(proven);
    };
    let Some(more) = userinfo(app, provider, access_token, &proven.subject).await? else {
        return Ok(proven);
    };
    let mut claims = more;
    // What is signed counts more than what is not.
    claims.extend(proven.claims);
    Ok(Proven { claims, ..proven })
}

async fn start(
    context: &Context,
    arrival: Arrival,
) -> Result<Result<(Session, SessionCookie), Fault>, StoreError> {
    let secret = context.app.entropy.bytes::<32>();
    let fresh_sid = context.app.entropy.sid();
    let inner = context.clone();
    let started = context
        .app
        .store
        .write(move |tx| account::sign_in(tx, &inner, &arrival, (&secret, fresh_sid)))
        .await?;
    Ok(started.map(|session| {
        let cookie = SessionCookie {
            sid: session.sid,
            secret,
        };
        (session, cookie)
    }))
}
