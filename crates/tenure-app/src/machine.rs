//! Tokens of machines (RFC 6749 section 4.4). A machine has its secret: it asks for a new access token when
//! the old one has expired, and never uses refresh tokens.

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::provider::{PAUSE, Provider, ProviderError};
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tokio::sync::Mutex;

/// Seconds before its expiry from which a token is not handed out any more: a request takes a while.
const MARGIN: i64 = 10;

/// The access token of this client itself, for calls that no user makes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MachineTokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: Provider,
    audience: Option<String>,
    scope: Option<String>,
    clock: Clock,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<MachineToken>,
    /// When the provider last did not answer, and what was wrong.
    failed: Option<(Timestamp, ProviderError)>,
}

/// An access token and when it expires.
#[derive(Clone)]
pub struct MachineToken {
    /// What the `Authorization` header says after `Bearer`.
    pub access_token: String,
    /// `None` where the provider does not say.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for MachineToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MachineToken(…)")
    }
}

impl MachineTokens {
    /// With the provider and the client of a configuration, which needs a `client_secret` or a key; `audience` and
    /// `scope` are those of its `authorization_params`.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(config: Config, clock: Clock) -> Result<Self, ConfigError> {
        let base = config.check()?;
        if config.client_secret.is_none() && config.client_assertion_signing_key.is_none() {
            let why = "a machine needs a client_secret or a client_assertion_signing_key";
            return Err(ConfigError(why.to_owned()));
        }
        let parameter = |name: &str| config.authorization_params.get(name).cloned();
        let (audience, scope) = (parameter("audience"), parameter("scope"));
        // `openid` and `offline_access` are about people.
        let scope = scope.map(|scope| {
            let names = scope
                .split(' ')
                .filter(|name| !matches!(*name, "openid" | "offline_access" | "profile" | "email"));
            names.collect::<Vec<_>>().join(" ")
        });
        Ok(Self(Arc::new(Inner {
            provider: Provider::new(Arc::new(config), &base, clock.clone())?,
            audience,
            scope: scope.filter(|scope| !scope.is_empty()),
            clock,
            held: Mutex::default(),
        })))
    }

    /// A token that is good for a while; one request for all who ask at once.
    ///
    /// # Errors
    /// The provider does not answer, or does not accept the client.
    pub async fn access_token(&self) -> Result<String, ProviderError> {
        let mut held = self.0.held.lock().await;
        let now = self.0.clock.now();
        let current =
            |token: &&MachineToken| token.expires_at.is_some_and(|at| at > now.plus(MARGIN));
        if let Some(token) = held.token.as_ref().filter(current) {
            return Ok(token.access_token.clone());
        }
        // Whoever waited for an answer that did not come does not wait for the next one too.
        if let Some((at, error)) = &held.failed
            && !now.is_more_than(PAUSE, *at)
        {
            return Err(error.clone());
        }
        let (audience, scope) = (self.0.audience.as_deref(), self.0.scope.as_deref());
        match self.0.provider.machine_token(audience, scope).await {
            Ok(token) => {
                let text = token.access_token.clone();
                *held = Held {
                    token: Some(token),
                    failed: None,
                };
                Ok(text)
            }
            Err(error) => {
                held.failed = Some((now, error.clone()));
                Err(error)
            }
        }
    }
}
