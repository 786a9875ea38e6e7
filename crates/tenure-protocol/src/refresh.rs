//! Refresh token families: what a presented token may do (design 1.3).

use crate::model::RefreshTokenPolicy;
use crate::session::{End, EndReason};
use crate::{FamilyId, RefusalReason, Sid, Timestamp};
use serde::{Deserialize, Serialize};

/// All tokens that descend from one grant; one row however long it lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Family {
    pub sid: Sid,
    pub family_id: FamilyId,
    pub client_id: String,
    pub user_id: String,
    pub kind: FamilyKind,
    /// 32 random bytes; with the server's key they make the MAC, so forging needs key and database.
    pub secret: [u8; 32],
    /// The id of the server key under which the current token was made.
    pub key_id: u32,
    /// The current token's generation.
    pub generation: u32,
    /// When earlier generations were consumed, oldest first; only those that a window may still tolerate.
    pub consumed: Vec<Consumed>,
    pub created_at: Timestamp,
    pub last_exchanged_at: Timestamp,
    pub idle_deadline: Option<Timestamp>,
    pub absolute_deadline: Option<Timestamp>,
    /// The scope granted, space-separated.
    pub scope: String,
    pub audience: Option<String>,
    /// What ID tokens of this family say of the authentication (fixed: a refresh is no presence).
    pub auth_time: Timestamp,
    pub amr: Vec<String>,
    pub acr: Option<String>,
    /// The `claims` request parameter, kept for refreshed ID tokens and userinfo.
    pub claims: Option<String>,
    /// Who rotated last: a repeat must come from the same user agent.
    pub rotated_by: Origin,
    /// Consecutive generations that were repeated from another address.
    pub foreign_repeats: u32,
    /// The generation for which the last foreign repeat was counted.
    pub foreign_repeat_generation: u32,
    pub end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FamilyKind {
    /// `offline_access`: outlives the session.
    Offline,
    /// `online_access`: dies with the session, and its exchanges are activity.
    Online,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumed {
    pub generation: u32,
    pub at: Timestamp,
}

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    pub address: String,
    pub user_agent: String,
}

/// A parsed token whose MAC is valid for this family, issuer and client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    pub generation: u32,
}

/// The client's refresh settings with the defaults of its kind filled in. Seconds; `None` = no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub rotating: bool,
    pub public: bool,
    pub leeway: i64,
    pub retry_window: i64,
    pub idle_timeout: Option<i64>,
    pub absolute_lifetime: Option<i64>,
}

impl Policy {
    /// A public client's family always has an absolute lifetime.
    pub fn of(settings: &RefreshTokenPolicy, public: bool) -> Self {
        todo!("{settings:?} {public}")
    }
}

/// What a refresh does.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The generation advances (or, for a non-rotating client, stays): store this family and
    /// answer its current token.
    Exchange { family: Family, rotated: bool },
    /// A tolerated repeat: answer the current token; neither the generation nor any deadline
    /// moves. `family` differs from the stored one only in its count of foreign repeats.
    Repeat { family: Family, presented: u32 },
    /// Refused, nothing changes.
    Refused(RefusalReason),
    /// Refused, and the family ends: store it. `reason` says what the log and the client hear.
    Ended {
        family: Family,
        reason: RefusalReason,
    },
}

/// Judges a presented token: client and MAC have been checked; then ended, expired, generation.
pub fn decide(
    family: &Family,
    presented: Presented,
    policy: &Policy,
    origin: &Origin,
    now: Timestamp,
) -> Outcome {
    todo!("{family:?} {presented:?} {policy:?} {origin:?} {now:?}")
}

/// The deadlines of a family that starts at `now`: (idle, absolute).
pub fn deadlines(policy: &Policy, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
    todo!("{policy:?} {now:?}")
}

/// A refresh token's text, taken apart. The text has a constant length and starts with `tnr_`... see [`RefreshToken::encode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub key_id: u32,
    pub sid: Sid,
    pub family_id: FamilyId,
    pub generation: u32,
    /// HMAC-SHA-256 over [`RefreshToken::mac_input`].
    pub mac: [u8; 32],
}

impl RefreshToken {
    /// What the MAC covers: version, key id, ids, generation, the family's secret, and
    /// length-prefixed issuer and client id.
    pub fn mac_input(&self, secret: &[u8; 32], issuer: &str, client_id: &str) -> Vec<u8> {
        todo!("{secret:?} {issuer} {client_id}")
    }

    pub fn encode(&self) -> String {
        todo!()
    }

    /// `None` for anything but the exact length and alphabet (lesson CVE-2026-27840).
    pub fn decode(text: &str) -> Option<Self> {
        todo!("{text}")
    }
}

/// Which families end with a session, by why it ended (design 1.6).
pub fn ends_with_session(
    kind: FamilyKind,
    ends_offline_on_logout: bool,
    reason: EndReason,
) -> bool {
    todo!("{kind:?} {ends_offline_on_logout} {reason:?}")
}
