//! What an application may know of a session, who may ask, and who may extend it (design 1.5).

use crate::limits::{Limits, Source, Sources};
use crate::session::{EndReason, Rule, Session, UserStanding, Verdict};
use crate::{RefusalReason, Sid, Timestamp};
use serde::Serialize;

/// Seconds after the absolute deadline for which a session is still spoken of.
pub const REMEMBERED: i64 = 86_400;

/// What proves that somebody may ask about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Cookie,
    /// An authentic access token for the userinfo endpoint, issued in this session.
    AccessToken {
        /// Not expired, and what it hangs on lives.
        current: bool,
        first_party: bool,
    },
}

/// Whose the `Origin` of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginOf {
    /// None was sent.
    Nobody,
    Participant,
    /// Tenure's own pages.
    Tenure,
    Foreign,
}

/// What the browser says about where the request comes from (`Sec-Fetch-Site`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The same origin, the person themselves, or a client that does not tell.
    Here,
    SameSite,
    CrossSite,
}

/// A request about a session, as far as it decides what is answered.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    pub proof: Proof,
    pub origin: OriginOf,
    pub site: Site,
    /// Whether the content type is JSON, which no form of a foreign page can send.
    pub json: bool,
}

impl Asking {
    /// Whether the request may read the session's status.
    ///
    /// # Errors
    /// It may not.
    pub fn may_read(&self) -> Result<(), RefusalReason> {
        let foreign = self.origin == OriginOf::Foreign || self.is_embedded_elsewhere();
        if foreign {
            return Err(RefusalReason::OriginNotOfParticipant);
        }
        Ok(())
    }

    /// Whether the request may extend the session.
    ///
    /// # Errors
    /// It may not.
    pub fn may_extend(&self) -> Result<(), RefusalReason> {
        if self.origin != OriginOf::Participant || self.is_embedded_elsewhere() {
            return Err(RefusalReason::OriginNotOfParticipant);
        }
        match self.proof {
            Proof::Cookie if !self.json => Err(RefusalReason::JsonRequired),
            Proof::AccessToken { current: false, .. } => Err(RefusalReason::AccessTokenInvalid),
            Proof::AccessToken {
                first_party: false, ..
            } => Err(RefusalReason::ThirdPartyExtension),
            Proof::Cookie | Proof::AccessToken { .. } => Ok(()),
        }
    }

    /// A cookie comes along with whatever a foreign page makes the browser ask.
    fn is_embedded_elsewhere(&self) -> bool {
        let without_origin = self.site == Site::SameSite && self.origin == OriginOf::Nobody;
        self.proof == Proof::Cookie && (self.site == Site::CrossSite || without_origin)
    }
}

/// Whether a session is still spoken of: until a day after its absolute deadline.
pub fn is_remembered(session: &Session, now: Timestamp) -> bool {
    now < session.absolute_deadline.plus(REMEMBERED)
}

/// An explicit activity: whoever may extend touches the session, which never passes its absolute deadline.
///
/// # Errors
/// The request may not extend.
pub fn extend(
    session: &Session,
    asking: &Asking,
    today: &Limits,
    user: UserStanding,
    now: Timestamp,
) -> Result<Extension, RefusalReason> {
    // Whose token died with the session is told of its end, as at a status read.
    if let Some(verdict) = session.verdict(Some(today), user, now) {
        asking.may_read()?;
        return Ok(Extension::Over(verdict));
    }
    asking.may_extend()?;
    match session.touch(today, user, now) {
        Ok(touched) => Ok(Extension::Extended(Box::new(touched))),
        // The verdict above and the touch judge alike.
        Err(_) => Err(RefusalReason::AccessTokenInvalid),
    }
}

/// What became of an extension.
#[derive(Clone, Debug, PartialEq)]
pub enum Extension {
    Extended(Box<Session>),
    Over(Verdict),
}

/// Today's limits, and where each comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Today {
    pub limits: Limits,
    pub sources: Sources,
}

/// What the wire says of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Status {
    Active(Box<Active>),
    Over(Over),
}

/// A live session; instants are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Active {
    active: bool,
    sid: Sid,
    auth_time: i64,
    now: i64,
    pub expires_at: i64,
    pub idle_expires_at: i64,
    pub absolute_expires_at: i64,
    /// The earliest instant at which an activity comes too late, today's settings included.
    pub extend_before: i64,
    pub will_end: WillEnd,
    pub limits: BothLimits,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WillEnd {
    pub reason: EndReason,
    pub rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BothLimits {
    pub idle_timeout: Limit,
    pub absolute_lifetime: Limit,
}

/// One limit: the copy on the session, and what the next activity would lower it to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    pub seconds: i64,
    pub since: i64,
    pub expires_at: i64,
    pub rule: Rule,
    pub today: TodaysLimit,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TodaysLimit {
    pub seconds: i64,
    pub source: Source,
    /// An activity from this instant on ends the session.
    pub expires_at: i64,
    pub rule: Rule,
}

/// A session that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Over {
    active: bool,
    sid: Sid,
    auth_time: i64,
    now: i64,
    pub reason: EndReason,
    pub rule: String,
    pub ended_at: i64,
}

