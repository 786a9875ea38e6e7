//! A client: a relying party's registration (Auth0 Management API, `/clients`).

use super::SigningAlg;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A registered client. The secret is not part of it: only its MAC is stored, beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    pub client_id: String,
    pub name: String,
    pub description: String,
    pub logo_uri: Option<String>,
    pub app_type: AppType,
    /// Third-party clients need the person's consent.
    pub is_first_party: bool,
    pub callbacks: Vec<String>,
    pub allowed_origins: Vec<String>,
    pub web_origins: Vec<String>,
    pub allowed_logout_urls: Vec<String>,
    /// `None`: the grant types that fit `app_type`; see [`Client::allows_grant`].
    pub grant_types: Option<Vec<String>>,
    /// `None`: what fits `app_type` (`none` for spa and native, else `client_secret_post`).
    pub token_endpoint_auth_method: Option<AuthMethod>,
    pub jwt_configuration: JwtConfiguration,
    pub refresh_token: RefreshTokenPolicy,
    pub oidc_logout: OidcLogout,
    pub initiate_login_uri: Option<String>,
    pub require_pushed_authorization_requests: bool,
    /// Issues tokens only with a DPoP proof (RFC 9449 section 5.2 calls it `dpop_bound_access_tokens`).
    pub require_proof_of_possession: bool,
    /// Public keys for `private_key_jwt`: a JWK set (RFC 7591 `jwks`).
    pub jwks: Option<Value>,
    /// Acts as if `max_age` had been sent (OpenID Connect Registration 1.0).
    pub default_max_age: Option<i64>,
    pub require_auth_time: bool,
    /// Accept an imported `https://*.example.com/…` callback pattern.
    pub allow_wildcard_subdomains: bool,
    /// What `session_expiry` in this client's ID tokens says.
    pub session_expiry: SessionExpiryClaim,
    /// Whether this client's ID tokens name the connection that the person came in through (`connection`).
    pub connection_claim: bool,
    /// Claims added to every ID and access token of this client; cannot replace a claim of the protocol.
    pub custom_claims: Map<String, Value>,
    /// Ends offline families of this client too, when their session ends by a logout.
    /// `None`: yes for `spa`, no for the others.
    pub end_offline_on_logout: Option<bool>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            name: String::new(),
            description: String::new(),
            logo_uri: None,
            app_type: AppType::RegularWeb,
            is_first_party: true,
            callbacks: Vec::new(),
            allowed_origins: Vec::new(),
            web_origins: Vec::new(),
            allowed_logout_urls: Vec::new(),
            grant_types: None,
            token_endpoint_auth_method: None,
            jwt_configuration: JwtConfiguration::default(),
            refresh_token: RefreshTokenPolicy::default(),
            oidc_logout: OidcLogout::default(),
            initiate_login_uri: None,
            require_pushed_authorization_requests: false,
            require_proof_of_possession: false,
            jwks: None,
            default_max_age: None,
            require_auth_time: false,
            allow_wildcard_subdomains: false,
            session_expiry: SessionExpiryClaim::Session,
            connection_claim: true,
            custom_claims: Map::new(),
            end_offline_on_logout: None,
            extra: Map::new(),
        }
    }
}

impl Client {
    pub fn auth_method(&self) -> AuthMethod {
        self.token_endpoint_auth_method
            .unwrap_or(match self.app_type {
                AppType::Spa | AppType::Native => AuthMethod::None,
                _ if self.jwks.is_some() => AuthMethod::PrivateKeyJwt,
                _ => AuthMethod::ClientSecretPost,
            })
    }

    /// A public client cannot keep a secret (RFC 6749 section 2.1).
    pub fn is_public(&self) -> bool {
        self.auth_method() == AuthMethod::None
    }

    pub fn allows_grant(&self, grant_type: &str) -> bool {
        match &self.grant_types {
            Some(list) => list.iter().any(|g| g == grant_type),
            None => match self.app_type {
                AppType::NonInteractive => grant_type == "client_credentials",
                AppType::Spa | AppType::Native | AppType::Other => {
                    matches!(
                        grant_type,
                        "authorization_code" | "implicit" | "refresh_token"
                    )
                }
                AppType::RegularWeb => matches!(
                    grant_type,
                    "authorization_code" | "implicit" | "refresh_token" | "client_credentials"
                ),
            },
        }
    }

    pub fn ends_offline_on_logout(&self) -> bool {
        self.end_offline_on_logout
            .unwrap_or(self.app_type == AppType::Spa)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppType {
    Spa,
    Native,
    RegularWeb,
    NonInteractive,
    /// Auth0's vendor types (`sso_integration`, `rms`, …): treated as a web application.
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    None,
    ClientSecretPost,
    ClientSecretBasic,
    PrivateKeyJwt,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JwtConfiguration {
    /// Lifetime of ID tokens, in seconds.
    pub lifetime_in_seconds: i64,
    pub alg: SigningAlg,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for JwtConfiguration {
    fn default() -> Self {
        Self {
            lifetime_in_seconds: 36_000,
            alg: SigningAlg::RS256,
            extra: Map::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationType {
    Rotating,
    NonRotating,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpirationType {
    Expiring,
    NonExpiring,
}

/// A client's `refresh_token` object. Durations are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefreshTokenPolicy {
    /// `None`: rotating for public clients, non-rotating for confidential ones.
    pub rotation_type: Option<RotationType>,
    /// `None`: expiring for public clients, non-expiring for confidential ones.
    pub expiration_type: Option<ExpirationType>,
    /// How long any consumed token is tolerated after its rotation.
    pub leeway: i64,
    /// How long the immediate predecessor is tolerated: an answer lost on the network, a second tab. 0 = off.
    pub retry_window: i64,
    pub token_lifetime: i64,
    pub infinite_token_lifetime: bool,
    pub idle_token_lifetime: i64,
    pub infinite_idle_token_lifetime: bool,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for RefreshTokenPolicy {
    fn default() -> Self {
        Self {
            rotation_type: None,
            expiration_type: None,
            leeway: 0,
            retry_window: 60,
            token_lifetime: 2_592_000,
            infinite_token_lifetime: false,
            idle_token_lifetime: 1_296_000,
            infinite_idle_token_lifetime: false,
            extra: Map::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OidcLogout {
    pub backchannel_logout_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_initiators: Option<BackchannelInitiators>,
    /// Names the user in every logout token, not only where all of their sessions end. Some relying
    /// parties end every session of a `sub`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backchannel_logout_include_sub: bool,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackchannelInitiators {
    /// `all` or `custom`.
    pub mode: String,
    pub selected_initiators: Vec<String>,
}

/// What the `session_expiry` claim says (IPSIE SL1; design 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionExpiryClaim {
    /// The session's absolute deadline; with an offline family the later of that and the family's.
    Session,
    /// The family's absolute deadline if there is a family, else the session's.
    Tokens,
    Off,
}
