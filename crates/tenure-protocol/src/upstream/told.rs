//! What the tokens have in common by which a provider tells us something: logout tokens, and assertions of
//! revocations. Each is judged once, when it comes, and counts once.

use super::CLOCK_SKEW;
use super::id_token::instant;
use crate::Timestamp;
use serde_json::{Map, Value};

/// The oldest that such a token may be when it comes, in seconds. Back-Channel Logout 1.0 section 2.4
/// recommends that it expires within two minutes; some providers allow more.
const OLDEST: i64 = 600;

/// Bytes that an identifier of a provider may have; they are parts of keys.
const LONGEST: usize = 1_024;

/// What is wrong with the times of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFault {
    Expired,
    IssuedAt,
    NotYetValid,
}

/// After which instant the same token would be refused as too old: so long its `jti` is remembered.
///
/// # Errors
/// It is refused now.
pub fn good_until(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, TimeFault> {
    let expires_at = instant(claims, "exp").ok_or(TimeFault::Expired)?;
    if now >= expires_at.plus(CLOCK_SKEW) {
        return Err(TimeFault::Expired);
    }
    let issued_at = instant(claims, "iat").ok_or(TimeFault::IssuedAt)?;
    if issued_at > now.plus(CLOCK_SKEW) || now.is_more_than(OLDEST, issued_at) {
        return Err(TimeFault::IssuedAt);
    }
    if instant(claims, "nbf").is_some_and(|nbf| nbf > now.plus(CLOCK_SKEW)) {
        return Err(TimeFault::NotYetValid);
    }
    let too_old = Timestamp::from_millis(issued_at.plus(OLDEST).millis().saturating_add(1));
    Ok(expires_at.plus(CLOCK_SKEW).min(too_old))
}

/// A text that can name something.
pub fn is_usable(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST
}
