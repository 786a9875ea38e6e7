//! Sessions and their participants.

use super::{corrupt, end_values, fixed, from_json, id, read_end, to_json};
use crate::value::{Row, Value};
use crate::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use tenure_protocol::limits::Limits;
use tenure_protocol::session::{AuthState, Device, Factor, Session};
use tenure_protocol::{Sid, Timestamp};

pub(super) const COLUMNS: &str = "sessions.sid, sessions.user_id, sessions.secret_hash, \
     sessions.created_at, sessions.authenticated_at, sessions.last_active_at, \
     sessions.idle_deadline, sessions.absolute_deadline, sessions.body, sessions.ended_at, \
     sessions.end_reason, sessions.end_by, sessions.end_from, sessions.end_rule";

/// How many they are: a joined table's columns follow.
pub(super) const WIDTH: usize = 14;

/// What an event may change, parameters 1 to 12. A session that has ended stays as it is: said without
/// `ended_at IS NULL`, which an index is limited to that the planner of a young database, for which all
/// indexes are alike, would then read as a whole. `due_at` moves only if the deadline came nearer: an
/// activity changes no index.
pub(super) const UPDATE: &str = "UPDATE sessions SET secret_hash = $1, authenticated_at = $2, \
     last_active_at = $3, idle_deadline = $4, absolute_deadline = $5, body = $6, ended_at = $7, \
     end_reason = $8, end_by = $9, end_from = $10, end_rule = $11, \
     due_at = CASE WHEN due_at > $4 THEN $4 ELSE due_at END \
     WHERE sid = $12 AND CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END = 1";

/// A session that has not ended, as [`UPDATE`] says it.
pub(super) const LIVES: &str = "CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END = 1";

/// With [`UPDATE`], parameters 13 to 18: the session still is what was read ahead. No equality, which
/// the planner might take for the address of the row where a deadline has an index.
pub(super) const AS_READ: &str = "secret_hash IS NOT DISTINCT FROM $13 \
     AND authenticated_at IS NOT DISTINCT FROM $14 AND last_active_at IS NOT DISTINCT FROM $15 \
     AND idle_deadline IS NOT DISTINCT FROM $16 AND absolute_deadline IS NOT DISTINCT FROM $17 \
     AND body IS NOT DISTINCT FROM $18";

/// A relying party takes part, parameters 1 to 3.
pub(super) const SEE: &str = "INSERT INTO participants (sid, client_id, first_seen_at, last_seen_at) \
     VALUES ($1, $2, $3, $3) \
     ON CONFLICT (sid, client_id) DO UPDATE SET last_seen_at = excluded.last_seen_at";

/// What no query asks about.
#[derive(Serialize, Deserialize)]
struct Body {
    limits_since: Timestamp,
    limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream_deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confirm_deadline: Option<Timestamp>,
    persistent: bool,
    state: AuthState,
    factors: Vec<Factor>,
    device: Device,
}

/// A relying party that took part in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Participant {
    pub client_id: String,
    pub first_seen_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// Sessions in one look of [`Tx::session_traces`].
const TRACES_AT_ONCE: usize = 250;

/// Enough of a session to tell that it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTrace {
    pub active_at: Timestamp,
    pub idle_deadline: Timestamp,
    pub absolute_deadline: Timestamp,
    pub authenticated_at: Timestamp,
    pub has_ended: bool,
}

impl SessionTrace {
    pub fn of(session: &Session) -> Self {
        Self {
            active_at: session.last_active_at,
            idle_deadline: session.idle_deadline,
            absolute_deadline: session.absolute_deadline,
            authenticated_at: session.authenticated_at,
            has_ended: session.end.is_some(),
        }
    }
}

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    pub user_id: Option<String>,
    /// Only sessions that have not ended and whose deadlines lie after this instant.
    pub alive_at: Option<Timestamp>,
    /// Sessions after this id, for the next page.
    pub after: Option<Sid>,
    pub limit: i64,
}

