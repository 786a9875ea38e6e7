//! One attempt to tell a relying party that a session ended (Back-Channel Logout 1.0 section 2.5).

use crate::crypto::jwt::TokenKind;
use crate::crypto::keys::KeyRing;
use crate::entropy::Entropy;
use crate::outbound::{Failure, Outbound, Reply};
use serde_json::Value;
use std::time::SystemTime;
use tenure_protocol::delivery::{Answer, LogoutToken};
use tenure_protocol::model::Client;
use tenure_protocol::session::EndReason;
use tenure_protocol::{Sid, Timestamp};

/// Characters that are kept of what a relying party says.
const MOST_WORDS: usize = 200;

/// What sending needs besides the matter itself.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    pub issuer: &'a str,
    pub ring: &'a KeyRing,
    pub outbound: &'a Outbound,
    pub entropy: &'a Entropy,
}

/// Whose session ended, and why.
#[derive(Clone, Copy, Debug)]
pub struct Matter<'a> {
    pub client: &'a Client,
    pub user_id: &'a str,
    pub sid: &'a Sid,
    pub reason: EndReason,
}

impl Sender<'_> {
    /// A fresh logout token, signed as this client's ID tokens are.
    pub fn token(&self, matter: Matter<'_>, now: Timestamp) -> anyhow::Result<String> {
        let claims = LogoutToken {
            issuer: self.issuer,
            client: matter.client,
            user_id: matter.user_id,
            sid: matter.sid,
            reason: matter.reason,
            jti: &self.entropy.token(16),
        }
        .claims(now);
        let alg = matter.client.jwt_configuration.alg;
        self.ring.sign(alg, TokenKind::Logout, &claims)
    }

    pub async fn send(&self, url: &str, matter: Matter<'_>, now: Timestamp) -> Answer {
        let token = match self.token(matter, now) {
            Ok(token) => token,
            Err(error) => return Answer::None(format!("no token could be made: {error:#}")),
        };
        let plain_http = !matter.client.is_public();
        let form = [("logout_token", token.as_str())];
        match self.outbound.post_form(url, &form, plain_http).await {
            Ok(reply) => read(&reply, now),
            Err(Failure::Impossible(why)) => Answer::Impossible(why),
            Err(Failure::NoAnswer(why)) => Answer::None(why),
        }
    }
}

fn read(reply: &Reply, now: Timestamp) -> Answer {
    let retry_after = reply.headers.get(http::header::RETRY_AFTER);
    Answer::Status {
        status: reply.status,
        retry_at: retry_after
            .and_then(|value| value.to_str().ok())
            .and_then(|text| retry_at(text, now)),
        words: words(&reply.body),
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
fn retry_at(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // A number that is too large for us means "long", and is bounded by the decision.
        return Some(now.plus(text.parse().unwrap_or(i64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_seconds(
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
    ))
}

/// `error` and `error_description` of the answer (section 2.8). Nothing else is repeated: what an
/// address answers that is no relying party is nobody's to read.
fn words(body: &[u8]) -> String {
    let Ok(Value::Object(said)) = serde_json::from_slice::<Value>(body) else {
        return String::new();
    };
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let parts: Vec<_> = [text("error"), text("error_description")]
        .into_iter()
        .flatten()
        .collect();
    parts
        .join(", ")
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST_WORDS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = Timestamp::from_seconds(1_445_412_400);
        let table = [
            ("120", Some(now.plus(120))),
            (" 0 ", Some(now)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(now.plus(80))),
            ("99999999999999999999999", Some(now.plus(i64::MAX))),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(retry_at(text, now), expected, "{text:?}");
        }
    }

    #[test]
    fn of_an_answer_only_the_error_is_repeated() {
        let table = [
            (r#"{"error":"invalid_request"}"#, "invalid_request"),
            (
                r#"{"error":"invalid_request","error_description":"no\nsid","x":"y"}"#,
                "invalid_request, nosid",
            ),
            ("<html>secret</html>", ""),
            (r#"["secret"]"#, ""),
            (r#"{"error":7}"#, ""),
            ("", ""),
        ];
        for (body, expected) in table {
            assert_eq!(words(body.as_bytes()), expected, "{body}");
        }
        let long = format!(r#"{{"error":"{}"}}"#, "ü".repeat(500));
        assert_eq!(words(long.as_bytes()).chars().count(), MOST_WORDS);
    }
}
