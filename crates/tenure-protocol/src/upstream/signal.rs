//! What an identity provider's word that somebody is signed out reaches here, and for how long we try
//! to believe it while its keys cannot be had.

use crate::Timestamp;
use crate::delivery;
use crate::model::UpstreamLogoutPolicy;
use crate::session::Session;
use serde::{Deserialize, Serialize};

/// Words of providers that wait to be believed, for each connection: whoever knows our `client_id` can
/// send some.
pub const MOST_QUEUED: i64 = 1_000;

/// Seconds after which a word that could not be verified is given up.
pub const GIVE_UP_AFTER: i64 = 86_400;

/// What an upstream session was ended by, and the rule that ended ours.
pub const LOGOUT_TOKEN: &str = "logout_token";
pub const REVOCATION: &str = "revocation";

/// How far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Nothing,
    /// The sessions behind which the named upstream session stands; where none is named, those behind
    /// which any of the person stands.
    Behind,
    /// Every session of the person.
    Person,
    /// Every session and every refresh token of the person.
    PersonAndTokens,
}

/// What a logout token ends, by the connection's policy.
pub const fn reach(policy: UpstreamLogoutPolicy) -> Reach {
    match policy {
        UpstreamLogoutPolicy::Ignore => Reach::Nothing,
        UpstreamLogoutPolicy::Browser => Reach::Behind,
        UpstreamLogoutPolicy::AllSessions => Reach::Person,
        UpstreamLogoutPolicy::AllSessionsAndRefreshTokens => Reach::PersonAndTokens,
    }
}

/// Whether an upstream session is one that was meant. A token that names session and person means that
/// session of that person; whatever began after it was heard is a new sign-in.
pub fn is_meant(
    (named, subject): (Option<&str>, &str),
    began_at: Timestamp,
    heard_at: Timestamp,
) -> bool {
    named.is_none_or(|named| named == subject) && began_at <= heard_at
}

/// Whether an ID token is from before the provider's word that the person is signed out everywhere. Both
/// instants are by its clock, to the second; of one second, the word counts.
pub fn is_before_word(issued_at: Option<Timestamp>, told_at: Timestamp) -> bool {
    issued_at.is_none_or(|issued_at| issued_at.seconds() <= told_at.seconds())
}

/// Whether a session of the person was there when it was heard.
pub fn was_there(session: &Session, heard_at: Timestamp) -> bool {
    session.end.is_none() && session.proven_at() <= heard_at
}

/// What comes after an attempt that could not reach the provider's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    TryAt(Timestamp),
    GiveUp,
}

/// `attempts`: how many there were, this one included. Delays are those of our own outbox; the last
/// attempt is when it expires.
pub fn after_failure(attempts: i64, expires_at: Timestamp, now: Timestamp) -> Next {
    if now >= expires_at {
        return Next::GiveUp;
    }
    Next::TryAt(now.plus(delivery::delay(attempts)).min(expires_at))
}
