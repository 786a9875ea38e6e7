//! The management API: what it is as an API, whom it lets in, and what it takes.

use crate::model::{Api, ApiScope};
use crate::{FamilyId, Sid};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

/// Its path below the issuer, and the end of its identifier, as Auth0's clients ask for it.
pub const PATH: &str = "api/v2/";

/// How long its access tokens last, in seconds. Clients fetch the next one by themselves.
const TOKEN_LIFETIME: i64 = 900;

pub const READ_SESSIONS: &str = "read:sessions";
pub const UPDATE_SESSIONS: &str = "update:sessions";
pub const DELETE_SESSIONS: &str = "delete:sessions";
pub const READ_REFRESH_TOKENS: &str = "read:refresh_tokens";
pub const UPDATE_REFRESH_TOKENS: &str = "update:refresh_tokens";
pub const DELETE_REFRESH_TOKENS: &str = "delete:refresh_tokens";
pub const READ_SETTINGS: &str = "read:tenant_settings";
pub const UPDATE_SETTINGS: &str = "update:tenant_settings";

/// The scopes that are served, with what each allows.
pub const SCOPES: [(&str, &str); 8] = [
    (READ_SESSIONS, "Read sessions"),
    (UPDATE_SESSIONS, "Change the metadata of sessions"),
    (DELETE_SESSIONS, "End sessions"),
    (READ_REFRESH_TOKENS, "Read refresh tokens"),
    (
        UPDATE_REFRESH_TOKENS,
        "Change the metadata of refresh tokens",
    ),
    (DELETE_REFRESH_TOKENS, "Revoke refresh tokens"),
    (READ_SETTINGS, "Read the tenant's settings"),
    (UPDATE_SETTINGS, "Change the tenant's settings"),
];

pub fn serves(scope: &str) -> bool {
    SCOPES.iter().any(|(served, _)| *served == scope)
}

/// The audience of its access tokens. `issuer` ends with a slash.
pub fn audience(issuer: &str) -> String {
    format!("{issuer}{PATH}")
}

/// Whether an identifier would be the management API's of some installation.
pub fn looks_like_its_audience(identifier: &str) -> bool {
    let host = identifier
        .strip_suffix(PATH)
        .and_then(|rest| rest.strip_suffix('/'))
        .and_then(|rest| rest.split_once("://"));
    host.is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'))
}

/// The API itself: built in, so that no tenant file can change how its tokens are signed or what its
/// scopes mean.
pub fn api(issuer: &str) -> Api {
    let scope = |(value, description): (&str, &str)| ApiScope {
        value: value.to_owned(),
        description: description.to_owned(),
    };
    Api {
        identifier: audience(issuer),
        name: "Tenure Management API".to_owned(),
        scopes: SCOPES.map(scope).into(),
        token_lifetime: TOKEN_LIFETIME,
        ..Api::default()
    }
}

/// The scopes of `needed` that a call lacks: each must be in its token, and still granted to its client.
pub fn missing<'a>(needed: &[&'a str], token: &str, granted: &[String]) -> Vec<&'a str> {
    let has = |scope: &&&str| {
        token.split(' ').any(|held| held == **scope) && granted.iter().any(|held| held == **scope)
    };
    needed.iter().filter(|scope| !has(scope)).copied().collect()
}

/// Entries that the metadata of one thing may have, and characters of a name or a value.
pub const MOST_ENTRIES: usize = 25;
pub const MOST_CHARACTERS: usize = 255;

/// Metadata as a caller sends it: an object of texts; `null` and `{}` are none.
///
/// # Errors
/// In words for the caller, what is wrong with it.
pub fn metadata(value: &Value) -> Result<Map<String, Value>, String> {
    let map = match value {
        Value::Null => return Ok(Map::new()),
        Value::Object(map) => map,
        _ => return Err("must be an object or null".to_owned()),
    };
    if map.len() > MOST_ENTRIES {
        return Err(format!("must not have more than {MOST_ENTRIES} entries"));
    }
    let too_long = |text: &str| text.chars().count() > MOST_CHARACTERS;
    for (name, value) in map {
        if name.is_empty() || too_long(name) {
            return Err(format!(
                "a name must have 1 to {MOST_CHARACTERS} characters"
            ));
        }
        let fits = value.as_str().is_some_and(|text| !too_long(text));
        if !fits {
            let shown: String = name.chars().take(40).collect();
            return Err(format!(
                "{shown:?} must be a text of at most {MOST_CHARACTERS} characters"
            ));
        }
    }
    Ok(map.clone())
}

