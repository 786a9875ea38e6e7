//! Signing in once more after a logout: the provider's session may be alive, and a person who signed
//! out and is signed in again without a word has not signed out, as far as they can see.

use crate::model::Preset;
use crate::session::EndReason;

/// Whether the provider must ask. `left`: this browser signed out of a session that the provider stood
/// behind. `over`: why the session is over whose cookie the browser still has. What only time has ended,
/// the provider may renew in silence; what somebody has ended, it may not.
pub const fn must_choose(left: bool, over: Option<EndReason>) -> bool {
    left || match over {
        Some(
            EndReason::UserLogout
            | EndReason::AdminRevoked
            | EndReason::CredentialChange
            | EndReason::AccountDisabled,
        ) => true,
        Some(
            EndReason::Idle
            | EndReason::Absolute
            | EndReason::UpstreamLogout
            | EndReason::UpstreamExpired
            | EndReason::PolicyChange
            | EndReason::ReuseDetected
            | EndReason::SessionLimit
            | EndReason::Superseded,
        )
        | None => false,
    }
}

/// The `prompt` with which a provider asks whom to sign in: `select_account` (OpenID Connect Core
/// 3.1.2.1) where it is known to know that, else `login`, which shows even more and which every provider
/// knows: some answer any other word with an error.
pub fn chooser(preset: Option<Preset>, prompts: Option<&[String]>) -> &'static str {
    const SELECT: &str = "select_account";
    const LOGIN: &str = "login";
    if let Some(prompts) = prompts {
        let knows = prompts.iter().any(|prompt| prompt == SELECT);
        return if knows { SELECT } else { LOGIN };
    }
    match preset {
        Some(Preset::Google | Preset::Entra | Preset::Tenure) => SELECT,
        Some(Preset::Okta | Preset::Auth0 | Preset::Keycloak) | None => LOGIN,
    }
}
