//! Counters of failed logins.

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
            |row| {
                Ok(ThrottleRow {
                    bucket: row.text(0)?,
                    failures: row.int(1)?,
                    since: row.instant(2)?,
                    expires_at: row.instant(3)?,
                })
            },
        )
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
