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
    /// The limits copied at login; an activity may lower a copy, never raise it.
    pub limits: Limits,
    pub idle_deadline: Timestamp,
    pub absolute_deadline: Timestamp,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factor {
    /// Auth0's method name (`pwd`, `mfa`, `federated`, …); `amr` comes from it.
    pub name: String,
    pub at: Timestamp,
}

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
    pub persistent: bool,
    pub factors: Vec<Factor>,
    pub device: Device,
}

impl Session {
    /// A login makes a new session: new id, new deadlines.
    pub fn start(sid: Sid, login: Login, now: Timestamp) -> Self {
        todo!("{sid} {login:?} {now:?}")
    }

    /// Why the session is over at `now`, or `None` while it is alive. Judged by its stored
    /// deadlines, by `today`'s settings (design 1.1), by its end, and by its user's standing.
    /// `today` is `None` where only what is stored counts (a status read, a token's check).
    pub fn over(
        &self,
        today: Option<&Limits>,
        user: UserStanding,
        now: Timestamp,
    ) -> Option<EndReason> {
        todo!("{today:?} {user:?} {now:?}")
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
        todo!("{today:?} {user:?} {now:?}")
    }

    /// The same user proved themselves again: keeps `sid` and participants, renews the
    /// secret, moves `auth_time`, copies limits and deadlines anew (design 1.2).
    ///
    /// # Errors
    /// The session is over (a new one must be started).
    pub fn reauthenticate(
        &self,
        login: Login,
        user: UserStanding,
        now: Timestamp,
    ) -> Result<Self, EndReason> {
        todo!("{login:?} {user:?} {now:?}")
    }

    /// The earlier of both deadlines, and the rule behind it.
    pub fn expires_at(&self) -> (Timestamp, EndReason) {
        todo!()
    }

    #[must_use]
    pub fn ended(&self, end: End) -> Self {
        Self {
            end: Some(end),
            ..self.clone()
        }
    }

    /// `amr` values (RFC 8176) of the factors, without repeats.
    pub fn amr(&self) -> Vec<String> {
        todo!()
    }

    /// The authentication context class reached.
    pub fn acr(&self) -> Option<String> {
        todo!()
    }
}
