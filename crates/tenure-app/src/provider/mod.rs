//! The provider as this client sees it. The `openidconnect` crate speaks the protocol.

mod forms;
mod logout;
mod wire;

use crate::assertion::{ASSERTION_TYPE, AssertionKey};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::fetch::Fetch;
use crate::login::Transaction;
use crate::machine::MachineToken;
use crate::record::Tokens;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType,
    CoreIdToken, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType, CoreTokenResponse,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeVerifier, ProviderMetadata, RedirectUrl, RefreshToken, Scope,
    SignatureVerificationError, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use tenure_protocol::Timestamp;
use url::Url;
use wire::Http;

/// Seconds for which a discovery document and its keys are used.
const FRESH: i64 = 600;

/// Seconds after which an unknown key is worth another look, and no earlier.
const WORTH_ANOTHER_LOOK: i64 = 60;

/// Seconds after which a provider that did not answer is asked again.
pub const PAUSE: i64 = 5;

/// What the discovery document says beyond what the library reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Extra {
    pub end_session_endpoint: Option<Url>,
    pub revocation_endpoint: Option<Url>,
    pub pushed_authorization_request_endpoint: Option<Url>,
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Extra {}

pub type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why the provider gave no tokens.
#[derive(Clone, Debug)]
pub enum ProviderError {
    /// `invalid_grant`: what was presented is over. The reason, where the provider names one.
    Refused {
        /// Such as `idle` or `reuse_detected`.
        reason: Option<String>,
    },
    /// It cannot be reached, or is broken, or does not accept this client: no word about the person.
    Unavailable(String),
    /// It answered, but what it says cannot be believed.
    Untrusted(String),
}

impl std::fmt::Display for ProviderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { .. } => f.write_str("the provider answered invalid_grant"),
            Self::Unavailable(why) => write!(f, "no answer from the provider: {why}"),
            Self::Untrusted(why) => write!(f, "the provider's answer is not valid: {why}"),
        }
    }
}

impl std::error::Error for ProviderError {}

#[derive(Debug)]
struct Known {
    metadata: Arc<Metadata>,
    at: Timestamp,
}

/// What is known after a look.
#[derive(Debug)]
struct Looked {
    metadata: Arc<Metadata>,
    /// Whether the provider said so just now.
    is_new: bool,
}

impl Looked {
    fn of(known: &Known, is_new: bool) -> Self {
        Self {
            metadata: Arc::clone(&known.metadata),
            is_new,
        }
    }
}

#[derive(Debug)]
pub struct Provider {
    config: Arc<Config>,
    /// What stands for a secret, if something does.
    key: Option<AssertionKey>,
    callback: String,
    clock: Clock,
    fetch: Fetch,
    known: tokio::sync::Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    known: Option<Known>,
    /// When the provider last did not answer.
    failed_at: Option<Timestamp>,
}

impl Provider {
    pub fn new(config: Arc<Config>, base: &Url, clock: Clock) -> Result<Self, ConfigError> {
        let origin = base.origin().ascii_serialization();
        Ok(Self {
            key: config.assertion_key()?,
            callback: format!("{origin}{}", config.routes.callback),
            fetch: Fetch::new(config.http_timeout, config.ca_file.clone()),
            config,
            clock,
            known: tokio::sync::Mutex::default(),
        })
    }

    pub fn callback(&self) -> &str {
        &self.callback
    }