impl Tx<'_> {
    /// A session. In a transaction that may write, nobody else changes it, its families or its codes
    /// before this transaction ends: whoever does either begins here.
    pub fn session(&self, sid: &Sid) -> Result<Option<Session>, StoreError> {
        let lock = self.for_update("sessions");
        let sql = format!("SELECT {COLUMNS} FROM sessions WHERE sid = $1{lock}");
        self.query_first(&sql, &[sid.as_bytes().into()], read)
    }

    pub fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        let body = body(session)?;
        let [at, reason, by, from, rule] = end_values(session.end.as_ref());
        self.execute(
            "INSERT INTO sessions (sid, user_id, secret_hash, created_at, authenticated_at, \
             last_active_at, idle_deadline, absolute_deadline, body, ended_at, end_reason, end_by, \
             end_from, end_rule, due_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $7)",
            &[
                session.sid.as_bytes().into(),
                (&session.user_id).into(),
                (&session.secret_hash).into(),
                session.created_at.into(),
                session.authenticated_at.into(),
                session.last_active_at.into(),
                session.idle_deadline.into(),
                session.absolute_deadline.into(),
                (&body).into(),
                at,
                reason,
                by,
                from,
                rule,
            ],
        )?;
        Ok(())
    }

    /// Stores what an event changed. A session that does not exist, or has ended, is never brought
    /// (back) to life by it.
    pub fn update_session(&self, session: &Session) -> Result<(), StoreError> {
        let body = body(session)?;
        let changed = self.execute(UPDATE, &update_values(session, &body))?;
        must_be_one(session, changed)
    }

    /// Sessions in the order of their ids.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Vec<Session>, StoreError> {
        let after = filter.after.map(|sid| *sid.as_bytes());
        let after: Value<'_> = after
            .as_ref()
            .map_or(Value::Blob((&[]).into()), Value::from);
        let alive = filter.alive_at.map_or(i64::MIN, Timestamp::millis);
        let ended = i64::from(filter.alive_at.is_none());
        match &filter.user_id {
            Some(user_id) => self.query(
                &format!(
                    "SELECT {COLUMNS} FROM sessions WHERE user_id = $1 AND sid > $2 \
                     AND idle_deadline > $3 AND absolute_deadline > $3 \
                     AND (ended_at IS NULL OR $4 = 1) ORDER BY sid LIMIT $5"
                ),
                &[
                    user_id.into(),
                    after,
                    alive.into(),
                    ended.into(),
                    filter.limit.into(),
                ],
                read,
            ),
            None => self.query(
                &format!(
                    "SELECT {COLUMNS} FROM sessions WHERE sid > $1 \
                     AND idle_deadline > $2 AND absolute_deadline > $2 \
                     AND (ended_at IS NULL OR $3 = 1) ORDER BY sid LIMIT $4"
                ),
                &[after, alive.into(), ended.into(), filter.limit.into()],
                read,
            ),
        }
    }

    /// How many sessions with ids from `from` up to (not including) `to` are alive, for a census in small steps.
    pub fn count_sessions(
        &self,
        from: &Sid,
        to: Option<&Sid>,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let top = [0xff_u8; 17];
        let to = to.map_or(Value::from(&top), |sid| sid.as_bytes().into());
        let count = self.query_first(
            "SELECT count(*) FROM sessions WHERE sid >= $1 AND sid < $2 AND ended_at IS NULL \
             AND idle_deadline > $3 AND absolute_deadline > $3",
            &[from.as_bytes().into(), to, now.into()],
            |row| row.int(0),
        )?;
        Ok(count.unwrap_or(0))
    }

    /// Records that a relying party took part.
    pub fn see_participant(
        &self,
        sid: &Sid,
        client_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(SEE, &[sid.as_bytes().into(), client_id.into(), now.into()])?;
        Ok(())
    }

    /// The relying parties that took part, and whether a token of the session was revoked: what a
    /// question about a session needs besides its row.
    pub fn participants_and_revocation(
        &self,
        sid: &Sid,
        jti: &str,
    ) -> Result<(Vec<String>, bool), StoreError> {
        let rows = self.query(
            "SELECT client_id, CAST(0 AS BIGINT) FROM participants WHERE sid = $1 \
             UNION ALL SELECT jti, CAST(1 AS BIGINT) FROM revoked_tokens WHERE sid = $1 AND jti = $2",
            &[sid.as_bytes().into(), jti.into()],
            |row| Ok((row.text(0)?, row.int(1)?)),
        )?;
        let revoked = rows.iter().any(|(_, kind)| *kind == 1);
        let clients = rows.into_iter().filter(|(_, kind)| *kind == 0);
        Ok((clients.map(|(client_id, _)| client_id).collect(), revoked))
    }

    /// What tells that somebody changed a session, of those of these ids that there are: for servers
    /// that nobody told.
    pub fn session_traces(&self, sids: &[Sid]) -> Result<Vec<(Sid, SessionTrace)>, StoreError> {
        let mut found = Vec::with_capacity(sids.len());
        for some in sids.chunks(TRACES_AT_ONCE) {
            let Some(last) = some.last() else { break };
            // Always as many parameters, so that one text stays prepared.
            let padded = some.iter().chain(std::iter::repeat(last));
            let values: Vec<Value<'_>> = padded
                .take(TRACES_AT_ONCE)
                .map(|sid| sid.as_bytes().into())
                .collect();
            let marks: Vec<String> = (1..=TRACES_AT_ONCE).map(|n| format!("${n}")).collect();
            let sql = format!(
                "SELECT sid, last_active_at, idle_deadline, absolute_deadline, authenticated_at, \
                 ended_at FROM sessions WHERE sid IN ({})",
                marks.join(", ")
            );
            found.extend(self.query(&sql, &values, |row| {
                let sid = Sid::from_bytes(id("sessions", row.blob(0)?)?);
                let trace = SessionTrace {
                    active_at: row.instant(1)?,
                    idle_deadline: row.instant(2)?,
                    absolute_deadline: row.instant(3)?,
                    authenticated_at: row.instant(4)?,
                    has_ended: row.optional_int(5)?.is_some(),
                };
                Ok((sid, trace))
            })?);
        }
        Ok(found)
    }

    pub fn participants(&self, sid: &Sid) -> Result<Vec<Participant>, StoreError> {
        self.query(
            "SELECT client_id, first_seen_at, last_seen_at FROM participants WHERE sid = $1 \
             ORDER BY first_seen_at, client_id",
            &[sid.as_bytes().into()],
            |row| {
                Ok(Participant {
                    client_id: row.text(0)?,
                    first_seen_at: row.instant(1)?,
                    last_seen_at: row.instant(2)?,
                })
            },
        )
    }

    /// Looks at `most` sessions after `from` whose absolute deadline passed before `before`, and
    /// removes those of which no family lives at `now` and of whose end nobody is still to be told, with
    /// everything that hangs on them. Tells how many, and where to go on; `None` at the end. A session
    /// that stays is looked at once a round, however many there are.
    pub fn sweep_sessions(
        &self,
        from: SweepCursor,
        before: Timestamp,
        now: Timestamp,
        most: i64,
    ) -> Result<(usize, Option<SweepCursor>), StoreError> {
        let due = self.query(
            "SELECT sid, absolute_deadline FROM sessions \
             WHERE (absolute_deadline, sid) > ($1, $2) AND absolute_deadline < $3 \
             ORDER BY absolute_deadline, sid LIMIT $4",
            &[
                from.deadline.into(),
                from.sid.as_slice().into(),
                before.into(),
                most.into(),
            ],
            |row| {
                Ok(SweepCursor {
                    sid: row.blob(0)?,
                    deadline: row.instant(1)?,
                })
            },
        )?;
        let mut removed = 0;
        for session in &due {
            let stays = self.query_first(
                "SELECT 1 FROM families WHERE sid = $1 AND ended_at IS NULL \
                 AND (idle_deadline IS NULL OR idle_deadline > $2) \
                 AND (absolute_deadline IS NULL OR absolute_deadline > $2) \
                 UNION ALL SELECT 1 FROM deliveries WHERE sid = $1 AND state = 'pending' LIMIT 1",
                &[session.sid.as_slice().into(), now.into()],
                |_| Ok(()),
            )?;
            if stays.is_none() {
                self.remove_session(&session.sid)?;
                removed += 1;
            }
        }
        let full = i64::try_from(due.len()).is_ok_and(|count| count >= most);
        Ok((removed, due.into_iter().next_back().filter(|_| full)))
    }

    fn remove_session(&self, sid: &[u8]) -> Result<(), StoreError> {
        let tables = [
            "families",
            "participants",
            "codes",
            "deliveries",
            "upstream_sessions",
            "metadata",
            "sessions",
        ];
        if self.is_postgres() {
            // One round trip for all of them.
            let parts =
                tables.map(|table| format!("gone_{table} AS (DELETE FROM {table} WHERE sid = $1)"));
            let sql = format!("WITH {} SELECT 1", parts.join(", "));
            self.query_first(&sql, &[sid.into()], |_| Ok(()))?;
            return Ok(());
        }
        for table in tables {
            self.execute(
                &format!("DELETE FROM {table} WHERE sid = $1"),
                &[sid.into()],
            )?;
        }
        Ok(())
    }
}

