//! Client authentication (RFC 6749 section 2.3, RFC 7523, OpenID Connect Core 9).

use crate::app::{App, client_secret_mac};
use crate::crypto::{jwt, mac};
use crate::http::Caller;
use crate::respond::Failure;
use crate::settings::{Registered, Settings};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use std::sync::Arc;
use tenure_protocol::model::AuthMethod;
use tenure_protocol::params::Params;
use tenure_protocol::{RefusalReason, Timestamp};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The furthest that an assertion's `exp` may lie ahead, in seconds.
const ASSERTION_LIFETIME: i64 = 600;

/// An allow-list.
pub const ASSERTION_ALGS: [Algorithm; 9] = jwt::ASYMMETRIC;

/// Finds out which client calls, by exactly one method.
///
/// # Errors
/// The client is unknown, used the wrong method, or failed. Unknown and failed answer alike.
pub async fn authenticate(
    app: &Arc<App>,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
    now: Timestamp,
) -> Result<Arc<Registered>, Failure> {
    let basic = basic_credentials(headers)?;
    let secret = params.get("client_secret")?;
    let assertion = params.get("client_assertion")?;
    let methods = [basic.is_some(), secret.is_some(), assertion.is_some()];
    if methods.into_iter().filter(|used| *used).count() > 1 {
        return Err(RefusalReason::ClientAuthTwice.into());
    }
    if let Some(assertion) = assertion {
        if params.get("client_assertion_type")? != Some(ASSERTION_TYPE) {
            return Err(RefusalReason::AssertionInvalid.into());
        }
        return by_assertion(app, params.get("client_id")?, assertion, now).await;
    }
    let result = match (&basic, secret) {
        (Some(candidates), _) => by_basic(app, params.get("client_id")?, candidates),
        (None, secret) => by_post(app, params.get("client_id")?, secret),
    };
    if let Err(reason) = &result {
        // Never the presented secret, only who tried.
        tracing::info!(
            ?reason,
            address = caller.address,
            "client authentication failed"
        );
    }
    result.map_err(Failure::from)
}

/// The client that a request says it comes from, proven or not.
pub fn named(settings: &Settings, params: &Params) -> Option<Arc<Registered>> {
    settings.client(params.first("client_id")?).cloned()
}

/// RFC 6749 section 5.2: who failed with HTTP Basic is challenged to it. Nobody else is: a challenge
/// makes clients that look for one miss the error code.
pub fn challenge(response: &mut Response, headers: &HeaderMap) {
    let scheme = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(' ').next())
        .unwrap_or_default();
    if response.status() == StatusCode::UNAUTHORIZED && scheme.eq_ignore_ascii_case("basic") {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"tenure\", charset=\"UTF-8\""),
        );
    }
}

/// User and password as sent, and form-decoded: libraries that follow RFC 6749 section 2.3.1 encode
/// them before base64, people with curl do not.
struct Basic {
    decoded: (String, String),
    raw: (String, String),
}

fn basic_credentials(headers: &HeaderMap) -> Result<Option<Basic>, RefusalReason> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| RefusalReason::ClientAuthFailed)?;
    let Some((scheme, encoded)) = text.split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let bytes = STANDARD
        .decode(encoded.trim())
        .map_err(|_| RefusalReason::ClientAuthFailed)?;
    let text = String::from_utf8(bytes).map_err(|_| RefusalReason::ClientAuthFailed)?;
    let (user, password) = text
        .split_once(':')
        .ok_or(RefusalReason::ClientAuthFailed)?;
    let decode = |text: &str| {
        let pair = format!("v={}", text.replace('&', "%26"));
        form_urlencoded::parse(pair.as_bytes())
            .next()
            .map(|(_, v)| v.into_owned())
            .unwrap_or_default()
    };
    Ok(Some(Basic {
        decoded: (decode(user), decode(password)),
        raw: (user.to_owned(), password.to_owned()),
    }))
}

fn by_basic(
    app: &App,
    client_id: Option<&str>,
    basic: &Basic,
) -> Result<Arc<Registered>, RefusalReason> {
    let decoded = by_secret(app, &basic.decoded.0, &basic.decoded.1);
    let client = decoded.or_else(|_| by_secret(app, &basic.raw.0, &basic.raw.1))?;
    match client_id {
        Some(id) if id != client.client.client_id => Err(RefusalReason::ClientAuthFailed),
        _ => Ok(client),
    }
}

