//! Providers are asked whether the person is still welcome: by a worker where they gave a refresh token,
//! else on the way of a request that may show a page (decision 107).

use super::upstream::{Upstream, by};
use super::{World, act, deadlines_of};
use crate::Timestamp;
use crate::model::Client;
use crate::session::EndReason;
use crate::simulate::{Outcome, Provider};
use crate::upstream::liveness::{self, Answer, Liveness};

impl World {
    /// What workers do until then: they end what has expired and ask about what is due, each in its time.
    pub(in crate::simulate) fn pass(&mut self, now: Timestamp) {
        loop {
            let due = |one: &Upstream| one.behind.as_ref()?.due_at;
            let places = self.upstream.iter().enumerate();
            let next = places.filter_map(|(place, one)| Some((due(one)?, place)));
            match next.min() {
                Some((due, place)) if due <= now => {
                    self.expire(due);
                    self.confirm_by_refresh(place, due);
                }
                _ => break,
            }
        }
        self.expire(now);
    }

    /// The same after the last event: confirmations are not drawn any more.
    pub(in crate::simulate) fn pass_to_the_end(&mut self, end: Timestamp) {
        self.is_told = true;
        self.pass(end);
    }

    pub(super) fn provider(&self, connection: &str) -> Provider {
        let own = self.providers.get(connection);
        own.copied().unwrap_or(self.other_providers)
    }

    pub(super) fn provider_does(&mut self, connection: Option<&str>, does: Provider) -> Outcome {
        match connection {
            Some(name) => drop(self.providers.insert(name.to_owned(), does)),
            None => {
                self.providers.clear();
                self.other_providers = does;
            }
        }
        Outcome::ok("")
    }

    fn confirm_by_refresh(&mut self, place: usize, now: Timestamp) {
        let Some(one) = self.upstream.get(place) else {
            return;
        };
        let answer = match &one.behind {
            Some(behind) if behind.refreshes => self.answer(one, now),
            _ => Answer::None("the provider gave no refresh token to ask with".to_owned()),
        };
        let connection = self.connection(&one.connection);
        let liveness = connection.and_then(|connection| Liveness::of(&connection.upstream));
        let session = one
            .behind
            .as_ref()
            .and_then(|behind| self.session(behind.life));
        let hangs_on_it = session
            .is_some_and(|session| session.end.is_none() && session.confirm_deadline.is_some());
        match liveness {
            Some(liveness) if hangs_on_it => self.settle(place, liveness, answer, now),
            _ => self.let_go(place, now),
        }
    }

    /// Nobody asks any more: the session is over, or does not depend on it.
    fn let_go(&mut self, place: usize, now: Timestamp) {
        let behind = self
            .upstream
            .get_mut(place)
            .and_then(|one| one.behind.as_mut());
        let Some(behind) = behind else { return };
        behind.due_at = None;
        let life = behind.life;
        self.confirmed(life, None, now);
    }

    /// The person comes by: the provider is asked through the browser.
    pub(super) fn confirm_on_the_way(&mut self, client: &Client, now: Timestamp) {
        let Some(current) = self.current() else {
            return;
        };
        let waits = |one: &Upstream| {
            one.behind.as_ref().is_some_and(|behind| {
                let is_due = behind.failures > 0 || behind.due_at.is_some_and(|at| at <= now);
                behind.life == current && behind.due_at.is_some() && is_due && !behind.refreshes
            })
        };
        let Some(place) = self.upstream.iter().position(waits) else {
            return;
        };
        let Some(one) = self.upstream.get(place) else {
            return;
        };
        let answer = self.answer(one, now);
        let connection = self
            .connection(&one.connection)
            .filter(|connection| connection.is_enabled_for(&client.client_id, &client.name));
        let liveness = connection.and_then(|connection| Liveness::of(&connection.upstream));
        // One that does not answer has its time of grace, and the worker counts how long.
        if let (Some(liveness), Answer::Welcome | Answer::Gone(_)) = (liveness, &answer) {
            self.settle(place, liveness, answer, now);
        }
    }

    fn answer(&self, one: &Upstream, now: Timestamp) -> Answer {
        match self.provider(&one.connection) {
            Provider::Answers if one.is_alive(now) => Answer::Welcome,
            Provider::Answers => Answer::Gone("its session is over".to_owned()),
            Provider::Refuses => Answer::Gone("the person is not welcome".to_owned()),
            Provider::Silent => Answer::None("it does not answer".to_owned()),
        }
    }

    fn settle(&mut self, place: usize, liveness: Liveness, answer: Answer, now: Timestamp) {
        let is_told = self.is_told;
        let Some(one) = self.upstream.get_mut(place) else {
            return;
        };
        let name = one.connection.clone();
        let Some(behind) = &mut one.behind else {
            return;
        };
        let (life, failures) = (behind.life, behind.failures.saturating_add(1));
        match liveness.judge(answer, failures, now) {
            liveness::Outcome::Confirmed(next) => {
                (behind.due_at, behind.failures) = (Some(next.due_at), 0);
                if !is_told {
                    one.activities.push(now);
                }
                self.confirmed(life, Some(next.deadline), now);
            }
            liveness::Outcome::Again { at, .. } => {
                (behind.due_at, behind.failures) = (Some(at), failures);
            }
            liveness::Outcome::Over(_) => {
                behind.due_at = None;
                one.finish(EndReason::UpstreamExpired, liveness::CONFIRMATION, now);
                let rule = liveness::CONFIRMATION;
                let end = act(EndReason::UpstreamExpired, &by(&name), rule, now);
                self.end_session(life, end);
            }
        }
    }

    /// It is no activity: only the deadlines of the session move.
    fn confirmed(&mut self, life: usize, deadline: Option<Timestamp>, now: Timestamp) {
        let Some(life) = self.lives.get_mut(life) else {
            return;
        };
        let hangs_on_it = life.session.end.is_none() && life.session.confirm_deadline.is_some();
        if !hangs_on_it {
            return;
        }
        life.session = life.session.confirmed(deadline, None);
        life.deadlines.push(deadlines_of(&life.session, now));
    }
}
