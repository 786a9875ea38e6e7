//! What a provider offers us, and what it lacks: for whoever sets up a connection.

use super::Provider;
use crate::config::BaseUrl;
use serde::Serialize;
use serde_json::Value;
use tenure_protocol::model::{Connection, UpstreamAuthMethod};
use tenure_protocol::upstream::farewell::way;

/// What there is to say. Holds no secret.
#[derive(Debug, Serialize)]
pub struct Report {
    pub connection: String,
    pub issuer: String,
    pub metadata_url: String,
    pub found: Found,
    /// What must be mended before anybody can sign in.
    pub wrong: Vec<String>,
    /// What the provider lacks, and what that means.
    pub missing: Vec<String>,
    pub register: Register,
}

#[derive(Debug, Serialize)]
pub struct Found {
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub userinfo_endpoint: Option<String>,
    pub end_session_endpoint: Option<String>,
    /// `RS256 kid-1`, one for each key that signs.
    pub keys: Vec<String>,
    pub token_endpoint_auth_method: &'static str,
    pub has_client_secret: bool,
}

/// What the provider must know of us.
#[derive(Debug, Serialize)]
pub struct Register {
    pub client_id: String,
    pub redirect_uri: String,
    pub post_logout_redirect_uri: String,
    pub backchannel_logout_uri: String,
    /// Where it may end everything of a person (Global Token Revocation), where the connection takes that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_token_revocation_uri: Option<String>,
    /// With `private_key_jwt` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
}

impl Register {
    pub fn of(connection: &Connection, base_url: &BaseUrl) -> Self {
        let by_key = connection.auth_method() == UpstreamAuthMethod::PrivateKeyJwt;
        Self {
            client_id: connection.options.client_id.clone(),
            redirect_uri: base_url.join(crate::oidc::upstream::CALLBACK),
            post_logout_redirect_uri: base_url.join(crate::oidc::upstream::farewell::CALLBACK),
            backchannel_logout_uri: base_url.join(&format!(
                "/connections/{}/backchannel-logout",
                connection.name
            )),
            global_token_revocation_uri: connection
                .upstream
                .global_token_revocation
                .then(|| base_url.join(&crate::oidc::upstream::revocation::path(&connection.name))),
            jwks_uri: by_key.then(|| base_url.join("/.well-known/jwks.json")),
        }
    }
}

/// Compares what a connection needs with what its provider says of itself.
pub fn examine(connection: &Connection, provider: &Provider, base_url: &BaseUrl) -> Report {
    let metadata = &provider.metadata;
    let keys = signing_keys(provider.keys());
    let found = Found {
        authorization_endpoint: metadata.authorization_endpoint.clone(),
        token_endpoint: metadata.token_endpoint.clone(),
        jwks_uri: metadata.jwks_uri.clone(),
        userinfo_endpoint: metadata.userinfo_endpoint.clone(),
        end_session_endpoint: metadata.end_session_endpoint.clone(),
        keys,
        token_endpoint_auth_method: auth_method(connection),
        has_client_secret: connection.sealed_secret.is_some(),
    };
    Report {
        connection: connection.name.clone(),
        issuer: metadata.issuer.clone(),
        metadata_url: connection.metadata_url().unwrap_or_default(),
        wrong: wrong(connection, provider, &found),
        missing: missing(connection, provider),
        register: Register::of(connection, base_url),
        found,
    }
}

fn wrong(connection: &Connection, provider: &Provider, found: &Found) -> Vec<String> {
    let metadata = &provider.metadata;
    let mut wrong = Vec::new();
    if found.keys.is_empty() {
        wrong.push(
            "the provider publishes no key that signs with an algorithm that is allowed".to_owned(),
        );
    }
    let method = found.token_endpoint_auth_method;
    let by_secret = method.starts_with("client_secret");
    if by_secret && !found.has_client_secret {
        wrong.push(format!(
            "{method} needs options.client_secret, and none is stored"
        ));
    }
    // RFC 8414 section 2: without the list it is client_secret_basic; few mean that when they leave it out.
    if let Some(methods) = &metadata.token_endpoint_auth_methods_supported
        && !methods.iter().any(|known| known == method)
    {
        wrong.push(format!(
            "the provider takes {}, and the connection says {method}: write options.token_endpoint_auth_method",
            methods.join(", ")
        ));
    }
    if let Some(scopes) = &metadata.scopes_supported {
        for scope in connection.scope().split(' ') {
            if !scopes.iter().any(|known| known == scope) {
                wrong.push(format!("the provider does not list the scope {scope}"));
            }
        }
    }
    wrong
}

fn missing(connection: &Connection, provider: &Provider) -> Vec<String> {
    let metadata = &provider.metadata;
    let mut missing = Vec::new();
    let mut lacks = |there: bool, words: &str| {
        if !there {
            missing.push(words.to_owned());
        }
    };
    lacks(
        way(connection, metadata.end_session_endpoint.as_deref()).is_some(),
        "end_session_endpoint: a federated logout cannot sign anybody out there",
    );
    lacks(
        metadata.backchannel_logout_supported,
        "backchannel_logout_supported: it does not say that it tells us when its sessions end",
    );
    lacks(
        metadata.userinfo_endpoint.is_some(),
        "userinfo_endpoint: what is not in its ID tokens is not known",
    );
    let challenges = metadata.code_challenge_methods_supported.as_ref();
    lacks(
        challenges.is_some_and(|methods| methods.iter().any(|method| method == "S256")),
        "code_challenge_methods_supported with S256: PKCE is sent all the same, and may protect nothing",
    );
    lacks(
        metadata.authorization_response_iss_parameter_supported,
        "authorization_response_iss_parameter_supported: its answers do not name it (RFC 9207)",
    );
    missing
}

/// Keys that a token may be signed with.
fn signing_keys(set: &Value) -> Vec<String> {
    let keys = set.get("keys").and_then(Value::as_array);
    let signs = |key: &&Value| super::keys::is_usable(key);
    keys.into_iter()
        .flatten()
        .filter(signs)
        .map(|key| {
            let text = |name: &str| key.get(name).and_then(Value::as_str);
            let alg = text("alg").or(text("kty")).unwrap_or_default();
            format!("{alg} {}", text("kid").unwrap_or("(no kid)"))
        })
        .collect()
}

const fn auth_method_name(method: UpstreamAuthMethod) -> &'static str {
    match method {
        UpstreamAuthMethod::ClientSecretPost => "client_secret_post",
        UpstreamAuthMethod::ClientSecretBasic => "client_secret_basic",
        UpstreamAuthMethod::PrivateKeyJwt => "private_key_jwt",
        UpstreamAuthMethod::None => "none",
    }
}

pub fn auth_method(connection: &Connection) -> &'static str {
    auth_method_name(connection.auth_method())
}
