//! Counters of login attempts.

use crate::value::Row;
use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleRow {
    /// What is counted, such as `account:<hash>` or `address:<ip>`.
    pub bucket: String,
    pub failures: i64,
    /// When the first of them was counted.
    pub since: Timestamp,
    pub expires_at: Timestamp,
}

impl Tx<'_> {
    pub fn throttle(&self, bucket: &str) -> Result<Option<ThrottleRow>, StoreError> {
        self.query_first(
            "SELECT bucket, failures, since, expires_at FROM throttle WHERE bucket = $1",
            &[bucket.into()],
            read,
        )
    }

    /// A counter, made where there is none. It is held until the transaction ends, so that of attempts
    /// at once, on whichever server, each sees those counted before it.
    pub fn hold_throttle(&self, bucket: &str, now: Timestamp) -> Result<ThrottleRow, StoreError> {
        // A conflict that updates locks the row, and reads it as it is then.
        let held = self.query_first(
            "INSERT INTO throttle (bucket, failures, since, expires_at) VALUES ($1, 0, $2, $2) \
             ON CONFLICT (bucket) DO UPDATE SET failures = throttle.failures \
             RETURNING bucket, failures, since, expires_at",
            &[bucket.into(), now.into()],
            read,
        )?;
        held.ok_or_else(|| StoreError::Engine("a counter was not returned".to_owned()))
    }

    pub fn put_throttle(&self, counter: &ThrottleRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO throttle (bucket, failures, since, expires_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (bucket) DO UPDATE SET failures = excluded.failures, \
             since = excluded.since, expires_at = excluded.expires_at",
            &[
                (&counter.bucket).into(),
                counter.failures.into(),
                counter.since.into(),
                counter.expires_at.into(),
            ],
        )?;
        Ok(())
    }

    pub fn clear_throttle(&self, bucket: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM throttle WHERE bucket = $1", &[bucket.into()])?;
        Ok(())
    }

    pub fn sweep_throttle(&self, before: Timestamp, most: i64) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM throttle WHERE bucket IN \
             (SELECT bucket FROM throttle WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            &[before.into(), most.into()],
        )
    }
}

fn read(row: &Row<'_>) -> Result<ThrottleRow, StoreError> {
    Ok(ThrottleRow {
        bucket: row.text(0)?,
        failures: row.int(1)?,
        since: row.instant(2)?,
        expires_at: row.instant(3)?,
    })
}
