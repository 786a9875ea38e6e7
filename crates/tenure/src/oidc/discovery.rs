//! `/.well-known/openid-configuration`, `/.well-known/oauth-authorization-server` and the JWK set
//! (OpenID Connect Discovery 1.0, RFC 8414, RFC 7517).

use super::token::client_auth::ASSERTION_ALGS;
use super::{claims, upstream};
use crate::app::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::{Value, json};
use std::sync::Arc;
use tenure_protocol::dpop;
use tenure_protocol::model::Connection;
use tenure_protocol::upstream::revocation;

pub async fn configuration(State(app): State<Arc<App>>) -> Response {
    cached(&document(&app), "public, max-age=60")
}

pub async fn jwks(State(app): State<Arc<App>>) -> Response {
    // Short, so that a key that was published is seen well before it signs.
    cached(app.ring().jwks(), "public, max-age=60")
}

fn cached(body: &Value, caching: &'static str) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        ),
    ];
    (headers, body.to_string()).into_response()
}

fn document(app: &App) -> Value {
    let settings = app.settings.current();
    let at = |path: &str| app.config.base_url.join(path);
    let mut document = json!({
        "issuer": app.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/oauth/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at("/oauth/revoke"),
        "introspection_endpoint": at("/oauth/introspect"),
        "scopes_supported": ["openid", "profile", "email", "phone", "offline_access", "online_access"],
        "response_types_supported": ["code", "id_token", "code id_token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", "implicit"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "dpop_signing_alg_values_supported": dpop::ALGORITHMS,
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": claims::supported(),
        "claims_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": crate::pages::text::LOCALES,
        "request_parameter_supported": false,
        // The default is true (OpenID Connect Discovery 1.0 section 3): it must be denied in words.
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported":
            settings.tenant.authorization_response_iss_parameter_supported,
        "end_session_endpoint": at("/oidc/logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        // Names of our own: no specification has these endpoints.
        "tenure_session_status_endpoint": at("/session/status"),
        "tenure_session_extend_endpoint": at("/session/extend"),
        "tenure_session_events_endpoint": at("/session/events"),
    });
    if settings.tenant.pushed_authorization_requests_supported
        && let Some(map) = document.as_object_mut()
    {
        map.insert(
            "pushed_authorization_request_endpoint".to_owned(),
            at("/oauth/par").into(),
        );
    }
    let revocable = |c: &Arc<Connection>| c.upstream.global_token_revocation;
    if settings.connections.values().any(revocable)
        && let Some(map) = document.as_object_mut()
    {
        let endpoint = at(&upstream::revocation::path("{connectionName}"));
        map.insert(
            "global_token_revocation_endpoint".to_owned(),
            endpoint.into(),
        );
        map.insert(
            "global_token_revocation_endpoint_auth_methods_supported".to_owned(),
            json!([revocation::TYPE]),
        );
    }
    document
}

const AUTH_METHODS: [&str; 4] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "none",
];
