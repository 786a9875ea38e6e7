//! A session: what it is, and what each event does to it (design sections 1.1, 1.2 and 1.6).

use crate::limits::Limits;
use crate::{Sid, Timestamp};
use serde::{Deserialize, Serialize};

/// One person at one user agent, behind the single sign-on cookie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub sid: Sid,
    pub user_id: String,
    /// SHA-256 of the cookie's secret; renewed at every authentication.
    pub secret_hash: [u8; 32],
    pub created_at: Timestamp,
    /// The wire's `auth_time`. Only a login or a re-authentication moves it.
    pub authenticated_at: Timestamp,
    pub last_active_at: Timestamp,
    /// When the limits were last copied: at login, and anew at a re-authentication.
    pub limits_since: Timestamp,
    /// The limits copied then; an activity may lower a copy, never raise it.
    pub limits: Limits,
    pub idle_deadline: Timestamp,
    pub absolute_deadline: Timestamp,
    /// The `session_expiry` of the identity provider that vouched for the person, if it sent one: the
    /// absolute deadline is never later.
    pub upstream_deadline: Option<Timestamp>,
    /// When the session is over unless that provider has said again by then that the person is welcome.
    /// The idle deadline is never later.
    pub confirm_deadline: Option<Timestamp>,
    /// Whether the cookie carries an expiry (else it goes with the browser).
    pub persistent: bool,
    pub state: AuthState,
    pub factors: Vec<Factor>,
    pub device: Device,
    pub end: Option<End>,
}

/// How far the authentication got. A session that is not `Full` signs nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthState {
    Pending,
    Partial,
    Full,
}

/// One thing the person proved, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    /// Auth0's method name (`pwd`, `mfa`, `federated`, …); `amr` comes from it.
    pub name: String,
    pub at: Timestamp,
    /// The connection to the identity provider that vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The authentication context class that it reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
}

/// The class of more than one factor (OpenID Provider Authentication Policy Extension 1.0).
pub const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// Where the session was started and last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    pub initial_ip: String,
    pub initial_user_agent: String,
    pub last_ip: String,
    pub last_user_agent: String,
}

/// How a session or a family ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub at: Timestamp,
    pub reason: EndReason,
    /// Who: a client id, `user:<id>`, `cli`, or empty for the passing of time.
    pub by: String,
    /// Where from: an address, or empty.
    #[serde(default)]
    pub from: String,
    /// Which rule won, in a word ([`Rule::name`], or what a caller says).
    #[serde(default)]
    pub rule: String,
}

/// The one vocabulary of ends (design 1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    UserLogout,
    AdminRevoked,
    Idle,
    Absolute,
    UpstreamLogout,
    UpstreamExpired,
    CredentialChange,
    AccountDisabled,
    PolicyChange,
    ReuseDetected,
    SessionLimit,
    Superseded,
}

impl EndReason {
    pub const ALL: [Self; 12] = [
        Self::UserLogout,
        Self::AdminRevoked,
        Self::Idle,
        Self::Absolute,
        Self::UpstreamLogout,
        Self::UpstreamExpired,
        Self::CredentialChange,
        Self::AccountDisabled,
        Self::PolicyChange,
        Self::ReuseDetected,
        Self::SessionLimit,
        Self::Superseded,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::UserLogout => "user_logout",
            Self::AdminRevoked => "admin_revoked",
            Self::Idle => "idle",
            Self::Absolute => "absolute",
            Self::UpstreamLogout => "upstream_logout",
            Self::UpstreamExpired => "upstream_expired",
            Self::CredentialChange => "credential_change",
            Self::AccountDisabled => "account_disabled",
            Self::PolicyChange => "policy_change",
            Self::ReuseDetected => "reuse_detected",
            Self::SessionLimit => "session_limit",
            Self::Superseded => "superseded",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// What is known of the session's user at the moment of use: policy bites at use, not only at creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserStanding {
    pub exists: bool,
    pub blocked: bool,
    pub valid_after: Timestamp,
}

/// What a new login brings.
#[derive(Clone, Debug)]
pub struct Login {
    pub user_id: String,
    pub secret_hash: [u8; 32],
    pub limits: Limits,
    /// When the identity provider that vouched for the person wants the session to be over.
    pub upstream_deadline: Option<Timestamp>,
    pub persistent: bool,
    pub factors: Vec<Factor>,
    pub device: Device,
}

/// Why a session is over, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub reason: EndReason,
    pub rule: Rule,
    /// When it became so, where that is known.
    pub since: Timestamp,
}

/// The rule that won.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It was ended by an act.
    Ended,
    /// Its user was deleted or blocked.
    User,
    /// `valid_after` of its user lies after its authentication.
    ValidAfter,
    /// The deadlines stored on the session.
    StoredAbsolute,
    StoredIdle,
    /// The upstream session's own end, as its identity provider told it at the login.
    UpstreamExpiry,
    /// The identity provider did not say in time that the person is still welcome.
    UpstreamUnconfirmed,
    /// Today's settings, lower than those copied.
    SettingAbsolute,
    SettingIdle,
}

