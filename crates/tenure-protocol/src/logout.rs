//! Whether a logout request proves that the person at this browser wants it
//! (OpenID Connect RP-Initiated Logout 1.0 section 2; lesson CVE-2020-10734).

use crate::session::Session;

/// What an authentic `id_token_hint` says. It may be expired; it never authenticates anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub subject: String,
    pub sid: Option<String>,
    pub audience: Vec<String>,
}

/// What to do with the session behind the browser's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request is proven: end it.
    End,
    /// Ask the person first.
    Ask,
    /// There is no session behind the cookie: nothing to end, which is a success.
    NothingToEnd,
}

/// Judges a request at `/oidc/logout`. A hint never ends a session whose cookie is absent.
pub fn decide(
    session: Option<&Session>,
    hint: Option<&Hint>,
    logout_hint: Option<&str>,
    ask_without_proof: bool,
) -> Decision {
    let Some(session) = session else {
        return Decision::NothingToEnd;
    };
    let by_token = hint.is_some_and(|hint| hint.subject == session.user_id);
    let by_sid = logout_hint.is_some_and(|sid| sid == session.sid.to_string());
    if by_token || by_sid || !ask_without_proof {
        Decision::End
    } else {
        Decision::Ask
    }
}

/// Whether a navigation shows that the person, or a page of the application, wants it: what ends nothing
/// here may still end a session at another provider (decision 160). `site`: the browser's `Sec-Fetch-Site`.
/// `from_application`: whether its `Referer` is a page of the client, which no other site can claim.
pub fn is_meant(site: Option<&str>, from_application: bool) -> bool {
    from_application || matches!(site, Some("none" | "same-origin" | "same-site"))
}

/// Whether the parameters contradict each other: `client_id` must be in the hint's audience,
/// `logout_hint` must be the hint's `sid`, where both are given.
pub fn is_consistent(hint: &Hint, client_id: Option<&str>, logout_hint: Option<&str>) -> bool {
    let client_fits = client_id.is_none_or(|id| hint.audience.iter().any(|aud| aud == id));
    let sid_fits = match (&hint.sid, logout_hint) {
        (Some(sid), Some(given)) => sid == given,
        _ => true,
    };
    client_fits && sid_fits
}
