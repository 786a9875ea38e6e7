//! Upstream sessions that are to be confirmed: whose provider is to be asked whether the person is still
//! welcome.

use super::upstream::{COLUMNS, UpstreamSession, read};
use crate::value::Row;
use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

impl Tx<'_> {
    /// When the next upstream session of each connection is to be confirmed, where there is one.
    pub fn confirmations_due(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.of_each_connection(
            "SELECT connection, confirm_due_at FROM upstream_sessions WHERE connection > $1 \
             AND ended_at IS NULL AND confirm_due_at IS NOT NULL \
             ORDER BY connection, confirm_due_at LIMIT 1",
        )
    }

    /// The first row of each connection: one short statement for each, however many rows there are. `sql`
    /// finds the first of those after a name.
    pub(super) fn of_each_connection(
        &self,
        sql: &str,
    ) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let mut found: Vec<(String, Timestamp)> = Vec::new();
        loop {
            let last = found.last().map_or("", |(name, _)| name.as_str());
            let read = |row: &Row<'_>| Ok((row.text(0)?, row.instant(1)?));
            match self.query_first(sql, &[last.into()], read)? {
                Some(next) => found.push(next),
                None => return Ok(found),
            }
        }
    }

    /// Takes what of a connection is to be confirmed, and puts it off until `until`: if this process dies
    /// with it, it is asked again then. Of several servers each gets others.
    pub fn claim_confirmations(
        &self,
        connection: &str,
        (now, until): (Timestamp, Timestamp),
        most: i64,
    ) -> Result<Vec<UpstreamSession>, StoreError> {
        let skip = self.skip_locked();
        let sql = format!(
            "UPDATE upstream_sessions SET confirm_due_at = $1 WHERE (sid, connection) IN \
             (SELECT sid, connection FROM upstream_sessions WHERE connection = $2 \
             AND ended_at IS NULL AND confirm_due_at <= $3 \
             ORDER BY confirm_due_at LIMIT $4{skip}) RETURNING {COLUMNS}"
        );
        let values = [until.into(), connection.into(), now.into(), most.into()];
        self.query(&sql, &values, read)
    }

    /// Stores what came of asking, if it is still the claimer's: `claimed` is as it was claimed. The caller
    /// holds the session.
    pub fn settle_confirmation(
        &self,
        claimed: &UpstreamSession,
        settled: &UpstreamSession,
    ) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE upstream_sessions SET confirmed_at = $1, confirm_due_at = $2, \
             confirm_failures = $3, confirm_error = $4, sealed = $5, session_expiry = $6, \
             ended_at = $7, ended_by = $8 \
             WHERE sid = $9 AND connection = $10 AND began_at = $11 AND confirm_due_at = $12 \
             AND ended_at IS NULL",
            &[
                settled.confirmed_at.into(),
                settled.confirm_due_at.into(),
                settled.confirm_failures.into(),
                settled.confirm_error.as_ref().into(),
                settled.sealed.as_deref().into(),
                settled.session_expiry.into(),
                settled.ended_at.into(),
                settled.ended_by.as_ref().into(),
                claimed.sid.as_bytes().into(),
                (&claimed.connection).into(),
                claimed.began_at.into(),
                claimed.confirm_due_at.into(),
            ],
        )?;
        Ok(changed == 1)
    }
}
