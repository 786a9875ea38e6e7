//! Refresh token families: what a presented token may do (design 1.3).

mod token;

pub use token::RefreshToken;

use crate::model::{ExpirationType, RefreshTokenPolicy, RotationType};
use crate::session::{End, EndReason, Rule, Session, UserStanding, Verdict};
use crate::{FamilyId, RefusalReason, Sid, Timestamp};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

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
    /// Who exchanged last: a repeat must come from the same user agent, and a public client's tokens
    /// from the same key, once there is one.
    pub rotated_by: Origin,
    /// Generations up to this one were handed out before a key bound the family; 0: none were, or none does.
    pub bearer_until: u32,
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
    /// The thumbprint of the DPoP key that the request proved to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
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
        let rotating = settings
            .rotation_type
            .map_or(public, |rotation| rotation == RotationType::Rotating);
        let expiring = settings
            .expiration_type
            .map_or(public, |expiration| expiration == ExpirationType::Expiring);
        let absolute = (expiring && !settings.infinite_token_lifetime)
            .then_some(settings.token_lifetime)
            .filter(|seconds| *seconds > 0);
        let idle = (expiring && !settings.infinite_idle_token_lifetime)
            .then_some(settings.idle_token_lifetime)
            .filter(|seconds| *seconds > 0);
        Self {
            rotating,
            public,
            leeway: settings.leeway.max(0),
            retry_window: settings.retry_window.max(0),
            idle_timeout: idle,
            absolute_lifetime: absolute.or(public.then_some(PUBLIC_ABSOLUTE_LIFETIME)),
        }
    }
}

/// What a public client's family gets that is configured never to end: 30 days.
const PUBLIC_ABSOLUTE_LIFETIME: i64 = 2_592_000;

/// Consumed generations that are remembered at most; older ones are simply not tolerated.
const HISTORY: usize = 64;

/// Repeats on so many consecutive generations from another address are reuse.
const FOREIGN_REPEATS: u32 = 3;

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
///
/// Everything is decided by generation numbers; instants only bound how long a repeat is tolerated
/// (lesson keycloak#50999), and nothing outside the family's row counts (lesson CVE-2026-9802).
pub fn decide(
    family: &Family,
    presented: Presented,
    policy: &Policy,
    origin: &Origin,
    now: Timestamp,
) -> Outcome {
    let bound_to = family.bound_to(policy.public);
    if bound_to.is_some() && bound_to != origin.jkt.as_deref() {
        return without_the_key(family, presented, policy, now);
    }
    if let Some(end) = &family.end {
        return Outcome::Refused(RefusalReason::RefreshTokenFamilyEnded(end.reason));
    }
    // Expiry is not theft: an expired token ends nothing but itself.
    if expired(family, policy, now) {
        return Outcome::Refused(RefusalReason::RefreshTokenExpired);
    }
    match presented.generation.cmp(&family.generation) {
        Ordering::Equal => exchange(family, policy, origin, now),
        Ordering::Less => judge_repeat(family, presented.generation, policy, origin, now),
        // A MAC-valid generation that was never reached proves that the database went back in time.
        Ordering::Greater => end(
            family,
            EndReason::PolicyChange,
            RefusalReason::RefreshTokenFromTheFuture,
            now,
        ),
    }
}

/// Possession is part of the credential: who lacks the key hears nothing, and changes nothing. But a token
/// that was handed out without a key, and that somebody else bound to theirs, is in two hands.
fn without_the_key(
    family: &Family,
    presented: Presented,
    policy: &Policy,
    now: Timestamp,
) -> Outcome {
    let is_over = family.end.is_some() || expired(family, policy, now);
    if is_over || presented.generation > family.bearer_until {
        return Outcome::Refused(RefusalReason::RefreshTokenOtherKey);
    }
    reused(family, now)
}

/// Whether a limit is reached: those stored, and those a changed setting brings to a family that had none.
fn expired(family: &Family, policy: &Policy, now: Timestamp) -> bool {
    first_deadline(family, Some(policy)).is_some_and(|first| now >= first.since)
}