fn by_post(
    app: &App,
    client_id: Option<&str>,
    secret: Option<&str>,
) -> Result<Arc<Registered>, RefusalReason> {
    let client_id = client_id.ok_or(RefusalReason::ClientAuthMissing)?;
    if let Some(secret) = secret {
        return by_secret(app, client_id, secret);
    }
    let settings = app.settings.current();
    let client = settings
        .client(client_id)
        .ok_or(RefusalReason::ClientAuthFailed)?;
    if client.client.is_public() {
        Ok(client.clone())
    } else {
        Err(RefusalReason::ClientAuthMissing)
    }
}

/// Either secret method is accepted from a client that has a secret: which of the two a library
/// uses says nothing about who holds it.
fn by_secret(app: &App, client_id: &str, secret: &str) -> Result<Arc<Registered>, RefusalReason> {
    let settings = app.settings.current();
    let given = client_secret_mac(&app.macs.client_secret, client_id, secret);
    let client = settings
        .client(client_id)
        .ok_or(RefusalReason::ClientAuthFailed)?;
    let method = client.client.auth_method();
    let uses_secret = matches!(
        method,
        AuthMethod::ClientSecretPost | AuthMethod::ClientSecretBasic
    );
    let fits = client
        .secret_mac
        .as_deref()
        .is_some_and(|stored| mac::equal(stored, &given));
    if uses_secret && fits {
        Ok(client.clone())
    } else {
        Err(RefusalReason::ClientAuthFailed)
    }
}

async fn by_assertion(
    app: &Arc<App>,
    client_id: Option<&str>,
    assertion: &str,
    now: Timestamp,
) -> Result<Arc<Registered>, Failure> {
    let invalid = RefusalReason::AssertionInvalid;
    let unverified: Map<String, Value> =
        jsonwebtoken::dangerous::insecure_decode_claims(assertion).map_err(|_| invalid)?;
    let subject = unverified
        .get("sub")
        .and_then(Value::as_str)
        .ok_or(invalid)?;
    if client_id.is_some_and(|id| id != subject) {
        return Err(invalid.into());
    }
    let settings = app.settings.current();
    let client = settings.client(subject).ok_or(invalid)?;
    if client.client.auth_method() != AuthMethod::PrivateKeyJwt {
        return Err(invalid.into());
    }
    let claims = verify_with(client.client.jwks.as_ref(), assertion).ok_or(invalid)?;
    let expires_at = check_claims(app, &claims, subject, now).ok_or(invalid)?;
    let jti = claims.get("jti").and_then(Value::as_str).ok_or(invalid)?;
    let id = format!("{subject} {jti}");
    let first = app
        .store
        .write(move |tx| tx.put_once("assertion", &id, "", expires_at))
        .await?;
    if first {
        Ok(client.clone())
    } else {
        Err(RefusalReason::AssertionReplayed.into())
    }
}

/// Tries the client's keys: the one that the header names, or all when it names none.
fn verify_with(jwks: Option<&Value>, assertion: &str) -> Option<Map<String, Value>> {
    let header = jsonwebtoken::decode_header(assertion).ok()?;
    if !ASSERTION_ALGS.contains(&header.alg) {
        return None;
    }
    let keys = jwks?.get("keys")?.as_array()?;
    keys.iter()
        .filter(
            |key| match (&header.kid, key.get("kid").and_then(Value::as_str)) {
                (Some(wanted), Some(kid)) => wanted == kid,
                _ => true,
            },
        )
        .filter_map(|key| serde_json::from_value(key.clone()).ok())
        .filter_map(|jwk| DecodingKey::from_jwk(&jwk).ok())
        .find_map(|key| jwt::verify_signature(assertion, header.alg, &key))
}

/// RFC 7523 section 3: issuer and subject are the client, the audience is us, and it expires soon.
fn check_claims(
    app: &App,
    claims: &Map<String, Value>,
    client_id: &str,
    now: Timestamp,
) -> Option<Timestamp> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(client_id) || text("sub") != Some(client_id) {
        return None;
    }
    let ours = [
        app.issuer.clone(),
        app.config.base_url.join("/oauth/token"),
        app.config.base_url.as_str().to_owned(),
    ];
    let is_ours = |aud: &Value| {
        aud.as_str()
            .is_some_and(|aud| ours.iter().any(|our| our == aud))
    };
    let for_us = match claims.get("aud")? {
        Value::Array(many) => many.iter().any(is_ours),
        one => is_ours(one),
    };
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, and the bounds are checked next"
    )]
    let expires_at = Timestamp::from_seconds(seconds("exp")? as i64);
    let soon = expires_at <= now.plus(ASSERTION_LIFETIME + 60);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
    let begun = seconds("nbf").is_none_or(|nbf| nbf <= now.plus(60).seconds() as f64);
    (for_us && begun && soon && now < expires_at).then_some(expires_at)
}
