//! Which of the asked scopes are granted (design 1.4).

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

/// The scopes granted to `client` at `api` (`None`: no API audience).
/// `held` are the permissions that the user holds for the API, where it enforces policies.
pub fn grant(
    asked: &str,
    client: &Client,
    api: Option<&Api>,
    ground: Ground<'_>,
    held: Option<&[String]>,
) -> Granted {
    todo!("{asked} {client:?} {api:?} {ground:?} {held:?}")
}

/// The scopes of `asked` that still need the person's consent.
pub fn missing_consent(
    asked: &str,
    client: &Client,
    api: Option<&Api>,
    given: &[String],
) -> Vec<String> {
    todo!("{asked} {client:?} {api:?} {given:?}")
}
