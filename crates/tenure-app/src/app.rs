//! The layer: what it is built from and what its parts share.

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::cookies::Jar;
use crate::gate::{self, Gated};
use crate::layer;
use crate::provider::Provider;
use crate::renew::Flights;
use crate::seal::{Seal, hash};
use crate::store::{Key, MemoryStore, Store};
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use std::convert::Infallible;
use std::sync::Arc;
use tower::{Layer, Service};
use url::Url;

/// Where sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Sealed in the browser's cookies; the store keeps only the marks of those that ended.
    Cookie,
    /// In the store; the cookie holds a random ticket.
    Store,
}

/// A layer that signs people in and keeps them signed in. Cheap to clone.
///
/// Put it around the whole router, with [`AppSession::around`]: it answers the login, logout, callback,
/// back-channel logout and session routes itself, and gives every other request its [`crate::Session`]. It is a
/// [`tower::Layer`] as well; then it has to come last, because axum forgets the layers around a router's default
/// fallback, which is where unknown paths go, when another router is merged into it afterwards.
#[derive(Clone, Debug)]
pub struct AppSession {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub config: Arc<Config>,
    pub base: Url,
    /// `base` as browsers write it in `Origin`.
    pub origin: String,
    pub jar: Jar,
    pub seal: Seal,
    pub keep: Keep,
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub provider: Provider,
    pub flights: Flights,
}

/// The parts of a layer.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    keep: Keep,
    store: Arc<dyn Store>,
    clock: Clock,
}

impl AppSession {
    /// Sessions in encrypted cookies, and the machine's clock, unless the builder is told otherwise.
    pub fn builder(config: Config) -> Builder {
        Builder {
            config,
            keep: Keep::Cookie,
            store: Arc::new(MemoryStore::new()),
            clock: Clock::system(),
        }
    }

    /// An application with this layer around all of it. Routes that need no session may be merged into the
    /// result.
    pub fn around(&self, application: Router) -> Router {
        Router::new().fallback_service(self.layer(application))
    }
}

impl Builder {
    /// Keeps the sessions on the server.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.keep = Keep::Store;
        self.store = Arc::new(store);
        self
    }

    /// Keeps the sessions in cookies, and the marks of ended ones in a store that several processes share.
    #[must_use]
    pub fn cookies_with_marks(mut self, store: impl Store) -> Self {
        self.keep = Keep::Cookie;
        self.store = Arc::new(store);
        self
    }

    /// Another clock than the machine's, such as one that tests move by hand.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// # Errors
    /// The configuration cannot work; the text says what to write instead.
    pub fn build(self) -> Result<AppSession, ConfigError> {
        let base = self.config.check()?;
        let config = Arc::new(self.config);
        let provider = Provider::new(Arc::clone(&config), &base, self.clock.clone())?;
        Ok(AppSession {
            inner: Arc::new(Inner {
                origin: base.origin().ascii_serialization(),
                jar: Jar::new(&base, &config.session.name),
                seal: Seal::new(&config.secret),
                keep: self.keep,
                store: self.store,
                clock: self.clock,
                provider,
                flights: Flights::default(),
                base,
                config,
            }),
        })
    }
}

impl<S> Layer<S> for AppSession
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Service = Gated;

    fn layer(&self, application: S) -> Gated {
        let app = Arc::clone(&self.inner);
        gate::before(application, move |application, request| {
            layer::answer(Arc::clone(&app), application, request)
        })
    }
}

impl Inner {
    /// What a sealed text is for: another application with the same secret cannot open it.
    pub fn purpose(&self, what: &str) -> String {
        format!("{what} {} {}", self.origin, self.config.client_id)
    }

    /// The store's name for the provider's session.
    pub fn sid_key(&self, sid: &str) -> Key {
        self.name("sid", sid)
    }

    /// The store's name for a user.
    pub fn sub_key(&self, sub: &str) -> Key {
        self.name("sub", sub)
    }

    /// The store's name for a logout token that was seen.
    pub fn jti_key(&self, jti: &str) -> Key {
        self.name("jti", jti)
    }

    fn name(&self, kind: &str, value: &str) -> Key {
        hash(&[
            kind,
            &self.config.issuer_base_url,
            &self.config.client_id,
            value,
        ])
    }
}
