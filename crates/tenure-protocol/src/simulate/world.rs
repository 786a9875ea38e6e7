//! The state of a simulation, and what each event does to it.

use super::{Action, Ask, Deadlines, Event, Outcome, Provider, Settings};
use crate::authorize::{self, AuthorizeRequest, Facts, Step};
use crate::model::{Api, Client, CookieMode};
use crate::params::Params;
use crate::refresh::{
    self, Consumed, Family, FamilyKind, Origin, Policy, Presented, decide, ends_with_session,
};
use crate::scope::{self, Granted, Ground};
use crate::session::{Device, End, EndReason, Login, Session, UserStanding, Verdict};
use crate::user_end::UserEnd;
use crate::{FamilyId, RefusalReason, Sid, Timestamp, tokens};
use std::collections::BTreeMap;

/// A session and its history.
#[derive(Clone, Debug)]
pub struct Life {
    pub browser: String,
    pub session: Session,
    pub activities: Vec<Timestamp>,
    pub deadlines: Vec<Deadlines>,
}

/// What a client holds since its last authorization or refresh.
#[derive(Clone, Debug)]
pub struct Held {
    pub client: String,
    /// Index of the session it was born in.
    pub session: usize,
    pub since: Timestamp,
    pub family: Option<Family>,
    pub activities: Vec<Timestamp>,
    pub deadlines: Vec<Deadlines>,
    pub access_expiry: Timestamp,
    /// `None` without the scope `openid`.
    pub id_expiry: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct World {
    pub settings: Settings,
    pub user: UserStanding,
    pub lives: Vec<Life>,
    pub held: Vec<Held>,
    pub upstream: Vec<Upstream>,
    /// The browser of the event that is being applied.
    browser: String,
    /// What providers do besides signing people in, by connection; `other_providers` of the rest.
    providers: BTreeMap<String, Provider>,
    other_providers: Provider,
    /// Nothing more is told: what happens is what comes by itself after the last event.
    is_told: bool,
    /// Since when these settings are in force.
    pub settings_since: Timestamp,
}

const USER: &str = "simulated";

/// Any challenge of the right shape (RFC 7636 section 4.2): public clients must send one.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

impl World {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            user: UserStanding {
                exists: true,
                blocked: false,
                valid_after: Timestamp::from_millis(i64::MIN),
            },
            lives: Vec::new(),
            held: Vec::new(),
            upstream: Vec::new(),
            browser: String::new(),
            providers: BTreeMap::new(),
            other_providers: Provider::Answers,
            is_told: false,
            settings_since: Timestamp::from_millis(i64::MIN),
        }
    }

    pub fn apply(&mut self, event: &Event) -> Outcome {
        let now = event.at;
        // Workers notice every deadline, so each event finds ended what ended before it.
        self.pass(now);
        self.browser.clone_from(&event.browser);
        match &event.action {
            Action::Login(ask) => self.login(ask, now),
            Action::Authorize { ask, silent } => self.authorize(ask, *silent, false, now),
            Action::Refresh {
                client,
                generation,
                elsewhere,
            } => self.refresh(client, *generation, *elsewhere, now),
            Action::Extend => self.extend(now),
            Action::Settings(settings) => {
                self.settings = settings.as_ref().clone();
                self.settings_since = now;
                Outcome::ok("from the next activity, refresh or login on")
            }
            Action::Logout { client, federated } => {
                let by = client.clone().unwrap_or_default();
                let outcome = self.end_by(EndReason::UserLogout, &by, now);
                if *federated {
                    self.federated_logout(now);
                }
                outcome
            }
            Action::UpstreamLogout { everywhere, told } => {
                self.upstream_logout(*everywhere, *told, now)
            }
            Action::UpstreamRevocation { connection } => {
                self.upstream_revocation(connection.as_deref(), now)
            }
            Action::Provider { connection, does } => {
                self.provider_does(connection.as_deref(), *does)
            }
            Action::End(reason) => self.end_by(*reason, "", now),
            Action::Block => {
                self.user.blocked = true;
                self.invalidate(EndReason::AccountDisabled, "", now)
            }
            Action::Unblock => {
                self.user.blocked = false;
                Outcome::ok("what ended stays ended")
            }
            Action::Password => self.invalidate(EndReason::CredentialChange, "", now),
            Action::Wait => Outcome::ok(""),
        }
    }

    /// The index of the browser's last session.
    fn last(&self) -> Option<usize> {
        let is_here = |life: &Life| life.browser == self.browser;
        self.lives.iter().rposition(is_here)
    }

    /// The index of the session behind the cookie, if it has not ended.
    fn current(&self) -> Option<usize> {
        let last = self.last()?;
        self.session(last)?.end.is_none().then_some(last)
    }

    fn session(&self, index: usize) -> Option<&Session> {
        self.lives.get(index).map(|life| &life.session)
    }

    fn last_end(&self) -> Option<EndReason> {
        Some(self.session(self.last()?)?.end.as_ref()?.reason)
    }

    fn expire(&mut self, now: Timestamp) {
        for index in 0..self.lives.len() {
            let verdict = self
                .session(index)
                .filter(|session| session.end.is_none())
                .and_then(|session| session.verdict(None, self.user, now));
            if let Some(verdict) = verdict {
                self.end_session(index, end_of(verdict, "", now));
            }
        }
    }

    /// Ends a session with the families that end with it.
    fn end_session(&mut self, index: usize, end: End) {
        let clients = &self.settings.clients;
        for held in self.held.iter_mut().filter(|held| held.session == index) {
            let ends_offline = clients
                .get(&held.client)
                .is_none_or(Client::ends_offline_on_logout);
            if let Some(family) = &mut held.family
                && family.end.is_none()
                && ends_with_session(family.kind, ends_offline, end.reason)
            {
                family.end = Some(end.clone());
            }
        }
        if let Some(life) = self.lives.get_mut(index) {
            life.session = life.session.ended(end);
        }
    }

    fn end_by(&mut self, reason: EndReason, by: &str, now: Timestamp) -> Outcome {
        let Some(index) = self.current() else {
            return Outcome::ok("there was no session to end").because(self.last_end());
        };
        self.end_session(index, act(reason, by, "ended", now));
        Outcome::ok("the session ended")
    }

    /// `valid_after` moves: what was proven before is over, families too.
    fn invalidate(&mut self, reason: EndReason, by: &str, now: Timestamp) -> Outcome {
        self.user.valid_after = self.user.valid_after.max(now);
        let wish = UserEnd {
            user_id: USER.to_owned(),
            reason,
            by: by.to_owned(),
            from: String::new(),
            keep: None,
            at: now,
        };
        for index in 0..self.lives.len() {
            let session = self.session(index);
            let verdict = session.and_then(|session| wish.ends_session(session, self.user));
            if let Some(verdict) = verdict {
                self.end_session(index, end_of(verdict, by, now));
            }
        }
        let end = act(reason, by, wish.rule().name(), now);
        let families = self.held.iter_mut().filter_map(|held| held.family.as_mut());
        for family in families.filter(|family| wish.ends_family(family, self.user)) {
            family.end = Some(end.clone());
        }
        Outcome::ok("everything that was proven before is over")
    }

    fn login(&mut self, ask: &Ask, now: Timestamp) -> Outcome {
        if self.user.blocked {
            return Outcome::refused(RefusalReason::UserBlocked);
        }
        let arrival = match self.come_by_upstream(ask, now) {
            Ok(arrival) => arrival,
            Err(refused) => return refused,
        };
        let persistent = self.settings.tenant.session_cookie.mode == CookieMode::Persistent;
        let login = Login {
            user_id: USER.to_owned(),
            secret_hash: [0; 32],
            limits: self.settings.limits(persistent),
            upstream_deadline: arrival.as_ref().and_then(|arrival| arrival.cap),
            persistent,
            factors: factors(arrival.as_ref(), now),
            device: Device::default(),
        };
        let again = self
            .current()
            .and_then(|index| Some((index, self.session(index)?)))
            .map(|(index, old)| (index, old.reauthenticate(login.clone(), self.user, now)));
        let index = match again {
            Some((index, Ok(renewed))) => {
                let renewed = vouched_for(renewed, arrival.as_ref(), now);
                self.store(index, renewed, now);
                index
            }
            other => {
                if let Some((index, Err(_))) = other {
                    self.judge(index, now);
                }
                let number = u8::try_from(self.lives.len()).unwrap_or(u8::MAX);
                let session = Session::start(Sid::from_bytes([number; 16]), login, now);
                let session = vouched_for(session, arrival.as_ref(), now);
                self.lives.push(Life {
                    browser: self.browser.clone(),
                    deadlines: vec![deadlines_of(&session, now)],
                    activities: vec![now],
                    session,
                });
                self.lives.len() - 1
            }
        };
        if let Some(arrival) = arrival {
            self.stand_behind(index, arrival, now);
        }
        self.authorize(ask, false, true, now)
    }

    /// Ends a session that today's settings say is over.
    fn judge(&mut self, index: usize, now: Timestamp) -> Option<EndReason> {
        let session = self.session(index)?;
        let today = self.settings.limits(session.persistent);
        let verdict = session.verdict(Some(&today), self.user, now)?;
        self.end_session(index, end_of(verdict, "", now));
        Some(verdict.reason)
    }

    fn store(&mut self, index: usize, session: Session, now: Timestamp) {
        if let Some(life) = self.lives.get_mut(index) {
            // A login and the request that led to it are one activity.
            if life.activities.last() == Some(&now) {
                life.activities.pop();
                life.deadlines.pop();
            }
            life.deadlines.push(deadlines_of(&session, now));
            life.activities.push(now);
            life.session = session;
        }
    }

    /// An activity; the reason where the session turns out to be over, which then ends.
    fn touch(&mut self, index: usize, now: Timestamp) -> Result<(), Option<EndReason>> {
        let Some(session) = self.session(index) else {
            return Err(None);
        };
        let today = self.settings.limits(session.persistent);
        match session.touch(&today, self.user, now) {
            Ok(touched) => {
                self.store(index, touched, now);
                Ok(())
            }
            Err(reason) => {
                self.judge(index, now);
                Err(Some(reason))
            }
        }
    }

    fn extend(&mut self, now: Timestamp) -> Outcome {
        let touched = match self.current() {
            Some(index) => self.touch(index, now),
            None => Err(self.last_end()),
        };
        match touched {
            Ok(()) => Outcome::ok("counts as activity"),
            Err(reason) => Outcome::refused(RefusalReason::LoginRequired).because(reason),
        }
    }

    fn authorize(&mut self, ask: &Ask, silent: bool, fresh: bool, now: Timestamp) -> Outcome {
        let Some(client) = self.settings.clients.get(&ask.client).cloned() else {
            return Outcome::refused(RefusalReason::ClientUnknown);
        };
        let request = match request(ask, silent, &client) {
            Ok(request) => request,
            Err(refusal) => return Outcome::refused(refusal),
        };
        let api = match self.api(&request) {
            Ok(api) => api,
            Err(refusal) => return Outcome::refused(refusal),
        };
        if let Some(index) = self.current() {
            self.judge(index, now);
        }
        if !silent && !fresh {
            self.confirm_on_the_way(&client, now);
        }
        let current = self.current();
        let facts = Facts {
            session: current.and_then(|index| self.session(index)),
            hinted_subject: None,
            just_authenticated: fresh,
            acr_reachable: false,
            consent_missing: false,
            just_consented: true,
        };
        match (authorize::next_step(&request, &facts, now), current) {
            (Step::Issue, Some(index)) => match self.touch(index, now) {
                Ok(()) => self.issue(index, &request, (&client, api.as_ref()), now),
                Err(reason) => login_page().because(reason),
            },
            (Step::Refuse(refusal), _) => Outcome::refused(refusal).because(self.last_end()),
            (Step::Issue | Step::Login | Step::Consent, _) => login_page().because(self.last_end()),
        }
    }

    /// The API that is asked for, which must be there, or the tenant's default, which may not.
    fn api(&self, request: &AuthorizeRequest) -> Result<Option<Api>, RefusalReason> {
        let apis = &self.settings.apis;
        match (&request.audience, &self.settings.tenant.default_audience) {
            (Some(asked), _) => match apis.get(asked) {
                Some(api) => Ok(Some(api.clone())),
                None => Err(RefusalReason::AudienceUnknown),
            },
            (None, default) => Ok(default.as_ref().and_then(|id| apis.get(id)).cloned()),
        }
    }
}

