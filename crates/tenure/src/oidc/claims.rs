//! Claims about the user, by scope and by the `claims` parameter (OpenID Connect Core 5.4, 5.5).

use serde_json::{Map, Value};
use tenure_protocol::model::User;

/// Claims of the protocol that no configuration may replace.
const PROTOCOL: [&str; 27] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "auth_time",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "sid",
    "session_expiry",
    "scope",
    "client_id",
    "permissions",
    "cnf",
    "act",
    "typ",
    "gty",
    "events",
    "fid",
    "userinfo_claims",
    "connection",
];

/// Where the claims go: the member of the `claims` parameter that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    IdToken,
    Userinfo,
}

/// The user's claims that a scope grants or that are asked for by name.
pub fn of_user(user: &User, scope: &str, asked: &[&str]) -> Map<String, Value> {
    let has = |name: &str| scope.split(' ').any(|s| s == name);
    let mut claims = Map::new();
    for (scope, names) in BY_SCOPE {
        if has(scope) {
            for name in names {
                put(&mut claims, user, name);
            }
        }
    }
    for name in asked {
        put(&mut claims, user, name);
    }
    claims
}

/// The names of the user's claims in a member of the `claims` parameter; unknown ones are ignored.
pub fn asked(requested: &Value, place: Place) -> Vec<&'static str> {
    let member = match place {
        Place::IdToken => "id_token",
        Place::Userinfo => "userinfo",
    };
    let Some(Value::Object(wanted)) = requested.get(member) else {
        return Vec::new();
    };
    let known = BY_SCOPE.iter().flat_map(|(_, names)| names.iter().copied());
    known.filter(|name| wanted.contains_key(*name)).collect()
}

const BY_SCOPE: [(&str, &[&str]); 3] = [
    (
        "profile",
        &[
            "name",
            "given_name",
            "family_name",
            "nickname",
            "picture",
            "updated_at",
            "preferred_username",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// Claims that nobody stored are left out (Core 5.3.2); unknown names are ignored.
fn put(claims: &mut Map<String, Value>, user: &User, name: &str) {
    let text = |value: &Option<String>| value.clone().map(Value::from);
    let value = match name {
        "name" => text(&user.name),
        "given_name" => text(&user.given_name),
        "family_name" => text(&user.family_name),
        "nickname" => text(&user.nickname),
        "picture" => text(&user.picture),
        "preferred_username" => text(&user.username),
        "updated_at" => Some(user.updated_at.seconds().into()),
        "email" => text(&user.email),
        "email_verified" => user.email.as_ref().map(|_| user.email_verified.into()),
        "phone_number" => text(&user.phone_number),
        "phone_number_verified" => user
            .phone_number
            .as_ref()
            .map(|_| user.phone_verified.into()),
        _ => None,
    };
    if let Some(value) = value {
        claims.insert(name.to_owned(), value);
    }
}

/// Adds a static map of custom claims; the protocol's own cannot be replaced.
pub fn add_custom(claims: &mut Map<String, Value>, custom: &Map<String, Value>) {
    for (name, value) in custom {
        if !PROTOCOL.contains(&name.as_str()) {
            claims.insert(name.clone(), value.clone());
        }
    }
}

/// What discovery names: what our ID tokens say, and what is known about users.
pub fn supported() -> Vec<&'static str> {
    let ours = [
        "acr",
        "amr",
        "at_hash",
        "aud",
        "auth_time",
        "c_hash",
        "connection",
        "exp",
        "iat",
        "iss",
        "nonce",
        "session_expiry",
        "sid",
        "sub",
    ];
    let of_users = BY_SCOPE.iter().flat_map(|(_, names)| names.iter().copied());
    ours.into_iter().chain(of_users).collect()
}
