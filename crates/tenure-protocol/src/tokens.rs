//! Lifetimes of tokens: none outlives what it hangs on (design 1.4, invariant 3).

use crate::Timestamp;
use crate::model::{Api, AppType, Client, SessionExpiryClaim};
use crate::refresh::{Family, FamilyKind};
use crate::session::Session;

/// Lifetime of an access token without an API, or for one that does not say, in seconds.
pub const ACCESS_TOKEN_LIFETIME: i64 = 300;

/// The longest lifetime of any signed token, in seconds: 30 days, as long as a key that was rolled over
/// stays published. Whatever lived longer could no longer be verified.
pub const LONGEST: i64 = 30 * 86_400;

/// When an access token for `api` expires. It hangs on its family if that is offline, else on its session.
pub fn access_token_expiry(
    api: Option<&Api>,
    client: &Client,
    session: Option<&Session>,
    family: Option<&Family>,
    now: Timestamp,
) -> Timestamp {
    let lifetime = api.map_or(ACCESS_TOKEN_LIFETIME, |api| {
        match api.token_lifetime_for_web {
            Some(web) if client.app_type == AppType::Spa => web,
            _ => api.token_lifetime,
        }
    });
    bounded(
        now.plus(lifetime.clamp(1, LONGEST)),
        hangs_until(session, family),
    )
}

/// When an ID token expires: never later than what it hangs on.
pub fn id_token_expiry(
    client: &Client,
    session: &Session,
    family: Option<&Family>,
    now: Timestamp,
) -> Timestamp {
    let lifetime = client.jwt_configuration.lifetime_in_seconds;
    bounded(
        now.plus(lifetime.clamp(1, LONGEST)),
        hangs_until(Some(session), family),
    )
}

/// The absolute deadline of what a token hangs on; `None`: it has none.
fn hangs_until(session: Option<&Session>, family: Option<&Family>) -> Option<Timestamp> {
    match family {
        Some(family) if family.kind == FamilyKind::Offline => family.absolute_deadline,
        _ => session.map(|session| session.absolute_deadline),
    }
}

fn bounded(at: Timestamp, limit: Option<Timestamp>) -> Timestamp {
    limit.map_or(at, |limit| at.min(limit))
}

/// The `session_expiry` claim in Unix seconds, or `None` to leave it out. Never the idle deadline
/// (SDKs pin it at login), never an instant at or before `now`'s second (SDKs refuse such a login).
pub fn session_expiry(
    claim: SessionExpiryClaim,
    session: &Session,
    family: Option<&Family>,
    now: Timestamp,
) -> Option<i64> {
    let offline = family.filter(|family| family.kind == FamilyKind::Offline);
    let at = match (claim, offline) {
        (SessionExpiryClaim::Off, _) => return None,
        (_, None) => session.absolute_deadline,
        (SessionExpiryClaim::Session, Some(family)) => {
            family.absolute_deadline?.max(session.absolute_deadline)
        }
        (SessionExpiryClaim::Tokens, Some(family)) => family.absolute_deadline?,
    };
    Some(at.seconds()).filter(|seconds| *seconds > now.seconds())
}
