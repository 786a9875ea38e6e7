//! Random histories of a refresh token family: several tabs that hold tokens of any generation,
//! under settings that change and a clock that jumps.

use crate::common::{START, end, family, home, origin};
use proptest::prelude::*;
use tenure_protocol::Timestamp;
use tenure_protocol::refresh::{Family, Outcome, Policy, Presented, deadlines, decide};
use tenure_protocol::session::EndReason;

pub const TABS: usize = 4;

#[derive(Clone, Debug)]
pub enum Event {
    /// A tab refreshes with whatever it holds, from home or from elsewhere.
    Refresh {
        tab: usize,
        away: bool,
    },
    /// A tab takes over what another holds: storage that they share.
    Share {
        from: usize,
        to: usize,
    },
    /// Somebody presents any generation.
    Guess(u32),
    Settings(Policy),
    Clock(i64),
    /// The family is ended by an act: a logout, a block, a credential change.
    End(EndReason),
}

fn policy() -> impl Strategy<Value = Policy> {
    let window = || prop_oneof![Just(0), Just(10), Just(60)];
    let limit = |range| prop_oneof![3 => prop::option::of(range), 1 => Just(None)];
    (
        any::<bool>(),
        any::<bool>(),
        window(),
        window(),
        limit(30..300_i64),
        limit(100..900_i64),
    )
        .prop_map(
            |(rotating, public, leeway, retry_window, idle_timeout, absolute_lifetime)| Policy {
                rotating,
                public,
                leeway,
                retry_window,
                idle_timeout,
                absolute_lifetime,
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    let act = prop_oneof![
        Just(EndReason::UserLogout),
        Just(EndReason::AccountDisabled),
        Just(EndReason::CredentialChange),
    ];
    prop_oneof![
        16 => (0..TABS, prop::bool::weighted(0.1)).prop_map(|(tab, away)| Event::Refresh { tab, away }),
        6 => (0..TABS, 0..TABS).prop_map(|(from, to)| Event::Share { from, to }),
        1 => (0..20_u32).prop_map(Event::Guess),
        2 => policy().prop_map(Event::Settings),
        8 => prop_oneof![6 => 0..8_000_i64, 2 => 0..60_000_i64, 1 => -1_500..0_i64].prop_map(Event::Clock),
        1 => act.prop_map(Event::End),
    ]
}

pub fn history() -> impl Strategy<Value = (Policy, Vec<Event>)> {
    (policy(), prop::collection::vec(event(), 1..60))
}

#[derive(Clone)]
pub struct World {
    pub now: Timestamp,
    pub policy: Policy,
    pub family: Family,
    /// The generation that each tab holds.
    pub tabs: [u32; TABS],
}

/// A presented token, and what became of it.
pub struct Refresh {
    pub presented: u32,
    pub outcome: Outcome,
}

impl World {
    pub fn new(policy: Policy) -> Self {
        let (idle_deadline, absolute_deadline) = deadlines(&policy, START);
        let family = Family {
            idle_deadline,
            absolute_deadline,
            ..family()
        };
        Self {
            now: START,
            policy,
            tabs: [family.generation; TABS],
            family,
        }
    }

    pub fn apply(&mut self, event: &Event) -> Option<Refresh> {
        match event {
            Event::Refresh { tab, away } => {
                let refresh = self.refresh(*self.tabs.get(*tab)?, *away);
                if matches!(
                    refresh.outcome,
                    Outcome::Exchange { .. } | Outcome::Repeat { .. }
                ) {
                    *self.tabs.get_mut(*tab)? = self.family.generation;
                }
                return Some(refresh);
            }
            Event::Guess(generation) => return Some(self.refresh(*generation, false)),
            Event::Share { from, to } => *self.tabs.get_mut(*to)? = *self.tabs.get(*from)?,
            Event::Settings(policy) => self.policy = *policy,
            Event::Clock(millis) => self.now = Timestamp::from_millis(self.now.millis() + millis),
            Event::End(reason) => {
                let ended = end(*reason, self.now);
                self.family.end.get_or_insert(ended);
            }
        }
        None
    }

    pub fn judge(&self, generation: u32, away: bool) -> Outcome {
        let who = if away {
            origin("203.0.113.66", "Firefox")
        } else {
            home()
        };
        decide(
            &self.family,
            Presented { generation },
            &self.policy,
            &who,
            self.now,
        )
    }

    pub fn refresh(&mut self, presented: u32, away: bool) -> Refresh {
        let outcome = self.judge(presented, away);
        match &outcome {
            Outcome::Exchange { family, .. }
            | Outcome::Repeat { family, .. }
            | Outcome::Ended { family, .. } => {
                self.family = family.clone();
            }
            Outcome::Refused(_) => {}
        }
        Refresh { presented, outcome }
    }
}

pub fn run(
    history: &(Policy, Vec<Event>),
    mut check: impl FnMut(&World, Option<&Refresh>, &World),
) {
    let mut world = World::new(history.0);
    for event in &history.1 {
        let before = world.clone();
        let refresh = world.apply(event);
        check(&before, refresh.as_ref(), &world);
    }
}
