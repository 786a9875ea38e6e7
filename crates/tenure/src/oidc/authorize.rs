//! `/authorize` (RFC 6749 section 3.1, OpenID Connect Core 3.1.2): parse, decide, commit, answer.

use super::answer::{self, Answer, Target};
use super::issue::{self, Grant};
use super::sessions::{self, Found, Judge};
use super::transaction::Transaction;
use super::{consent, login, par};
use crate::app::App;
use crate::http::{self, Caller, SessionCookie};
use crate::pages;
use crate::respond::Failure;
use crate::settings::{Registered, Settings};
use crate::tenant_log::{Entry, kind};
use ::http::{HeaderMap, HeaderValue, Method, header};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tenure_protocol::authorize::{self, AuthorizeRequest, Facts, ResponseMode, Step, next_step};
use tenure_protocol::code::{CODE_LIFETIME, Code};
use tenure_protocol::params::Params;
use tenure_protocol::scope::{self, Ground};
use tenure_protocol::session::{EndReason, Session};
use tenure_protocol::{RefusalReason, Timestamp, redirect};
use tenure_store::{StoreError, Tx, UserRow};

/// Everything that is fixed about a request once client and redirect URI are verified.
#[derive(Clone)]
pub struct Context {
    pub app: Arc<App>,
    pub settings: Arc<Settings>,
    pub client: Arc<Registered>,
    pub target: Target,
    pub request: AuthorizeRequest,
    pub transaction: Transaction,
    pub caller: Caller,
    pub cookie: Option<SessionCookie>,
    pub now: Timestamp,
}

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
    let params = match Params::parse(text) {
        Ok(params) => params,
        Err(reason) => return pages::error(&app, &parts.headers, reason, None),
    };
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
    let (params, pushed) = match par::resolve(&app, params, now).await {
        Ok(resolved) => resolved,
        Err(Failure::Refused(reason)) => return pages::error(&app, headers, reason, None),
        Err(Failure::Broken(error)) => return pages::broken(&app, headers, &error),
    };
    if let Some(hint) = params.first("id_token_hint") {
        app.ring_with(|ring| ring.knows(hint)).await;
    }
    let transaction = Transaction::begin(&params, pushed, now);
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
    match advance(&context).await {
        Ok(Advance::Issued(issued)) => issued_response(&context, *issued, None).await,
        Ok(Advance::Login(over)) => login::page(&context, headers, over, None),
        Ok(Advance::Consent(missing)) => consent::page(&context, headers, &missing),
        Ok(Advance::Refused(reason, over)) => refused_response(&context, reason, over),
        Err(error) => broken_response(&context, &error.into()),
    }
}

/// A request that was refused before a transaction could be made of it.
pub enum Unfit {
    /// Nothing may be redirected: a local page.
    Local(RefusalReason, Option<Arc<Registered>>),
    /// The target is verified: the error goes there.
    Redirected(Box<(Arc<Settings>, Target, RefusalReason)>),
}

impl Unfit {
    pub fn answer(self, app: &App, headers: &HeaderMap) -> Response {
        match self {
            Self::Local(reason, client) => {
                pages::error(app, headers, reason, client.as_deref().map(|r| &r.client))
            }
            Self::Redirected(parts) => {
                let (settings, target, reason) = *parts;
                answer::error(app, &settings, &target, reason.oauth_error())
            }
        }
    }
}

