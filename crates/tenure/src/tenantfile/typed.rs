//! From members to their types, with what is wrong in words: a parser's own names neither the
//! member nor what to write instead.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A member at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Such as `["refresh_token", "leeway"]`.
    pub path: Vec<String>,
    pub problem: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.join("."), self.problem)
    }
}

/// Every member at fault, not only the first.
pub fn typed<T: DeserializeOwned>(body: &Map<String, Value>) -> Result<T, Vec<Fault>> {
    serde_json::from_value(Value::Object(body.clone())).map_err(|error| {
        let faults: Vec<Fault> = body
            .iter()
            .flat_map(|(name, value)| faults_of::<T>(&mut vec![name.clone()], value))
            .collect();
        if faults.is_empty() {
            return vec![Fault {
                path: Vec::new(),
                problem: error.to_string(),
            }];
        }
        faults
    })
}

/// Every member may be absent, so each is judged alone, and the members of an object likewise.
fn faults_of<T: DeserializeOwned>(path: &mut Vec<String>, value: &Value) -> Vec<Fault> {
    let alone = path.iter().rev().fold(value.clone(), |inner, name| {
        Value::Object(Map::from_iter([(name.clone(), inner)]))
    });
    let Err(error) = serde_json::from_value::<T>(alone) else {
        return Vec::new();
    };
    let mut inner = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        path.push(name.clone());
        inner.extend(faults_of::<T>(path, value));
        path.pop();
    }
    if inner.is_empty() {
        inner.push(Fault {
            path: path.clone(),
            problem: in_words(value, &error.to_string()),
        });
    }
    inner
}

fn in_words(value: &Value, error: &str) -> String {
    let value = shortened(value);
    let Some((_, expected)) = error.split_once(", expected ") else {
        return format!("{value} cannot be used: {error}");
    };
    let write = match expected {
        "f32" | "f64" => "a number, without quotes".to_owned(),
        "a boolean" => "true or false, without quotes".to_owned(),
        "a string" => "text, in quotes".to_owned(),
        "a sequence" => "a list, such as [one, two]".to_owned(),
        "a map" => "members, such as name: value".to_owned(),
        number if number.starts_with(['i', 'u']) && number.len() <= 4 => {
            "a whole number, without quotes".to_owned()
        }
        of if of.starts_with("struct ") => "members, such as name: value".to_owned(),
        of if of.contains('`') => format!("one of {}", quoted(of).join(", ")),
        _ => "one of its words, in quotes".to_owned(),
    };
    format!("{value} cannot be used: write {write}")
}

/// The words between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn shortened(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > 40 => {
            let start: String = text.chars().take(40).collect();
            format!("{start:?}…")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tenure_protocol::model::{Api, Client, Tenant, User};

    fn faults<T: DeserializeOwned>(body: Value) -> Vec<String> {
        let Value::Object(body) = body else {
            panic!("not an object");
        };
        match typed::<T>(&body) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(Fault::to_string).collect(),
        }
    }

    #[test]
    fn each_member_at_fault_is_named_with_what_to_write() {
        assert_eq!(
            faults::<Tenant>(
                json!({"session_lifetime": "abc", "invalid_grant_status": "x", "friendly_name": "A"})
            ),
            [
                "invalid_grant_status: \"x\" cannot be used: write a whole number, without quotes",
                "session_lifetime: \"abc\" cannot be used: write a number, without quotes",
            ]
        );
        assert_eq!(
            faults::<Client>(json!({
                "name": 7,
                "callbacks": "x",
                "is_first_party": "yes",
                "refresh_token": {"leeway": "x", "rotation_type": "round", "idle_token_lifetime": 7},
                "jwt_configuration": 5,
            })),
            [
                "callbacks: \"x\" cannot be used: write a list, such as [one, two]",
                "is_first_party: \"yes\" cannot be used: write true or false, without quotes",
                "jwt_configuration: 5 cannot be used: write members, such as name: value",
                "name: 7 cannot be used: write text, in quotes",
                "refresh_token.leeway: \"x\" cannot be used: write a whole number, without quotes",
                "refresh_token.rotation_type: \"round\" cannot be used: write one of rotating, non-rotating",
            ]
        );
        assert_eq!(
            faults::<Api>(json!({"token_dialect": "latin", "scopes": [{"value": 1}]})),
            [
                "scopes: a list cannot be used: write text, in quotes",
                "token_dialect: \"latin\" cannot be used: write one of access_token, \
                 access_token_authz, rfc9068_profile, rfc9068_profile_authz",
            ]
        );
        assert_eq!(
            faults::<User>(json!({"email_verified": 1, "user_metadata": []})),
            [
                "email_verified: 1 cannot be used: write true or false, without quotes",
                "user_metadata: a list cannot be used: write members, such as name: value",
            ]
        );
        assert!(faults::<User>(json!({"email": "a@b", "anything": [1]})).is_empty());
    }
}
