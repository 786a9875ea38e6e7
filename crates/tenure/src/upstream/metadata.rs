//! What a provider says about itself (OpenID Connect Discovery 1.0).

use super::Fault;
use crate::outbound::{Ask, Outbound};
use serde::Deserialize;
use serde_json::Value;
use tenure_protocol::model::Connection;
use url::Url;

/// The members that are used.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
    #[serde(default)]
    pub end_session_endpoint: Option<String>,
    /// RFC 9207: its answers name it.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// Initiating User Registration 1.0, section 4.
    #[serde(default)]
    pub prompt_values_supported: Option<Vec<String>>,
    #[serde(default)]
    pub backchannel_logout_supported: bool,
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub scopes_supported: Option<Vec<String>>,
}

impl Metadata {
    /// Fetches and checks them: whoever answers must be the issuer that the connection names
    /// (section 4.3), and every address must be one that a browser or this server may go to.
    pub(super) async fn fetch(outbound: &Outbound, connection: &Connection) -> Result<Self, Fault> {
        let url = connection.metadata_url().ok_or_else(|| {
            Fault::Unreachable("the connection does not say where its provider is".to_owned())
        })?;
        let metadata: Self = json(outbound, &url).await?;
        if connection
            .issuer()
            .is_some_and(|issuer| issuer != metadata.issuer)
        {
            return Err(Fault::Refused(format!(
                "{url} speaks for the issuer {:?}, not for the connection's",
                metadata.issuer
            )));
        }
        metadata.check().map_err(Fault::Refused)?;
        Ok(metadata)
    }

    fn check(&self) -> Result<(), String> {
        let secure = self.issuer.starts_with("https://");
        let endpoints = [
            Some(&self.authorization_endpoint),
            Some(&self.token_endpoint),
            Some(&self.jwks_uri),
            self.userinfo_endpoint.as_ref(),
            self.end_session_endpoint.as_ref(),
        ];
        for endpoint in endpoints.into_iter().flatten() {
            let scheme = Url::parse(endpoint).map(|url| url.scheme().to_owned());
            match scheme.as_deref() {
                Ok("https") => {}
                // What is asked of an http issuer has no secrecy to lose.
                Ok("http") if !secure => {}
                _ => return Err(format!("the metadata name the endpoint {endpoint:?}")),
            }
        }
        Ok(())
    }
}

/// A JSON document of another server.
pub(super) async fn json<T: serde::de::DeserializeOwned>(
    outbound: &Outbound,
    url: &str,
) -> Result<T, Fault> {
    let reply = outbound.ask(&Ask::get(url)).await?;
    if reply.status != 200 {
        return Err(Fault::Unreachable(format!(
            "{url} answered {}",
            reply.status
        )));
    }
    serde_json::from_slice(&reply.body)
        .map_err(|error| Fault::Unreachable(format!("{url} answered no usable JSON: {error}")))
}

/// A JWK set; a set without keys is as good as none.
pub(super) async fn key_set(outbound: &Outbound, url: &str) -> Result<Value, Fault> {
    let set: Value = json(outbound, url).await?;
    let keys = set.get("keys").and_then(Value::as_array);
    match keys {
        Some(keys) if !keys.is_empty() => Ok(set),
        _ => Err(Fault::Unreachable(format!("{url} has no keys"))),
    }
}