/// The status of a session, judged by what is stored: reading is no activity.
pub fn status(session: &Session, today: &Today, user: UserStanding, now: Timestamp) -> Status {
    match session.verdict(None, user, now) {
        Some(verdict) => Status::Over(over(session, verdict, now)),
        None => Status::Active(Box::new(active(session, today, now))),
    }
}

/// The status of a session that a verdict found over.
pub fn over(session: &Session, verdict: Verdict, now: Timestamp) -> Over {
    let rule = match &session.end {
        Some(end) if !end.rule.is_empty() => end.rule.clone(),
        _ => verdict.rule.name().to_owned(),
    };
    Over {
        active: false,
        sid: session.sid,
        auth_time: session.authenticated_at.seconds(),
        now: now.seconds(),
        reason: verdict.reason,
        rule,
        ended_at: verdict.since.min(now).seconds(),
    }
}

fn active(session: &Session, today: &Today, now: Timestamp) -> Active {
    let (expires_at, reason, rule) = session.first_deadline(None);
    let idle_today = session.last_active_at.plus(today.limits.idle_timeout);
    let absolute_today = session.limits_since.plus(today.limits.absolute_lifetime);
    Active {
        active: true,
        sid: session.sid,
        auth_time: session.authenticated_at.seconds(),
        now: now.seconds(),
        expires_at: expires_at.seconds(),
        idle_expires_at: session.idle_deadline.seconds(),
        absolute_expires_at: session.absolute_deadline.seconds(),
        extend_before: session.first_deadline(Some(&today.limits)).0.seconds(),
        will_end: WillEnd { reason, rule },
        limits: BothLimits {
            idle_timeout: Limit {
                seconds: session.limits.idle_timeout,
                since: session.last_active_at.seconds(),
                expires_at: session.idle_deadline.seconds(),
                // Where the idle deadline was cut off by the absolute one, that one is behind it.
                rule: if session.idle_deadline == session.absolute_deadline {
                    Rule::StoredAbsolute
                } else {
                    Rule::StoredIdle
                },
                today: TodaysLimit {
                    seconds: today.limits.idle_timeout,
                    source: today.sources.idle_timeout,
                    expires_at: idle_today.seconds(),
                    rule: Rule::SettingIdle,
                },
            },
            absolute_lifetime: Limit {
                seconds: session.limits.absolute_lifetime,
                since: session.limits_since.seconds(),
                expires_at: session.absolute_deadline.seconds(),
                rule: Rule::StoredAbsolute,
                today: TodaysLimit {
                    seconds: today.limits.absolute_lifetime,
                    source: today.sources.absolute_lifetime,
                    expires_at: absolute_today.seconds(),
                    rule: Rule::SettingAbsolute,
                },
            },
        },
    }
}

/// What a listener last heard: enough to tell whether, and how, a session changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    active_at: Timestamp,
    idle_deadline: Timestamp,
    absolute_deadline: Timestamp,
    limits: Limits,
    today: Limits,
    over: bool,
}

/// How a session changed, in the names of the stream's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Extended,
    LimitsChanged,
    Ended,
}

impl Change {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Extended => "extended",
            Self::LimitsChanged => "limits_changed",
            Self::Ended => "ended",
        }
    }
}

impl Mark {
    pub fn of(session: &Session, today: &Limits, user: UserStanding, now: Timestamp) -> Self {
        Self {
            active_at: session.last_active_at,
            idle_deadline: session.idle_deadline,
            absolute_deadline: session.absolute_deadline,
            limits: session.limits,
            today: *today,
            over: session.verdict(None, user, now).is_some(),
        }
    }

    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// The same on every server, and after a restart: `Last-Event-ID` is compared with it.
    pub fn id(&self) -> String {
        let parts = [
            self.active_at.millis(),
            self.idle_deadline.millis(),
            self.absolute_deadline.millis(),
            self.limits.idle_timeout,
            self.limits.absolute_lifetime,
            self.today.idle_timeout,
            self.today.absolute_lifetime,
            i64::from(self.over),
        ];
        parts.map(|part| format!("{part:x}")).join(".")
    }

    /// What happened between this and a later mark of the same session. A change of limits says more
    /// than the activity that brought it.
    pub fn change_to(&self, later: &Self) -> Option<Change> {
        if later.over {
            return (!self.over).then_some(Change::Ended);
        }
        let limits = |mark: &Self| (mark.limits, mark.today, mark.absolute_deadline);
        if limits(self) != limits(later) {
            return Some(Change::LimitsChanged);
        }
        (self != later).then_some(Change::Extended)
    }
}
