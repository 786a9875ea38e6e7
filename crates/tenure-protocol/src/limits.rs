//! How long a session may last: settings, caps ("plans") and named profiles (design 1.1).

use crate::model::Tenant;
use serde::{Deserialize, Serialize};

/// Both limits of a session, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Renewed by activity.
    pub idle_timeout: i64,
    /// Never renewed.
    pub absolute_lifetime: i64,
}

/// The caps of the system, by plan; they clamp at use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    pub idle_timeout: i64,
    pub absolute_lifetime: i64,
}

impl Default for Caps {
    /// The larger plan: 100 days idle, 365 days in all.
    fn default() -> Self {
        Self {
            idle_timeout: 100 * 86_400,
            absolute_lifetime: 365 * 86_400,
        }
    }
}

impl Limits {
    /// Today's limits of a tenant for a persistent or a non-persistent session: minutes win
    /// over hours, defaults are 72 h idle and 168 h in all, caps clamp, and idle never exceeds absolute.
    pub fn of(tenant: &Tenant, persistent: bool, caps: &Caps) -> Self {
        todo!("{tenant:?} {persistent} {caps:?}")
    }
}
