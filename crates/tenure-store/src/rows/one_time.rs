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

    /// Leaves a word for [`Tx::hear_word`]; the last one counts.
    pub fn leave_word(
        &self,
        kind: &str,
        id: &str,
        (word, until): (&str, Timestamp),
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO one_time (kind, id, expires_at, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, id) DO UPDATE SET expires_at = excluded.expires_at, \
             body = excluded.body",
            &[kind.into(), id.into(), until.into(), word.into()],
        )?;
        Ok(())
    }

    /// The word that was left, and until when it counts; empty where there was none. It writes, so that of
    /// a transaction that leaves one and one that listens, the second waits for the first and sees what
    /// it did. `until`: when a row without a word may be swept.
    pub fn hear_word(
        &self,
        kind: &str,
        id: &str,
        until: Timestamp,
    ) -> Result<Option<(String, Timestamp)>, StoreError> {
        self.query_first(
            "INSERT INTO one_time (kind, id, expires_at, body) VALUES ($1, $2, $3, '') \
             ON CONFLICT (kind, id) DO UPDATE SET body = one_time.body RETURNING body, expires_at",
            &[kind.into(), id.into(), until.into()],
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
