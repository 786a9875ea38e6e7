//! `/oidc/logout` (OpenID Connect RP-Initiated Logout 1.0) and `/v2/logout` (contract 3.6): two wires,
//! one implementation.

mod plan;

pub use plan::Plan;

use super::cors;
use super::sessions::{self, Found, Judge, end_session};
use super::transaction::{FormGuard, form_is_ours};
use super::upstream::farewell::Behind;
use super::upstream::left::Left;
use crate::app::App;
use crate::crypto::jwt::TokenKind;
use crate::http::{self, Caller, SessionCookie};
use crate::pages::{self, Reader};
use crate::settings::{Registered, Settings};
use crate::tenant_log::{Entry, kind};
use crate::work::outbox;
use ::http::{HeaderMap, Method, StatusCode};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use plan::{done, first_target, is_federated};
use std::sync::Arc;
use tenure_protocol::logout::{self, Decision, Hint};
use tenure_protocol::params::Params;
use tenure_protocol::session::{End, EndReason};
use tenure_protocol::{RefusalReason, Sid, Timestamp, redirect};
use tenure_store::{StoreError, Tx};

const CONTEXT: &str = "logout";

/// `GET` and `POST /oidc/logout`.
pub async fn oidc(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    if !http::is_navigation(&parts.headers) {
        return not_a_navigation();
    }
    let text = match parts.method {
        Method::POST => body.as_ref(),
        _ => parts.uri.query().unwrap_or_default().as_bytes(),
    };
    let (params, whole) = Params::read(text);
    let reader = Reader::asking(&parts.headers, &params);
    if !whole {
        return pages::error(&app, reader, RefusalReason::MalformedRequest, None);
    }
    if params.has("confirm") && parts.method == Method::POST {
        return confirmed(app, caller, &parts.headers, &params).await;
    }
    if let Some(hint) = params.first("id_token_hint") {
        app.ring_with(|ring| ring.knows(hint)).await;
    }
    let settings = app.settings.current();
    let (plan, hint) = match read_request(&app, &settings, &params) {
        Ok(read) => read,
        Err((reason, client)) => {
            log_failure(
                &app,
                &caller,
                client.as_deref(),
                "the request is not consistent or its target is not allowed",
            );
            return pages::logout_refused(&app, reader, reason, client.as_deref());
        }
    };
    let posted = parts.method == Method::POST;
    let plan = Plan {
        federated: is_federated(&params, posted),
        posted,
        ..plan
    };
    let ask = settings.tenant.sessions.oidc_logout_prompt_enabled;
    let logout_hint = params.first("logout_hint").map(str::to_owned);
    let proof = Proof {
        hint,
        logout_hint,
        ask,
    };
    run(app, caller, &parts.headers, plan, Some(proof)).await
}

/// `GET /v2/logout`: never asks.
pub async fn v2(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !http::is_navigation(&parts.headers) {
        return not_a_navigation();
    }
    let (params, whole) = Params::read(parts.uri.query().unwrap_or_default().as_bytes());
    let reader = Reader::asking(&parts.headers, &params);
    if !whole {
        return pages::error(&app, reader, RefusalReason::MalformedRequest, None);
    }
    let settings = app.settings.current();
    let (client_id, return_to) = match (params.get("client_id"), params.get("returnTo")) {
        (Ok(client_id), Ok(return_to)) => (client_id, return_to),
        (Err(reason), _) | (_, Err(reason)) => {
            return pages::logout_refused(&app, reader, reason, None);
        }
    };
    let client = client_id.and_then(|id| settings.client(id)).cloned();
    if client_id.is_some() && client.is_none() {
        return pages::logout_refused(&app, reader, RefusalReason::ClientUnknown, None);
    }
    let allowed = match &client {
        Some(client) => &client.client.allowed_logout_urls,
        None => &settings.tenant.allowed_logout_urls,
    };
    let target = match return_to {
        Some(url) if redirect::return_to_matches(allowed, url) => Some(url.to_owned()),
        Some(_) => {
            // Nothing is ended by a link that somebody else may have made; the page offers to sign out anyway.
            log_failure(
                &app,
                &caller,
                client.as_deref(),
                "returnTo is not in allowed_logout_urls",
            );
            let reason = RefusalReason::RedirectUriNotRegistered;
            return pages::logout_refused(&app, reader, reason, client.as_deref());
        }
        None => first_target(client.as_deref()),
    };
    let client_id = client.map(|client| client.client.client_id.clone());
    let plan = Plan {
        target,
        client_id,
        ui_locales: params.first("ui_locales").map(str::to_owned),
        federated: is_federated(&params, false),
        ..Plan::default()
    };
    run(app, caller, &parts.headers, plan, None).await
}

type Unfit = (RefusalReason, Option<Arc<Registered>>);

