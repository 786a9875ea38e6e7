//! What a change of settings would do to one live session or family, were it made now.

use crate::Timestamp;
use crate::limits::Limits;
use crate::refresh::{Family, Outcome, Policy, Presented, decide};
use crate::session::{Session, UserStanding};

/// In the order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Over already, whether anybody noticed or not: no change does anything to it.
    Over,
    /// The change alone ends it.
    Now,
    /// Whatever its next activity (of a family: its next refresh) is, it finds it over.
    AtNextActivity,
    /// It goes on if it is active now, and ends earlier than it would.
    Earlier,
    /// It ends as it would. What would end later does so only after the next login.
    Never,
}

/// Today's settings, and those that are tried out.
#[derive(Clone, Copy, Debug)]
pub struct Change<T> {
    pub from: T,
    pub to: T,
}

pub fn session(
    session: &Session,
    user: UserStanding,
    limits: &Change<Limits>,
    now: Timestamp,
) -> Effect {
    let over = |today| session.verdict(today, user, now).is_some();
    if over(Some(&limits.from)) {
        return Effect::Over;
    }
    if over(None) {
        return Effect::Now;
    }
    match (
        session.touch(&limits.from, user, now),
        session.touch(&limits.to, user, now),
    ) {
        (_, Err(_)) => Effect::AtNextActivity,
        (Ok(before), Ok(after))
            if after.idle_deadline < before.idle_deadline
                || after.absolute_deadline < before.absolute_deadline =>
        {
            Effect::Earlier
        }
        _ => Effect::Never,
    }
}

/// By its own limits; a session-bound family ends with its session besides.
pub fn family(family: &Family, policy: &Change<Policy>, now: Timestamp) -> Effect {
    if family.verdict(Some(&policy.from), now).is_some() {
        return Effect::Over;
    }
    let refreshed = |policy: &Policy| {
        let presented = Presented {
            generation: family.generation,
        };
        // By whoever exchanged last, with their key.
        match decide(family, presented, policy, &family.rotated_by, now) {
            Outcome::Exchange { family, .. } => Some(family),
            Outcome::Repeat { .. } | Outcome::Refused(_) | Outcome::Ended { .. } => None,
        }
    };
    match (refreshed(&policy.from), refreshed(&policy.to)) {
        (_, None) => Effect::AtNextActivity,
        (Some(before), Some(after))
            if is_earlier(after.idle_deadline, before.idle_deadline)
                || is_earlier(after.absolute_deadline, before.absolute_deadline) =>
        {
            Effect::Earlier
        }
        _ => Effect::Never,
    }
}

/// No deadline is the latest one.
fn is_earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one < other,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
