//! What is over here because a provider said so. Each transaction ends a few sessions; the rest waits
//! as a signal of its own, so that neither a crash nor another server loses or repeats it.

use crate::oidc::sessions::{self, Judge};
use crate::users::{self, Occasion};
use serde::{Deserialize, Serialize};
use tenure_protocol::session::{End, EndReason};
use tenure_protocol::upstream::signal::{self, Reach, is_meant, was_there};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{SignalKind, StoreError, Tx, UpstreamWhom};

/// Sessions in one transaction; each is some rows.
const BATCH: usize = 50;

/// What a provider said, and how far it was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    pub connection: String,
    pub issuer: String,
    /// The provider's name for its session.
    pub sid: Option<String>,
    pub subject: Option<String>,
    pub reach: Reach,
    /// Whatever began later is not meant.
    pub at: Timestamp,
    /// The address that it came from.
    pub from: String,
    /// The user whose sessions are being ended: who that is must not be asked again, since what answers
    /// it is being ended.
    pub user_id: Option<String>,
    pub after: Option<Sid>,
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub user_id: Option<String>,
    /// Sessions that it ended; those of [`Reach::PersonAndTokens`] end a moment later.
    pub ended: usize,
    /// Where to go on.
    pub rest: Option<Heard>,
}

/// Ends some of what the provider means.
pub fn carry_out(
    tx: &Tx<'_>,
    kind: SignalKind,
    heard: &Heard,
    judge: Judge<'_>,
) -> Result<Done, StoreError> {
    let nothing = Done {
        user_id: None,
        ended: 0,
        rest: None,
    };
    match heard.reach {
        Reach::Nothing => Ok(nothing),
        Reach::Behind => behind(tx, kind, heard, judge),
        Reach::Person | Reach::PersonAndTokens => {
            let Some((user_id, subject)) = person(tx, heard)? else {
                return Ok(nothing);
            };
            if heard.reach == Reach::PersonAndTokens {
                everything(tx, kind, heard, (&user_id, subject.as_deref()), judge)
            } else {
                of_person(tx, kind, heard, &user_id, judge)
            }
        }
    }
}

/// The user here, and the provider's name for them where it is known.
fn person(tx: &Tx<'_>, heard: &Heard) -> Result<Option<(String, Option<String>)>, StoreError> {
    if let Some(user_id) = &heard.user_id {
        return Ok(Some((user_id.clone(), heard.subject.clone())));
    }
    if let Some(subject) = &heard.subject {
        let known = tx.identity(&heard.connection, &heard.issuer, subject)?;
        return Ok(known.map(|known| (known.user_id, Some(known.subject))));
    }
    let named = UpstreamWhom::Session(heard.sid.as_deref().unwrap_or_default());
    let sids = tx.sessions_behind(&heard.connection, &heard.issuer, named, None, 1)?;
    let Some(sid) = sids.first() else {
        return Ok(None);
    };
    let rows = tx.upstream_sessions(sid)?;
    let row = rows
        .into_iter()
        .find(|row| row.connection == heard.connection);
    Ok(row.map(|row| (row.user_id, Some(row.subject))))
}

/// The sessions behind which the upstream session stands.
fn behind(
    tx: &Tx<'_>,
    kind: SignalKind,
    heard: &Heard,
    judge: Judge<'_>,
) -> Result<Done, StoreError> {
    let whom = match (&heard.sid, &heard.subject) {
        (Some(sid), _) => UpstreamWhom::Session(sid),
        (None, subject) => UpstreamWhom::Subject(subject.as_deref().unwrap_or_default()),
    };
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let (connection, issuer) = (&heard.connection, &heard.issuer);
    let sids = tx.sessions_behind(connection, issuer, whom, heard.after, most)?;
    let mut ended = 0;
    for sid in &sids {
        let rows = tx.upstream_sessions(sid)?;
        let meant = rows.iter().any(|row| {
            row.connection == *connection
                && is_meant(
                    (heard.subject.as_deref(), &row.subject),
                    row.began_at,
                    heard.at,
                )
        });
        if meant {
            ended += usize::from(end(tx, kind, heard, sid, judge)?);
        }
    }
    Ok(done(heard, heard.user_id.clone(), ended, &sids))
}

fn of_person(
    tx: &Tx<'_>,
    kind: SignalKind,
    heard: &Heard,
    user_id: &str,
    judge: Judge<'_>,
) -> Result<Done, StoreError> {
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let sids = tx.unended_sessions(user_id, heard.after.as_ref(), most)?;
    let mut ended = 0;
    for sid in &sids {
        ended += usize::from(end(tx, kind, heard, sid, judge)?);
    }
    Ok(done(heard, Some(user_id.to_owned()), ended, &sids))
}

fn done(heard: &Heard, user_id: Option<String>, ended: usize, page: &[Sid]) -> Done {
    let rest = (page.len() == BATCH).then(|| Heard {
        user_id: user_id.clone(),
        after: page.last().copied(),
        ..heard.clone()
    });
    Done {
        user_id,
        ended,
        rest,
    }
}

/// Sessions, refresh tokens and access tokens at once, by the user's `valid_after`.
fn everything(
    tx: &Tx<'_>,
    kind: SignalKind,
    heard: &Heard,
    (user_id, subject): (&str, Option<&str>),
    judge: Judge<'_>,
) -> Result<Done, StoreError> {
    let by = by(heard);
    let occasion = Occasion {
        now: judge.now,
        by: &by,
        from: &heard.from,
    };
    if let Some(row) = tx.user(user_id)? {
        users::sign_out_everywhere(tx, row, heard.at, occasion)?;
    }
    if let Some(subject) = subject {
        let whose = (heard.connection.as_str(), heard.issuer.as_str(), subject);
        tx.end_upstream_sessions_of(whose, heard.at, ended_by(kind))?;
    }
    Ok(Done {
        user_id: Some(user_id.to_owned()),
        ended: 0,
        rest: None,
    })
}

/// Ends one session. `false`: it was over, or began after the provider spoke.
fn end(
    tx: &Tx<'_>,
    kind: SignalKind,
    heard: &Heard,
    sid: &Sid,
    judge: Judge<'_>,
) -> Result<bool, StoreError> {
    let session = match tx.session(sid) {
        // Nobody can use it; it must not keep the others waiting.
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(%error, "a session cannot be ended");
            None
        }
        other => other?,
    };
    tx.end_upstream_session(sid, &heard.connection, heard.at, ended_by(kind))?;
    let Some(session) = session.filter(|session| was_there(session, heard.at)) else {
        return Ok(false);
    };
    let end = End {
        at: judge.now,
        reason: EndReason::UpstreamLogout,
        by: by(heard),
        from: heard.from.clone(),
        rule: ended_by(kind).to_owned(),
    };
    sessions::end_session(tx, &session, end, judge)?;
    Ok(true)
}

/// What an upstream session was ended by, and the rule that ended ours.
const fn ended_by(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::Logout => signal::LOGOUT_TOKEN,
        SignalKind::Revocation => signal::REVOCATION,
    }
}

fn by(heard: &Heard) -> String {
    format!("connection:{}", heard.connection)
}