/// How far a sweep of sessions got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepCursor {
    deadline: Timestamp,
    sid: Vec<u8>,
}

impl Default for SweepCursor {
    /// Before all of them.
    fn default() -> Self {
        Self {
            deadline: Timestamp::from_millis(i64::MIN),
            sid: Vec::new(),
        }
    }
}

/// The parameters of [`UPDATE`].
pub(super) fn update_values<'v>(session: &'v Session, body: &'v str) -> Vec<Value<'v>> {
    let [at, reason, by, from, rule] = end_values(session.end.as_ref());
    vec![
        (&session.secret_hash).into(),
        session.authenticated_at.into(),
        session.last_active_at.into(),
        session.idle_deadline.into(),
        session.absolute_deadline.into(),
        body.into(),
        at,
        reason,
        by,
        from,
        rule,
        session.sid.as_bytes().into(),
    ]
}

/// The parameters of [`AS_READ`].
pub(super) fn as_read_values(row: &Row<'_>) -> Result<Vec<Value<'static>>, StoreError> {
    Ok(vec![
        Value::Blob(row.blob(2)?.into()),
        row.int(4)?.into(),
        row.int(5)?.into(),
        row.int(6)?.into(),
        row.int(7)?.into(),
        Value::Text(row.text(8)?.into()),
    ])
}

pub(super) fn must_be_one(session: &Session, changed: usize) -> Result<(), StoreError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(corrupt(
            "sessions",
            session.sid,
            "is gone or has ended, and was to be changed",
        ))
    }
}

