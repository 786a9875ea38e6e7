//! Lifetimes of tokens: none outlives what it hangs on (design 1.4, invariant 3).

use crate::Timestamp;
use crate::model::{Api, Client, SessionExpiryClaim};
use crate::refresh::Family;
use crate::session::Session;

/// Lifetime of an access token without an API, or for one that does not say, in seconds.
pub const ACCESS_TOKEN_LIFETIME: i64 = 300;

/// When an access token for `api` expires. It hangs on its family if that is offline, else on its session.
pub fn access_token_expiry(
    api: Option<&Api>,
    client: &Client,
    session: Option<&Session>,
    family: Option<&Family>,
    now: Timestamp,
) -> Timestamp {
    todo!("{api:?} {client:?} {session:?} {family:?} {now:?}")
}

/// When an ID token expires.
pub fn id_token_expiry(
    client: &Client,
    session: &Session,
    family: Option<&Family>,
    now: Timestamp,
) -> Timestamp {
    todo!("{client:?} {session:?} {family:?} {now:?}")
}

/// The `session_expiry` claim, or `None` to leave it out; never an instant at or before `now`'s second.
pub fn session_expiry(
    claim: SessionExpiryClaim,
    session: &Session,
    family: Option<&Family>,
    now: Timestamp,
) -> Option<i64> {
    todo!("{claim:?} {session:?} {family:?} {now:?}")
}