mod confirming;
mod issuing;
mod refreshing;
mod upstream;

pub use upstream::Upstream;
use upstream::{factors, vouched_for};

fn login_page() -> Outcome {
    Outcome {
        word: "login_page",
        refusal: None,
        reason: None,
        note: "the person is asked to sign in".to_owned(),
    }
}

/// The request as the server reads it.
fn request(ask: &Ask, silent: bool, client: &Client) -> Result<AuthorizeRequest, RefusalReason> {
    let max_age = ask.max_age.map(|age| age.to_string());
    let mut pairs = vec![
        ("response_type", "code"),
        ("scope", ask.scope.as_str()),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    pairs.extend(silent.then_some(("prompt", "none")));
    pairs.extend(max_age.as_deref().map(|age| ("max_age", age)));
    pairs.extend(ask.audience.as_deref().map(|text| ("audience", text)));
    let text = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    authorize::parse(&Params::parse(text.as_bytes())?, client)
}

fn origin(elsewhere: bool) -> Origin {
    let (address, user_agent) = if elsewhere {
        ("203.0.113.66", "another")
    } else {
        ("192.0.2.1", "browser")
    };
    Origin {
        address: address.to_owned(),
        user_agent: user_agent.to_owned(),
        jkt: None,
    }
}

fn act(reason: EndReason, by: &str, rule: &str, at: Timestamp) -> End {
    End {
        at,
        reason,
        by: by.to_owned(),
        from: String::new(),
        rule: rule.to_owned(),
    }
}

fn end_of(verdict: Verdict, by: &str, now: Timestamp) -> End {
    let at = verdict.since.min(now);
    act(verdict.reason, by, verdict.rule.name(), at)
}

fn deadlines_of(session: &Session, since: Timestamp) -> Deadlines {
    Deadlines {
        since,
        idle: Some(session.idle_deadline),
        absolute: Some(session.absolute_deadline),
    }
}

fn family_deadlines(family: &Family, since: Timestamp) -> Deadlines {
    Deadlines {
        since,
        idle: family.idle_deadline,
        absolute: family.absolute_deadline,
    }
}