/// Reads and checks a request at `/oidc/logout`.
fn read_request(
    app: &App,
    settings: &Settings,
    params: &Params,
) -> Result<(Plan, Option<Hint>), Unfit> {
    let hint = match params
        .get("id_token_hint")
        .map_err(|reason| (reason, None))?
    {
        None => None,
        Some(token) => {
            Some(read_hint(app, token).ok_or((RefusalReason::IdTokenHintInvalid, None))?)
        }
    };
    let client_id = params.get("client_id").map_err(|reason| (reason, None))?;
    let by_hint = hint
        .as_ref()
        .and_then(|hint| hint.audience.first())
        .map(String::as_str);
    let client = match client_id.or(by_hint) {
        Some(id) => Some(
            settings
                .client(id)
                .cloned()
                .ok_or((RefusalReason::ClientUnknown, None))?,
        ),
        None => None,
    };
    let unfit = |reason| (reason, client.clone());
    let logout_hint = params.get("logout_hint").map_err(unfit)?;
    if hint
        .as_ref()
        .is_some_and(|hint| !logout::is_consistent(hint, client_id, logout_hint))
    {
        return Err(unfit(RefusalReason::IdTokenHintInvalid));
    }
    let allowed = match &client {
        Some(client) => &client.client.allowed_logout_urls,
        None => &settings.tenant.allowed_logout_urls,
    };
    let target = match params.get("post_logout_redirect_uri").map_err(unfit)? {
        Some(url) if redirect::post_logout_matches(allowed, url) => Some(url.to_owned()),
        Some(_) => return Err(unfit(RefusalReason::RedirectUriNotRegistered)),
        None => first_target(client.as_deref()),
    };
    let plan = Plan {
        target,
        state: params.get("state").map_err(unfit)?.map(str::to_owned),
        client_id: client
            .as_ref()
            .map(|client| client.client.client_id.clone()),
        ui_locales: params.first("ui_locales").map(str::to_owned),
        ..Plan::default()
    };
    Ok((plan, hint))
}

/// An ID token of ours, even expired.
fn read_hint(app: &App, token: &str) -> Option<Hint> {
    let claims = app.ring().verify(token, TokenKind::Id, &app.issuer)?;
    let text = |name: &str| claims.get(name).and_then(|v| v.as_str()).map(str::to_owned);
    let audience = match claims.get("aud")? {
        serde_json::Value::String(one) => vec![one.clone()],
        serde_json::Value::Array(many) => many
            .iter()
            .filter_map(|aud| aud.as_str())
            .map(str::to_owned)
            .collect(),
        _ => return None,
    };
    Some(Hint {
        subject: text("sub")?,
        sid: text("sid"),
        audience,
    })
}

struct Proof {
    hint: Option<Hint>,
    logout_hint: Option<String>,
    ask: bool,
}

impl Proof {
    fn names(&self, sid: &Sid) -> bool {
        let sid = Some(sid.to_string());
        let hinted = self.hint.as_ref().and_then(|hint| hint.sid.as_ref());
        hinted == sid.as_ref() || self.logout_hint == sid
    }
}

/// Decides and ends, in one transaction. Without a `proof` to judge the wire never asks.
async fn run(
    app: Arc<App>,
    caller: Caller,
    headers: &HeaderMap,
    plan: Plan,
    proof: Option<Proof>,
) -> Response {
    let cookie = app.session_cookie(headers);
    let left = Left::of(&app, headers).map(|left| left.sid);
    let request = EndRequest {
        app: app.clone(),
        cookie,
        left,
        caller,
        client_id: plan.client_id.clone(),
        is_meant: is_meant(&app, headers, (&plan, proof.as_ref())),
        now: app.clock.now(),
    };
    let outcome = match cookie.map(|cookie| cookie.sid).or(left) {
        None => Ok((Decision::NothingToEnd, None)),
        Some(_) => {
            app.store
                .write(move |tx| end_in(tx, &request, proof.as_ref()))
                .await
        }
    };
    match outcome {
        Ok((Decision::Ask, _)) => ask(&app, headers, &plan),
        Ok((decision, behind)) => {
            if let (Decision::End, Some(cookie)) = (decision, cookie) {
                outbox::first_attempts(&app, cookie.sid).await;
            }
            done(&app, headers, &plan, behind).await
        }
        Err(error) => pages::broken(&app, headers, &error.into()),
    }
}

struct EndRequest {
    app: Arc<App>,
    cookie: Option<SessionCookie>,
    /// The session that this browser ended before, which another provider stood behind.
    left: Option<Sid>,
    caller: Caller,
    client_id: Option<String>,
    /// Whether it is known that the person wants to sign out, also where no session is left to end.
    is_meant: bool,
    now: Timestamp,
}

