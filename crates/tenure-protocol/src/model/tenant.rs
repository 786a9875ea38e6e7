//! Tenant settings (Auth0 Management API, `/tenants/settings`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The tenant's settings. Lifetimes are hours with fractions, as in the API they come
/// from; `…_in_minutes` twins win where given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tenant {
    pub friendly_name: Option<String>,
    pub picture_url: Option<String>,
    pub support_email: Option<String>,
    pub support_url: Option<String>,
    pub default_audience: Option<String>,
    pub default_redirection_uri: Option<String>,
    pub allowed_logout_urls: Vec<String>,
    pub enabled_locales: Vec<String>,
    pub session_lifetime: Option<f64>,
    pub idle_session_lifetime: Option<f64>,
    pub ephemeral_session_lifetime: Option<f64>,
    pub idle_ephemeral_session_lifetime: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_lifetime_in_minutes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_session_lifetime_in_minutes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_session_lifetime_in_minutes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ephemeral_session_lifetime_in_minutes: Option<f64>,
    pub session_cookie: SessionCookie,
    pub sessions: SessionSettings,
    /// `iss` in authorization responses (RFC 9207). On for new tenants; an export says what its tenant had.
    pub authorization_response_iss_parameter_supported: bool,
    pub pushed_authorization_requests_supported: bool,
    /// HTTP status of `invalid_grant`: 400 (RFC 6749 section 5.2) or Auth0's 403.
    pub invalid_grant_status: u16,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            friendly_name: None,
            picture_url: None,
            support_email: None,
            support_url: None,
            default_audience: None,
            default_redirection_uri: None,
            allowed_logout_urls: Vec::new(),
            enabled_locales: Vec::new(),
            session_lifetime: None,
            idle_session_lifetime: None,
            ephemeral_session_lifetime: None,
            idle_ephemeral_session_lifetime: None,
            session_lifetime_in_minutes: None,
            idle_session_lifetime_in_minutes: None,
            ephemeral_session_lifetime_in_minutes: None,
            idle_ephemeral_session_lifetime_in_minutes: None,
            session_cookie: SessionCookie::default(),
            sessions: SessionSettings::default(),
            authorization_response_iss_parameter_supported: true,
            pushed_authorization_requests_supported: true,
            invalid_grant_status: 400,
            extra: Map::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionCookie {
    pub mode: CookieMode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CookieMode {
    #[default]
    Persistent,
    NonPersistent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionSettings {
    /// Ask the person at `/oidc/logout` when the request carries no usable proof.
    pub oidc_logout_prompt_enabled: bool,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            oidc_logout_prompt_enabled: true,
            extra: Map::new(),
        }
    }
}
