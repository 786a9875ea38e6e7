//! How long a session may last: settings, caps ("plans") and named profiles (design 1.1).

use crate::model::{CookieMode, Tenant};
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
        let (idle, absolute) = configured(tenant, persistent);
        let idle = idle.unwrap_or(DEFAULT_IDLE);
        let absolute = absolute.unwrap_or(DEFAULT_ABSOLUTE);
        let absolute_lifetime = absolute.min(caps.absolute_lifetime);
        Self {
            idle_timeout: idle.min(caps.idle_timeout).min(absolute_lifetime),
            absolute_lifetime,
        }
    }
}

/// Where a limit of today comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The tenant's setting.
    Setting,
    /// The tenant says nothing.
    Default,
    /// The system's cap is lower than the setting.
    Cap,
    /// The idle timeout would exceed the absolute lifetime.
    AbsoluteLifetime,
}

/// Where both limits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    pub idle_timeout: Source,
    pub absolute_lifetime: Source,
}

impl Sources {
    /// Where [`Limits::of`] takes its values.
    pub fn of(tenant: &Tenant, persistent: bool, caps: &Caps) -> Self {
        let (idle, absolute) = configured(tenant, persistent);
        let limits = Limits::of(tenant, persistent, caps);
        let source = |setting: Option<i64>, default: i64, cap: i64, used: i64| {
            let wanted = setting.unwrap_or(default);
            match setting {
                Some(_) if used == wanted => Source::Setting,
                None if used == wanted => Source::Default,
                _ if used == cap => Source::Cap,
                _ => Source::AbsoluteLifetime,
            }
        };
        Self {
            idle_timeout: source(idle, DEFAULT_IDLE, caps.idle_timeout, limits.idle_timeout),
            absolute_lifetime: source(
                absolute,
                DEFAULT_ABSOLUTE,
                caps.absolute_lifetime,
                limits.absolute_lifetime,
            ),
        }
    }
}

/// A tenant's settings in seconds, idle and absolute, where it says something. Where sessions are no longer
/// persistent, one that began when they were gets the stricter of both: what was switched off must not
/// live on in those who signed in before (lesson CVE-2025-11429).
fn configured(tenant: &Tenant, persistent: bool) -> (Option<i64>, Option<i64>) {
    let (idle, absolute) = of_kind(tenant, persistent);
    if !persistent || tenant.session_cookie.mode == CookieMode::Persistent {
        return (idle, absolute);
    }
    let (idle_now, absolute_now) = of_kind(tenant, false);
    (
        stricter(idle, idle_now, DEFAULT_IDLE),
        stricter(absolute, absolute_now, DEFAULT_ABSOLUTE),
    )
}

fn stricter(one: Option<i64>, other: Option<i64>, default: i64) -> Option<i64> {
    let is_said = one.is_some() || other.is_some();
    is_said.then(|| one.unwrap_or(default).min(other.unwrap_or(default)))
}

fn of_kind(tenant: &Tenant, persistent: bool) -> (Option<i64>, Option<i64>) {
    if persistent {
        (
            seconds(
                tenant.idle_session_lifetime_in_minutes,
                tenant.idle_session_lifetime,
            ),
            seconds(tenant.session_lifetime_in_minutes, tenant.session_lifetime),
        )
    } else {
        (
            seconds(
                tenant.idle_ephemeral_session_lifetime_in_minutes,
                tenant.idle_ephemeral_session_lifetime,
            ),
            seconds(
                tenant.ephemeral_session_lifetime_in_minutes,
                tenant.ephemeral_session_lifetime,
            ),
        )
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
