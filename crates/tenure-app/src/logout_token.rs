//! What a logout token must say (Back-Channel Logout 1.0 section 2.6). Values in, values out.

use crate::record::{seconds, text};
use serde_json::{Map, Value};
use tenure_protocol::Timestamp;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Seconds for which a logout token is good, whatever it says: section 4 recommends two minutes at most.
const MOST_AGE: i64 = 120;

/// Seconds for which a `jti` has to be remembered: afterwards the token is too old anyway.
pub const REMEMBERED: i64 = 600;

/// Who is logged out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    pub sid: Option<String>,
    pub sub: Option<String>,
    pub jti: String,
    /// In the provider's vocabulary, where it names a reason.
    pub reason: Option<String>,
}

/// Judges the claims of a token whose signature was verified.
///
/// # Errors
/// What is wrong with it, in words for the provider's log.
pub fn judge(
    claims: &Map<String, Value>,
    (issuer, client_id): (&str, &str),
    tolerance: i64,
    now: Timestamp,
) -> Result<Logout, &'static str> {
    if text(claims, "iss") != Some(issuer) {
        return Err("iss is another issuer");
    }
    let for_us = match claims.get("aud") {
        Some(Value::String(one)) => one == client_id,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(client_id)),
        _ => false,
    };
    if !for_us {
        return Err("aud does not name this client");
    }
    let issued = seconds(claims, "iat").ok_or("iat is missing")?;
    if issued > now.plus(tolerance) || now.is_more_than(MOST_AGE + tolerance, issued) {
        return Err("iat is not now");
    }
    // The specification requires `exp` only since its errata: a token without one lasts by its `iat`.
    if claims.contains_key("exp") {
        let expires = seconds(claims, "exp").ok_or("exp is no instant")?;
        if expires.plus(tolerance) <= now {
            return Err("it has expired");
        }
    }
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err("events does not have the back-channel logout event");
    }
    if claims.contains_key("nonce") {
        return Err("it has a nonce: it is an ID token");
    }
    let named = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(Value::String(value)) if !value.is_empty() => Ok(Some(value.clone())),
        Some(_) => Err("sid and sub are texts"),
    };
    let (sid, sub) = (named("sid")?, named("sub")?);
    if sid.is_none() && sub.is_none() {
        return Err("neither sid nor sub is there");
    }
    let jti = named("jti")
        .map_err(|_| "jti is no text")?
        .ok_or("jti is missing")?;
    Ok(Logout {
        sid,
        sub,
        jti,
        reason: text(claims, "reason").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_seconds(10_000);
    const US: (&str, &str) = ("https://op.example/", "shop");

    fn judged(changes: Value) -> Result<Logout, &'static str> {
        let mut claims = json!({
            "iss": US.0, "aud": US.1, "iat": 9_990, "exp": 10_110, "jti": "j", "sid": "s",
            "events": { EVENT: {} },
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        judge(claims.as_object().unwrap(), US, 60, NOW)
    }

    #[test]
    fn a_logout_token_is_taken_as_the_specification_says() {
        let logout = judged(json!({"sub": "ada", "reason": "idle"})).unwrap();
        assert_eq!(
            (
                logout.sid.as_deref(),
                logout.sub.as_deref(),
                logout.reason.as_deref()
            ),
            (Some("s"), Some("ada"), Some("idle"))
        );
        for fine in [
            json!({"aud": ["other", "shop"]}),
            json!({"sid": null, "sub": "ada"}),
            json!({"exp": null}),
            json!({"iat": 10_060}),
            json!({"iat": 9_820, "exp": 9_941}),
        ] {
            assert!(judged(fine.clone()).is_ok(), "{fine}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        let table = [
            (json!({"iss": "https://op.example"}), "iss"),
            (json!({"iss": null}), "iss"),
            (json!({"aud": "other"}), "aud"),
            (json!({"aud": ["other"]}), "aud"),
            (json!({"aud": null}), "aud"),
            (json!({"iat": null}), "iat"),
            (json!({"iat": "9990"}), "iat"),
            (json!({"iat": 10_061}), "iat"),
            (json!({"iat": 9_819}), "iat"),
            (json!({"exp": 9_940}), "expired"),
            (json!({"exp": "soon"}), "exp"),
            (json!({"events": null}), "events"),
            (json!({"events": {}}), "events"),
            (json!({"events": {EVENT: true}}), "events"),
            (json!({"nonce": "n"}), "nonce"),
            (json!({"sid": null}), "sid"),
            (json!({"sid": ""}), "sid"),
            (json!({"sub": 7}), "sub"),
            (json!({"jti": null}), "jti"),
        ];
        for (changes, word) in table {
            let refused = judged(changes.clone()).unwrap_err();
            assert!(refused.contains(word), "{changes}: {refused}");
        }
    }
}
