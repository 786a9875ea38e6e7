//! Global Token Revocation (draft-parecki-oauth-global-token-revocation): what the assertion that proves
//! the caller must say, and whom a request names (RFC 9493). The signature is checked elsewhere.

use super::id_token::instant;
use super::told::{TimeFault, good_until, is_usable};
use crate::Timestamp;
use serde_json::{Map, Value};

/// The type of the assertion, and the name of the way to authenticate with it.
pub const TYPE: &str = "global-token-revocation+jwt";

/// Who must have made the assertion, and for which address of ours.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub endpoint: &'a str,
}

/// An assertion that holds if its signature does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    pub jti: String,
    /// By the provider's clock.
    pub issued_at: Option<Timestamp>,
    /// After this instant it would be refused anyway.
    pub good_until: Timestamp,
}

/// Why an assertion is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Type,
    Issuer,
    Audience,
    Jti,
    Expired,
    IssuedAt,
    NotYetValid,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Type,
        Self::Issuer,
        Self::Audience,
        Self::Jti,
        Self::Expired,
        Self::IssuedAt,
        Self::NotYetValid,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "the typ of the assertion is not global-token-revocation+jwt",
            Self::Issuer => "the iss of the assertion is not the connection's issuer",
            Self::Audience => "the aud of the assertion is not this endpoint",
            Self::Jti => "the assertion has no usable jti",
            Self::Expired => "the exp of the assertion is missing or has passed",
            Self::IssuedAt => "the iat of the assertion is missing, too old or ahead of our clock",
            Self::NotYetValid => "the nbf of the assertion is ahead of our clock",
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

/// Judges an assertion at the instant of its receipt. `typ` is the header's.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(
    typ: Option<&str>,
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Assertion, Fault> {
    // It may name anybody: what its provider signed for another purpose must not pass for it.
    if !typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE)) {
        return Err(Fault::Type);
    }
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(Fault::Issuer);
    }
    let is_us = |value: &Value| value.as_str() == Some(expected.endpoint);
    let only_us = match claims.get("aud") {
        Some(Value::Array(many)) => !many.is_empty() && many.iter().all(is_us),
        Some(one) => is_us(one),
        None => false,
    };
    if !only_us {
        return Err(Fault::Audience);
    }
    let jti = claims.get("jti").and_then(Value::as_str);
    let jti = jti.filter(|jti| is_usable(jti)).ok_or(Fault::Jti)?;
    Ok(Assertion {
        jti: jti.to_owned(),
        issued_at: instant(claims, "iat"),
        good_until: good_until(claims, now)?,
    })
}

/// Whom a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By the provider's subject.
    Subject(String),
    /// By address.
    Email(String),
}

/// Why a request names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// No `sub_id`, or one that RFC 9493 does not allow.
    Malformed,
    /// Another format than `iss_sub`, `email` and `opaque`.
    Format,
    /// Somebody of another issuer: a connection speaks for its own identities alone.
    OtherIssuer,
}

/// Reads the body: `sub_id`, or `subject`, as Auth0 and earlier drafts call it.
///
/// # Errors
/// See [`Unnamed`].
pub fn named(body: &Value, issuer: &str) -> Result<Named, Unnamed> {
    let members = body.as_object().ok_or(Unnamed::Malformed)?;
    let subject = match (members.get("sub_id"), members.get("subject")) {
        (Some(one), None) | (None, Some(one)) => one,
        _ => return Err(Unnamed::Malformed),
    };
    let text = |name: &str| {
        let text = subject.get(name).and_then(Value::as_str);
        text.filter(|text| is_usable(text))
            .ok_or(Unnamed::Malformed)
    };
    match text("format")? {
        "iss_sub" if text("iss")? != issuer => Err(Unnamed::OtherIssuer),
        "iss_sub" => Ok(Named::Subject(text("sub")?.to_owned())),
        "opaque" => Ok(Named::Subject(text("id")?.to_owned())),
        "email" => Ok(Named::Email(text("email")?.to_owned())),
        _ => Err(Unnamed::Format),
    }
}
