//! When an identity provider is asked whether a person is still welcome, and what its answer, or its
//! silence, does to the session (decision 107).

use crate::Timestamp;
use crate::delivery;
use crate::model::UpstreamPolicy;

/// What an upstream session was ended by that the provider did not confirm, and the rule that ended ours.
pub const CONFIRMATION: &str = "confirmation";

/// How often it is asked, and for how long sessions live on without an answer. Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    pub interval: i64,
    pub grace: i64,
}

/// What the provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Welcome,
    /// A definite no: `invalid_grant`, `login_required`.
    Gone(String),
    /// Nothing that can be believed, and why: it may work another time.
    None(String),
}

/// What becomes of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Confirmed(Next),
    Over(String),
    /// It lives until its deadline, which has not moved.
    Again {
        at: Timestamp,
        why: String,
    },
}

/// After a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// When it is to be asked again.
    pub due_at: Timestamp,
    /// When the session is over if nobody said yes by then.
    pub deadline: Timestamp,
}

impl Liveness {
    /// `None`: the provider is never asked.
    pub fn of(policy: &UpstreamPolicy) -> Option<Self> {
        let minutes = policy.confirm_after_minutes?;
        Some(Self {
            interval: minutes.max(1).saturating_mul(60),
            grace: policy.confirm_grace_minutes.max(0).saturating_mul(60),
        })
    }

    /// The person was welcome at `confirmed_at`: at the login, or when the provider last said so.
    pub fn next(self, confirmed_at: Timestamp) -> Next {
        let due_at = confirmed_at.plus(self.interval);
        Next {
            due_at,
            deadline: due_at.plus(self.grace),
        }
    }

    /// Seconds between two attempts at most: with our outbox' delays alone, a provider that is back in the
    /// second half of its grace would not be asked again before that is over.
    fn longest_delay(self) -> i64 {
        (self.grace / 10).max(60)
    }

    /// Judges what came of asking. `asked_at` is when the request went out: what the provider knew then.
    /// `failures`: those in a row, this one included.
    pub fn judge(self, answer: Answer, failures: i64, asked_at: Timestamp) -> Outcome {
        match answer {
            Answer::Welcome => Outcome::Confirmed(self.next(asked_at)),
            Answer::Gone(why) => Outcome::Over(why),
            Answer::None(why) => Outcome::Again {
                at: asked_at.plus(delivery::delay(failures).min(self.longest_delay())),
                why,
            },
        }
    }
}