/// The earliest limit that reaches this family, as for a session. A lowered setting bites at the next
/// use; a raised one never lengthens what was stored. Of equal ones the absolute wins.
fn first_deadline(family: &Family, today: Option<&Policy>) -> Option<Verdict> {
    let setting = |since: Timestamp, seconds: Option<i64>| seconds.map(|s| since.plus(s));
    let setting_absolute =
        today.and_then(|today| setting(family.created_at, today.absolute_lifetime));
    let setting_idle =
        today.and_then(|today| setting(family.last_exchanged_at, today.idle_timeout));
    let (absolute, idle) = (EndReason::Absolute, EndReason::Idle);
    let limits = [
        (family.absolute_deadline, absolute, Rule::StoredAbsolute),
        (setting_absolute, absolute, Rule::SettingAbsolute),
        (family.idle_deadline, idle, Rule::StoredIdle),
        (setting_idle, idle, Rule::SettingIdle),
    ];
    // `min_by_key` keeps the first of equal ones.
    limits
        .into_iter()
        .filter_map(|(since, reason, rule)| {
            Some(Verdict {
                reason,
                rule,
                since: since?,
            })
        })
        .min_by_key(|limit| limit.since)
}

fn exchange(family: &Family, policy: &Policy, origin: &Origin, now: Timestamp) -> Outcome {
    let setting = policy
        .absolute_lifetime
        .map(|seconds| family.created_at.plus(seconds));
    let absolute_deadline = earlier(family.absolute_deadline, setting);
    // A clock that went backwards must not shorten what was promised.
    let exchanged_at = now.max(family.last_exchanged_at);
    let idle = policy
        .idle_timeout
        .map(|seconds| exchanged_at.plus(seconds));
    let idle_deadline = idle.and_then(|idle| earlier(Some(idle), absolute_deadline));
    let mut next = Family {
        last_exchanged_at: exchanged_at,
        idle_deadline,
        absolute_deadline,
        rotated_by: origin.clone(),
        ..family.clone()
    };
    if family.rotated_by.jkt.is_none() && origin.jkt.is_some() {
        next.bearer_until = family.generation;
    }
    if !policy.rotating || next.stays_as_it_is(policy.public) {
        return Outcome::Exchange {
            family: next,
            rotated: false,
        };
    }
    let Some(generation) = family.generation.checked_add(1) else {
        return Outcome::Refused(RefusalReason::RefreshTokenExpired);
    };
    next.generation = generation;
    next.consumed.push(Consumed {
        generation: family.generation,
        at: now,
    });
    let window = policy.leeway.max(policy.retry_window);
    next.consumed
        .retain(|consumed| !now.is_more_than(window, consumed.at));
    let excess = next.consumed.len().saturating_sub(HISTORY);
    next.consumed.drain(..excess);
    if family.foreign_repeat_generation != family.generation {
        // The generation that now ends was not repeated from elsewhere: the run is broken.
        next.foreign_repeats = 0;
    }
    Outcome::Exchange {
        family: next,
        rotated: true,
    }
}

/// g < c: tolerated for a moment, or the family ends.
fn judge_repeat(
    family: &Family,
    generation: u32,
    policy: &Policy,
    origin: &Origin,
    now: Timestamp,
) -> Outcome {
    let consumed = family
        .consumed
        .iter()
        .find(|consumed| consumed.generation == generation);
    let tolerated = consumed.is_some_and(|consumed| {
        let within = |window: i64| window > 0 && !now.is_more_than(window, consumed.at);
        within(policy.leeway)
            || (generation.checked_add(1) == Some(family.generation) && within(policy.retry_window))
    });
    // A key that was proven says more than a user agent.
    let same_agent = !policy.public
        || family.rotated_by.jkt.is_some()
        || origin.user_agent == family.rotated_by.user_agent;
    if !tolerated || !same_agent {
        return reused(family, now);
    }
    let mut repeated = family.clone();
    let foreign = origin.address != family.rotated_by.address;
    if foreign && family.foreign_repeat_generation != family.generation {
        repeated.foreign_repeats += 1;
        repeated.foreign_repeat_generation = family.generation;
    }
    if policy.public && repeated.foreign_repeats >= FOREIGN_REPEATS {
        return reused(&repeated, now);
    }
    Outcome::Repeat {
        family: repeated,
        presented: generation,
    }
}

