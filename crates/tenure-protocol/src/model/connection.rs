//! A connection: our registration at an identity provider (Auth0 Management API, `/connections`,
//! strategy `oidc`), and how far we trust what it says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use url::Host;

/// A connection that is interpreted. Others (`auth0`, `samlp`, …) are kept as they stand in the file.
/// The client secret is not part of it in the clear: `sealed_secret` opens only under the master key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// Part of addresses and of user ids: letters, digits and dashes.
    pub name: String,
    pub display_name: Option<String>,
    /// `oidc`.
    pub strategy: String,
    /// Clients whose users may use it, by id or name. `None`: all of them.
    pub enabled_clients: Option<Vec<String>>,
    pub show_as_button: bool,
    /// What is known of the provider's product: fills in what `options` leaves out.
    pub preset: Option<Preset>,
    pub options: ConnectionOptions,
    /// How far the provider reaches into sessions here.
    pub upstream: UpstreamPolicy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed_secret: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            name: String::new(),
            display_name: None,
            strategy: STRATEGY.to_owned(),
            enabled_clients: None,
            show_as_button: true,
            preset: None,
            options: ConnectionOptions::default(),
            upstream: UpstreamPolicy::default(),
            sealed_secret: None,
            extra: Map::new(),
        }
    }
}

/// The one strategy that is interpreted.
pub const STRATEGY: &str = "oidc";

/// A connection's `options`, by the export's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionOptions {
    /// The provider's `iss`; where absent, the preset's, or what `discovery_url` begins with.
    pub issuer: Option<String>,
    /// The host of a preset that needs one, such as `acme.okta.com`.
    pub domain: Option<String>,
    /// Keycloak's realm, or the tenant of Microsoft Entra.
    pub realm: Option<String>,
    pub discovery_url: Option<String>,
    pub client_id: String,
    /// Space-separated; `openid` is always asked for.
    pub scope: Option<String>,
    /// `None`: `client_secret_post` with a secret, `private_key_jwt` without.
    pub token_endpoint_auth_method: Option<UpstreamAuthMethod>,
    /// The e-mail domains that belong to this provider: only in these it may link accounts.
    pub domain_aliases: Vec<String>,
    pub icon_url: Option<String>,
    /// Nobody gets an account here by signing in there.
    pub disable_signup: bool,
    /// Auth0's switch for `session_expiry`; `upstream.session_expiry` says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_session_expiry_supported: Option<bool>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How we prove ourselves at the provider's token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamAuthMethod {
    ClientSecretPost,
    ClientSecretBasic,
    /// Signed with our own current key: the provider reads our JWK set.
    PrivateKeyJwt,
    None,
}

/// Products whose issuers and habits are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    Google,
    Entra,
    Okta,
    Auth0,
    Keycloak,
    Tenure,
}

/// What the provider may decide about sessions and accounts here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamPolicy {
    /// `None`: as Auth0's `id_token_session_expiry_supported` says, else `honour`.
    pub session_expiry: Option<ExpiryPolicy>,
    /// Which accounts a verified e-mail address may join.
    pub linking: LinkPolicy,
    /// Whether a request that demands a fresh login (`prompt=login`, `max_age`) must bring back a fresh
    /// `auth_time` from the provider. `None`: yes, but of those that never send one.
    pub demand_fresh_auth_time: Option<bool>,
    /// The values of the provider's `amr` that count here.
    pub amr_values: Vec<String>,
    /// The provider's `acr` values that count here, and what they are called here.
    pub acr_mapping: BTreeMap<String, String>,
    /// What a logout token of the provider ends here.
    pub backchannel_logout: UpstreamLogoutPolicy,
    /// Whether the provider may end everything of a person here, by Global Token Revocation.
    pub global_token_revocation: bool,
    /// Before a session is extended past so many minutes since it was last confirmed, the provider is
    /// asked whether the person is still welcome. `None`: never.
    pub confirm_after_minutes: Option<i64>,
    /// Minutes for which sessions live on while the provider does not answer.
    pub confirm_grace_minutes: i64,
}

impl Default for UpstreamPolicy {
    fn default() -> Self {
        Self {
            session_expiry: None,
            linking: LinkPolicy::VerifiedEmail,
            demand_fresh_auth_time: None,
            amr_values: Vec::new(),
            acr_mapping: BTreeMap::new(),
            backchannel_logout: UpstreamLogoutPolicy::Browser,
            global_token_revocation: true,
            confirm_after_minutes: None,
            confirm_grace_minutes: 60,
        }
    }
}

