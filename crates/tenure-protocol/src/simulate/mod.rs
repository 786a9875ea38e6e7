//! A policy tried out on a list of events: when does each layer end, and which rule wins?
//!
//! The interpreter decides nothing itself. Every event goes through the decision that the server
//! calls for it, in the server's order, so that what it prints is what would happen.

mod layers;
mod world;

use crate::limits::{Caps, Limits};
use crate::model::{Api, Client, Connection, Tenant};
use crate::session::EndReason;
use crate::{RefusalReason, Timestamp};
use std::collections::BTreeMap;

/// What an installation is configured with, as far as lifetimes go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub tenant: Tenant,
    pub clients: BTreeMap<String, Client>,
    pub apis: BTreeMap<String, Api>,
    pub connections: BTreeMap<String, Connection>,
    pub caps: Caps,
}

impl Settings {
    pub fn limits(&self, persistent: bool) -> Limits {
        Limits::of(&self.tenant, persistent, &self.caps)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: Timestamp,
    /// Where it happens, as far as it happens in a browser; empty for the one that has no name.
    pub browser: String,
    pub action: Action,
}

impl Event {
    /// In the browser that has no name.
    pub const fn new(at: Timestamp, action: Action) -> Self {
        Self {
            at,
            browser: String::new(),
            action,
        }
    }
}

/// What one person does in a browser, and what others do to them.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Signs in on the login page, also where the session is alive.
    Login(Ask),
    /// An authorization request; with `silent`, one that never shows a page.
    Authorize {
        ask: Ask,
        silent: bool,
    },
    /// A client refreshes with the token it holds, or with one of another generation.
    Refresh {
        client: String,
        generation: Option<u32>,
        /// From another address and user agent: somebody who copied the token.
        elsewhere: bool,
    },
    /// The explicit activity.
    Extend,
    /// Other settings are in force from here on.
    Settings(Box<Settings>),
    /// By the person, in a client or at the OpenID Provider itself.
    /// With `federated`, then also at the identity provider behind the session.
    Logout {
        client: Option<String>,
        federated: bool,
    },
    /// At the identity provider that the browser's last session there is at; with `everywhere`, in all browsers.
    UpstreamLogout {
        everywhere: bool,
        /// Whether the provider tells us, by a logout token.
        told: bool,
    },
    /// The provider says that everything of the person is over (Global Token Revocation). Of no named
    /// connection: that of the last session at a provider.
    UpstreamRevocation {
        connection: Option<String>,
    },
    /// What providers do from here on when they are asked: that of a connection, or all of them.
    Provider {
        connection: Option<String>,
        does: Provider,
    },
    /// By an administrator, or whoever else has the right.
    End(EndReason),
    Block,
    Unblock,
    /// A password reset: everything that was proven before is over.
    Password,
    /// Time passes.
    Wait,
}

/// What an authorization request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    pub client: String,
    pub scope: String,
    pub audience: Option<String>,
    pub max_age: Option<i64>,
    /// For a login: through another identity provider.
    pub upstream: Option<Upstream>,
}

/// An identity provider that a login comes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// By whose policies it counts. `None`: by those of a connection that says nothing.
    pub connection: Option<String>,
    /// Seconds from the login to the `session_expiry` of its ID token. `None`: it sends none.
    pub session_expiry: Option<i64>,
}

/// What an identity provider does when it is asked whether somebody is still welcome, or to sign them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Yes, as long as its own session lives.
    Answers,
    /// It cannot be reached.
    Silent,
    /// No: the account is gone, or may not sign in here any more.
    Refuses,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In a word: `ok`, `repeat`, `login_page`, or an error's code on the wire.
    pub word: &'static str,
    pub refusal: Option<RefusalReason>,
    /// Why, where an end is the cause.
    pub reason: Option<EndReason>,
    pub note: String,
}

impl Outcome {
    pub fn ok(note: impl Into<String>) -> Self {
        Self {
            word: "ok",
            refusal: None,
            reason: None,
            note: note.into(),
        }
    }

    fn refused(refusal: RefusalReason) -> Self {
        Self {
            word: refusal.oauth_error().code,
            refusal: Some(refusal),
            reason: refusal.end_reason(),
            note: refusal.oauth_error().description.to_owned(),
        }
    }

    /// The same, where a session that is over is the cause.
    fn because(self, reason: Option<EndReason>) -> Self {
        Self {
            reason: self.reason.or(reason),
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerKind {
    /// At another identity provider.
    Upstream,
    Session,
    OfflineFamily,
    OnlineFamily,
    AccessToken,
    IdToken,
}

impl LayerKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream session",
            Self::Session => "session",
            Self::OfflineFamily => "offline family",
            Self::OnlineFamily => "online family",
            Self::AccessToken => "access token",
            Self::IdToken => "ID token",
        }
    }
}

/// Deadlines as they stood from one instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    pub since: Timestamp,
    pub idle: Option<Timestamp>,
    pub absolute: Option<Timestamp>,
}

/// How a layer ends if nothing happens after the last event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerEnd {
    pub at: Timestamp,
    /// The end reason's name; `expired` for a token.
    pub by: &'static str,
    /// The rule that won.
    pub rule: String,
}

/// One thing with a life of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub kind: LayerKind,
    /// `None` in the browser that has no name.
    pub browser: Option<String>,
    /// `None` for a session, here or upstream.
    pub client: Option<String>,
    /// Of an upstream session, where it has a name.
    pub connection: Option<String>,
    pub since: Timestamp,
    /// What renewed it.
    pub activities: Vec<Timestamp>,
    pub deadlines: Vec<Deadlines>,
    /// `None`: nothing ends it, or, of an upstream session, nobody told us what does.
    pub end: Option<LayerEnd>,
    /// From when on Tenure refuses it, where that is before its end: a token whose carrier is over, a
    /// session or family for which today's settings are stricter than those that it copied.
    pub refused_from: Option<LayerEnd>,
}

/// What happened, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub outcomes: Vec<(Timestamp, Outcome)>,
    /// Sessions first, those upstream before ours, then by client; of each kind in the order of their beginnings.
    pub layers: Vec<Layer>,
}

/// Runs the events in the order of their instants.
pub fn simulate(settings: Settings, events: &[Event]) -> Report {
    let mut ordered: Vec<&Event> = events.iter().collect();
    ordered.sort_by_key(|event| event.at);
    let mut world = world::World::new(settings);
    let outcomes = ordered
        .into_iter()
        .map(|event| (event.at, world.apply(event)))
        .collect();
    Report {
        outcomes,
        layers: layers::of(world),
    }
}
