//! The provider's token and userinfo endpoints, as their client.

use super::secret::open_secret;
use super::{Fault, Provider};
use crate::app::App;
use crate::crypto::jwt::TokenKind;
use crate::outbound::{Ask, Reply};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tenure_protocol::Timestamp;
use tenure_protocol::model::{Connection, SigningAlg, UpstreamAuthMethod};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds.
const ASSERTION_LIFETIME: i64 = 60;
/// Characters that are kept of what a provider says.
const MOST_WORDS: usize = 200;

/// What the token endpoint answered.
#[derive(Clone, Deserialize)]
pub struct Tokens {
    #[serde(default)]
    pub id_token: Option<String>,
    #[serde(default)]
    pub access_token: Option<String>,
    #[serde(default)]
    pub refresh_token: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// Redeems a code: RFC 6749 section 4.1.3, with PKCE (RFC 7636).
pub async fn redeem(
    app: &App,
    connection: &Connection,
    provider: &Provider,
    (code, verifier): (&str, &str),
) -> Result<Tokens, Fault> {
    let redirect_uri = app.config.base_url.join(crate::oidc::upstream::CALLBACK);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &redirect_uri),
        ("code_verifier", verifier),
    ];
    let reply = request(app, connection, provider, &form).await?;
    read(&reply)
}

/// What came of a refresh that was answered.
#[derive(Debug)]
pub enum Refreshed {
    Tokens(Tokens),
    /// A definite no: no other attempt will be answered otherwise.
    Gone(String),
}

/// Errors that are about the person and not about us, as a wrong secret or a client that was removed
/// would be: the grant is over, the user is blocked (Auth0's word), somebody would have to sign in.
const NO: [&str; 4] = [
    "access_denied",
    "interaction_required",
    "invalid_grant",
    "login_required",
];

/// Refreshes (RFC 6749 section 6).
pub async fn refresh(
    app: &App,
    connection: &Connection,
    provider: &Provider,
    refresh_token: &str,
) -> Result<Refreshed, Fault> {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
    ];
    let reply = request(app, connection, provider, &form).await?;
    let said: Map<String, Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
    let error = said.get("error").and_then(Value::as_str);
    let is_over = error.is_some_and(|error| NO.contains(&error));
    if (400..500).contains(&reply.status) && is_over {
        return Ok(Refreshed::Gone(words(&reply.body)));
    }
    read(&reply).map(Refreshed::Tokens)
}

/// A request at the token endpoint, with our credentials.
async fn request(
    app: &App,
    connection: &Connection,
    provider: &Provider,
    form: &[(&str, &str)],
) -> Result<Reply, Fault> {
    let client_id = connection.options.client_id.as_str();
    let endpoint = provider.metadata.token_endpoint.as_str();
    let secret = || {
        open_secret(&app.master, connection).ok_or_else(|| {
            Fault::Unreachable("the connection has no client_secret that can be read".to_owned())
        })
    };
    let mut form = form.to_vec();
    let (proof, authorization);
    let ask = match connection.auth_method() {
        UpstreamAuthMethod::None => {
            form.push(("client_id", client_id));
            Ask::post(endpoint, &form)
        }
        UpstreamAuthMethod::ClientSecretPost => {
            proof = secret()?;
            form.extend([("client_id", client_id), ("client_secret", &proof)]);
            Ask::post(endpoint, &form)
        }
        UpstreamAuthMethod::ClientSecretBasic => {
            authorization = basic(client_id, &secret()?);
            Ask {
                authorization: Some(&authorization),
                ..Ask::post(endpoint, &form)
            }
        }
        UpstreamAuthMethod::PrivateKeyJwt => {
            proof = assertion(app, client_id, endpoint, app.clock.now())?;
            form.extend([
                ("client_id", client_id),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", &proof),
            ]);
            Ask::post(endpoint, &form)
        }
    };
    Ok(app.outbound.ask(&ask).await?)
}

/// RFC 6749 section 2.3.1: both are form-encoded before they are put together.
fn basic(client_id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret));
    format!("Basic {}", STANDARD.encode(pair))
}

/// RFC 7523 section 3, signed with our own current key: the provider reads our JWK set.
fn assertion(app: &App, client_id: &str, audience: &str, now: Timestamp) -> Result<String, Fault> {
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": app.entropy.token(16),
        "iat": now.seconds(),
        "exp": now.plus(ASSERTION_LIFETIME).seconds(),
    });
    app.ring()
        .sign(SigningAlg::RS256, TokenKind::ClientAssertion, &claims)
        .map_err(|error| Fault::Unreachable(format!("{error:#}")))
}

fn read(reply: &Reply) -> Result<Tokens, Fault> {
    match reply.status {
        200 => serde_json::from_slice(&reply.body).map_err(|error| {
            Fault::Unreachable(format!(
                "the token endpoint answered no usable JSON: {error}"
            ))
        }),
        400..=499 => Err(Fault::Refused(format!(
            "the token endpoint answered {}: {}",
            reply.status,
            words(&reply.body)
        ))),
        status => Err(Fault::Unreachable(format!(
            "the token endpoint answered {status}"
        ))),
    }
}

/// Claims about the person that are not in the ID token (OpenID Connect Core 5.3). `None`: the provider
/// has no such endpoint.
pub async fn userinfo(
    app: &App,
    provider: &Provider,
    access_token: &str,
    subject: &str,
) -> Result<Option<Map<String, Value>>, Fault> {
    let Some(endpoint) = &provider.metadata.userinfo_endpoint else {
        return Ok(None);
    };
    let authorization = format!("Bearer {access_token}");
    let ask = Ask {
        authorization: Some(&authorization),
        ..Ask::get(endpoint)
    };
    let reply = app.outbound.ask(&ask).await?;
    if reply.status != 200 {
        return Err(Fault::Unreachable(format!(
            "{endpoint} answered {}",
            reply.status
        )));
    }
    let claims: Map<String, Value> = serde_json::from_slice(&reply.body).map_err(|error| {
        Fault::Unreachable(format!("{endpoint} answered no JSON object: {error}"))
    })?;
    // Core 5.3.2: otherwise it may be about anybody.
    if claims.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(Fault::Refused(format!(
            "{endpoint} speaks of another sub than the ID token"
        )));
    }
    Ok(Some(claims))
}

/// `error` and `error_description`, as far as a log may have them.
fn words(body: &[u8]) -> String {
    let said: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let parts: Vec<_> = [text("error"), text("error_description")]
        .into_iter()
        .flatten()
        .collect();
    parts
        .join(", ")
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST_WORDS)
        .collect()
}
