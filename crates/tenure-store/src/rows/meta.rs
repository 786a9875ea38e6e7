//! Facts about the installation: its id, its epoch, the clock's offset, the master key's fingerprint.

use crate::{Notice, StoreError, Tx};
use tenure_protocol::Timestamp;

impl Tx<'_> {
    pub fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.query_first(
            "SELECT value FROM meta WHERE name = $1",
            &[name.into()],
            |row| row.text(0),
        )
    }

    pub fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &[name.into(), value.into()],
        )?;
        Ok(())
    }

    /// Sets a value that has none yet, and tells the one that is there now, whoever set it.
    pub fn meta_or_insert(&self, name: &str, value: &str) -> Result<String, StoreError> {
        self.execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            &[name.into(), value.into()],
        )?;
        Ok(self.meta(name)?.unwrap_or_default())
    }

    /// Adds to a number in one statement, so that of two at once neither is lost. Tells the sum.
    pub fn add_to_meta(&self, name: &str, amount: i64) -> Result<i64, StoreError> {
        let sum = self.query_first(
            "INSERT INTO meta (name, value) VALUES ($1, CAST(CAST($2 AS BIGINT) AS TEXT)) \
             ON CONFLICT (name) DO UPDATE \
             SET value = CAST(CAST(meta.value AS BIGINT) + CAST($2 AS BIGINT) AS TEXT) \
             RETURNING value",
            &[name.into(), amount.into()],
            |row| row.text(0),
        )?;
        sum.and_then(|text| text.parse().ok())
            .ok_or_else(|| StoreError::Engine(format!("meta {name} is no number")))
    }

    /// Raises a number to `to`, in one statement, so that of two at once the greater stays.
    pub fn raise_meta(&self, name: &str, to: i64) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO meta (name, value) VALUES ($1, CAST(CAST($2 AS BIGINT) AS TEXT)) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value \
             WHERE CAST(meta.value AS BIGINT) < CAST(excluded.value AS BIGINT)",
            &[name.into(), to.into()],
        )?;
        Ok(())
    }

    /// The facts whose name begins with `prefix`, by the rest of their name.
    pub fn meta_with_prefix(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.query("SELECT name, value FROM meta ORDER BY name", &[], |row| {
            Ok((row.text(0)?, row.text(1)?))
        })?;
        let found = rows.into_iter().filter_map(|(name, value)| {
            let rest = name.strip_prefix(prefix)?;
            Some((rest.to_owned(), value))
        });
        Ok(found.collect())
    }

    /// Rises with every change of settings, clients or keys, whichever process makes it.
    pub fn configuration_version(&self) -> Result<i64, StoreError> {
        Ok(self
            .meta("configuration_version")?
            .and_then(|v| v.parse().ok())
            .unwrap_or(0))
    }

    pub fn configuration_changed(&self) -> Result<(), StoreError> {
        self.add_to_meta("configuration_version", 1)?;
        self.notify(Notice::Configuration)
    }

    /// Counts how often the installation was put back from a backup.
    pub fn epoch(&self) -> Result<i64, StoreError> {
        Ok(self
            .meta("epoch")?
            .and_then(|v| v.parse().ok())
            .unwrap_or(0))
    }

    pub fn raise_epoch(&self) -> Result<i64, StoreError> {
        self.add_to_meta("epoch", 1)
    }

    /// Ends at most `most` sessions and families that have not ended (`policy_change`, by `restore`).
    /// Tells how many of each.
    pub fn end_batch(&self, now: Timestamp, most: i64) -> Result<(usize, usize), StoreError> {
        let sids = self.query(
            "SELECT sid FROM sessions WHERE ended_at IS NULL LIMIT $1",
            &[most.into()],
            |row| row.blob(0),
        )?;
        for sid in &sids {
            self.execute(
                "UPDATE sessions SET ended_at = $1, end_reason = 'policy_change', \
                 end_by = 'restore', end_from = '', end_rule = 'restore' WHERE sid = $2",
                &[now.into(), sid.as_slice().into()],
            )?;
            // Whoever relied on it is told, as of any other end.
            self.execute(
                "INSERT INTO deliveries \
                 (sid, client_id, user_id, reason, state, attempts, created_at, due_at) \
                 SELECT sessions.sid, participants.client_id, sessions.user_id, 'policy_change', \
                 'pending', 0, CAST($1 AS BIGINT), CAST($1 AS BIGINT) FROM sessions \
                 JOIN participants ON participants.sid = sessions.sid WHERE sessions.sid = $2 \
                 ON CONFLICT (sid, client_id) DO NOTHING",
                &[now.into(), sid.as_slice().into()],
            )?;
        }
        let sessions = sids.len();
        let families = self.execute(
            "UPDATE families SET ended_at = $1, end_reason = 'policy_change', end_by = 'restore', \
             end_from = '', end_rule = 'restore' WHERE (sid, family_id) IN \
             (SELECT sid, family_id FROM families WHERE ended_at IS NULL LIMIT $2)",
            &[now.into(), most.into()],
        )?;
        Ok((sessions, families))
    }

    /// What the engine finds wrong with its file; empty when all is well.
    pub fn integrity_problems(&self) -> Result<Vec<String>, StoreError> {
        if self.is_postgres() {
            return Ok(Vec::new());
        }
        let lines = self.query("PRAGMA integrity_check", &[], |row| row.text(0))?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}
