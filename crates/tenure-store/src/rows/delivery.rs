//! The outbox of back-channel logout.

use super::{corrupt, id};
use crate::value::{Row, Value};
use crate::{StoreError, Tx};
use tenure_protocol::session::EndReason;
use tenure_protocol::{Sid, Timestamp};

/// How far a relying party has been told of the end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be tried, or tried again.
    Pending,
    /// It answered 2xx.
    Delivered,
    /// It answered that it will not.
    Rejected,
    /// Given up.
    Dead,
    /// It has no logout URL, or does not want to hear of this reason.
    NotAsked,
}

impl DeliveryState {
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Delivered,
        Self::Rejected,
        Self::Dead,
        Self::NotAsked,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::NotAsked => "not_asked",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub sid: Sid,
    pub client_id: String,
    pub user_id: String,
    pub reason: EndReason,
    pub state: DeliveryState,
    pub attempts: i64,
    pub created_at: Timestamp,
    /// Of the next attempt; while one runs, when it is given up for lost.
    pub due_at: Timestamp,
    pub last_at: Option<Timestamp>,
    /// HTTP status of the last answer.
    pub last_status: Option<i64>,
    /// Why the last attempt failed, in words.
    pub last_error: Option<String>,
}

const COLUMNS: &str = "sid, client_id, user_id, reason, state, attempts, created_at, due_at, \
     last_at, last_status, last_error";

/// One row for each participant of a session that ends, parameters 1 to 4.
pub(super) const INSERT: &str = "INSERT INTO deliveries \
     (sid, client_id, user_id, reason, state, attempts, created_at, due_at) \
     SELECT participants.sid, participants.client_id, CAST($1 AS TEXT), CAST($2 AS TEXT), \
     'pending', 0, CAST($3 AS BIGINT), CAST($3 AS BIGINT) \
     FROM participants WHERE participants.sid = $4 ON CONFLICT (sid, client_id) DO NOTHING";

impl Tx<'_> {
    /// Takes what is due, in the order in which it became so, and puts it off until `until`: if this
    /// process dies with it, it is tried again then. Of several servers each gets others.
    pub fn claim_deliveries(
        &self,
        now: Timestamp,
        until: Timestamp,
        most: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        let skip = self.skip_locked();
        let sql = format!(
            "UPDATE deliveries SET due_at = $1, attempts = attempts + 1 WHERE (sid, client_id) IN \
             (SELECT sid, client_id FROM deliveries WHERE state = 'pending' AND due_at <= $2 \
             ORDER BY due_at LIMIT $3{skip}) RETURNING {COLUMNS}"
        );
        self.query(&sql, &[until.into(), now.into(), most.into()], read)
    }

    /// Stores how an attempt went, unless another one settled the matter meanwhile.
    pub fn settle_delivery(&self, delivery: &Delivery) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE deliveries SET state = $1, due_at = $2, last_at = $3, last_status = $4, \
             last_error = $5 WHERE sid = $6 AND client_id = $7 AND state = 'pending'",
            &[
                delivery.state.name().into(),
                delivery.due_at.into(),
                delivery.last_at.into(),
                delivery.last_status.into(),
                delivery.last_error.as_deref().into(),
                delivery.sid.as_bytes().into(),
                (&delivery.client_id).into(),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Gives back what was claimed and not tried: due then, and the attempt does not count.
    pub fn release_deliveries(
        &self,
        claimed: &[Delivery],
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        for delivery in claimed {
            self.execute(
                "UPDATE deliveries SET due_at = $1, attempts = attempts - 1 \
                 WHERE sid = $2 AND client_id = $3 AND state = 'pending' AND attempts = $4",
                &[
                    due_at.into(),
                    delivery.sid.as_bytes().into(),
                    (&delivery.client_id).into(),
                    delivery.attempts.into(),
                ],
            )?;
        }
        Ok(())
    }

    /// How many there are in a state, as far as counting is quick.
    pub fn count_deliveries(&self, state: DeliveryState) -> Result<i64, StoreError> {
        // The state stands in the text, so that the partial indexes serve.
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE state = '{}' LIMIT 1000000) AS counted",
            state.name()
        );
        let count = self.query_first(&sql, &[], |row| row.int(0))?;
        Ok(count.unwrap_or(0))
    }

    pub fn deliveries_of_session(&self, sid: &Sid) -> Result<Vec<Delivery>, StoreError> {
        self.query(
            &format!("SELECT {COLUMNS} FROM deliveries WHERE sid = $1 ORDER BY client_id"),
            &[sid.as_bytes().into()],
            read,
        )
    }

    /// What was given up, oldest first.
    pub fn dead_deliveries(&self, most: i64) -> Result<Vec<Delivery>, StoreError> {
        self.query(
            &format!(
                "SELECT {COLUMNS} FROM deliveries WHERE state = 'dead' ORDER BY created_at LIMIT $1"
            ),
            &[most.into()],
            read,
        )
    }

    /// When the next delivery is due.
    pub fn next_delivery(&self) -> Result<Option<Timestamp>, StoreError> {
        self.query_first(
            "SELECT due_at FROM deliveries WHERE state = 'pending' ORDER BY due_at LIMIT 1",
            &[],
            |row| row.instant(0),
        )
    }

    /// Tries a session's undelivered deliveries again, from the first attempt on. Tells how many.
    pub fn retry_deliveries(&self, sid: &Sid, now: Timestamp) -> Result<usize, StoreError> {
        self.execute(
            "UPDATE deliveries SET state = 'pending', attempts = 0, due_at = $1, created_at = $1 \
             WHERE sid = $2 AND state IN ('pending', 'rejected', 'dead')",
            &[now.into(), sid.as_bytes().into()],
        )
    }
}

/// The parameters of [`INSERT`].
pub(super) fn insert_values<'v>(
    user_id: &'v str,
    reason: EndReason,
    now: Timestamp,
    sid: &'v Sid,
) -> Vec<Value<'v>> {
    vec![
        user_id.into(),
        reason.name().into(),
        now.into(),
        sid.as_bytes().into(),
    ]
}

fn read(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let sid = Sid::from_bytes(id("deliveries", row.blob(0)?)?);
    let (reason, state) = (row.text(3)?, row.text(4)?);
    let unknown = |what: &str| corrupt("deliveries", sid, format!("unknown word {what:?}"));
    Ok(Delivery {
        sid,
        client_id: row.text(1)?,
        user_id: row.text(2)?,
        reason: EndReason::from_name(&reason).ok_or_else(|| unknown(&reason))?,
        state: DeliveryState::ALL
            .into_iter()
            .find(|known| known.name() == state)
            .ok_or_else(|| unknown(&state))?,
        attempts: row.int(5)?,
        created_at: row.instant(6)?,
        due_at: row.instant(7)?,
        last_at: row.optional_instant(8)?,
        last_status: row.optional_int(9)?,
        last_error: row.optional_text(10)?,
    })
}
