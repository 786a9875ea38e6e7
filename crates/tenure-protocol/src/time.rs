//! Instants. Durations are plain `i64` seconds, named `…_timeout`, `…_lifetime` or `…_interval`.

use serde::{Deserialize, Serialize};

/// An instant, in milliseconds since the Unix epoch. Milliseconds, so that a limit
/// of 60 s lasts 60 s and not "somewhere between 59 and 60"; on the wire it becomes
/// whole seconds ([`Timestamp::seconds`]), rounded down, so that no `exp` lies past a deadline.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole Unix seconds, rounded down: the wire's `NumericDate` (RFC 7519 section 2).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant moved by `seconds` (negative: back), saturating at the ends of time.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Milliseconds from `earlier` to this instant; negative when it lies after.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether more than `seconds` have passed since `earlier`.
    pub const fn is_more_than(self, seconds: i64, earlier: Self) -> bool {
        self.millis_since(earlier) > seconds.saturating_mul(1000)
    }
}
