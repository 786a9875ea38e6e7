//! Things that count once. The unique key decides who was first (lesson GHSA-3p3g-vpw6-4w66), and the
//! kind is part of it, so that one kind is never taken for another (lesson CVE-2026-4325).

use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

impl Tx<'_> {
    /// Records something that may happen once. `false`: it happened before.
    pub fn put_once(
        &self,
        kind: &str,
        id: &str,
        body: &str,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let inserted = self.execute(
            "INSERT INTO one_time (kind, id, expires_at, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, id) DO NOTHING",
            &[kind.into(), id.into(), expires_at.into(), body.into()],
        )?;
        Ok(inserted == 1)
    }

    /// Reads without using up: the body and when it expires.
    pub fn peek_once(
        &self,
        kind: &str,
        id: &str,
    ) -> Result<Option<(String, Timestamp)>, StoreError> {
        self.query_first(
            "SELECT body, expires_at FROM one_time WHERE kind = $1 AND id = $2",
            &[kind.into(), id.into()],
            |row| Ok((row.text(0)?, row.instant(1)?)),
        )
    }

    /// Takes it: at most one caller gets the body.
    pub fn take_once(
        &self,
        kind: &str,
        id: &str,
    ) -> Result<Option<(String, Timestamp)>, StoreError> {
        self.query_first(
            "DELETE FROM one_time WHERE kind = $1 AND id = $2 RETURNING body, expires_at",
            &[kind.into(), id.into()],
            |row| Ok((row.text(0)?, row.instant(1)?)),
        )
    }

    pub fn sweep_once(&self, before: Timestamp, most: i64) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM one_time WHERE (kind, id) IN \
             (SELECT kind, id FROM one_time WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            &[before.into(), most.into()],
        )
    }
}
