//! The configuration. Its names are those that users of express-openid-connect know, written as Rust
//! writes names; it deserializes from any format.

mod check;

pub(crate) use check::is_loopback;

use crate::assertion::AssertionKey;
use crate::life::Limits;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Why a configuration cannot be used: what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub(crate) String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// How an application signs people in and how long it keeps them signed in.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The provider, exactly as its discovery document writes it.
    pub issuer_base_url: String,
    /// This application as browsers reach it: `https://shop.example`, or `http://localhost:3000`.
    pub base_url: String,
    /// The client's name at the provider.
    pub client_id: String,
    /// None for a public client; PKCE is used in any case.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// Instead of a secret: the client's private key as PEM or as a JWK, whose `kid` is then named (`private_key_jwt`,
    /// RFC 7523). RSA, P-256, P-384 or Ed25519.
    #[serde(default)]
    pub client_assertion_signing_key: Option<String>,
    /// How that key signs, such as `PS256`; if not given the JWK's `alg`, else `RS256`, `ES256`, `ES384` or `EdDSA`.
    #[serde(default)]
    pub client_assertion_signing_alg: Option<String>,
    /// Whether the parameters of a login go to the provider by a request of ours, and the browser carries only a reference
    /// to them (RFC 9126). A provider that requires it gets it anyway.
    #[serde(default)]
    pub pushed_authorization_requests: bool,
    /// At least 32 characters each. The first encrypts, all of them decrypt.
    #[serde(deserialize_with = "one_or_many")]
    pub secret: Vec<String>,
    /// How long people stay signed in.
    #[serde(default)]
    pub session: SessionConfig,
    /// Where the layer answers.
    #[serde(default)]
    pub routes: Routes,
    /// Whether a logout also ends the provider's session. Off: a local logout leaves it alone.
    #[serde(default)]
    pub idp_logout: bool,
    /// Parameters for the provider's logout, such as `federated`.
    #[serde(default)]
    pub logout_params: BTreeMap<String, String>,
    /// Whether every route needs a signed-in user.
    #[serde(default = "yes")]
    pub auth_required: bool,
    /// Whether what needs a user answers 401 instead of redirecting to the login.
    #[serde(default)]
    pub error_on_required_auth: bool,
    /// Whether a browser is asked once, without a page, whether the provider knows its user.
    #[serde(default)]
    pub attempt_silent_login: bool,
    /// Parameters of the authorization request; `scope` is `openid profile email` if not given. With `response_mode =
    /// "form_post"` the provider's answer comes in a form and stands in no address; it needs https.
    #[serde(default)]
    pub authorization_params: BTreeMap<String, String>,
    /// Seconds by which clocks may differ.
    #[serde(default = "a_minute")]
    pub clock_tolerance: i64,
    /// Milliseconds that a request to the provider may take.
    #[serde(default = "five_seconds")]
    pub http_timeout: u64,
    /// Authorities (PEM) beside the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// The application session.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// The cookie's name; `__Host-` is put before it on https.
    pub name: String,
    /// Whether activity renews the session.
    pub rolling: bool,
    /// Seconds since the last activity; `false` only without `rolling`.
    #[serde(deserialize_with = "seconds_or_false")]
    pub rolling_duration: Option<i64>,
    /// Seconds since the login; `false` only with `rolling`.
    #[serde(deserialize_with = "seconds_or_false")]
    pub absolute_duration: Option<i64>,
    /// Whether the cookie ends with the browser.
    pub transient: bool,
    /// Whether the session ends with the token session: when the access token has expired and no refresh
    /// token can renew it.
    pub follow_tokens: bool,
    /// Beginnings of paths whose requests are no activity. A request can also say so itself, with the
    /// header `tenure-passive: 1`.
    pub passive_paths: Vec<String>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            name: "appSession".to_owned(),
            rolling: true,
            rolling_duration: Some(86_400),
            absolute_duration: Some(604_800),
            transient: false,
            follow_tokens: false,
            passive_paths: Vec::new(),
        }
    }
}

/// Where the layer answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Routes {
    /// Sends a person to the provider, and back to `returnTo`.
    pub login: String,
    /// Signs a person out.
    pub logout: String,
    /// Where the provider sends its answers: register it there.
    pub callback: String,
    /// Where the provider tells of sessions that ended (Back-Channel Logout 1.0): register it there.
    pub backchannel_logout: String,
    /// The session's deadlines for the page's monitor; `…/extend` is an explicit activity.
    pub session: String,
    /// Where a person goes after the logout: a path here, or a URL that the provider knows.
    pub post_logout_redirect: String,
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            login: "/login".to_owned(),
            logout: "/logout".to_owned(),
            callback: "/callback".to_owned(),
            backchannel_logout: "/backchannel-logout".to_owned(),
            session: "/session".to_owned(),
            post_logout_redirect: "/".to_owned(),
        }
    }
}

impl Config {
    /// A configuration with everything at its default: `secret` has at least 32 characters, and a confidential client
    /// needs its `client_secret` beside it.
    pub fn new(issuer_base_url: &str, base_url: &str, client_id: &str, secret: &str) -> Self {
        Self {
            issuer_base_url: issuer_base_url.to_owned(),
            base_url: base_url.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: None,
            client_assertion_signing_key: None,
            client_assertion_signing_alg: None,
            pushed_authorization_requests: false,
            secret: vec![secret.to_owned()],
            session: SessionConfig::default(),
            routes: Routes::default(),
            idp_logout: false,
            logout_params: BTreeMap::new(),
            auth_required: true,
            error_on_required_auth: false,
            attempt_silent_login: false,
            authorization_params: BTreeMap::new(),
            clock_tolerance: a_minute(),
            http_timeout: five_seconds(),
            ca_file: None,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        let session = &self.session;
        Limits {
            rolling_duration: session.rolling_duration.filter(|_| session.rolling),
            absolute_duration: session.absolute_duration,
        }
    }

    /// The key that stands for a secret, if there is one.
    pub(crate) fn assertion_key(&self) -> Result<Option<AssertionKey>, ConfigError> {
        let alg = self.client_assertion_signing_alg.as_deref();
        let Some(text) = &self.client_assertion_signing_key else {
            return Ok(None);
        };
        let read = AssertionKey::read(text, alg);
        read.map(Some)
            .map_err(|why| ConfigError(format!("client_assertion_signing_key {why}")))
    }

    /// Whether answers come as a form that the provider's page sends.
    pub(crate) fn is_form_post(&self) -> bool {
        let mode = self.authorization_params.get("response_mode");
        mode.is_some_and(|mode| mode == "form_post")
    }

    pub(crate) fn scope(&self) -> &str {
        self.authorization_params
            .get("scope")
            .map_or("openid profile email", String::as_str)
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("issuer_base_url", &self.issuer_base_url)
            .field("base_url", &self.base_url)
            .field("client_id", &self.client_id)
            .field("session", &self.session)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

const fn yes() -> bool {
    true
}

const fn a_minute() -> i64 {
    60
}

const fn five_seconds() -> u64 {
    5000
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SecondsOrFalse {
    Seconds(i64),
    Off(bool),
}

fn seconds_or_false<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    match SecondsOrFalse::deserialize(from)? {
        SecondsOrFalse::Seconds(seconds) => Ok(Some(seconds)),
        SecondsOrFalse::Off(false) => Ok(None),
        SecondsOrFalse::Off(true) => Err(serde::de::Error::custom("write seconds, or false")),
    }
}
