//! Sessions in a transaction: finding the one behind a cookie, and ending one with all that hangs on it.

use crate::entropy::Entropy;
use crate::http::SessionCookie;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::tenant_log::{Entry, kind};
use tenure_protocol::limits::Caps;
use tenure_protocol::refresh::{Family, ends_with_session};
use tenure_protocol::session::{End, EndReason, Rule, Session, UserStanding};
use tenure_protocol::user_end::UserEnd;
use tenure_protocol::{Timestamp, session};
use tenure_store::{StoreError, Tx, UserRow};

/// What a cookie led to.
#[derive(Debug)]
pub enum Found {
    /// No cookie, or one that fits no session.
    None,
    Alive(Box<Session>, Box<UserRow>),
    /// It was there and is over, for this reason.
    Over(EndReason),
}

impl Found {
    pub fn alive(&self) -> Option<&Session> {
        match self {
            Self::Alive(session, _) => Some(session),
            Self::None | Self::Over(_) => None,
        }
    }
}

/// What judging a session needs besides the transaction.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    pub settings: &'a Settings,
    pub caps: &'a Caps,
    pub entropy: &'a Entropy,
    /// `None` on the command line, whose ends no server counts.
    pub metrics: Option<&'a Metrics>,
    pub now: Timestamp,
}

/// The session behind a cookie, judged with today's settings. One that turns out to be over is
/// ended for good here, with its reason, by whoever notices first.
pub fn find(
    tx: &Tx<'_>,
    cookie: Option<&SessionCookie>,
    judge: Judge<'_>,
) -> Result<Found, StoreError> {
    let Some(cookie) = cookie else {
        return Ok(Found::None);
    };
    let Some((session, user)) = tx.session_and_user(&cookie.sid)? else {
        return Ok(Found::None);
    };
    // The sid is public and never authenticates: the secret does.
    if !crate::crypto::mac::equal(&session.secret_hash, &cookie.hash()) {
        return Ok(Found::None);
    }
    let standing = UserRow::standing_of(user.as_ref());
    let today = judge.settings.limits(session.persistent, judge.caps);
    match (session.verdict(Some(&today), standing, judge.now), user) {
        (None, Some(user)) => Ok(Found::Alive(Box::new(session), Box::new(user))),
        (Some(verdict), _) => Ok(Found::Over(expire(tx, &session, verdict, judge)?)),
        // Without a user there is always a verdict.
        (None, None) => Ok(Found::None),
    }
}

/// Stores an end that time or policy brought, if it is not stored yet, and answers its reason.
pub fn expire(
    tx: &Tx<'_>,
    session: &Session,
    verdict: session::Verdict,
    judge: Judge<'_>,
) -> Result<EndReason, StoreError> {
    if session.end.is_some() {
        return Ok(verdict.reason);
    }
    if matches!(verdict.rule, Rule::User | Rule::ValidAfter)
        && let Some(wish) = tx.user_end(&session.user_id)?
        && let Some(verdict) = wish.ends_session(session, GONE)
    {
        // Noticed before the worker came to it: who changed the user is known all the same.
        end_with_user(tx, session, &wish, verdict, judge)?;
        return Ok(verdict.reason);
    }
    let end = End {
        at: verdict.since.min(judge.now),
        reason: verdict.reason,
        by: String::new(),
        from: String::new(),
        rule: verdict.rule.name().to_owned(),
    };
    end_session(tx, session, end, judge)?;
    Ok(verdict.reason)
}

/// The caller has judged already: the session is over.
const GONE: UserStanding = UserStanding {
    exists: false,
    blocked: true,
    valid_after: Timestamp::from_millis(0),
};

/// Stores the end of a session that a change of its user brought, or that time had brought before.
pub fn end_with_user(
    tx: &Tx<'_>,
    session: &Session,
    wish: &UserEnd,
    verdict: session::Verdict,
    judge: Judge<'_>,
) -> Result<(), StoreError> {
    let (by, from) = if verdict.rule == wish.rule() {
        (wish.by.clone(), wish.from.clone())
    } else {
        (String::new(), String::new())
    };
    let end = End {
        at: verdict.since.min(judge.now),
        reason: verdict.reason,
        by,
        from,
        rule: verdict.rule.name().to_owned(),
    };
    end_session(tx, session, end, judge)
}

/// Ends a session and the families that end with it, and writes the log, all in the caller's transaction.
pub fn end_session(
    tx: &Tx<'_>,
    session: &Session,
    end: End,
    judge: Judge<'_>,
) -> Result<(), StoreError> {
    let by_rule = |family: &Family| family_ends(family, end.reason, judge.settings);
    let families = families_that_end(tx, session, &end, by_rule)?;
    end_session_and(tx, session, families, (end, judge))
}

/// The families of a session that end with it, as they will be.
pub fn families_that_end(
    tx: &Tx<'_>,
    session: &Session,
    end: &End,
    ends: impl Fn(&Family) -> bool,
) -> Result<Vec<Family>, StoreError> {
    let families = tx.families_of_session(&session.sid)?.into_iter();
    let ending = families.filter(|family| family.end.is_none() && ends(family));
    Ok(ending
        .map(|family| Family {
            end: Some(end.clone()),
            ..family
        })
        .collect())
}

/// Ends a session and these families of it.
pub fn end_session_and(
    tx: &Tx<'_>,
    session: &Session,
    families: Vec<Family>,
    (end, judge): (End, Judge<'_>),
) -> Result<(), StoreError> {
    let code = if end.reason == EndReason::UserLogout {
        kind::LOGOUT
    } else {
        kind::SESSION_ENDED
    };
    let mut entry = Entry::new(code)
        .user(&session.user_id)
        .session(&session.sid)
        .from(&end.from, "");
    if judge.settings.client(&end.by).is_some() {
        entry = entry.client(&end.by);
    }
    if !end.by.is_empty() {
        entry = entry.detail("by", end.by.as_str());
    }
    let entry = entry
        .detail("reason", end.reason.name())
        .detail("rule", end.rule.as_str())
        .detail("families_ended", families.len())
        .row(judge.now, &judge.entropy.token(9));
    let reason = end.reason.name();
    tx.end_session(&session.ended(end), &families, &entry)?;
    // Counted before the commit: one that fails leaves the counter one too high, and nothing else.
    if let Some(metrics) = judge.metrics {
        metrics.session_ended(reason);
    }
    Ok(())
}

/// Ends one family that has not ended, and says so in the log. The caller holds its session.
pub fn end_family(
    tx: &Tx<'_>,
    family: Family,
    end: End,
    judge: Judge<'_>,
) -> Result<(), StoreError> {
    let generation = family.generation;
    let entry = Entry::new(kind::REFRESH_REVOKED)
        .user(&family.user_id)
        .session(&family.sid)
        .client(&family.client_id)
        .from(&end.from, "")
        .detail("familyId", family.family_id.to_string())
        .detail("reason", end.reason.name())
        .detail("by", end.by.as_str());
    let end = Some(end);
    tx.change_family(&Family { end, ..family }, generation)?;
    entry.write(tx, judge.now, &judge.entropy.token(9))
}

/// Whether a family ends with its session by the rules, when that ends for this reason.
pub fn family_ends(family: &Family, reason: EndReason, settings: &Settings) -> bool {
    let ends_offline = settings
        .client(&family.client_id)
        .is_none_or(|registered| registered.client.ends_offline_on_logout());
    ends_with_session(family.kind, ends_offline, reason)
}