impl Rule {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::User => "user",
            Self::ValidAfter => "valid_after",
            Self::StoredAbsolute => "stored_absolute",
            Self::StoredIdle => "stored_idle",
            Self::UpstreamExpiry => "upstream_session_expiry",
            Self::UpstreamUnconfirmed => "upstream_unconfirmed",
            Self::SettingAbsolute => "setting_absolute",
            Self::SettingIdle => "setting_idle",
        }
    }
}

impl Session {
    /// A login makes a new session: new id, new deadlines.
    pub fn start(sid: Sid, login: Login, now: Timestamp) -> Self {
        let own = now.plus(login.limits.absolute_lifetime);
        let absolute_deadline = login.upstream_deadline.map_or(own, |at| own.min(at));
        Self {
            sid,
            user_id: login.user_id,
            secret_hash: login.secret_hash,
            created_at: now,
            authenticated_at: now,
            last_active_at: now,
            limits_since: now,
            limits: login.limits,
            idle_deadline: now.plus(login.limits.idle_timeout).min(absolute_deadline),
            absolute_deadline,
            upstream_deadline: login.upstream_deadline,
            confirm_deadline: None,
            persistent: login.persistent,
            state: AuthState::Full,
            factors: login.factors,
            device: login.device,
            end: None,
        }
    }

    /// Why the session is over at `now`, or `None` while it is alive. `today` is `None` where only
    /// what is stored counts (a status read, a token's check); at an activity today's settings bite too.
    pub fn over(
        &self,
        today: Option<&Limits>,
        user: UserStanding,
        now: Timestamp,
    ) -> Option<EndReason> {
        self.verdict(today, user, now).map(|verdict| verdict.reason)
    }

    /// As [`Session::over`], with the rule that won: an act first, then the user's standing, then of
    /// the limits the one that was reached first.
    pub fn verdict(
        &self,
        today: Option<&Limits>,
        user: UserStanding,
        now: Timestamp,
    ) -> Option<Verdict> {
        if let Some(end) = &self.end {
            return Some(Verdict {
                reason: end.reason,
                rule: Rule::Ended,
                since: end.at,
            });
        }
        if !user.exists || user.blocked {
            let reason = EndReason::AccountDisabled;
            return Some(Verdict {
                reason,
                rule: Rule::User,
                since: user.valid_after.max(self.created_at),
            });
        }
        if self.proven_at() < user.valid_after {
            let reason = EndReason::CredentialChange;
            return Some(Verdict {
                reason,
                rule: Rule::ValidAfter,
                since: user.valid_after,
            });
        }
        let (since, reason, rule) = self.first_deadline(today);
        (now >= since).then_some(Verdict {
            reason,
            rule,
            // A setting that was lowered meanwhile did not end it while it was still in use.
            since: since.max(self.last_active_at),
        })
    }

    /// When the person proved themselves last. `auth_time` may run ahead of the clock (see
    /// `reauthenticate`); what was proven, was proven when the limits were copied, or quick
    /// re-authentications would outlive a credential change.
    pub fn proven_at(&self) -> Timestamp {
        self.authenticated_at.min(self.limits_since)
    }

    /// The earliest limit that reaches this session. Of equal ones the upstream's wins, which the
    /// absolute deadline follows, then the absolute, since no activity could have helped.
    pub(crate) fn first_deadline(&self, today: Option<&Limits>) -> (Timestamp, EndReason, Rule) {
        let (absolute, idle) = (EndReason::Absolute, EndReason::Idle);
        let setting_absolute = today.map(|today| {
            let at = self.limits_since.plus(today.absolute_lifetime);
            (at, absolute, Rule::SettingAbsolute)
        });
        let setting_idle = today.map(|today| {
            let at = self.last_active_at.plus(today.idle_timeout);
            (at, idle, Rule::SettingIdle)
        });
        // In the order of preference: a later one must lie strictly before.
        let mut first = match self.upstream_deadline {
            Some(at) if at <= self.absolute_deadline => {
                (at, EndReason::UpstreamExpired, Rule::UpstreamExpiry)
            }
            _ => (self.absolute_deadline, absolute, Rule::StoredAbsolute),
        };
        // The idle deadline follows it: of equal ones this is why.
        let unconfirmed = self
            .confirm_deadline
            .map(|at| (at, EndReason::UpstreamExpired, Rule::UpstreamUnconfirmed));
        let stored_idle = Some((self.idle_deadline, idle, Rule::StoredIdle));
        for limit in [setting_absolute, unconfirmed, stored_idle, setting_idle]
            .into_iter()
            .flatten()
        {
            if limit.0 < first.0 {
                first = limit;
            }
        }
        first
    }

