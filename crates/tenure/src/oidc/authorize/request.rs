//! What an authorization request is once client and redirect URI are verified.

use crate::app::App;
use crate::http::{Caller, SessionCookie};
use crate::oidc::answer::{self, Target};
use crate::oidc::issue;
use crate::oidc::sessions::Judge;
use crate::oidc::transaction::Transaction;
use crate::pages::{self, Reader};
use crate::settings::{Registered, Settings};
use crate::tenant_log::Entry;
use ::http::HeaderMap;
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::authorize::{self, AuthorizeRequest, ResponseMode};
use tenure_protocol::model::{Client, Connection};
use tenure_protocol::params::Params;
use tenure_protocol::redirect::VerifiedRedirect;
use tenure_protocol::session::Session;
use tenure_protocol::upstream::authentication::reaches;
use tenure_protocol::{OAuthError, RefusalReason, Timestamp, redirect};

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
    /// Nothing may be redirected: a local page, in the languages that the request asks for.
    Local(RefusalReason, Option<Arc<Registered>>, Option<String>),
    /// The target is verified: the error goes there.
    Redirected(Box<Addressed>, OAuthError),
    /// A pushed request that was answered before or has expired: the person starts over.
    Over(Arc<Registered>, Option<String>),
}

impl Unfit {
    pub fn answer(self, app: &App, headers: &HeaderMap) -> Response {
        match self {
            Self::Local(reason, client, locales) => {
                let ui_locales = locales.as_deref();
                let reader = Reader {
                    headers,
                    ui_locales,
                };
                pages::error(app, reader, reason, client.as_deref().map(|r| &r.client))
            }
            Self::Redirected(to, error) => answer::error(app, &to.settings, &to.target, error),
            Self::Over(client, locales) => {
                let ui_locales = locales.as_deref();
                let reader = Reader {
                    headers,
                    ui_locales,
                };
                pages::start_over(app, reader, Some(&client.client))
            }
        }
    }

    /// What to answer to a request that cannot be read as a whole, or not be completed: its
    /// application hears of it, if what can be read names one.
    pub fn because(app: &App, params: &Params, reason: RefusalReason) -> Self {
        let silent = params
            .first("prompt")
            .is_some_and(|prompt| prompt.split(' ').any(|value| value == "none"));
        // A pushed request's address that a person opens once more; it names no redirect URI.
        let again =
            reason == RefusalReason::RequestUriInvalid && !silent && !params.has("redirect_uri");
        let no_target = RefusalReason::RedirectUriMissing;
        match Addressed::of(app, params) {
            Ok(addressed) if again => Self::Over(addressed.client, locales(params)),
            Ok(addressed) => addressed.refuse(reason),
            Err(Self::Local(why, Some(client), locales)) if again && why == no_target => {
                Self::Over(client, locales)
            }
            Err(Self::Local(why, client, locales)) if why == no_target => {
                Self::Local(reason, client, locales)
            }
            Err(unfit) => unfit,
        }
    }
}

fn locales(params: &Params) -> Option<String> {
    params.first("ui_locales").map(str::to_owned)
}

/// A request's application: its client, and a redirect URI of that client.
pub struct Addressed {
    pub settings: Arc<Settings>,
    pub client: Arc<Registered>,
    pub target: Target,
}

impl Addressed {
    pub fn of(app: &App, params: &Params) -> Result<Self, Unfit> {
        let settings = app.settings.current();
        let local = |reason| Unfit::Local(reason, None, locales(params));
        let client_id = params.get("client_id").map_err(local)?;
        let client_id = client_id.ok_or(local(RefusalReason::MissingParameter("client_id")))?;
        let client = settings
            .client(client_id)
            .ok_or(local(RefusalReason::ClientUnknown))?
            .clone();
        let local = |reason| Unfit::Local(reason, Some(client.clone()), locales(params));
        let requested = params.get("redirect_uri").map_err(local)?;
        let target = Target {
            redirect: redirect::verify(&client.client, requested).map_err(local)?,
            mode: authorize::answer_mode(params),
            state: params.first("state").map(str::to_owned),
        };
        Ok(Self {
            settings,
            client,
            target,
        })
    }

    pub fn refuse(self, reason: RefusalReason) -> Unfit {
        Unfit::Redirected(Box::new(self), reason.oauth_error())
    }

    /// Reads the rest of the request.
    fn read(
        &self,
        app: &App,
        transaction: &Transaction,
        params: &Params,
    ) -> Result<AuthorizeRequest, RefusalReason> {
        let client = &self.client.client;
        if client.require_pushed_authorization_requests && transaction.pushed.is_none() {
            return Err(RefusalReason::ParRequired);
        }
        let request = authorize::parse(params, client)?;
        check(
            app,
            &self.settings,
            client,
            (&request, &self.target.redirect),
        )?;
        Ok(request)
    }
}

/// Verifies client and redirect URI, then reads the rest.
pub fn context(
    app: Arc<App>,
    caller: Caller,
    transaction: Transaction,
    cookie: Option<SessionCookie>,
) -> Result<Context, Unfit> {
    let params = transaction.params();
    let addressed = Addressed::of(&app, &params)?;
    let request = match addressed.read(&app, &transaction, &params) {
        Ok(request) => request,
        Err(reason) => return Err(addressed.refuse(reason)),
    };
    let now = app.clock.now();
    let Addressed {
        settings,
        client,
        target,
    } = addressed;
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

/// Checks what a well-formed request asks for against what is registered.
pub fn check(
    app: &App,
    settings: &Settings,
    client: &Client,
    (request, redirect): (&AuthorizeRequest, &VerifiedRedirect),
) -> Result<(), RefusalReason> {
    // A code or token is posted only to an origin in `web_origins`; the refusal itself is posted to the
    // redirect URI's origin, so that the application hears at once which setting is missing.
    if request.response_mode == ResponseMode::WebMessage
        && !redirect::origin_matches(&client.web_origins, &redirect.origin())
    {
        return Err(RefusalReason::WebOriginNotRegistered);
    }
    settings.wanted_connection(request.connection.as_deref(), client)?;
    match &request.audience {
        Some(audience)
            if settings.api(audience).is_none() && *audience != issue::userinfo_audience(app) =>
        {
            Err(RefusalReason::AudienceUnknown)
        }
        _ => Ok(()),
    }
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

    pub fn seen(&self, session: &Session) -> tenure_protocol::session::Device {
        let mut device = session.device.clone();
        device.last_ip.clone_from(&self.caller.address);
        device.last_user_agent.clone_from(&self.caller.user_agent);
        device
    }

    /// The identity provider that the request goes straight to.
    pub fn connection(&self) -> Option<&Arc<Connection>> {
        let name = self.request.connection.as_deref();
        let client = &self.client.client;
        self.settings.wanted_connection(name, client).ok().flatten()
    }

    /// The identity provider to whose domain the `login_hint` belongs: the request goes there as if it
    /// had named it, unless it names our own users.
    pub fn realm(&self) -> Option<&Arc<Connection>> {
        let hint = self.request.login_hint.as_deref();
        let hint = hint.filter(|_| self.request.connection.is_none())?;
        self.settings.realm(hint, &self.client.client)
    }

    /// Whether a login at some provider may reach one of these classes.
    pub fn can_reach(&self, wanted: &[&str]) -> bool {
        let named = self.connection();
        let client = &self.client.client;
        let mut all = self.settings.connections.values();
        !wanted.is_empty()
            && all.any(|connection| {
                named.is_none_or(|named| named.name == connection.name)
                    && connection.is_enabled_for(&client.client_id, &client.name)
                    && reaches(connection, wanted)
            })
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
