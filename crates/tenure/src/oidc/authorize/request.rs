//! What an authorization request is once client and redirect URI are verified.

use crate::app::App;
use crate::http::{Caller, SessionCookie};
use crate::oidc::answer::{self, Target};
use crate::oidc::issue;
use crate::oidc::sessions::Judge;
use crate::oidc::transaction::Transaction;
use crate::pages;
use crate::settings::{Registered, Settings};
use crate::tenant_log::Entry;
use ::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::authorize::{self, AuthorizeRequest, ResponseMode};
use tenure_protocol::session::Session;
use tenure_protocol::{RefusalReason, Timestamp, redirect};

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

impl Context {
    pub fn judge(&self) -> Judge<'_> {
        Judge {
            settings: &self.settings,
            caps: &self.app.config.caps,
            entropy: &self.app.entropy,
            now: self.now,
        }
    }

    pub fn seen(&self, session: &Session) -> tenure_protocol::session::Device {
        let mut device = session.device.clone();
        device.last_ip.clone_from(&self.caller.address);
        device.last_user_agent.clone_from(&self.caller.user_agent);
        device
    }

    pub fn is_silent(&self) -> bool {
        self.request.prompt.none
    }

    pub fn log_entry(&self, kind: &str) -> Entry {
        let client = &self.client.client;
        let entry = Entry::new(kind).client(&client.client_id);
        entry.from(&self.caller.address, &self.caller.user_agent)
    }
}
