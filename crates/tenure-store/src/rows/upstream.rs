//! The upstream sessions that stand behind our own.

use super::{from_json, id, to_json};
use crate::value::Row;
use crate::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use tenure_protocol::{Sid, Timestamp};

/// A session at another identity provider, as far as it told us of it.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamSession {
    pub sid: Sid,
    pub connection: String,
    pub user_id: String,
    pub issuer: String,
    pub subject: String,
    /// The provider's name for it.
    pub upstream_sid: Option<String>,
    pub auth_time: Option<Timestamp>,
    pub session_expiry: Option<Timestamp>,
    pub began_at: Timestamp,
    /// When the provider last said that the person is welcome.
    pub confirmed_at: Timestamp,
    /// When it is to be asked again.
    pub confirm_due_at: Option<Timestamp>,
    /// Attempts in a row that got no answer.
    pub confirm_failures: i64,
    pub confirm_error: Option<String>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    /// Its tokens, sealed under the master key.
    pub sealed: Option<Vec<u8>>,
    pub ended_at: Option<Timestamp>,
    /// `logout`, `logout_token`, `revocation` or `confirmation`.
    pub ended_by: Option<String>,
}

impl std::fmt::Debug for UpstreamSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamSession")
            .field("sid", &self.sid)
            .field("connection", &self.connection)
            .field("upstream_sid", &self.upstream_sid)
            .field("ended_at", &self.ended_at)
            .finish_non_exhaustive()
    }
}