/// Verifies client and redirect URI, then reads the rest.
pub fn context(
    app: Arc<App>,
    caller: Caller,
    transaction: Transaction,
    cookie: Option<SessionCookie>,
) -> Result<Context, Unfit> {
    let settings = app.settings.current();
    let params = transaction.params();
    let local = |reason| Unfit::Local(reason, None);
    let client_id = params.get("client_id").map_err(local)?;
    let client_id = client_id.ok_or(local(RefusalReason::MissingParameter("client_id")))?;
    let client = settings
        .client(client_id)
        .ok_or(local(RefusalReason::ClientUnknown))?
        .clone();
    let local = |reason| Unfit::Local(reason, Some(client.clone()));
    let requested = params.get("redirect_uri").map_err(local)?;
    let redirect = redirect::verify(&client.client, requested).map_err(local)?;
    let state = params.first("state").map(str::to_owned);
    let target = Target {
        redirect,
        mode: authorize::answer_mode(&params),
        state,
    };
    let refuse = |reason| Unfit::Redirected(Box::new((settings.clone(), target.clone(), reason)));
    if client.client.require_pushed_authorization_requests && transaction.pushed.is_none() {
        return Err(refuse(RefusalReason::ParRequired));
    }
    let request = authorize::parse(&params, &client.client).map_err(refuse)?;
    check_web_message(&request, &client, &target).map_err(refuse)?;
    if request
        .audience
        .as_ref()
        .is_some_and(|aud| !is_known_audience(&app, &settings, aud))
    {
        return Err(refuse(RefusalReason::AudienceUnknown));
    }
    let now = app.clock.now();
    Ok(Context {
        app,
        settings,
        client,
        target,
        request,
        transaction,
        caller,
        cookie,
        now,
    })
}

fn is_known_audience(app: &App, settings: &Settings, audience: &str) -> bool {
    settings.api(audience).is_some() || audience == issue::userinfo_audience(app)
}

/// A code or token is posted only to an origin in `web_origins`; the refusal itself is posted to the
/// redirect URI's origin, so that the application hears at once which setting is missing.
fn check_web_message(
    request: &AuthorizeRequest,
    client: &Registered,
    target: &Target,
) -> Result<(), RefusalReason> {
    let registered =
        redirect::origin_matches(&client.client.web_origins, &target.redirect.origin());
    if request.response_mode == ResponseMode::WebMessage && !registered {
        return Err(RefusalReason::WebOriginNotRegistered);
    }
    Ok(())
}

/// How far a transaction got.
enum Advance {
    Issued(Box<Issued>),
    /// With why the earlier session is over, if there was one.
    Login(Option<EndReason>),
    Consent(Vec<String>),
    Refused(RefusalReason, Option<EndReason>),
}

/// What the commit made: everything that signing needs.
pub struct Issued {
    pub session: Session,
    pub user: UserRow,
    pub grant: Grant,
    pub code: Option<String>,
}

async fn advance(context: &Context) -> Result<Advance, StoreError> {
    if context.cookie.is_none() {
        // Nothing to load and nothing to change: a silent request of a stranger stays cheap.
        return Ok(without_session(context));
    }
    let context = context.clone();
    let store = context.app.store.clone();
    store.write(move |tx| advance_in(tx, &context)).await
}

fn without_session(context: &Context) -> Advance {
    let facts = Facts {
        session: None,
        hinted_subject: None,
        just_authenticated: false,
        consent_missing: false,
        just_consented: false,
    };
    match (
        hinted_subject(context),
        next_step(&context.request, &facts, context.now),
    ) {
        (Err(reason), _) | (Ok(_), Step::Refuse(reason)) => Advance::Refused(reason, None),
        (Ok(_), Step::Issue | Step::Login | Step::Consent) => Advance::Login(None),
    }
}