pub(super) fn body(session: &Session) -> Result<String, StoreError> {
    to_json(&Body {
        limits_since: session.limits_since,
        limits: session.limits,
        upstream_deadline: session.upstream_deadline,
        confirm_deadline: session.confirm_deadline,
        persistent: session.persistent,
        state: session.state,
        factors: session.factors.clone(),
        device: session.device.clone(),
    })
}

pub(super) fn read(row: &Row<'_>) -> Result<Session, StoreError> {
    let sid = Sid::from_bytes(id("sessions", row.blob(0)?)?);
    let body: Body = from_json("sessions", sid, &row.text(8)?)?;
    let session = Session {
        sid,
        user_id: row.text(1)?,
        secret_hash: fixed("sessions", sid, row.blob(2)?)?,
        created_at: row.instant(3)?,
        authenticated_at: row.instant(4)?,
        last_active_at: row.instant(5)?,
        limits_since: body.limits_since,
        limits: body.limits,
        idle_deadline: row.instant(6)?,
        absolute_deadline: row.instant(7)?,
        upstream_deadline: body.upstream_deadline,
        confirm_deadline: body.confirm_deadline,
        persistent: body.persistent,
        state: body.state,
        factors: body.factors,
        device: body.device,
        end: read_end("sessions", sid, row, 9)?,
    };
    check(&session)?;
    Ok(session)
}

/// A row that breaks an invariant signs nobody in.
fn check(session: &Session) -> Result<(), StoreError> {
    if session.idle_deadline > session.absolute_deadline {
        return Err(corrupt(
            "sessions",
            session.sid,
            "its idle deadline lies past its absolute one",
        ));
    }
    if session.user_id.is_empty() {
        return Err(corrupt("sessions", session.sid, "it has no user"));
    }
    Ok(())
}