fn is_meant(app: &App, headers: &HeaderMap, (plan, proof): (&Plan, Option<&Proof>)) -> bool {
    // Our own form, with its token.
    if plan.posted && proof.is_none() {
        return true;
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let page = header("referer").and_then(|url| url::Url::parse(url).ok());
    let from_application = page.is_some_and(|page| {
        let (settings, origin) = (app.settings.current(), page.origin().ascii_serialization());
        match &plan.client_id {
            Some(id) => settings
                .client(id)
                .is_some_and(|client| cors::is_origin_of(&client.client, &origin)),
            None => cors::is_registered(&settings, &origin),
        }
    });
    logout::is_meant(header("sec-fetch-site"), from_application)
}

fn end_in(
    tx: &Tx<'_>,
    request: &EndRequest,
    proof: Option<&Proof>,
) -> Result<(Decision, Option<Behind>), StoreError> {
    let app = &request.app;
    let settings = app.settings.current();
    let now = request.now;
    let judge = Judge {
        settings: &settings,
        caps: &app.config.caps,
        entropy: &app.entropy,
        metrics: Some(&app.metrics),
        now,
    };
    let found = sessions::find(tx, request.cookie.as_ref(), judge)?;
    let decision = match (found.alive(), proof) {
        (None, _) => Decision::NothingToEnd,
        (Some(_), None) => Decision::End,
        (session, Some(proof)) => logout::decide(
            session,
            proof.hint.as_ref(),
            proof.logout_hint.as_deref(),
            proof.ask,
        ),
    };
    if let (Decision::End, Found::Alive(session, _)) = (decision, &found) {
        let end = End {
            at: now,
            reason: EndReason::UserLogout,
            by: request.client_id.clone().unwrap_or_default(),
            from: request.caller.address.clone(),
            rule: "logout".to_owned(),
        };
        end_session(tx, session, end, judge)?;
    }
    let behind = match decision {
        Decision::Ask => None,
        Decision::End | Decision::NothingToEnd => behind(tx, request, &found)?,
    };
    // A link that anybody can make ends nothing at another provider either.
    let behind = behind.map(|behind| {
        let own = request.cookie.map(|cookie| cookie.sid) == Some(behind.sid);
        let is_named = proof.is_some_and(|proof| proof.names(&behind.sid));
        let may_ask = proof.is_some_and(|proof| proof.ask);
        let agreed =
            (own && decision == Decision::End) || is_named || (request.is_meant && !may_ask);
        Behind { agreed, ..behind }
    });
    Ok((decision, behind))
}

/// What may be alive at other providers: behind the session of the cookie, which time may have ended
/// before, or behind the one that this browser ended last.
fn behind(tx: &Tx<'_>, request: &EndRequest, found: &Found) -> Result<Option<Behind>, StoreError> {
    if request.app.settings.current().connections.is_empty() {
        // Nobody could be sent anywhere: a logout costs no statement more.
        return Ok(None);
    }
    let own = match found {
        Found::None => None,
        Found::Alive(..) | Found::Over(_) => request.cookie.map(|cookie| cookie.sid),
    };
    for sid in [own, request.left].into_iter().flatten() {
        let behind = Behind::of(tx, sid, request.now)?;
        if behind.is_some() {
            return Ok(behind);
        }
    }
    Ok(None)
}

fn ask(app: &App, headers: &HeaderMap, plan: &Plan) -> Response {
    let guard = FormGuard::for_page(app, headers);
    let sealed = app.master.seal_text(
        CONTEXT,
        &serde_json::to_vec(plan).unwrap_or_default(),
        &app.entropy,
    );
    let target = plan.target.as_deref();
    pages::confirm_logout(app, plan.reader(headers), &guard, &sealed, target)
}

/// The person answered: `action=logout` or `stay`.
async fn confirmed(app: Arc<App>, caller: Caller, headers: &HeaderMap, form: &Params) -> Response {
    let plan = form
        .first("confirm")
        .and_then(|sealed| app.master.open_text(CONTEXT, sealed))
        .and_then(|text| serde_json::from_slice::<Plan>(&text).ok());
    let Some(plan) = plan else {
        return pages::error(&app, headers, RefusalReason::MalformedRequest, None);
    };
    if !form_is_ours(&app, headers, form) {
        return ask(&app, headers, &plan);
    }
    let plan = Plan {
        posted: true,
        ..plan
    };
    match form.first("action") {
        Some("logout") => run(app, caller, headers, plan, None).await,
        _ => pages::still_signed_in(&app, plan.reader(headers)),
    }
}

/// The "Sign out anyway" of a refused request: ends the session and stays here.
pub async fn anyway(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let form = Params::parse(&body).unwrap_or_default();
    if !form_is_ours(&app, &parts.headers, &form) {
        return pages::logout_refused(&app, &parts.headers, RefusalReason::MalformedRequest, None);
    }
    let plan = Plan {
        posted: true,
        ..Plan::default()
    };
    run(app, caller, &parts.headers, plan, None).await
}

/// An image or a frame must not sign anybody out (lesson CVE-2020-10734).
fn not_a_navigation() -> Response {
    let text =
        "a logout is a top-level navigation; this request was made by a page in the background\n";
    (StatusCode::BAD_REQUEST, text).into_response()
}

fn log_failure(app: &App, caller: &Caller, client: Option<&Registered>, why: &str) {
    let mut entry = Entry::new(kind::LOGOUT_FAILED).from(&caller.address, &caller.user_agent);
    if let Some(client) = client {
        entry = entry.client(&client.client.client_id);
    }
    app.log.success(&entry.describe(why), app.clock.now());
}