/// Decides and commits the next step, in one transaction.
fn advance_in(tx: &Tx<'_>, context: &Context) -> Result<Advance, StoreError> {
    let judge = context.judge();
    let found = sessions::find(tx, context.cookie.as_ref(), judge)?;
    let over = match found {
        Found::Over(reason) => Some(reason),
        Found::None | Found::Alive(..) => None,
    };
    let hinted = match hinted_subject(context) {
        Ok(hinted) => hinted,
        Err(reason) => return Ok(Advance::Refused(reason, over)),
    };
    let missing = match found.alive() {
        Some(session) => missing_consent(tx, context, &session.user_id)?,
        None => Vec::new(),
    };
    let facts = Facts {
        session: found.alive(),
        hinted_subject: hinted.as_deref(),
        just_authenticated: found
            .alive()
            .is_some_and(|s| context.transaction.authenticated_by(s)),
        consent_missing: !missing.is_empty(),
        just_consented: context.transaction.consented,
    };
    match (next_step(&context.request, &facts, context.now), &found) {
        (Step::Issue, Found::Alive(session, user)) => {
            let today = context
                .settings
                .limits(session.persistent, &context.app.config.caps);
            match session.touch(&today, user.standing(), context.now) {
                Ok(touched) => issue_in(tx, context, touched, user),
                Err(reason) => Ok(Advance::Login(Some(reason))),
            }
        }
        (Step::Issue | Step::Login, _) => Ok(Advance::Login(over)),
        (Step::Consent, _) => Ok(Advance::Consent(missing)),
        (Step::Refuse(reason), _) => Ok(Advance::Refused(reason, over)),
    }
}

/// Records the activity and makes the code.
fn issue_in(
    tx: &Tx<'_>,
    context: &Context,
    session: Session,
    user: &UserRow,
) -> Result<Advance, StoreError> {
    if let Some(reference) = &context.transaction.pushed
        && tx.take_once(par::KIND, reference)?.is_none()
    {
        // Another answer to the same pushed request was faster (RFC 9126 section 7.3).
        return Ok(Advance::Refused(RefusalReason::RequestUriInvalid, None));
    }
    let session = Session {
        device: context.seen(&session),
        ..session
    };
    let client_id = &context.client.client.client_id;
    let grant = grant_in(tx, context, &session)?;
    let made = context
        .request
        .response_type
        .has_code()
        .then(|| new_code(context, &session, &grant));
    let row = made.as_ref().map(|(_, row)| row);
    tx.record_authorization(&session, client_id, row, context.now)?;
    Ok(Advance::Issued(Box::new(Issued {
        session,
        user: user.clone(),
        grant,
        code: made.map(|(text, _)| text),
    })))
}

/// A code's text and its row.
fn new_code(context: &Context, session: &Session, grant: &Grant) -> (String, Code) {
    let secret = context.app.entropy.bytes::<24>();
    let text = super::token::authorization_code::encode(&session.sid, &secret);
    let row = Code {
        sid: session.sid,
        hash: crate::crypto::mac::sha256(text.as_bytes()),
        client_id: context.client.client.client_id.clone(),
        user_id: session.user_id.clone(),
        redirect_uri: context.target.redirect.uri().to_owned(),
        redirect_uri_sent: context.target.redirect.sent,
        code_challenge: context.request.code_challenge.clone(),
        nonce: context.request.nonce.clone(),
        scope: grant.scope.clone(),
        audience: grant.audience.clone(),
        auth_time: session.authenticated_at,
        amr: session.amr(),
        acr: session.acr(),
        claims: context.request.claims.as_ref().map(ToString::to_string),
        expires_at: context.now.plus(CODE_LIFETIME),
        consumed_at: None,
        family_id: None,
        access_token_id: None,
    };
    (text, row)
}

/// What is granted: asked, existing, consented, held.
fn grant_in(tx: &Tx<'_>, context: &Context, session: &Session) -> Result<Grant, StoreError> {
    let client = &context.client.client;
    let audience = issue::resolve_audience(context.request.audience.as_deref(), &context.settings);
    let api = audience
        .as_deref()
        .and_then(|aud| context.settings.api(aud))
        .cloned();
    let consented = consented_scopes(tx, context, &session.user_id)?;
    let ground = if client.is_first_party {
        Ground::FirstParty
    } else {
        Ground::Consent(&consented)
    };
    let held = issue::held_permissions(tx, &session.user_id, api.as_deref())?;
    let granted = scope::grant(
        &context.request.scope,
        client,
        api.as_deref(),
        ground,
        held.as_deref(),
    );
    for (dropped, why) in &granted.dropped {
        if dropped == "offline_access" || dropped == "online_access" {
            // Silently missing refresh tokens are a classic: the log says which setting it was.
            let entry = Entry::new(kind::WARNING)
                .client(&client.client_id)
                .session(&session.sid);
            let entry = entry
                .user(&session.user_id)
                .describe(&format!("{dropped} was dropped: {why}"));
            context.app.log.success(&entry, context.now);
        }
    }
    Ok(Grant {
        scope: granted.text(),
        audience,
    })
}