    /// Records an activity: `idle_deadline = now + min(copied, today's)`, never past the
    /// absolute deadline, and the copies are lowered for good.
    ///
    /// # Errors
    /// The reason why the session is over; the caller commits that end.
    pub fn touch(
        &self,
        today: &Limits,
        user: UserStanding,
        now: Timestamp,
    ) -> Result<Self, EndReason> {
        if let Some(reason) = self.over(Some(today), user, now) {
            return Err(reason);
        }
        let limits = Limits {
            idle_timeout: self.limits.idle_timeout.min(today.idle_timeout),
            absolute_lifetime: self.limits.absolute_lifetime.min(today.absolute_lifetime),
        };
        let absolute_deadline = self
            .absolute_deadline
            .min(self.limits_since.plus(limits.absolute_lifetime));
        // A clock that went backwards must not shorten what was promised: the last activity stays.
        let active = now.max(self.last_active_at);
        Ok(Self {
            last_active_at: active,
            limits,
            idle_deadline: earliest(
                active.plus(limits.idle_timeout).min(absolute_deadline),
                self.confirm_deadline,
            ),
            absolute_deadline,
            ..self.clone()
        })
    }

    /// The identity provider that vouches for the person did so just now: the session may be kept alive
    /// until `deadline`, if at all. It is no activity. `upstream_deadline`: what the provider said anew
    /// of its session's end; a later one than before gives nobody more.
    #[must_use]
    pub fn confirmed(
        &self,
        deadline: Option<Timestamp>,
        upstream_deadline: Option<Timestamp>,
    ) -> Self {
        let upstream_deadline = match (self.upstream_deadline, upstream_deadline) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        };
        let absolute_deadline = earliest(self.absolute_deadline, upstream_deadline);
        let idle = self.unconfirmed_idle_deadline();
        Self {
            confirm_deadline: deadline,
            upstream_deadline,
            idle_deadline: earliest(idle.min(absolute_deadline), deadline),
            absolute_deadline,
            ..self.clone()
        }
    }

    /// What the idle deadline would be if no provider had to be asked.
    pub(crate) fn unconfirmed_idle_deadline(&self) -> Timestamp {
        let idle = self.last_active_at.plus(self.limits.idle_timeout);
        idle.min(self.absolute_deadline)
    }

    /// The same user proved themselves again: keeps `sid` and participants, renews the
    /// secret, moves `auth_time`, copies limits and deadlines anew.
    ///
    /// # Errors
    /// The session is over (a new one must be started).
    pub fn reauthenticate(
        &self,
        login: Login,
        user: UserStanding,
        now: Timestamp,
    ) -> Result<Self, EndReason> {
        // It is an activity: today's limits, which the login brings, bite here too.
        if let Some(reason) = self.over(Some(&login.limits), user, now) {
            return Err(reason);
        }
        let fresh = Self::start(self.sid, login, now);
        // `auth_time` has a resolution of a second and must be strictly later than before
        // (OpenID Connect Core 3.1.2.1, prompt=login).
        let next_second = Timestamp::from_seconds(self.authenticated_at.seconds() + 1);
        let device = Device {
            initial_ip: self.device.initial_ip.clone(),
            initial_user_agent: self.device.initial_user_agent.clone(),
            ..fresh.device
        };
        Ok(Self {
            created_at: self.created_at,
            authenticated_at: now.max(next_second),
            device,
            ..fresh
        })
    }

    /// The earlier of both stored deadlines, and the rule behind it.
    pub fn expires_at(&self) -> (Timestamp, EndReason) {
        let (at, reason, _) = self.first_deadline(None);
        (at, reason)
    }

    #[must_use]
    pub fn ended(&self, end: End) -> Self {
        Self {
            end: Some(end),
            ..self.clone()
        }
    }

    /// Whether this session signs somebody in: a pending or partial authentication does not.
    pub fn is_authenticated(&self) -> bool {
        self.state == AuthState::Full
    }

    /// `amr` values (RFC 8176) of the factors, without repeats.
    pub fn amr(&self) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        for factor in &self.factors {
            if !values.contains(&factor.name) {
                values.push(factor.name.clone());
            }
        }
        values
    }

    /// The authentication context class reached, by the latest factor that has one: `None` for a single
    /// factor, which no class names.
    pub fn acr(&self) -> Option<String> {
        let named = self.factors.iter().rev().find_map(|f| f.acr.clone());
        let multiple = self.amr().iter().any(|name| name == "mfa");
        named.or_else(|| multiple.then(|| MULTI_FACTOR.to_owned()))
    }

    /// The connection that the person came in through last, if it was another identity provider's.
    pub fn connection(&self) -> Option<&str> {
        let mut latest = self.factors.iter().rev();
        latest.find_map(|factor| factor.connection.as_deref())
    }
}

fn earliest(at: Timestamp, other: Option<Timestamp>) -> Timestamp {
    other.map_or(at, |other| at.min(other))
}
