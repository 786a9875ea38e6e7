//! Other identity providers, as their relying party: their metadata and keys, and what is asked of them.

mod examine;
mod kept;
mod keys;
mod metadata;
mod provider;
mod secret;
mod tokens;

pub use examine::{Register, Report, auth_method, examine};
pub use kept::{open_tokens, seal_tokens};
pub use keys::peek;
pub use metadata::Metadata;
pub use provider::{Provider, Providers};
pub use secret::{seal_secret, secret_mac};
pub use tokens::{Refreshed, Tokens, redeem, refresh, userinfo};

/// Why a provider's answer is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No usable answer came; it may work another time.
    Unreachable(String),
    /// An answer came that must not be believed, or that says no.
    Refused(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

impl From<crate::outbound::Failure> for Fault {
    fn from(failure: crate::outbound::Failure) -> Self {
        use crate::outbound::Failure::{Impossible, NoAnswer};
        let (Impossible(why) | NoAnswer(why)) = failure;
        Self::Unreachable(why)
    }
}