fn consented_scopes(
    tx: &Tx<'_>,
    context: &Context,
    user_id: &str,
) -> Result<Vec<String>, StoreError> {
    let client = &context.client.client;
    if client.is_first_party {
        return Ok(Vec::new());
    }
    let audience = issue::resolve_audience(context.request.audience.as_deref(), &context.settings);
    let consent = tx.consent(
        user_id,
        &client.client_id,
        audience.as_deref().unwrap_or_default(),
    )?;
    Ok(consent.map_or(Vec::new(), |c| {
        c.scope.split(' ').map(str::to_owned).collect()
    }))
}

pub fn missing_consent(
    tx: &Tx<'_>,
    context: &Context,
    user_id: &str,
) -> Result<Vec<String>, StoreError> {
    let given = consented_scopes(tx, context, user_id)?;
    let audience = issue::resolve_audience(context.request.audience.as_deref(), &context.settings);
    let api = audience
        .as_deref()
        .and_then(|aud| context.settings.api(aud));
    let api = api.map(AsRef::as_ref);
    Ok(scope::missing_consent(
        &context.request.scope,
        &context.client.client,
        api,
        &given,
    ))
}

/// The subject of the `id_token_hint`: an authentic ID token of ours, even expired. It names whom
/// the application expects and never authenticates anybody (lesson CVE-2026-4349).
fn hinted_subject(context: &Context) -> Result<Option<String>, RefusalReason> {
    let Some(hint) = &context.request.id_token_hint else {
        return Ok(None);
    };
    let ring = context.app.ring();
    let kind = crate::crypto::jwt::TokenKind::Id;
    let claims = ring
        .verify(hint, kind, &context.app.issuer)
        .ok_or(RefusalReason::IdTokenHintInvalid)?;
    Ok(claims
        .get("sub")
        .and_then(|sub| sub.as_str())
        .map(str::to_owned))
}

impl Context {
    pub fn judge(&self) -> Judge<'_> {
        Judge {
            settings: &self.settings,
            caps: &self.app.config.caps,
            entropy: &self.app.entropy,
            metrics: Some(&self.app.metrics),
            now: self.now,
        }
    }

    fn seen(&self, session: &Session) -> tenure_protocol::session::Device {
        let mut device = session.device.clone();
        device.last_ip.clone_from(&self.caller.address);
        device.last_user_agent.clone_from(&self.caller.user_agent);
        device
    }

    fn is_silent(&self) -> bool {
        self.request.prompt.none
    }

    fn log_entry(&self, kind: &str) -> Entry {
        let client = &self.client.client;
        let entry = Entry::new(kind).client(&client.client_id);
        entry.from(&self.caller.address, &self.caller.user_agent)
    }
}

/// Continues after a login or a consent, with the session that the form just made or confirmed.
pub async fn resume(
    context: Context,
    cookie: Option<HeaderValue>,
    headers: &HeaderMap,
) -> Response {
    match advance(&context).await {
        Ok(Advance::Issued(issued)) => issued_response(&context, *issued, cookie).await,
        Ok(Advance::Login(over)) => with_cookie(login::page(&context, headers, over, None), cookie),
        Ok(Advance::Consent(missing)) => {
            with_cookie(consent::page(&context, headers, &missing), cookie)
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
    let correlation_id = crate::respond::correlation_id();
    tracing::error!(%correlation_id, error = format!("{error:#}"), "authorization failed");
    let error = tenure_protocol::OAuthError {
        code: "server_error",
        description: "The authorization server failed; try again",
        status: 503,
    };
    answer::error(&context.app, &context.settings, &context.target, error).into_response()
}
