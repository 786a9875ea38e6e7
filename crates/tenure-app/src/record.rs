//! What an application session is made of.

use crate::life::{Life, Limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenure_protocol::Timestamp;

/// What the provider answered at the token endpoint, verified.
#[derive(Clone, Default)]
pub struct Tokens {
    pub id_token: Option<String>,
    /// The claims of `id_token`.
    pub claims: Map<String, Value>,
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// When the access token expires, if the provider said so.
    pub expires_at: Option<Timestamp>,
    pub scope: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// A session as it is sealed, into a cookie or into a store's row.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Record {
    /// The session's own id. In a cookie it is all that links the copies of one session.
    pub id: String,
    pub created_at: Timestamp,
    pub touched_at: Timestamp,
    /// Copied at the login.
    pub limits: Limits,
    pub claims: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_expiry: Option<Timestamp>,
    /// Counts the token answers: of two copies of one session the higher one is newer.
    #[serde(default)]
    pub renewals: u32,
    /// The application's own.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record(…)")
    }
}

impl Record {
    pub fn sub(&self) -> &str {
        text(&self.claims, "sub").unwrap_or_default()
    }

    pub fn sid(&self) -> Option<&str> {
        text(&self.claims, "sid")
    }

    pub fn auth_time(&self) -> Option<Timestamp> {
        seconds(&self.claims, "auth_time")
    }

    /// Takes over what a token answer says. What it leaves out stays: an ID token is optional in a refresh
    /// (Core section 12.2), and its `sid`, `auth_time` and `session_expiry` are optional anywhere.
    pub fn take(&mut self, tokens: Tokens) {
        self.renewals = self.renewals.saturating_add(1);
        self.access_token = Some(tokens.access_token);
        self.token_expires_at = tokens.expires_at;
        if tokens.scope.is_some() {
            self.scope = tokens.scope;
        }
        if tokens.refresh_token.is_some() {
            self.refresh_token = tokens.refresh_token;
        }
        if tokens.id_token.is_some() {
            self.id_token = tokens.id_token;
            let kept = ["sid", "auth_time"].map(|name| (name, self.claims.get(name).cloned()));
            self.claims = tokens.claims;
            for (name, value) in kept {
                if let (Some(value), false) = (value, self.claims.contains_key(name)) {
                    self.claims.insert(name.to_owned(), value);
                }
            }
            if let Some(at) = seconds(&self.claims, "session_expiry") {
                self.session_expiry = Some(at);
            }
        }
    }

    /// Takes over the tokens of a newer copy, and leaves the rest as it is.
    pub fn take_over(&mut self, newer: Self) {
        *self = Self {
            touched_at: self.touched_at,
            data: std::mem::take(&mut self.data),
            ..newer
        };
    }

    /// The instants that decide about its end; `follow_tokens` as the configuration says.
    pub fn life(&self, follow_tokens: bool) -> Life {
        let renewable = self.refresh_token.is_some();
        Life {
            created_at: self.created_at,
            touched_at: self.touched_at,
            session_expiry: self.session_expiry,
            token_deadline: self
                .token_expires_at
                .filter(|_| follow_tokens && !renewable),
        }
    }

    /// Whether the access token has expired and a refresh token could renew it.
    pub fn needs_refresh(&self, now: Timestamp) -> bool {
        let expired = self.token_expires_at.is_some_and(|at| at <= now);
        expired && self.refresh_token.is_some()
    }
}

pub fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// A claim that is a `NumericDate` (RFC 7519 section 2): seconds, perhaps with a fraction.
pub fn seconds(claims: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    let value = claims.get(name)?;
    if let Some(whole) = value.as_i64() {
        return Some(Timestamp::from_seconds(whole));
    }
    let millis = value.as_f64()? * 1000.0;
    // Far outside of what instants can be, a cast would saturate and mean "never".
    let sane = millis.is_finite() && millis.abs() < 1e15;
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    sane.then(|| Timestamp::from_millis(millis as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_refresh_replaces_what_it_brings_and_keeps_the_rest() {
        let mut record = Record {
            claims: claims(json!({"sub": "a", "sid": "s1", "auth_time": 7, "name": "Old"})),
            id_token: Some("one".to_owned()),
            refresh_token: Some("r1".to_owned()),
            session_expiry: Some(Timestamp::from_seconds(900)),
            ..Record::default()
        };
        record.take(Tokens {
            access_token: "a2".to_owned(),
            ..Tokens::default()
        });
        assert_eq!(record.id_token.as_deref(), Some("one"));
        assert_eq!(record.refresh_token.as_deref(), Some("r1"));
        assert_eq!(record.sid(), Some("s1"));
        record.take(Tokens {
            access_token: "a3".to_owned(),
            refresh_token: Some("r3".to_owned()),
            id_token: Some("three".to_owned()),
            claims: claims(json!({"sub": "a", "name": "New", "session_expiry": 800})),
            ..Tokens::default()
        });
        assert_eq!(record.claims["name"], "New");
        assert_eq!(
            (record.sid(), record.refresh_token.as_deref()),
            (Some("s1"), Some("r3"))
        );
        assert_eq!(record.auth_time(), Some(Timestamp::from_seconds(7)));
        assert_eq!(record.session_expiry, Some(Timestamp::from_seconds(800)));
    }

    #[test]
    fn the_token_session_counts_only_where_it_is_followed_and_cannot_be_renewed() {
        let expires = Some(Timestamp::from_seconds(60));
        let table = [
            (true, None, expires),
            (true, Some("r"), None),
            (false, None, None),
        ];
        for (follow, refresh, deadline) in table {
            let record = Record {
                refresh_token: refresh.map(str::to_owned),
                token_expires_at: expires,
                ..Record::default()
            };
            assert_eq!(record.life(follow).token_deadline, deadline);
            assert_eq!(
                record.needs_refresh(Timestamp::from_seconds(60)),
                refresh.is_some()
            );
            assert!(!record.needs_refresh(Timestamp::from_millis(59_999)));
        }
    }

    #[test]
    fn numeric_dates_may_have_fractions_and_nothing_else() {
        let table = [
            (json!(7), Some(7000)),
            (json!(7.5), Some(7500)),
            (json!("7"), None),
            (json!(1e300), None),
            (Value::Null, None),
        ];
        for (value, expected) in table {
            let claims = claims(json!({ "at": value }));
            assert_eq!(seconds(&claims, "at").map(Timestamp::millis), expected);
        }
    }
}
