//! How many calls a client may make: a burst, and a steady rate at which it comes back.

use crate::Timestamp;

/// Calls that may come at once.
pub const BURST: i64 = 100;

/// Calls that come back with every second.
pub const PER_SECOND: i64 = 10;

/// In thousandths, since a millisecond brings back less than one call.
const CALL: i64 = 1_000;

/// What is left to a client, as of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    left: i64,
    at: Timestamp,
}

/// What a call is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub allowed: bool,
    /// Whole calls that may follow at once.
    pub remaining: i64,
    /// When the whole burst is there again if no call comes.
    pub full_at: Timestamp,
    /// Seconds until a call is allowed; 0 while one is.
    pub retry_after: i64,
}

impl Allowance {
    /// Of a client that has not called yet.
    pub const fn full(now: Timestamp) -> Self {
        Self {
            left: BURST * CALL,
            at: now,
        }
    }

    /// Whether nothing of it is missing any more.
    pub const fn is_full(self, now: Timestamp) -> bool {
        let passed = now.millis().saturating_sub(self.at.millis());
        let back = if passed > 0 {
            passed.saturating_mul(PER_SECOND)
        } else {
            0
        };
        self.left.saturating_add(back) >= BURST * CALL
    }

    /// Takes a call from the allowance if there is one left. A refused call takes nothing, so that
    /// who goes on asking is not kept out for it. A clock that went back brings nothing back.
    #[must_use]
    pub fn take(self, now: Timestamp) -> (Self, Told) {
        let passed = now.millis().saturating_sub(self.at.millis()).max(0);
        let back = passed.saturating_mul(PER_SECOND);
        let there = self.left.saturating_add(back).min(BURST * CALL);
        let allowed = there >= CALL;
        let left = if allowed { there - CALL } else { there };
        let wait = |missing: i64| up(missing.max(0), PER_SECOND);
        let told = Told {
            allowed,
            remaining: left / CALL,
            full_at: Timestamp::from_millis(now.millis() + wait(BURST * CALL - left)),
            retry_after: up(wait(CALL - left), 1_000),
        };
        (Self { left, at: now }, told)
    }
}

/// Divided, rounded up.
const fn up(number: i64, by: i64) -> i64 {
    (number + by - 1) / by
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(mut allowance: Allowance, calls: i64, now: Timestamp) -> (Allowance, Vec<bool>) {
        let mut allowed = Vec::new();
        for _ in 0..calls {
            let (next, told) = allowance.take(now);
            allowed.push(told.allowed);
            allowance = next;
        }
        (allowance, allowed)
    }

    #[test]
    fn a_burst_is_allowed_then_as_many_as_come_back() {
        let start = Timestamp::from_seconds(1_000);
        let (left, allowed) = spend(Allowance::full(start), BURST + 3, start);
        assert_eq!(allowed.iter().filter(|a| **a).count(), 100);
        assert!(allowed.iter().rev().take(3).all(|a| !a));
        let (_, told) = left.take(start);
        let refused = Told {
            allowed: false,
            remaining: 0,
            full_at: start.plus(10),
            retry_after: 1,
        };
        assert_eq!(told, refused);
        // A tenth of a second brings one back, less brings none.
        for (millis, expected) in [(99, 0), (100, 1), (1_000, 10), (9_999_999, 100)] {
            let later = Timestamp::from_millis(start.millis() + millis);
            let (_, allowed) = spend(left, 200, later);
            let count = allowed.iter().filter(|a| **a).count();
            assert_eq!(count, expected, "{millis} ms");
        }
    }

    #[test]
    fn what_is_told_says_how_far_it_goes() {
        let start = Timestamp::from_seconds(1_000);
        let (_, told) = Allowance::full(start).take(start);
        assert_eq!((told.remaining, told.retry_after), (99, 0));
        assert_eq!(told.full_at, Timestamp::from_millis(1_000_100));
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing_back() {
        let start = Timestamp::from_seconds(1_000);
        let (left, _) = spend(Allowance::full(start), BURST, start);
        let (left, told) = left.take(start.plus(-500));
        assert!(!told.allowed);
        assert!(!left.take(start.plus(-500)).1.allowed);
        assert!(left.take(start.plus(-499)).1.allowed);
    }
}