/// Whom a provider means when it says that something is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamWhom<'a> {
    /// One session, by the provider's name for it.
    Session(&'a str),
    /// Everything of a person, by subject.
    Subject(&'a str),
}

/// What no query asks about.
#[derive(Serialize, Deserialize)]
struct Body {
    acr: Option<String>,
    amr: Vec<String>,
}

pub(super) const COLUMNS: &str = "sid, connection, user_id, issuer, subject, upstream_sid, auth_time, \
     session_expiry, began_at, confirmed_at, confirm_due_at, confirm_failures, confirm_error, body, \
     sealed, ended_at, ended_by";

impl Tx<'_> {
    /// The upstream sessions behind a session, the first first.
    pub fn upstream_sessions(&self, sid: &Sid) -> Result<Vec<UpstreamSession>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM upstream_sessions WHERE sid = $1 ORDER BY began_at, connection"
        );
        self.query(&sql, &[sid.as_bytes().into()], read)
    }

    /// Inserts or replaces the upstream session of a connection behind a session. The caller holds the session.
    pub fn put_upstream_session(&self, row: &UpstreamSession) -> Result<(), StoreError> {
        let body = to_json(&Body {
            acr: row.acr.clone(),
            amr: row.amr.clone(),
        })?;
        self.execute(
            "INSERT INTO upstream_sessions (sid, connection, user_id, issuer, subject, \
             upstream_sid, auth_time, session_expiry, began_at, confirmed_at, confirm_due_at, \
             confirm_failures, confirm_error, body, sealed, ended_at, ended_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
             ON CONFLICT (sid, connection) DO UPDATE SET user_id = excluded.user_id, \
             issuer = excluded.issuer, subject = excluded.subject, \
             upstream_sid = excluded.upstream_sid, auth_time = excluded.auth_time, \
             session_expiry = excluded.session_expiry, began_at = excluded.began_at, \
             confirmed_at = excluded.confirmed_at, confirm_due_at = excluded.confirm_due_at, \
             confirm_failures = excluded.confirm_failures, confirm_error = excluded.confirm_error, \
             body = excluded.body, sealed = excluded.sealed, ended_at = excluded.ended_at, \
             ended_by = excluded.ended_by",
            &[
                row.sid.as_bytes().into(),
                (&row.connection).into(),
                (&row.user_id).into(),
                (&row.issuer).into(),
                (&row.subject).into(),
                row.upstream_sid.as_ref().into(),
                row.auth_time.into(),
                row.session_expiry.into(),
                row.began_at.into(),
                row.confirmed_at.into(),
                row.confirm_due_at.into(),
                row.confirm_failures.into(),
                row.confirm_error.as_ref().into(),
                (&body).into(),
                row.sealed.as_deref().into(),
                row.ended_at.into(),
                row.ended_by.as_ref().into(),
            ],
        )?;
        Ok(())
    }

    /// Our sessions behind which what a provider names stands, in the order of their ids, after `after`.
    pub fn sessions_behind(
        &self,
        connection: &str,
        issuer: &str,
        whom: UpstreamWhom<'_>,
        after: Option<Sid>,
        most: i64,
    ) -> Result<Vec<Sid>, StoreError> {
        let (column, value) = match whom {
            UpstreamWhom::Session(sid) => ("upstream_sid", sid),
            UpstreamWhom::Subject(subject) => ("subject", subject),
        };
        let after = after.map_or(Vec::new(), |sid| sid.as_bytes().to_vec());
        let sql = format!(
            "SELECT sid FROM upstream_sessions WHERE connection = $1 AND issuer = $2 \
             AND {column} = $3 AND sid > $4 AND ended_at IS NULL ORDER BY sid LIMIT $5"
        );
        self.query(
            &sql,
            &[
                connection.into(),
                issuer.into(),
                value.into(),
                after.as_slice().into(),
                most.into(),
            ],
            |row| Ok(Sid::from_bytes(id("upstream_sessions", row.blob(0)?)?)),
        )
    }

    /// What stood behind a session is over, and its tokens are of no use any more. `by`: see
    /// [`UpstreamSession::ended_by`]. The caller holds the session.
    pub fn end_upstream_session(
        &self,
        sid: &Sid,
        connection: &str,
        at: Timestamp,
        by: &str,
    ) -> Result<bool, StoreError> {
        let ended = self.execute(
            "UPDATE upstream_sessions SET ended_at = $1, ended_by = $2, confirm_due_at = NULL, \
             sealed = NULL WHERE sid = $3 AND connection = $4 AND ended_at IS NULL",
            &[
                at.into(),
                by.into(),
                sid.as_bytes().into(),
                connection.into(),
            ],
        )?;
        Ok(ended == 1)
    }

    /// The same for every upstream session of a person (connection, issuer and subject) that began by then.
    pub fn end_upstream_sessions_of(
        &self,
        (connection, issuer, subject): (&str, &str, &str),
        at: Timestamp,
        by: &str,
    ) -> Result<usize, StoreError> {
        self.execute(
            "UPDATE upstream_sessions SET ended_at = $1, ended_by = $2, confirm_due_at = NULL, \
             sealed = NULL WHERE connection = $3 AND subject = $4 AND issuer = $5 \
             AND began_at <= $1 AND ended_at IS NULL",
            &[
                at.into(),
                by.into(),
                connection.into(),
                subject.into(),
                issuer.into(),
            ],
        )
    }
}

pub(super) fn read(row: &Row<'_>) -> Result<UpstreamSession, StoreError> {
    let sid = Sid::from_bytes(id("upstream_sessions", row.blob(0)?)?);
    let body: Body = from_json("upstream_sessions", sid, &row.text(13)?)?;
    Ok(UpstreamSession {
        sid,
        connection: row.text(1)?,
        user_id: row.text(2)?,
        issuer: row.text(3)?,
        subject: row.text(4)?,
        upstream_sid: row.optional_text(5)?,
        auth_time: row.optional_instant(6)?,
        session_expiry: row.optional_instant(7)?,
        began_at: row.instant(8)?,
        confirmed_at: row.instant(9)?,
        confirm_due_at: row.optional_instant(10)?,
        confirm_failures: row.int(11)?,
        confirm_error: row.optional_text(12)?,
        acr: body.acr,
        amr: body.amr,
        sealed: row.optional_blob(14)?,
        ended_at: row.optional_instant(15)?,
        ended_by: row.optional_text(16)?,
    })
}
