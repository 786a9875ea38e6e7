//! When an application session ends, and which rule won. Values in, values out.

use serde::{Deserialize, Serialize};
use tenure_protocol::Timestamp;

/// The application's own limits, in seconds; `None` is `false` in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Since the last activity.
    pub rolling_duration: Option<i64>,
    /// Since the login.
    pub absolute_duration: Option<i64>,
}

impl Limits {
    /// What counts for a session that copied `self` at its login, under today's configuration: a lowered
    /// limit bites at the next request, a raised one after the next login.
    #[must_use]
    pub fn under(self, today: Self) -> Self {
        Self {
            rolling_duration: lower(self.rolling_duration, today.rolling_duration),
            absolute_duration: lower(self.absolute_duration, today.absolute_duration),
        }
    }
}

fn lower(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

/// The instants that decide about a session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub created_at: Timestamp,
    /// The last activity.
    pub touched_at: Timestamp,
    /// The provider's word: `session_expiry` of the ID token.
    pub session_expiry: Option<Timestamp>,
    /// The end of the token session, where the application chose to follow it and nothing can renew it.
    pub token_deadline: Option<Timestamp>,
}

/// A rule that ends an application session by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    RollingDuration,
    AbsoluteDuration,
    SessionExpiry,
    TokenSession,
}

impl Rule {
    pub const fn name(self) -> &'static str {
        match self {
            Self::RollingDuration => "rolling_duration",
            Self::AbsoluteDuration => "absolute_duration",
            Self::SessionExpiry => "session_expiry",
            Self::TokenSession => "token_session",
        }
    }

    /// The reason in the provider's vocabulary.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::RollingDuration => "idle",
            Self::AbsoluteDuration | Self::SessionExpiry | Self::TokenSession => "absolute",
        }
    }
}

/// One deadline and the rule behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    pub at: Timestamp,
    pub rule: Rule,
}

impl Life {
    /// Every deadline that reaches this session; those that no activity moves come first.
    pub fn deadlines(&self, limits: Limits) -> impl Iterator<Item = Deadline> {
        let after = |since: Timestamp, seconds: Option<i64>| seconds.map(|s| since.plus(s));
        [
            (self.session_expiry, Rule::SessionExpiry),
            (
                after(self.created_at, limits.absolute_duration),
                Rule::AbsoluteDuration,
            ),
            (self.token_deadline, Rule::TokenSession),
            (
                after(self.touched_at, limits.rolling_duration),
                Rule::RollingDuration,
            ),
        ]
        .into_iter()
        .filter_map(|(at, rule)| at.map(|at| Deadline { at, rule }))
    }

    /// The earliest deadline; of equal ones that which no activity would have moved.
    pub fn end(&self, limits: Limits) -> Option<Deadline> {
        self.deadlines(limits).min_by_key(|deadline| deadline.at)
    }

    /// The earliest deadline that no activity moves.
    pub fn hard_end(&self, limits: Limits) -> Option<Deadline> {
        self.deadlines(limits)
            .filter(|deadline| deadline.rule != Rule::RollingDuration)
            .min_by_key(|deadline| deadline.at)
    }

    /// The deadline that has come, if one has: at its very instant the session is over.
    pub fn over(&self, limits: Limits, now: Timestamp) -> Option<Deadline> {
        self.end(limits).filter(|deadline| deadline.at <= now)
    }