fn reused(family: &Family, now: Timestamp) -> Outcome {
    let reason = RefusalReason::RefreshTokenReused;
    end(family, EndReason::ReuseDetected, reason, now)
}

/// The rule of this file that ended a family.
const fn refusal_rule(refusal: RefusalReason) -> &'static str {
    match refusal {
        RefusalReason::RefreshTokenFromTheFuture => "generation_from_the_future",
        _ => "generation_reused",
    }
}

fn end(family: &Family, reason: EndReason, refusal: RefusalReason, now: Timestamp) -> Outcome {
    let by = family.client_id.clone();
    let end = End {
        at: now,
        reason,
        by,
        from: String::new(),
        rule: refusal_rule(refusal).to_owned(),
    };
    Outcome::Ended {
        family: Family {
            end: Some(end),
            ..family.clone()
        },
        reason: refusal,
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

impl Family {
    /// The thumbprint of the key that its tokens are bound to (RFC 9449 section 5): a public client's
    /// are bound from the first exchange with a proof; a confidential client proves itself otherwise.
    pub fn bound_to(&self, public: bool) -> Option<&str> {
        self.rotated_by.jkt.as_deref().filter(|_| public)
    }

    /// Whether its one token is never replaced: it is of no use without the key, and dies with the
    /// session. Until its client proves a key, a session-bound token of a public client rotates.
    pub fn stays_as_it_is(&self, public: bool) -> bool {
        self.kind == FamilyKind::Online && self.bound_to(public).is_some()
    }

    /// Whether the family can still be refreshed at `now`, by what its row says.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        let passed = |deadline: Option<Timestamp>| deadline.is_some_and(|at| now >= at);
        self.end.is_none() && !passed(self.idle_deadline) && !passed(self.absolute_deadline)
    }

    /// Whether it is any good at `now`: as [`Family::is_alive`], for a user in this standing, and in a
    /// session (looked at only where the family is bound to it) that is not over.
    pub fn is_good(&self, user: UserStanding, session: Option<&Session>, now: Timestamp) -> bool {
        let lives = |session: &Session| session.over(None, user, now).is_none();
        let bound = self.kind == FamilyKind::Online;
        let user_fits = user.exists && !user.blocked && self.created_at >= user.valid_after;
        self.is_alive(now) && user_fits && (!bound || session.is_some_and(lives))
    }

    /// Why the family is over at `now`, and which rule won; `None` while it is alive. `today` as for
    /// [`crate::session::Session::verdict`]: at a refresh the settings of that moment bite too.
    pub fn verdict(&self, today: Option<&Policy>, now: Timestamp) -> Option<Verdict> {
        match &self.end {
            Some(end) => Some(Verdict {
                reason: end.reason,
                rule: Rule::Ended,
                since: end.at,
            }),
            None => first_deadline(self, today)
                .filter(|first| now >= first.since)
                .map(|first| Verdict {
                    since: first.since.max(self.last_exchanged_at),
                    ..first
                }),
        }
    }
}

/// The deadlines of a family that starts at `now`: (idle, absolute).
pub fn deadlines(policy: &Policy, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
    let absolute = policy.absolute_lifetime.map(|seconds| now.plus(seconds));
    let idle = policy.idle_timeout.map(|seconds| now.plus(seconds));
    (
        idle.map(|idle| absolute.map_or(idle, |absolute| idle.min(absolute))),
        absolute,
    )
}

/// Which families end with a session, by why it ended: session-bound ones always; offline ones at a
/// credential change or when the account is disabled, and at a logout where their client says so.
pub fn ends_with_session(
    kind: FamilyKind,
    ends_offline_on_logout: bool,
    reason: EndReason,
) -> bool {
    match (kind, reason) {
        (FamilyKind::Online, _)
        | (FamilyKind::Offline, EndReason::CredentialChange | EndReason::AccountDisabled) => true,
        (
            FamilyKind::Offline,
            EndReason::UserLogout | EndReason::UpstreamLogout | EndReason::AdminRevoked,
        ) => ends_offline_on_logout,
        (FamilyKind::Offline, _) => false,
    }
}