    /// The discovery document with the key set. One request looks it up, others wait for it; where the
    /// provider is down, what is known goes on counting.
    pub async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        Ok(self.look(FRESH).await?.metadata)
    }

    async fn look(&self, seconds: i64) -> Result<Looked, ProviderError> {
        let mut memory = self.known.lock().await;
        let now = self.clock.now();
        if let Some(known) = memory.known.as_ref()
            && !now.is_more_than(seconds, known.at)
        {
            return Ok(Looked::of(known, false));
        }
        // Whoever waited for an answer that did not come does not wait for the next one too.
        let paused = memory
            .failed_at
            .is_some_and(|at| !now.is_more_than(PAUSE, at));
        let found = if paused {
            let why = "it did not answer a moment ago".to_owned();
            Err(ProviderError::Unavailable(why))
        } else {
            self.discover().await
        };
        match found {
            Ok(metadata) => {
                memory.failed_at = None;
                let found = Known {
                    metadata: Arc::new(metadata),
                    at: now,
                };
                Ok(Looked::of(memory.known.insert(found), true))
            }
            Err(error) => {
                if !paused {
                    memory.failed_at = Some(now);
                }
                let known = memory.known.as_ref().ok_or_else(|| error.clone())?;
                tracing::warn!("discovery failed, going on with what is known: {error}");
                Ok(Looked::of(known, false))
            }
        }
    }

    async fn discover(&self) -> Result<Metadata, ProviderError> {
        let unavailable = |error: &dyn std::error::Error| {
            ProviderError::Unavailable(format!("discovery: {}", chain(error)))
        };
        let issuer = IssuerUrl::new(self.config.issuer_base_url.clone())
            .map_err(|error| unavailable(&error))?;
        let http = Http::new(&self.fetch);
        Metadata::discover_async(issuer, &http)
            .await
            .map_err(|error| unavailable(&error))
    }

    fn client(&self, metadata: &Metadata) -> Result<Client, ProviderError> {
        let secret = self.config.client_secret.clone().map(ClientSecret::new);
        let callback = RedirectUrl::new(self.callback.clone())
            .map_err(|error| ProviderError::Unavailable(error.to_string()))?;
        let client = CoreClient::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.config.client_id.clone()),
            secret,
        );
        Ok(client.set_redirect_uri(callback))
    }

    /// The parameters by which a client with a key proves who it is; none for others, whose secret the library knows.
    fn assertion(&self, metadata: &Metadata) -> Result<Vec<(&'static str, String)>, ProviderError> {
        let Some(key) = &self.key else {
            return Ok(Vec::new());
        };
        let (client_id, issuer) = (&self.config.client_id, metadata.issuer().as_str());
        let signed = key.sign(
            client_id,
            issuer,
            self.config.clock_tolerance,
            self.clock.now(),
        );
        let signed = signed.map_err(|error| ProviderError::Unavailable(chain(&error)))?;
        Ok(vec![
            ("client_assertion_type", ASSERTION_TYPE.to_owned()),
            ("client_assertion", signed),
        ])
    }

    /// Exchanges a code, and verifies what comes for it.
    pub async fn redeem(&self, code: &str, login: &Transaction) -> Result<Tokens, ProviderError> {
        let metadata = self.metadata().await?;
        let http = Http::new(&self.fetch);
        let client = self.client(&metadata)?;
        let now = self.clock.now();
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| ProviderError::Unavailable(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(login.verifier.clone()));
        for (name, value) in self.assertion(&metadata)? {
            request = request.add_extra_param(name, value);
        }
        let answer = request
            .request_async(&http)
            .await
            .map_err(|error| http.judge(&error))?;
        if answer.id_token().is_none() {
            return Err(ProviderError::Untrusted("no ID token".to_owned()));
        }
        self.read(answer, Some(&login.nonce), now).await
    }

    pub async fn refresh(&self, token: &str, sub: &str) -> Result<Tokens, ProviderError> {
        let metadata = self.metadata().await?;
        let http = Http::new(&self.fetch);
        let client = self.client(&metadata)?;
        let now = self.clock.now();
        let token = RefreshToken::new(token.to_owned());
        let mut request = client
            .exchange_refresh_token(&token)
            .map_err(|error| ProviderError::Unavailable(error.to_string()))?;
        for (name, value) in self.assertion(&metadata)? {
            request = request.add_extra_param(name, value);
        }
        let answer = request
            .request_async(&http)
            .await
            .map_err(|error| http.judge(&error))?;
        let tokens = self.read(answer, None, now).await?;
        // A refreshed ID token is about the same person, or it is nobody's (Core section 12.2).
        if tokens.id_token.is_some()
            && tokens.claims.get("sub").and_then(Value::as_str) != Some(sub)
        {
            return Err(ProviderError::Untrusted(
                "an ID token of another user".to_owned(),
            ));
        }
        Ok(tokens)
    }

    /// An access token for this client itself. A refresh token that came along would not be used.
    pub async fn machine_token(
        &self,
        audience: Option<&str>,
        scope: Option<&str>,
    ) -> Result<MachineToken, ProviderError> {
        let metadata = self.metadata().await?;
        let http = Http::new(&self.fetch);
        let client = self.client(&metadata)?;
        let now = self.clock.now();
        let mut request = client
            .exchange_client_credentials()
            .map_err(|error| ProviderError::Unavailable(error.to_string()))?;
        if let Some(audience) = audience {
            request = request.add_extra_param("audience", audience);
        }
        for (name, value) in self.assertion(&metadata)? {
            request = request.add_extra_param(name, value);
        }
        let scopes = scope.unwrap_or_default().split_ascii_whitespace();
        let answer = request
            .add_scopes(scopes.map(|name| Scope::new(name.to_owned())))
            .request_async(&http)
            .await
            .map_err(|error| http.judge(&error))?;
        Ok(MachineToken {
            access_token: answer.access_token().secret().clone(),
            expires_at: expiry(&answer, now),
        })
    }

    async fn read(
        &self,
        answer: CoreTokenResponse,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<Tokens, ProviderError> {
        let (id_token, claims) = match answer.id_token() {
            Some(token) => {
                let claims = self.verify(token, nonce, now).await?;
                (Some(token.to_string()), claims)
            }
            None => (None, Map::new()),
        };
        let scope = answer.scopes().map(|scopes| {
            let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            names.join(" ")
        });
        Ok(Tokens {
            id_token,
            claims,
            access_token: answer.access_token().secret().clone(),
            refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
            expires_at: expiry(&answer, now),
            scope,
        })
    }

    /// Signature, issuer, audience, expiry and nonce; a key that nobody knew is looked up once more.
    async fn verify(
        &self,
        token: &CoreIdToken,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<Map<String, Value>, ProviderError> {
        let tolerated = date(now.plus(-self.config.clock_tolerance));
        let mut judged = Ok(());
        for within in [FRESH, WORTH_ANOTHER_LOOK] {
            let metadata = self.look(within).await?.metadata;
            let client = self.client(&metadata)?;
            let verifier = client.id_token_verifier().set_time_fn(move || tolerated);
            judged = token
                .claims(&verifier, |found: Option<&Nonce>| same(found, nonce))
                .map(drop);
            if !is_unknown_key(&judged) {
                break;
            }
        }
        judged.map_err(|error| ProviderError::Untrusted(chain(&error)))?;
        payload(&token.to_string())
            .ok_or_else(|| ProviderError::Untrusted("the ID token cannot be read".to_owned()))
    }
}

fn expiry(answer: &CoreTokenResponse, now: Timestamp) -> Option<Timestamp> {
    let lifetime = answer.expires_in()?.as_secs();
    Some(now.plus(i64::try_from(lifetime).unwrap_or(i64::MAX)))
}

/// A login's nonce must be there and equal; a refreshed ID token has none, or the login's.
fn same(found: Option<&Nonce>, expected: Option<&str>) -> Result<(), String> {
    match (found, expected) {
        (Some(found), Some(expected)) if found.secret() == expected => Ok(()),
        (_, Some(_)) => Err("the nonce is not this login's".to_owned()),
        (_, None) => Ok(()),
    }
}

const fn is_unknown_key(judged: &Result<(), ClaimsVerificationError>) -> bool {
    matches!(
        judged,
        Err(ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey
        ))
    )
}

/// The claims of a token that was verified.
pub fn payload(token: &str) -> Option<Map<String, Value>> {
    let middle = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).ok()?).ok()
}

fn date(at: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.millis()).unwrap_or(DateTime::UNIX_EPOCH)
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
