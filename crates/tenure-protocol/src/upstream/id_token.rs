//! What an ID token of an identity provider must say (OpenID Connect Core 3.1.3.7). The signature is
//! checked before; here are the claims.

use super::CLOCK_SKEW;
use crate::Timestamp;
use serde_json::{Map, Value};

/// The oldest that an ID token may be when it comes, in seconds: it was made a moment ago.
const OLDEST: i64 = 600;

/// What was asked, and of whom.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    /// The oldest authentication that will do, where the request demanded a fresh one.
    pub fresh_since: Option<Timestamp>,
}

/// What the token proves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proven {
    pub issuer: String,
    pub subject: String,
    /// The provider's name for its session.
    pub sid: Option<String>,
    pub auth_time: Option<Timestamp>,
    /// When the provider made it, by its clock.
    pub issued_at: Option<Timestamp>,
    /// As sent; `expiry::cap` reads it.
    pub session_expiry: Option<Value>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    /// All claims, for the person's profile.
    pub claims: Map<String, Value>,
}

/// Why a token is refused. The name goes to the log; the person reads that it did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Issuer,
    Subject,
    Audience,
    AuthorizedParty,
    Nonce,
    Expired,
    IssuedAt,
    NotYetValid,
    AuthTimeMissing,
    AuthTimeStale,
    AuthTimeAhead,
}

impl Fault {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "the iss of the ID token is not the connection's issuer",
            Self::Subject => "the ID token has no usable sub",
            Self::Audience => "the aud of the ID token is not the connection's client_id",
            Self::AuthorizedParty => "the azp of the ID token is not the connection's client_id",
            Self::Nonce => "the nonce of the ID token is not the one that was sent",
            Self::Expired => "the ID token has expired",
            Self::IssuedAt => "the iat of the ID token is missing, too old or ahead of our clock",
            Self::NotYetValid => "the nbf of the ID token is ahead of our clock",
            Self::AuthTimeMissing => {
                "a fresh login was demanded, and the ID token has no auth_time"
            }
            Self::AuthTimeStale => "a fresh login was demanded, and the auth_time is older",
            Self::AuthTimeAhead => "the auth_time of the ID token is ahead of our clock",
        }
    }
}

/// Judges the claims of a token whose signature is the provider's.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(
    claims: Map<String, Value>,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Proven, Fault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(Fault::Issuer);
    }
    // Core section 2: at most 255 ASCII characters. Some providers send others; we only bound them.
    let subject = text("sub").filter(|sub| !sub.is_empty() && sub.len() <= 1024);
    let subject = subject.ok_or(Fault::Subject)?.to_owned();
    check_audience(&claims, expected.client_id)?;
    if text("nonce") != Some(expected.nonce) {
        return Err(Fault::Nonce);
    }
    check_times(&claims, now)?;
    let auth_time = instant(&claims, "auth_time");
    check_auth_time(auth_time, expected.fresh_since, now)?;
    let amr = claims.get("amr").and_then(Value::as_array);
    let amr = amr.into_iter().flatten().filter_map(Value::as_str);
    Ok(Proven {
        issuer: expected.issuer.to_owned(),
        subject,
        sid: text("sid").filter(|sid| !sid.is_empty()).map(str::to_owned),
        auth_time,
        issued_at: instant(&claims, "iat"),
        session_expiry: claims.get("session_expiry").cloned(),
        acr: text("acr").map(str::to_owned),
        amr: amr.map(str::to_owned).collect(),
        claims,
    })
}

/// Judges the claims of an ID token that came with a refresh (Core 12.2): the same issuer, audience and
/// subject as at the login; it needs no nonce.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_refreshed(
    claims: &Map<String, Value>,
    (issuer, client_id, subject): (&str, &str, &str),
    now: Timestamp,
) -> Result<(), Fault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(issuer) {
        return Err(Fault::Issuer);
    }
    if text("sub") != Some(subject) {
        return Err(Fault::Subject);
    }
    check_audience(claims, client_id)?;
    check_times(claims, now)
}

/// Rules 3 to 5. An audience besides us is one that we do not trust, `azp` or not.
fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), Fault> {
    let is_us = |value: &Value| value.as_str() == Some(client_id);
    let only_us = match claims.get("aud") {
        Some(Value::Array(many)) => !many.is_empty() && many.iter().all(is_us),
        Some(one) => is_us(one),
        None => false,
    };
    if !only_us {
        return Err(Fault::Audience);
    }
    match claims.get("azp") {
        Some(azp) if !is_us(azp) => Err(Fault::AuthorizedParty),
        _ => Ok(()),
    }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), Fault> {
    let expires_at = instant(claims, "exp").ok_or(Fault::Expired)?;
    if now >= expires_at.plus(CLOCK_SKEW) {
        return Err(Fault::Expired);
    }
    let issued_at = instant(claims, "iat").ok_or(Fault::IssuedAt)?;
    if issued_at > now.plus(CLOCK_SKEW) || now.is_more_than(OLDEST, issued_at) {
        return Err(Fault::IssuedAt);
    }
    match instant(claims, "nbf") {
        Some(nbf) if nbf > now.plus(CLOCK_SKEW) => Err(Fault::NotYetValid),
        _ => Ok(()),
    }
}

fn check_auth_time(
    auth_time: Option<Timestamp>,
    fresh_since: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Fault> {
    if auth_time.is_some_and(|at| at > now.plus(CLOCK_SKEW)) {
        return Err(Fault::AuthTimeAhead);
    }
    let Some(fresh_since) = fresh_since else {
        return Ok(());
    };
    let auth_time = auth_time.ok_or(Fault::AuthTimeMissing)?;
    if auth_time.plus(CLOCK_SKEW) < fresh_since {
        return Err(Fault::AuthTimeStale);
    }
    Ok(())
}

/// A NumericDate (RFC 7519 section 2), fractions included; anything else is as good as absent.
pub(super) fn instant(claims: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    let value = claims.get(name)?;
    let whole = value.as_i64().map(Timestamp::from_seconds);
    whole.or_else(|| {
        let seconds = value.as_f64().filter(|seconds| seconds.abs() < 1e14)?;
        #[expect(clippy::cast_possible_truncation, reason = "bounded on the line above")]
        Some(Timestamp::from_millis((seconds * 1000.0) as i64))
    })
}
