//! Random histories of one person at one browser, under settings that go up and down and a clock
//! that jumps: a small interpreter, and what an observer notes beside it.

use crate::common::{GOOD, START, end, limits, login};
use proptest::prelude::*;
use tenure_protocol::limits::Limits;
use tenure_protocol::session::{EndReason, Session, UserStanding};
use tenure_protocol::{Sid, Timestamp};

#[derive(Clone, Debug)]
pub enum Event {
    /// A successful login form: re-authentication in a live session, else a new session.
    Login,
    Activity,
    /// Tenant settings: idle and absolute, in seconds.
    Settings(i64, i64),
    /// The clock moves by so many milliseconds, now and then a little backwards.
    Clock(i64),
    Logout,
    Block(bool),
    CredentialChange,
}

fn event() -> impl Strategy<Value = Event> {
    let clock = prop_oneof![6 => 0..20_000_i64, 2 => 0..200_000_i64, 1 => -1_500..0_i64];
    prop_oneof![
        3 => Just(Event::Login),
        8 => Just(Event::Activity),
        3 => (10..120_i64, 10..400_i64).prop_map(|(idle, absolute)| Event::Settings(idle, absolute)),
        12 => clock.prop_map(Event::Clock),
        1 => Just(Event::Logout),
        1 => any::<bool>().prop_map(Event::Block),
        1 => Just(Event::CredentialChange),
    ]
}

pub fn history() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..60)
}

/// The state of the world, and what an observer noted beside it.
pub struct World {
    pub now: Timestamp,
    pub today: Limits,
    pub user: UserStanding,
    pub session: Option<Session>,
    /// Limits that were in force at the login or an activity since, by the observer's own arithmetic.
    pub ceiling: Ceiling,
    pub sids: u8,
}

/// What the design allows at most: from the last login, every setting in force at an activity.
#[derive(Clone, Copy)]
pub struct Ceiling {
    pub absolute: Timestamp,
    pub idle: Timestamp,
    pub lowest_idle: i64,
}

impl Ceiling {
    pub fn of_login(today: Limits, now: Timestamp) -> Self {
        let absolute = now.plus(today.absolute_lifetime);
        Self {
            absolute,
            idle: now.plus(today.idle_timeout),
            lowest_idle: today.idle_timeout,
        }
    }
}

impl World {
    pub fn new() -> Self {
        let today = limits(60, 300);
        Self {
            now: START,
            today,
            user: GOOD,
            session: None,
            ceiling: Ceiling::of_login(today, START),
            sids: 0,
        }
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Login => self.login(),
            Event::Activity => self.touch(),
            Event::Settings(idle, absolute) => self.today = limits(*idle, *absolute),
            Event::Clock(millis) => self.now = Timestamp::from_millis(self.now.millis() + millis),
            Event::Logout => self.end(EndReason::UserLogout),
            Event::Block(blocked) => {
                self.user.blocked = *blocked;
                if *blocked {
                    self.user.valid_after = self.user.valid_after.max(self.now);
                }
            }
            Event::CredentialChange => self.user.valid_after = self.user.valid_after.max(self.now),
        }
    }

    pub fn end(&mut self, reason: EndReason) {
        let now = self.now;
        if let Some(live) = self.session.take_if(|session| session.end.is_none()) {
            self.session = Some(live.ended(end(reason, now)));
        }
    }

    pub fn login(&mut self) {
        if self.user.blocked {
            return;
        }
        let proven = login(self.today);
        let kept = self
            .session
            .as_ref()
            .and_then(|s| s.reauthenticate(proven.clone(), self.user, self.now).ok());
        self.ceiling = Ceiling::of_login(self.today, self.now);
        self.session = Some(kept.unwrap_or_else(|| {
            self.sids += 1;
            Session::start(Sid::from_bytes([self.sids; 16]), proven, self.now)
        }));
    }

    pub fn touch(&mut self) {
        let Some(session) = &self.session else { return };
        match session.touch(&self.today, self.user, self.now) {
            Ok(touched) => {
                let ceiling = &mut self.ceiling;
                let since = touched.limits_since;
                ceiling.absolute = ceiling
                    .absolute
                    .min(since.plus(self.today.absolute_lifetime));
                ceiling.lowest_idle = ceiling.lowest_idle.min(self.today.idle_timeout);
                // The last activity counts from the latest instant at which there was one.
                ceiling.idle = self
                    .now
                    .max(session.last_active_at)
                    .plus(ceiling.lowest_idle);
                self.session = Some(touched);
            }
            Err(reason) => self.end(reason),
        }
    }

    /// By what is stored, as every token and status is judged.
    pub fn is_alive(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|s| s.over(None, self.user, self.now).is_none())
    }

    pub fn sid(&self) -> Option<Sid> {
        self.session.as_ref().map(|s| s.sid)
    }
}

pub fn run(history: &[Event], mut check: impl FnMut(&World, &Event, &World)) {
    let mut world = World::new();
    for event in history {
        let before = World {
            session: world.session.clone(),
            ..world
        };
        world.apply(event);
        check(&before, event, &world);
    }
}
