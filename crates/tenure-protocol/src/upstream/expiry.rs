//! The provider's `session_expiry` (IPSIE SL1): until when a session that its token starts may live.

use crate::Timestamp;
use crate::model::ExpiryPolicy;
use serde_json::Value;

/// Seconds beyond which a number can only be milliseconds: the year 5138. Such a value must not pass
/// for "never" (other relying parties fail open here).
const ABSURD: i64 = 100_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Missing,
    /// Neither an integer nor in seconds.
    Unreadable,
    /// Not later than now: a session that must not begin.
    Past,
}

impl Fault {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "the ID token has no session_expiry, which the connection requires",
            Self::Unreadable => "the session_expiry of the ID token is no number of seconds",
            Self::Past => "the session_expiry of the ID token has passed",
        }
    }
}

/// When the session must be over at the latest, if the provider says so.
///
/// # Errors
/// The login must be refused: the claim is there and makes no sense, or is required and absent.
pub fn cap(
    claim: Option<&Value>,
    policy: ExpiryPolicy,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let claim = claim.filter(|value| !value.is_null());
    match (policy, claim) {
        (ExpiryPolicy::Ignore, _) | (ExpiryPolicy::Honour, None) => Ok(None),
        (ExpiryPolicy::Require, None) => Err(Fault::Missing),
        (ExpiryPolicy::Require | ExpiryPolicy::Honour, Some(value)) => {
            let seconds = value
                .as_i64()
                .filter(|seconds| (0..ABSURD).contains(seconds));
            let at = Timestamp::from_seconds(seconds.ok_or(Fault::Unreadable)?);
            if at <= now {
                Err(Fault::Past)
            } else {
                Ok(Some(at))
            }
        }
    }
}
