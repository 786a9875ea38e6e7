//! What a logout token of an identity provider must say (OpenID Connect Back-Channel Logout 1.0 section
//! 2.6). The signature is checked elsewhere; here are the header's type and the claims.

use super::id_token::instant;
use super::told::{TimeFault, good_until, is_usable};
use crate::Timestamp;
use crate::delivery::EVENT;
use serde_json::{Map, Value};

/// Who must have made it, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
}

/// Whom the provider signed out. At least one of both is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    pub jti: String,
    /// The provider's name for its session.
    pub sid: Option<String>,
    pub subject: Option<String>,
    /// By the provider's clock.
    pub issued_at: Option<Timestamp>,
    /// After this instant the same token would be refused as too old: so long its `jti` is remembered.
    pub good_until: Timestamp,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Type,
    Issuer,
    Audience,
    Events,
    Nonce,
    Jti,
    Whom,
    Expired,
    IssuedAt,
    NotYetValid,
}

impl Fault {
    pub const ALL: [Self; 10] = [
        Self::Type,
        Self::Issuer,
        Self::Audience,
        Self::Events,
        Self::Nonce,
        Self::Jti,
        Self::Whom,
        Self::Expired,
        Self::IssuedAt,
        Self::NotYetValid,
    ];

    /// In words, for the provider and the log. They repeat nothing of the token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "the typ of the logout token is neither logout+jwt nor JWT",
            Self::Issuer => "the iss of the logout token is not the connection's issuer",
            Self::Audience => {
                "the aud of the logout token does not name the connection's client_id"
            }
            Self::Events => "the events of the logout token have no back-channel logout",
            Self::Nonce => "the logout token has a nonce, which is for ID tokens",
            Self::Jti => "the logout token has no usable jti",
            Self::Whom => "the logout token has neither a usable sid nor a usable sub",
            Self::Expired => "the exp of the logout token is missing or has passed",
            Self::IssuedAt => {
                "the iat of the logout token is missing, too old or ahead of our clock"
            }
            Self::NotYetValid => "the nbf of the logout token is ahead of our clock",
        }
    }
}

impl From<TimeFault> for Fault {
    fn from(fault: TimeFault) -> Self {
        match fault {
            TimeFault::Expired => Self::Expired,
            TimeFault::IssuedAt => Self::IssuedAt,
            TimeFault::NotYetValid => Self::NotYetValid,
        }
    }
}

/// Whether the token is meant for this connection at all: the cheapest question, and the first. Nothing
/// else is kept while the provider's keys cannot be had.
///
/// # Errors
/// [`Fault::Issuer`] or [`Fault::Audience`].
pub fn is_for_us(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Fault> {
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(Fault::Issuer);
    }
    let is_us = |value: &Value| value.as_str() == Some(expected.client_id);
    let named = match claims.get("aud") {
        // Unlike an ID token, it gives nobody anything: that it is for others as well harms nobody.
        Some(Value::Array(many)) => many.iter().any(is_us),
        Some(one) => is_us(one),
        None => false,
    };
    if named { Ok(()) } else { Err(Fault::Audience) }
}

/// Judges a token at the instant of its receipt. `typ` is the header's.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(
    typ: Option<&str>,
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<LogoutToken, Fault> {
    check_type(typ)?;
    is_for_us(claims, expected)?;
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(Fault::Events);
    }
    // Whatever its value: an ID token must not pass for a logout token.
    if claims.contains_key("nonce") {
        return Err(Fault::Nonce);
    }
    let jti = identifier(claims, "jti").map_err(|()| Fault::Jti)?;
    let jti = jti.ok_or(Fault::Jti)?;
    let sid = identifier(claims, "sid").map_err(|()| Fault::Whom)?;
    let subject = identifier(claims, "sub").map_err(|()| Fault::Whom)?;
    if sid.is_none() && subject.is_none() {
        return Err(Fault::Whom);
    }
    Ok(LogoutToken {
        jti,
        sid,
        subject,
        issued_at: instant(claims, "iat"),
        good_until: good_until(claims, now)?,
    })
}

/// Section 2.4 recommends `logout+jwt`; tokens from before it said so have `JWT` or nothing. Another
/// type is another kind of token of the same provider.
fn check_type(typ: Option<&str>) -> Result<(), Fault> {
    let Some(typ) = typ else { return Ok(()) };
    let short = typ
        .get(..12)
        .filter(|head| head.eq_ignore_ascii_case("application/"))
        .map_or(typ, |head| typ.get(head.len()..).unwrap_or_default());
    let known = short.eq_ignore_ascii_case("logout+jwt") || short.eq_ignore_ascii_case("JWT");
    if known { Ok(()) } else { Err(Fault::Type) }
}

/// A text that can name something. `Err`: there is a value, and it cannot.
fn identifier(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, ()> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_usable(text) => Ok(Some(text.clone())),
        Some(_) => Err(()),
    }
}
