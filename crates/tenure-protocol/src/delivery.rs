//! Telling a relying party that a session ended: when to try, what an answer means, who is told of
//! what, and the logout token (OpenID Connect Back-Channel Logout 1.0; design 1.6).

use crate::model::{Client, OidcLogout};
use crate::session::EndReason;
use crate::{Sid, Timestamp};
use serde_json::{Map, Value, json};

/// The member of `events` that makes a JWT a logout token (Back-Channel Logout 1.0 section 2.4).
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Seconds that a logout token is valid: the most that section 2.4 recommends.
pub const TOKEN_LIFETIME: i64 = 120;

/// Seconds after which a delivery that keeps failing is given up.
pub const GIVE_UP_AFTER: i64 = 86_400;

/// Seconds before the second to the fifth attempt.
const FIRST_DELAYS: [i64; 4] = [1, 5, 15, 30];
const STEADY_DELAY: i64 = 60;
/// The last attempt before delays double.
const STEADY_UNTIL: i64 = 10;
const LONGEST_DELAY: i64 = 3_600;
/// Jitter takes away at most this share of a delay.
const JITTER_SHARE: i64 = 5;

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Status {
        status: u16,
        /// `Retry-After` as an instant.
        retry_at: Option<Timestamp>,
        /// What it said besides, in words; or empty.
        words: String,
    },
    /// No answer: no connection, no address that may be reached, a timeout.
    None(String),
    /// No request can be made of this URL.
    Impossible(String),
}

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// Final: it said no, and would say no again.
    Rejected(String),
    Retry {
        at: Timestamp,
        why: String,
    },
    Dead(String),
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Attempts, this one included.
    pub attempts: i64,
    pub created_at: Timestamp,
}

/// Seconds between a failed attempt (the first is 1) and the next.
pub const fn delay(attempts: i64) -> i64 {
    let [first, second, third, fourth] = FIRST_DELAYS;
    match attempts {
        i64::MIN..=1 => first,
        2 => second,
        3 => third,
        4 => fourth,
        _ if attempts < STEADY_UNTIL => STEADY_DELAY,
        _ => {
            let doublings = attempts - STEADY_UNTIL + 1;
            // More doublings would only overflow: the longest delay is reached long before.
            let shift = if doublings > 10 { 10 } else { doublings };
            let doubled = STEADY_DELAY << shift;
            if doubled > LONGEST_DELAY {
                LONGEST_DELAY
            } else {
                doubled
            }
        }
    }
}

/// Judges one attempt. `jitter` is random; it only shortens, so that no attempt is later than promised.
pub fn judge(answer: &Answer, progress: Progress, now: Timestamp, jitter: u8) -> Outcome {
    match answer {
        Answer::Impossible(why) => Outcome::Rejected(why.clone()),
        Answer::None(why) => again(why.clone(), None, progress, now, jitter),
        Answer::Status {
            status,
            retry_at,
            words,
        } => {
            let said = |what: &str| {
                let colon = if words.is_empty() { "" } else { ": " };
                format!("{what}{colon}{words}")
            };
            match status {
                200..=299 => Outcome::Delivered,
                // The address of a relying party is what was registered: a redirect could lead anywhere.
                300..=399 => Outcome::Rejected(format!(
                    "answered {status}, a redirect, which is never followed"
                )),
                408 | 429 | 500..=599 => {
                    let why = said(&format!("answered {status}"));
                    again(why, *retry_at, progress, now, jitter)
                }
                400..=499 => Outcome::Rejected(said(&format!("answered {status}"))),
                _ => Outcome::Rejected(said(&format!("answered {status}, which is no answer"))),
            }
        }
    }
}