/// The public name of a refresh token family: with its session, so that it is found without an index
/// that every new family would have to be written to. It authenticates nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefreshTokenId {
    pub sid: Sid,
    pub family_id: FamilyId,
}

impl fmt::Display for RefreshTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = [*self.sid.as_bytes(), *self.family_id.as_bytes()].concat();
        write!(f, "rt_{}", URL_SAFE_NO_PAD.encode(both))
    }
}

/// The text is not such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRefreshTokenId;

impl FromStr for RefreshTokenId {
    type Err = NoRefreshTokenId;

    fn from_str(text: &str) -> Result<Self, NoRefreshTokenId> {
        let bytes = text
            .strip_prefix("rt_")
            .and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok())
            .ok_or(NoRefreshTokenId)?;
        let (sid, family_id) = bytes.split_at_checked(16).ok_or(NoRefreshTokenId)?;
        let sixteen = |bytes: &[u8]| bytes.try_into().map_err(|_| NoRefreshTokenId);
        Ok(Self {
            sid: Sid::from_bytes(sixteen(sid)?),
            family_id: FamilyId::from_bytes(sixteen(family_id)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_needs_its_scopes_in_the_token_and_in_the_grant() {
        let granted = |scopes: &[&str]| -> Vec<String> {
            scopes.iter().map(|scope| (*scope).to_owned()).collect()
        };
        let needed = [DELETE_SESSIONS, DELETE_REFRESH_TOKENS];
        let table: [(&str, &[&str], &[&str]); 6] = [
            ("delete:sessions delete:refresh_tokens", &needed, &[]),
            (
                "delete:sessions delete:refresh_tokens",
                &[DELETE_SESSIONS],
                &[DELETE_REFRESH_TOKENS],
            ),
            ("delete:sessions", &needed, &[DELETE_REFRESH_TOKENS]),
            ("", &needed, &needed),
            ("delete:sessions_ xdelete:refresh_tokens", &needed, &needed),
            ("delete:sessions delete:refresh_tokens", &[], &needed),
        ];
        for (token, held, expected) in table {
            assert_eq!(missing(&needed, token, &granted(held)), expected, "{token}");
        }
    }

    #[test]
    fn its_audience_is_told_from_other_apis() {
        let table = [
            ("https://auth.example.com/api/v2/", true),
            ("http://localhost:7100/api/v2/", true),
            ("https://auth.example.com/api/v2", false),
            ("https://auth.example.com/shop/api/v2/", false),
            ("https://auth.example.com/myapi/v2/", false),
            ("api/v2/", false),
            ("https:///api/v2/", false),
            ("urn:api/v2/", false),
        ];
        for (identifier, expected) in table {
            assert_eq!(
                looks_like_its_audience(identifier),
                expected,
                "{identifier}"
            );
        }
        assert!(looks_like_its_audience(&audience("https://a.example/")));
    }

    #[test]
    fn metadata_is_a_few_short_texts() {
        let many = |count: usize| -> Value {
            let entries = (0..count).map(|n| (n.to_string(), json!("x")));
            Value::Object(entries.collect())
        };
        let long = "ä".repeat(255);
        let good = [
            json!(null),
            json!({}),
            json!({"a": ""}),
            json!({"a": long}),
            many(25),
        ];
        for value in good {
            let expected = value.as_object().cloned().unwrap_or_default();
            assert_eq!(metadata(&value), Ok(expected));
        }
        let bad = [
            json!("text"),
            json!([]),
            json!(1),
            json!({"a": 1}),
            json!({"a": null}),
            json!({"a": {"b": "c"}}),
            json!({ "a": format!("{long}x") }),
            json!({ format!("{long}x"): "a" }),
            json!({"": "a"}),
            many(26),
        ];
        for value in bad {
            assert!(metadata(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_refresh_tokens_name_holds_session_and_family() {
        let id = RefreshTokenId {
            sid: Sid::from_bytes([0xff; 16]),
            family_id: FamilyId::from_bytes([7; 16]),
        };
        let text = id.to_string();
        assert_eq!(text.len(), 46);
        assert_eq!(text.parse(), Ok(id));
        let cut = text.get(..45).unwrap_or_default();
        for wrong in ["", "rt_", "rt_AAAA", &text[3..], cut, &format!("{text}A")] {
            assert_eq!(wrong.parse::<RefreshTokenId>(), Err(NoRefreshTokenId));
        }
    }
}
