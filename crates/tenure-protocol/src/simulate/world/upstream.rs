//! The layer above: the sessions at identity providers that the person came in through, and what a
//! provider's word about them reaches here.

use super::World;
use crate::model::Connection;
use crate::session::{EndReason, Factor, Session};
use crate::simulate::{Ask, Deadlines, LayerEnd, Outcome, Provider};
use crate::upstream::farewell::may_be_alive;
use crate::upstream::id_token::Proven;
use crate::upstream::liveness::Liveness;
use crate::upstream::signal::{self, Reach};
use crate::upstream::{authentication, expiry};
use crate::{RefusalReason, Timestamp};
use serde_json::json;

/// A session at a provider, as far as it tells.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub browser: String,
    /// Empty: a connection of which nothing is said.
    pub connection: String,
    pub since: Timestamp,
    /// Logins through it, and confirmations.
    pub activities: Vec<Timestamp>,
    pub deadlines: Vec<Deadlines>,
    /// Its `session_expiry`, where it sends one.
    pub expiry: Option<Timestamp>,
    pub end: Option<LayerEnd>,
    pub behind: Option<Behind>,
}

/// That it stands behind a session here.
#[derive(Clone, Debug)]
pub struct Behind {
    pub life: usize,
    pub began_at: Timestamp,
    /// Whether the provider gave a refresh token to ask with.
    pub refreshes: bool,
    /// When it is asked next whether the person is welcome.
    pub due_at: Option<Timestamp>,
    pub failures: i64,
}

/// A login that comes from a provider.
#[derive(Debug)]
pub struct Arrival {
    connection: Connection,
    /// When the provider's word caps the session.
    pub cap: Option<Timestamp>,
}

/// How the person proved themselves.
pub fn factors(arrival: Option<&Arrival>, now: Timestamp) -> Vec<Factor> {
    match arrival {
        Some(arrival) => authentication::factors(&arrival.connection, &Proven::default(), now),
        None => vec![Factor {
            name: "pwd".to_owned(),
            at: now,
            ..Factor::default()
        }],
    }
}

/// The session with the instant until which the provider's yes suffices.
pub fn vouched_for(session: Session, arrival: Option<&Arrival>, now: Timestamp) -> Session {
    match arrival.and_then(|arrival| Liveness::of(&arrival.connection.upstream)) {
        Some(liveness) => session.confirmed(Some(liveness.next(now).deadline), None),
        None => session,
    }
}

impl World {
    /// By whose policies a provider's word counts today. `None`: there is no such connection any more.
    pub(super) fn connection(&self, name: &str) -> Option<Connection> {
        if name.is_empty() {
            return Some(Connection::default());
        }
        self.settings.connections.get(name).cloned()
    }

    /// Judges what the provider says as the server judges the claims of its ID token.
    pub(super) fn come_by_upstream(
        &self,
        ask: &Ask,
        now: Timestamp,
    ) -> Result<Option<Arrival>, Outcome> {
        let Some(upstream) = &ask.upstream else {
            return Ok(None);
        };
        let name = upstream.connection.as_deref().unwrap_or_default();
        let Some(connection) = self.connection(name) else {
            return Err(Outcome::refused(RefusalReason::ConnectionUnknown));
        };
        let client = self.settings.clients.get(&ask.client);
        if client.is_some_and(|client| !connection.is_enabled_for(&client.client_id, &client.name))
        {
            return Err(Outcome::refused(RefusalReason::ConnectionNotEnabled));
        }
        let not_let_in = |note: &str| Outcome {
            note: note.to_owned(),
            ..Outcome::refused(RefusalReason::LoginRequired)
        };
        match self.provider(name) {
            Provider::Answers => {}
            Provider::Silent => return Err(not_let_in("the provider does not answer")),
            Provider::Refuses => return Err(not_let_in("the provider lets the person in no more")),
        }
        let claim = upstream
            .session_expiry
            .map(|lifetime| json!(now.plus(lifetime).seconds()));
        match expiry::cap(claim.as_ref(), connection.expiry_policy(), now) {
            Ok(cap) => Ok(Some(Arrival { connection, cap })),
            Err(fault) => Err(not_let_in(fault.name())),
        }
    }