fn again(
    why: String,
    retry_at: Option<Timestamp>,
    progress: Progress,
    now: Timestamp,
    jitter: u8,
) -> Outcome {
    let last = progress.created_at.plus(GIVE_UP_AFTER);
    if now >= last {
        return Outcome::Dead(why);
    }
    let delay = delay(progress.attempts) * 1000;
    let shortened = delay - delay * i64::from(jitter) / (i64::from(u8::MAX) * JITTER_SHARE);
    let by_schedule = Timestamp::from_millis(now.millis().saturating_add(shortened));
    // `Retry-After` may ask for patience, though not without end, and never for haste.
    let asked = retry_at.map_or(by_schedule, |at| at.min(now.plus(LONGEST_DELAY)));
    Outcome::Retry {
        at: by_schedule.max(asked).min(last),
        why,
    }
}

/// The names that Auth0 has for what begins a logout, for each of our reasons; the first is the closest.
pub const fn initiators(reason: EndReason) -> &'static [&'static str] {
    match reason {
        // A person who signs in as somebody else has left, as with a logout.
        EndReason::UserLogout | EndReason::Superseded => &["rp-logout"],
        EndReason::UpstreamLogout => &["idp-logout"],
        EndReason::Idle | EndReason::Absolute | EndReason::UpstreamExpired => &["session-expired"],
        EndReason::AdminRevoked
        | EndReason::PolicyChange
        | EndReason::ReuseDetected
        | EndReason::SessionLimit => &["session-revoked"],
        EndReason::CredentialChange => &[
            "password-changed",
            "email-identifier-changed",
            "mfa-phone-unenrolled",
        ],
        EndReason::AccountDisabled => &["account-deactivated", "account-deleted"],
    }
}

/// Every initiator's name (contract 3.7).
pub const INITIATORS: [&str; 9] = [
    "rp-logout",
    "idp-logout",
    "password-changed",
    "session-expired",
    "session-revoked",
    "account-deleted",
    "email-identifier-changed",
    "mfa-phone-unenrolled",
    "account-deactivated",
];

/// Whether a client wants to hear of this reason: of all, unless it has a list.
pub fn wants(settings: &OidcLogout, reason: EndReason) -> bool {
    let custom = settings
        .backchannel_logout_initiators
        .as_ref()
        .filter(|initiators| initiators.mode == "custom");
    custom.is_none_or(|custom| {
        initiators(reason)
            .iter()
            .any(|name| custom.selected_initiators.iter().any(|one| one == name))
    })
}

/// Where a client is told of this reason; `None`: it is not asked.
pub fn address(client: &Client, reason: EndReason) -> Option<&str> {
    let url = client.oidc_logout.backchannel_logout_urls.first()?;
    wants(&client.oidc_logout, reason).then_some(url.as_str())
}

/// Whether the token names the user: several relying parties end every session of a `sub`, so it is
/// there only where every session is to end, or where the client asks for it.
pub fn names_user(settings: &OidcLogout, reason: EndReason) -> bool {
    settings.backchannel_logout_include_sub
        || matches!(
            reason,
            EndReason::CredentialChange | EndReason::AccountDisabled
        )
}

/// What one logout token is about.
#[derive(Clone, Copy, Debug)]
pub struct LogoutToken<'a> {
    pub issuer: &'a str,
    pub client: &'a Client,
    pub user_id: &'a str,
    pub sid: &'a Sid,
    pub reason: EndReason,
    /// Fresh for each attempt: a relying party may remember those it saw.
    pub jti: &'a str,
}

impl LogoutToken<'_> {
    /// The claims (Back-Channel Logout 1.0 section 2.4). `reason` is ours and stands beside `events`,
    /// whose member is an empty object as the specification says.
    pub fn claims(&self, now: Timestamp) -> Map<String, Value> {
        let iat = now.seconds();
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", self.issuer.into());
        put("aud", self.client.client_id.clone().into());
        put("iat", iat.into());
        put("exp", (iat + TOKEN_LIFETIME).into());
        put("jti", self.jti.into());
        put("events", json!({ EVENT: {} }));
        put("sid", self.sid.to_string().into());
        put("reason", self.reason.name().into());
        if names_user(&self.client.oidc_logout, self.reason) {
            put("sub", self.user_id.into());
        }
        claims
    }
}