    /// Whether an activity at `now` is worth writing down: when it moves the deadline by a sixtieth of
    /// `rolling_duration`, at most by a minute. Until then the session may end that much earlier than
    /// its last activity says, never later.
    pub fn is_worth_touching(&self, limits: Limits, now: Timestamp) -> bool {
        limits.rolling_duration.is_some_and(|rolling| {
            let step = rolling.saturating_mul(1000) / 60;
            now.millis_since(self.touched_at) >= step.clamp(1, 60_000)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn life(touched: i64, session_expiry: Option<i64>, token: Option<i64>) -> Life {
        Life {
            created_at: at(1000),
            touched_at: at(touched),
            session_expiry: session_expiry.map(at),
            token_deadline: token.map(at),
        }
    }

    const fn limits(rolling: Option<i64>, absolute: Option<i64>) -> Limits {
        Limits {
            rolling_duration: rolling,
            absolute_duration: absolute,
        }
    }

    #[test]
    fn the_earliest_of_all_limits_ends_the_session_and_is_named() {
        use Rule::{AbsoluteDuration, RollingDuration, SessionExpiry, TokenSession};
        let table = [
            // own limits alone
            (
                life(1000, None, None),
                limits(Some(60), Some(600)),
                Some((1060, RollingDuration)),
            ),
            (
                life(1590, None, None),
                limits(Some(60), Some(600)),
                Some((1600, AbsoluteDuration)),
            ),
            (
                life(5000, None, None),
                limits(Some(60), None),
                Some((5060, RollingDuration)),
            ),
            (
                life(1000, None, None),
                limits(None, Some(600)),
                Some((1600, AbsoluteDuration)),
            ),
            (life(1000, None, None), limits(None, None), None),
            // the provider's word
            (
                life(1000, Some(1030), None),
                limits(Some(60), Some(600)),
                Some((1030, SessionExpiry)),
            ),
            (
                life(1000, Some(9000), None),
                limits(Some(60), Some(600)),
                Some((1060, RollingDuration)),
            ),
            // the token session
            (
                life(1000, None, Some(1020)),
                limits(Some(60), Some(600)),
                Some((1020, TokenSession)),
            ),
            (
                life(1000, Some(1010), Some(1020)),
                limits(None, None),
                Some((1010, SessionExpiry)),
            ),
            // equal: the rule that no activity would have moved
            (
                life(1000, None, None),
                limits(Some(60), Some(60)),
                Some((1060, AbsoluteDuration)),
            ),
            (
                life(1000, Some(1060), None),
                limits(Some(60), Some(60)),
                Some((1060, SessionExpiry)),
            ),
        ];
        for (life, limits, expected) in table {
            let found = life.end(limits).map(|end| (end.at.seconds(), end.rule));
            assert_eq!(found, expected, "{life:?} {limits:?}");
        }
    }

    #[test]
    fn a_session_is_over_at_its_deadline_and_not_a_moment_earlier() {
        let (life, limits) = (life(1000, None, None), limits(Some(60), None));
        assert_eq!(life.over(limits, Timestamp::from_millis(1_059_999)), None);
        let end = life.over(limits, at(1060)).unwrap();
        assert_eq!((end.at, end.rule.reason()), (at(1060), "idle"));
    }

    #[test]
    fn a_lowered_limit_bites_and_a_raised_one_waits_for_the_next_login() {
        let table = [
            (
                limits(Some(60), Some(600)),
                limits(Some(30), Some(900)),
                limits(Some(30), Some(600)),
            ),
            (
                limits(Some(60), None),
                limits(None, Some(900)),
                limits(Some(60), Some(900)),
            ),
            (limits(None, None), limits(None, None), limits(None, None)),
        ];
        for (copied, today, expected) in table {
            assert_eq!(copied.under(today), expected);
        }
    }

    #[test]
    fn activity_is_written_when_it_moves_the_deadline_noticeably() {
        let table = [
            (Some(60), 1000, false),
            (Some(60), 1001, true),
            (Some(86_400), 1059, false),
            (Some(86_400), 1060, true),
            (Some(0), 1001, true),
            (None, 9000, false),
            // A clock that went back writes nothing.
            (Some(60), 900, false),
        ];
        for (rolling, now, expected) in table {
            let life = life(1000, None, None);
            let worth = life.is_worth_touching(limits(rolling, Some(1)), at(now));
            assert_eq!(worth, expected, "{rolling:?} at {now}");
        }
    }
}