/// What becomes of the provider's `session_expiry` (IPSIE SL1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryPolicy {
    /// A login without it is refused.
    Require,
    /// It caps the session; where absent, nothing does.
    Honour,
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkPolicy {
    /// An account with the same verified address, in a domain that is assigned to the connection.
    VerifiedEmail,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamLogoutPolicy {
    Ignore,
    /// The sessions that the named upstream session stands behind.
    Browser,
    /// Every session of the person.
    AllSessions,
    /// Every session of the person, and every refresh token.
    AllSessionsAndRefreshTokens,
}

impl Connection {
    /// What the login page calls it.
    pub fn title(&self) -> &str {
        let named = self.display_name.as_deref().filter(|name| !name.is_empty());
        named.unwrap_or(match self.preset {
            Some(Preset::Google) => "Google",
            Some(Preset::Entra) => "Microsoft",
            Some(Preset::Okta) => "Okta",
            _ => &self.name,
        })
    }

    /// Whether users of this client may use it.
    pub fn is_enabled_for(&self, client_id: &str, client_name: &str) -> bool {
        self.enabled_clients.as_ref().is_none_or(|list| {
            list.iter()
                .any(|entry| entry == client_id || (entry == client_name && !entry.is_empty()))
        })
    }

    /// The issuer whose tokens count. `None`: the file does not say enough.
    pub fn issuer(&self) -> Option<String> {
        let options = &self.options;
        if let Some(issuer) = options.issuer.as_deref().filter(|text| !text.is_empty()) {
            return Some(issuer.to_owned());
        }
        if let Some(url) = &options.discovery_url {
            return url.strip_suffix(DISCOVERY).map(str::to_owned);
        }
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (domain, realm) = (filled(&options.domain), filled(&options.realm));
        match self.preset? {
            Preset::Google => Some("https://accounts.google.com".to_owned()),
            Preset::Entra => Some(format!("https://login.microsoftonline.com/{}/v2.0", realm?)),
            Preset::Okta => Some(format!("https://{}", domain?)),
            Preset::Auth0 | Preset::Tenure => Some(format!("https://{}/", domain?)),
            Preset::Keycloak => Some(format!("https://{}/realms/{}", domain?, realm?)),
        }
    }

    /// Where the provider's metadata are (OpenID Connect Discovery 1.0 section 4: appended).
    pub fn metadata_url(&self) -> Option<String> {
        if let Some(url) = &self.options.discovery_url {
            return Some(url.clone());
        }
        let issuer = self.issuer()?;
        Some(format!("{}{DISCOVERY}", issuer.trim_end_matches('/')))
    }

    /// What is asked for: always `openid`, first.
    pub fn scope(&self) -> String {
        let wanted = self.options.scope.as_deref().unwrap_or("profile email");
        let others = wanted.split_whitespace().filter(|scope| *scope != "openid");
        std::iter::once("openid")
            .chain(others)
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub fn auth_method(&self) -> UpstreamAuthMethod {
        let fallback = if self.sealed_secret.is_some() {
            UpstreamAuthMethod::ClientSecretPost
        } else {
            UpstreamAuthMethod::PrivateKeyJwt
        };
        self.options.token_endpoint_auth_method.unwrap_or(fallback)
    }

    pub fn expiry_policy(&self) -> ExpiryPolicy {
        let by_switch = match self.options.id_token_session_expiry_supported {
            Some(false) => ExpiryPolicy::Ignore,
            Some(true) | None => ExpiryPolicy::Honour,
        };
        self.upstream.session_expiry.unwrap_or(by_switch)
    }

    pub fn demands_fresh_auth_time(&self) -> bool {
        let sends_one = !matches!(self.preset, Some(Preset::Google | Preset::Entra));
        self.upstream.demand_fresh_auth_time.unwrap_or(sends_one)
    }

    /// Whether an e-mail address lies in a domain that is assigned to this connection.
    pub fn owns_address(&self, email: &str) -> bool {
        let Some((_, domain)) = email.rsplit_once('@') else {
            return false;
        };
        let aliases = &self.options.domain_aliases;
        let wanted = spelled(domain);
        !wanted.is_empty() && aliases.iter().any(|own| spelled(own) == wanted)
    }
}

/// A domain as it is looked up: one may be written with other characters (IDNA), and with a dot at its end.
/// Whoever has no say about a domain must not get it by writing it otherwise.
fn spelled(domain: &str) -> String {
    let host = Host::parse(domain).map_or_else(|_| domain.to_lowercase(), |host| host.to_string());
    host.trim_end_matches('.').to_owned()
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
