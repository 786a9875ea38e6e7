//! One login that is under way, and what its answer must say. Values in, values out.

use crate::record::seconds;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenure_protocol::Timestamp;

/// Seconds for which a login may be under way: longer than people take to find a password.
pub const LOGIN_LIFETIME: i64 = 3600;

/// A login as the browser's cookie remembers it, sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Transaction {
    pub state: String,
    pub nonce: String,
    /// PKCE's (RFC 7636).
    pub verifier: String,
    /// Within the application.
    pub return_to: String,
    /// Without a page: an error then is an answer, not a failure.
    pub silent: bool,
    /// The oldest authentication that will do, in seconds.
    pub max_age: Option<i64>,
    /// Whether its answer comes as a form.
    pub form_post: bool,
    /// The answer, once it has come as a form.
    pub answer: Option<Answer>,
    pub at: Timestamp,
}

/// What the provider answers a login with (OpenID Connect Core 3.1.2.5, RFC 9207).
#[derive(Clone, Serialize, Deserialize)]
pub struct Answer {
    pub code: Option<String>,
    pub error: Option<String>,
    pub iss: Option<String>,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transaction(…)")
    }
}

impl Transaction {
    pub fn is_current(&self, now: Timestamp) -> bool {
        !now.is_more_than(LOGIN_LIFETIME, self.at)
    }
}

/// Why a verified ID token still makes no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// `iat` lies in the future or is missing.
    IssuedAt,
    /// `sub` is missing or empty.
    Subject,
    /// A recent authentication was demanded; `auth_time` says otherwise, or nothing (Core 3.1.3.7, 12).
    AuthTime,
    /// `session_expiry` has passed, or is no instant.
    SessionExpiry,
}

impl Unfit {
    pub const fn text(self) -> &'static str {
        match self {
            Self::IssuedAt => "the ID token was not issued now",
            Self::Subject => "the ID token names nobody",
            Self::AuthTime => "the sign-in is not as recent as was asked for",
            Self::SessionExpiry => "the ID token's session_expiry has passed or cannot be read",
        }
    }
}

/// Judges the claims of an ID token whose signature, issuer, audience, expiry and nonce were verified.
///
/// # Errors
/// What is wrong with it.
pub fn judge(
    claims: &Map<String, Value>,
    max_age: Option<i64>,
    tolerance: i64,
    now: Timestamp,
) -> Result<(), Unfit> {
    let issued = seconds(claims, "iat").ok_or(Unfit::IssuedAt)?;
    if issued > now.plus(tolerance) {
        return Err(Unfit::IssuedAt);
    }
    let sub = claims.get("sub").and_then(Value::as_str);
    if sub.is_none_or(str::is_empty) {
        return Err(Unfit::Subject);
    }
    if let Some(max_age) = max_age {
        let at = seconds(claims, "auth_time").ok_or(Unfit::AuthTime)?;
        if now.is_more_than(max_age.saturating_add(tolerance), at) {
            return Err(Unfit::AuthTime);
        }
    }
    match claims.get("session_expiry") {
        None => Ok(()),
        Some(_) => match seconds(claims, "session_expiry") {
            Some(at) if at > now => Ok(()),
            _ => Err(Unfit::SessionExpiry),
        },
    }
}

/// Whether an authentication is recent enough for a sensitive route: no older than `seconds`. One from
/// the future proves nothing beyond what clocks may differ.
pub fn is_recent(
    auth_time: Option<Timestamp>,
    seconds: i64,
    tolerance: i64,
    now: Timestamp,
) -> bool {
    auth_time.is_some_and(|at| at <= now.plus(tolerance) && !now.is_more_than(seconds, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_seconds(10_000);

    #[test]
    fn what_a_verified_id_token_must_say() {
        let table = [
            (json!({}), None, Ok(())),
            (json!({"iat": 10_060}), None, Ok(())),
            (json!({"iat": 10_061}), None, Err(Unfit::IssuedAt)),
            (json!({"iat": null}), None, Err(Unfit::IssuedAt)),
            (json!({"sub": ""}), None, Err(Unfit::Subject)),
            (json!({"sub": null}), None, Err(Unfit::Subject)),
            // auth_time matters when it was asked for
            (json!({}), Some(300), Err(Unfit::AuthTime)),
            (json!({"auth_time": 9640}), Some(300), Ok(())),
            (json!({"auth_time": 9639}), Some(300), Err(Unfit::AuthTime)),
            (
                json!({"auth_time": "9999"}),
                Some(300),
                Err(Unfit::AuthTime),
            ),
            (json!({"auth_time": 1}), None, Ok(())),
            // session_expiry is a ceiling, never ignored
            (json!({"session_expiry": 10_001}), None, Ok(())),
            (
                json!({"session_expiry": 10_000}),
                None,
                Err(Unfit::SessionExpiry),
            ),
            (
                json!({"session_expiry": "soon"}),
                None,
                Err(Unfit::SessionExpiry),
            ),
        ];
        for (extra, max_age, expected) in table {
            let mut claims = json!({"sub": "ada", "iat": 9_999});
            for (name, value) in extra.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let judged = judge(claims.as_object().unwrap(), max_age, 60, NOW);
            assert_eq!(judged, expected, "{extra} {max_age:?}");
        }
    }

    #[test]
    fn a_recent_login_is_one_that_auth_time_proves() {
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let table = [
            (at(10_000), true),
            (at(9_700), true),
            (at(9_699), false),
            (at(10_060), true),
            (at(10_061), false),
            (None, false),
        ];
        for (auth_time, expected) in table {
            assert_eq!(
                is_recent(auth_time, 300, 60, NOW),
                expected,
                "{auth_time:?}"
            );
        }
    }

    #[test]
    fn a_login_is_under_way_for_an_hour() {
        let login = Transaction {
            state: String::new(),
            nonce: String::new(),
            verifier: String::new(),
            return_to: "/".to_owned(),
            silent: false,
            max_age: None,
            form_post: false,
            answer: None,
            at: NOW,
        };
        assert!(login.is_current(NOW.plus(LOGIN_LIFETIME)));
        assert!(!login.is_current(NOW.plus(LOGIN_LIFETIME + 1)));
    }
}