    /// The session there lives on through further logins; it stands behind the one that this made.
    pub(super) fn stand_behind(&mut self, life: usize, arrival: Arrival, now: Timestamp) {
        let Arrival { connection, cap } = arrival;
        let liveness = Liveness::of(&connection.upstream);
        let behind = Some(Behind {
            life,
            began_at: now,
            refreshes: connection
                .scope()
                .split(' ')
                .any(|scope| scope == "offline_access"),
            due_at: liveness.map(|liveness| liveness.next(now).due_at),
            failures: 0,
        });
        let deadlines = Deadlines {
            since: now,
            idle: None,
            absolute: cap,
        };
        let browser = self.browser.clone();
        let is_same =
            |one: &&mut Upstream| one.browser == browser && one.connection == connection.name;
        let last = self.upstream.iter_mut().rfind(is_same);
        match last.filter(|last| last.is_alive(now)) {
            Some(last) => {
                last.activities.push(now);
                last.deadlines.push(deadlines);
                last.expiry = cap;
                last.behind = behind;
            }
            None => self.upstream.push(Upstream {
                browser,
                connection: connection.name,
                since: now,
                activities: vec![now],
                deadlines: vec![deadlines],
                expiry: cap,
                end: None,
                behind,
            }),
        }
    }

    pub(super) fn federated_logout(&mut self, now: Timestamp) {
        let is_here = |one: &&mut Upstream| one.browser == self.browser && one.is_alive(now);
        if let Some(last) = self.upstream.iter_mut().rfind(is_here) {
            last.finish(EndReason::UpstreamLogout, "federated logout", now);
        }
    }

    /// The person signs out at the provider, which tells us by a logout token, or does not.
    pub(super) fn upstream_logout(
        &mut self,
        everywhere: bool,
        told: bool,
        now: Timestamp,
    ) -> Outcome {
        let is_here = |one: &&Upstream| one.browser == self.browser && one.is_alive(now);
        let Some(last) = self.upstream.iter().rfind(is_here) else {
            return Outcome::ok("there was no session at a provider");
        };
        let (name, browser) = (last.connection.clone(), self.browser.clone());
        let mut over = Vec::new();
        for one in self.upstream.iter_mut().filter(|one| one.is_alive(now)) {
            if one.connection == name && (everywhere || one.browser == browser) {
                one.finish(EndReason::UpstreamLogout, "logout at the provider", now);
                over.extend(one.behind.clone());
            }
        }
        if !told {
            return Outcome::ok("the provider tells nobody");
        }
        let Some(connection) = self.connection(&name) else {
            return Outcome::ok("there is no such connection any more");
        };
        let by = by(&name);
        let ended: Vec<usize> = match signal::reach(connection.upstream.backchannel_logout) {
            Reach::Nothing => return Outcome::ok("the connection's policy is to ignore it"),
            Reach::PersonAndTokens => {
                return self.invalidate(EndReason::UpstreamLogout, &by, now);
            }
            Reach::Person => (0..self.lives.len()).collect(),
            Reach::Behind => over
                .iter()
                .filter(|behind| signal::is_meant((None, super::USER), behind.began_at, now))
                .map(|behind| behind.life)
                .collect(),
        };
        let mut count = 0;
        for life in ended {
            let session = self.session(life);
            if session.is_some_and(|session| signal::was_there(session, now)) {
                let rule = signal::LOGOUT_TOKEN;
                self.end_session(life, super::act(EndReason::UpstreamLogout, &by, rule, now));
                count += 1;
            }
        }
        Outcome::ok(match count {
            0 => "there was no session to end".to_owned(),
            1 => "the session ended".to_owned(),
            more => format!("{more} sessions ended"),
        })
    }

    /// Global Token Revocation: sessions, refresh tokens and access tokens of whoever came this way.
    pub(super) fn upstream_revocation(&mut self, name: Option<&str>, now: Timestamp) -> Outcome {
        let not_found = |note: &str| Outcome {
            word: "not_found",
            ..Outcome::ok(note)
        };
        let is_meant = |one: &&Upstream| name.is_none_or(|name| name == one.connection);
        let Some(known) = self.upstream.iter().rfind(is_meant) else {
            return not_found("nobody came by way of the provider");
        };
        let name = known.connection.clone();
        let connection = self.connection(&name);
        if !connection.is_some_and(|connection| connection.upstream.global_token_revocation) {
            return not_found("the connection takes no revocations");
        }
        for one in self.upstream.iter_mut().filter(|one| one.is_alive(now)) {
            if one.connection == name {
                one.finish(EndReason::UpstreamLogout, signal::REVOCATION, now);
            }
        }
        self.invalidate(EndReason::UpstreamLogout, &by(&name), now)
    }
}

impl Upstream {
    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        may_be_alive(self.end.as_ref().map(|end| end.at), self.expiry, now)
    }

    /// The first end counts.
    pub(super) fn finish(&mut self, reason: EndReason, rule: &str, now: Timestamp) {
        self.end.get_or_insert_with(|| LayerEnd {
            at: now,
            by: reason.name(),
            rule: rule.to_owned(),
        });
    }
}

/// Who ends sessions, as the server writes it.
pub(super) fn by(connection: &str) -> String {
    format!("connection:{connection}")
}
