//! Tenure as the relying party of another identity provider: what its answers prove, whose account
//! they lead to, and how far they reach into sessions here.

pub mod again;
pub mod authentication;
pub mod expiry;
pub mod farewell;
pub mod id_token;
pub mod linking;
pub mod liveness;
pub mod logout_token;
pub mod onward;
pub mod revocation;
pub mod signal;
pub mod told;

/// Seconds by which clocks of two servers may differ.
pub const CLOCK_SKEW: i64 = 60;
