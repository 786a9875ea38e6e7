//! Which of the asked scopes are granted (design 1.4).

use crate::RefusalReason;
use crate::model::{Api, Client};

/// What a request is granted. Scopes that are not granted are dropped, never an error (RFC 6749 section 3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// In the order asked, without repeats; includes `offline_access` / `online_access` only if granted.
    pub scope: Vec<String>,
    pub openid: bool,
    pub offline: bool,
    pub online: bool,
    /// What was asked and dropped, with why: for the log (`offline_access` above all).
    pub dropped: Vec<(String, &'static str)>,
}

impl Granted {
    pub fn text(&self) -> String {
        self.scope.join(" ")
    }
}

/// What the person or first-party status consented to.
#[derive(Clone, Copy, Debug)]
pub enum Ground<'a> {
    FirstParty,
    /// Remembered or just given consent to these scopes.
    Consent(&'a [String]),
}

/// The scopes of OpenID Connect Core 5.4, which need no API.
const STANDARD: [&str; 5] = ["openid", "profile", "email", "address", "phone"];
const OFFLINE: &str = "offline_access";
const ONLINE: &str = "online_access";

/// Asking for an offline and a session-bound family at once has no meaning.
///
/// # Errors
/// [`RefusalReason::ScopeConflict`].
pub fn check(asked: &str) -> Result<(), RefusalReason> {
    let has = |name| asked.split(' ').any(|scope| scope == name);
    if has(OFFLINE) && has(ONLINE) {
        Err(RefusalReason::ScopeConflict)
    } else {
        Ok(())
    }
}

/// The scopes granted to `client` at `api` (`None`: no API audience).
/// `held` are the permissions that the user holds for the API, where it enforces policies.
pub fn grant(
    asked: &str,
    client: &Client,
    api: Option<&Api>,
    ground: Ground<'_>,
    held: Option<&[String]>,
) -> Granted {
    let mut granted = Granted::default();
    for scope in distinct(asked) {
        match judge(scope, client, api, ground, held) {
            Ok(()) => {
                granted.openid |= scope == "openid";
                granted.offline |= scope == OFFLINE;
                granted.online |= scope == ONLINE;
                granted.scope.push(scope.to_owned());
            }
            Err(why) => granted.dropped.push((scope.to_owned(), why)),
        }
    }
    granted
}

fn judge(
    scope: &str,
    client: &Client,
    api: Option<&Api>,
    ground: Ground<'_>,
    held: Option<&[String]>,
) -> Result<(), &'static str> {
    exists(scope, client, api)?;
    if let Ground::Consent(given) = ground
        && scope != "openid"
        && !given.iter().any(|g| g == scope)
    {
        return Err("the user did not consent to it");
    }
    let permission = !STANDARD.contains(&scope) && scope != OFFLINE && scope != ONLINE;
    if permission && held.is_some_and(|held| !held.iter().any(|h| h == scope)) {
        return Err("the user does not hold this permission");
    }
    Ok(())
}

/// Whether a scope can be had by this client at this API at all.
fn exists(scope: &str, client: &Client, api: Option<&Api>) -> Result<(), &'static str> {
    match scope {
        OFFLINE | ONLINE if !client.allows_grant("refresh_token") => {
            Err("the client's grant_types lack refresh_token")
        }
        OFFLINE if api.is_some_and(|api| !api.allow_offline_access) => {
            Err("the API's allow_offline_access is off")
        }
        ONLINE if api.is_some_and(|api| !api.allow_online_access) => {
            Err("the API's allow_online_access is off")
        }
        OFFLINE | ONLINE => Ok(()),
        _ if STANDARD.contains(&scope) => Ok(()),
        _ => match api {
            Some(api) if api.scopes.iter().any(|s| s.value == scope) => Ok(()),
            Some(_) => Err("the API does not define it"),
            None => Err("no API was asked for that defines it"),
        },
    }
}

/// The scopes of `asked` that still need the person's consent: none for a first-party client.
pub fn missing_consent(
    asked: &str,
    client: &Client,
    api: Option<&Api>,
    given: &[String],
) -> Vec<String> {
    if client.is_first_party {
        return Vec::new();
    }
    let mut missing = to_be_had(asked, client, api);
    missing.retain(|scope| !given.contains(scope));
    missing
}

/// The scopes of `asked` that this client can have at this API at all: what a person is asked about who is
/// asked once more (OpenID Connect Core 3.1.2.1, `prompt=consent`).
pub fn to_be_had(asked: &str, client: &Client, api: Option<&Api>) -> Vec<String> {
    distinct(asked)
        .filter(|scope| exists(scope, client, api).is_ok())
        .map(str::to_owned)
        .collect()
}

fn distinct(asked: &str) -> impl Iterator<Item = &str> {
    let mut seen = Vec::new();
    asked.split(' ').filter(move |scope| {
        let fresh = !scope.is_empty() && !seen.contains(scope);
        if fresh {
            seen.push(*scope);
        }
        fresh
    })
}
