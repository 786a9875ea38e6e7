//! An API (Auth0 Management API, `/resource-servers`): who consumes access tokens.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Api {
    /// The audience.
    pub identifier: String,
    pub name: String,
    pub scopes: Vec<ApiScope>,
    pub signing_alg: SigningAlg,
    pub allow_offline_access: bool,
    pub allow_online_access: bool,
    pub skip_consent_for_verifiable_first_party_clients: bool,
    /// Access token lifetime in seconds; 300 unless the API says otherwise.
    pub token_lifetime: i64,
    /// Lifetime for `spa` clients; `None`: `token_lifetime`.
    pub token_lifetime_for_web: Option<i64>,
    pub token_dialect: TokenDialect,
    /// Whether its access tokens must be bound to a key.
    pub proof_of_possession: Option<ProofOfPossession>,
    /// Only permissions that the user (or the machine client's grant) holds are issued.
    pub enforce_policies: bool,
    /// Claims added to every access token for this API; cannot replace a claim of the protocol.
    pub custom_claims: Map<String, Value>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiScope {
    pub value: String,
    pub description: String,
}

/// Auth0's `proof_of_possession`. Only the mechanism `dpop` is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProofOfPossession {
    /// `dpop`, or `mtls` in an imported tenant.
    pub mechanism: String,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_for: Option<RequiredFor>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Whom `required` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequiredFor {
    AllClients,
    PublicClients,
}

impl ProofOfPossession {
    pub fn demands_dpop_of(&self, public: bool) -> bool {
        let everybody = self.required_for != Some(RequiredFor::PublicClients);
        self.required && self.mechanism == "dpop" && (everybody || public)
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            identifier: String::new(),
            name: String::new(),
            scopes: Vec::new(),
            signing_alg: SigningAlg::RS256,
            allow_offline_access: false,
            allow_online_access: false,
            skip_consent_for_verifiable_first_party_clients: true,
            token_lifetime: 300,
            token_lifetime_for_web: None,
            token_dialect: TokenDialect::Rfc9068Profile,
            proof_of_possession: None,
            enforce_policies: false,
            custom_claims: Map::new(),
            extra: Map::new(),
        }
    }
}

/// The algorithms Tenure signs with. Others of an imported tenant are refused by name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum SigningAlg {
    #[default]
    RS256,
    ES256,
    EdDSA,
}

impl SigningAlg {
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// The shape of an API's access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenDialect {
    /// Auth0's own: `azp`, `gty`.
    AccessToken,
    /// The same with `permissions`.
    AccessTokenAuthz,
    /// RFC 9068: `typ: at+jwt`, `client_id`, `jti`.
    #[default]
    Rfc9068Profile,
    /// The same with `permissions`.
    Rfc9068ProfileAuthz,
}

impl TokenDialect {
    pub const fn has_permissions(self) -> bool {
        matches!(self, Self::AccessTokenAuthz | Self::Rfc9068ProfileAuthz)
    }

    pub const fn is_rfc9068(self) -> bool {
        matches!(self, Self::Rfc9068Profile | Self::Rfc9068ProfileAuthz)
    }
}
