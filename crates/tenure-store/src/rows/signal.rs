//! What identity providers told us and is not carried out yet: either their keys could not be had, or
//! it ends more than one transaction should.

use super::corrupt;
use crate::value::Row;
use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

/// What a provider told us of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalKind {
    /// A logout token (Back-Channel Logout 1.0).
    Logout,
    /// A Global Token Revocation.
    Revocation,
}

impl SignalKind {
    pub const ALL: [Self; 2] = [Self::Logout, Self::Revocation];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revocation => "revocation",
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamSignal {
    pub connection: String,
    /// A hash of the token: a repeat is no second row.
    pub id: String,
    pub kind: SignalKind,
    /// As it came. Empty: it is believed already, and `body` says how far it was carried out.
    pub token: String,
    /// JSON.
    pub body: String,
    pub received_at: Timestamp,
    /// Given up then.
    pub expires_at: Timestamp,
    /// Of the next attempt; while one runs, when it is given up for lost.
    pub due_at: Timestamp,
    pub attempts: i64,
    pub last_error: Option<String>,
}

impl std::fmt::Debug for UpstreamSignal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamSignal")
            .field("connection", &self.connection)
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("due_at", &self.due_at)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "connection, id, kind, token, body, received_at, expires_at, due_at, \
     attempts, last_error";

impl Tx<'_> {
    /// Keeps a signal. `false`: it waits already, and nothing was changed.
    pub fn put_signal(&self, signal: &UpstreamSignal) -> Result<bool, StoreError> {
        let inserted = self.execute(
            "INSERT INTO upstream_signals (connection, id, kind, token, body, received_at, \
             expires_at, due_at, attempts, last_error) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (connection, id) DO NOTHING",
            &[
                (&signal.connection).into(),
                (&signal.id).into(),
                signal.kind.name().into(),
                (&signal.token).into(),
                (&signal.body).into(),
                signal.received_at.into(),
                signal.expires_at.into(),
                signal.due_at.into(),
                signal.attempts.into(),
                signal.last_error.as_ref().into(),
            ],
        )?;
        Ok(inserted == 1)
    }

    /// How many of a connection wait, counted as far as `most`.
    pub fn count_signals(&self, connection: &str, most: i64) -> Result<i64, StoreError> {
        let count = self.query_first(
            "SELECT count(*) FROM (SELECT 1 FROM upstream_signals WHERE connection = $1 LIMIT $2) \
             AS counted",
            &[connection.into(), most.into()],
            |row| row.int(0),
        )?;
        Ok(count.unwrap_or(0))
    }

    /// When the next signal of each connection is due, where there is one.
    pub fn signals_due(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.of_each_connection(
            "SELECT connection, due_at FROM upstream_signals WHERE connection > $1 \
             ORDER BY connection, due_at LIMIT 1",
        )
    }

    /// Takes what is due of a connection and puts it off until `until`: if this process dies with it, it
    /// is tried again then. Of several servers each gets others.
    pub fn claim_signals(
        &self,
        connection: &str,
        (now, until): (Timestamp, Timestamp),
        most: i64,
    ) -> Result<Vec<UpstreamSignal>, StoreError> {
        let skip = self.skip_locked();
        let sql = format!(
            "UPDATE upstream_signals SET due_at = $1, attempts = attempts + 1 \
             WHERE (connection, id) IN (SELECT connection, id FROM upstream_signals \
             WHERE connection = $2 AND due_at <= $3 ORDER BY due_at LIMIT $4{skip}) \
             RETURNING {COLUMNS}"
        );
        let values = [until.into(), connection.into(), now.into(), most.into()];
        self.query(&sql, &values, read)
    }

    /// Stores what became of an attempt, unless another one settled the matter meanwhile.
    pub fn settle_signal(&self, signal: &UpstreamSignal) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE upstream_signals SET token = $1, body = $2, due_at = $3, last_error = $4 \
             WHERE connection = $5 AND id = $6 AND attempts = $7",
            &[
                (&signal.token).into(),
                (&signal.body).into(),
                signal.due_at.into(),
                signal.last_error.as_ref().into(),
                (&signal.connection).into(),
                (&signal.id).into(),
                signal.attempts.into(),
            ],
        )?;
        Ok(changed == 1)
    }

    /// It is carried out, or given up. `false`: by somebody else, who has claimed it since.
    pub fn drop_signal(&self, signal: &UpstreamSignal) -> Result<bool, StoreError> {
        let dropped = self.execute(
            "DELETE FROM upstream_signals WHERE connection = $1 AND id = $2 AND attempts = $3",
            &[
                (&signal.connection).into(),
                (&signal.id).into(),
                signal.attempts.into(),
            ],
        )?;
        Ok(dropped == 1)
    }
}

fn read(row: &Row<'_>) -> Result<UpstreamSignal, StoreError> {
    let (id, kind) = (row.text(1)?, row.text(2)?);
    Ok(UpstreamSignal {
        connection: row.text(0)?,
        kind: SignalKind::ALL
            .into_iter()
            .find(|known| known.name() == kind)
            .ok_or_else(|| corrupt("upstream_signals", &id, format!("unknown kind {kind:?}")))?,
        id,
        token: row.text(3)?,
        body: row.text(4)?,
        received_at: row.instant(5)?,
        expires_at: row.instant(6)?,
        due_at: row.instant(7)?,
        attempts: row.int(8)?,
        last_error: row.optional_text(9)?,
    })
}
