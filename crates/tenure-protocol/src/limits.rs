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
        let (idle_minutes, idle_hours, absolute_minutes, absolute_hours) = if persistent {
            (
                tenant.idle_session_lifetime_in_minutes,
                tenant.idle_session_lifetime,
                tenant.session_lifetime_in_minutes,
                tenant.session_lifetime,
            )
        } else {
            (
                tenant.idle_ephemeral_session_lifetime_in_minutes,
                tenant.idle_ephemeral_session_lifetime,
                tenant.ephemeral_session_lifetime_in_minutes,
                tenant.ephemeral_session_lifetime,
            )
        };
        let idle = seconds(idle_minutes, idle_hours).unwrap_or(DEFAULT_IDLE);
        let absolute = seconds(absolute_minutes, absolute_hours).unwrap_or(DEFAULT_ABSOLUTE);
        let absolute_lifetime = absolute.min(caps.absolute_lifetime);
        Self {
            idle_timeout: idle.min(caps.idle_timeout).min(absolute_lifetime),
            absolute_lifetime,
        }
    }
}

/// 72 hours and 168 hours: what a tenant has that says nothing.
const DEFAULT_IDLE: i64 = 72 * 3600;
const DEFAULT_ABSOLUTE: i64 = 168 * 3600;

/// A setting in seconds: minutes win over hours. Anything that is not a positive number counts as absent.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and the caps clamp"
)]
fn seconds(minutes: Option<f64>, hours: Option<f64>) -> Option<i64> {
    [(minutes, 60.0), (hours, 3600.0)]
        .into_iter()
        .filter_map(|(value, unit)| Some(value? * unit))
        .find(|seconds| *seconds >= 1.0)
        .map(|seconds| seconds.round() as i64)
}

/// A lifetime that a tenant's settings must not have: the API answers 400, `apply` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unacceptable {
    pub setting: &'static str,
    pub problem: String,
}

/// Checks a tenant's lifetimes against the caps; settings above them are refused when they are
/// made, and clamped at use where they were there before the caps.
pub fn check(tenant: &Tenant, caps: &Caps) -> Vec<Unacceptable> {
    let settings = [
        (
            "session_lifetime",
            tenant.session_lifetime,
            3600.0,
            caps.absolute_lifetime,
        ),
        (
            "idle_session_lifetime",
            tenant.idle_session_lifetime,
            3600.0,
            caps.idle_timeout,
        ),
        (
            "ephemeral_session_lifetime",
            tenant.ephemeral_session_lifetime,
            3600.0,
            caps.absolute_lifetime,
        ),
        (
            "idle_ephemeral_session_lifetime",
            tenant.idle_ephemeral_session_lifetime,
            3600.0,
            caps.idle_timeout,
        ),
        (
            "session_lifetime_in_minutes",
            tenant.session_lifetime_in_minutes,
            60.0,
            caps.absolute_lifetime,
        ),
        (
            "idle_session_lifetime_in_minutes",
            tenant.idle_session_lifetime_in_minutes,
            60.0,
            caps.idle_timeout,
        ),
        (
            "ephemeral_session_lifetime_in_minutes",
            tenant.ephemeral_session_lifetime_in_minutes,
            60.0,
            caps.absolute_lifetime,
        ),
        (
            "idle_ephemeral_session_lifetime_in_minutes",
            tenant.idle_ephemeral_session_lifetime_in_minutes,
            60.0,
            caps.idle_timeout,
        ),
    ];
    settings
        .into_iter()
        .filter_map(|(setting, value, unit, cap)| {
            let seconds = value? * unit;
            #[expect(
                clippy::cast_precision_loss,
                reason = "a cap is far below 2^52 seconds"
            )]
            let cap = cap as f64;
            let problem = if !(1.0..f64::MAX).contains(&seconds) {
                "must be a positive number".to_owned()
            } else if seconds > cap {
                format!(
                    "is above the system limit of {} {}",
                    cap / unit,
                    if unit > 60.0 { "hours" } else { "minutes" }
                )
            } else {
                return None;
            };
            Some(Unacceptable { setting, problem })
        })
        .collect()
}
