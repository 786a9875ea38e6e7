//! What time or a changed user ends: sessions whose deadline has come, and users of whom everything is over.

use super::session::LIVES;
use super::{corrupt, id};
use crate::value::Row;
use crate::{StoreError, Tx};
use tenure_protocol::session::EndReason;
use tenure_protocol::user_end::UserEnd;
use tenure_protocol::{Sid, Timestamp};

impl Tx<'_> {
    /// Sessions that are to be looked at, in the order in which they became due. Of several servers
    /// each gets others; they are held until the transaction ends.
    pub fn due_sessions(&self, now: Timestamp, most: i64) -> Result<Vec<Sid>, StoreError> {
        let skip = self.skip_locked();
        self.query(
            &format!(
                "SELECT sid FROM sessions WHERE ended_at IS NULL AND due_at <= $1 \
                 ORDER BY due_at LIMIT $2{skip}"
            ),
            &[now.into(), most.into()],
            |row| Ok(Sid::from_bytes(id("sessions", row.blob(0)?)?)),
        )
    }

    /// It was kept alive meanwhile: look again then.
    pub fn put_off_session(&self, sid: &Sid, due_at: Timestamp) -> Result<(), StoreError> {
        self.execute(
            &format!("UPDATE sessions SET due_at = $1 WHERE sid = $2 AND {LIVES}"),
            &[due_at.into(), sid.as_bytes().into()],
        )?;
        Ok(())
    }

    /// When the next session is to be looked at.
    pub fn next_due_session(&self) -> Result<Option<Timestamp>, StoreError> {
        self.query_first(
            "SELECT due_at FROM sessions WHERE ended_at IS NULL ORDER BY due_at LIMIT 1",
            &[],
            |row| row.instant(0),
        )
    }

    /// Asks the worker to end everything of a user. A later wish takes the place of an earlier one.
    pub fn put_user_end(&self, end: &UserEnd) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO user_ends (user_id, reason, by_whom, from_address, keep_sid, at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) DO UPDATE SET \
             reason = excluded.reason, by_whom = excluded.by_whom, \
             from_address = excluded.from_address, keep_sid = excluded.keep_sid, at = excluded.at",
            &[
                (&end.user_id).into(),
                end.reason.name().into(),
                (&end.by).into(),
                (&end.from).into(),
                end.keep
                    .as_ref()
                    .map(|sid| sid.as_bytes().as_slice())
                    .into(),
                end.at.into(),
            ],
        )?;
        Ok(())
    }

    /// Users whose sessions and families wait to be ended; held until the transaction ends. Of several
    /// servers each gets others.
    pub fn user_ends(&self, most: i64) -> Result<Vec<UserEnd>, StoreError> {
        let skip = self.skip_locked();
        self.query(
            &format!("SELECT {COLUMNS} FROM user_ends ORDER BY user_id LIMIT $1{skip}"),
            &[most.into()],
            read,
        )
    }

    /// What is to be ended of this user, if a worker has not done it all yet.
    pub fn user_end(&self, user_id: &str) -> Result<Option<UserEnd>, StoreError> {
        self.query_first(
            &format!("SELECT {COLUMNS} FROM user_ends WHERE user_id = $1"),
            &[user_id.into()],
            read,
        )
    }

    /// Whether a worker has something to do.
    pub fn has_user_ends(&self) -> Result<bool, StoreError> {
        let found = self.query_first("SELECT 1 FROM user_ends LIMIT 1", &[], |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// Everything of the user has ended.
    pub fn drop_user_end(&self, user_id: &str) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM user_ends WHERE user_id = $1",
            &[user_id.into()],
        )?;
        Ok(())
    }

    /// Sessions of a user that have not ended, after this id, for a worker that looks at a few at a time.
    pub fn unended_sessions(
        &self,
        user_id: &str,
        after: Option<&Sid>,
        most: i64,
    ) -> Result<Vec<Sid>, StoreError> {
        let after: &[u8] = after.map_or(&[], |sid| sid.as_bytes().as_slice());
        self.query(
            "SELECT sid FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND sid > $2 \
             ORDER BY sid LIMIT $3",
            &[user_id.into(), after.into(), most.into()],
            |row| Ok(Sid::from_bytes(id("sessions", row.blob(0)?)?)),
        )
    }

    /// Sessions, ended or not, of which a family of the user has not ended; after this id.
    pub fn sessions_with_unended_families(
        &self,
        user_id: &str,
        after: Option<&Sid>,
        most: i64,
    ) -> Result<Vec<Sid>, StoreError> {
        let after: &[u8] = after.map_or(&[], |sid| sid.as_bytes().as_slice());
        self.query(
            "SELECT DISTINCT sid FROM families WHERE user_id = $1 AND ended_at IS NULL \
             AND sid > $2 ORDER BY sid LIMIT $3",
            &[user_id.into(), after.into(), most.into()],
            |row| Ok(Sid::from_bytes(id("families", row.blob(0)?)?)),
        )
    }
}

const COLUMNS: &str = "user_id, reason, by_whom, from_address, keep_sid, at";

fn read(row: &Row<'_>) -> Result<UserEnd, StoreError> {
    let (user_id, reason) = (row.text(0)?, row.text(1)?);
    let keep = row
        .optional_blob(4)?
        .map(|bytes| id("user_ends", bytes))
        .transpose()?;
    Ok(UserEnd {
        reason: EndReason::from_name(&reason)
            .ok_or_else(|| corrupt("user_ends", &user_id, "unknown reason"))?,
        user_id,
        by: row.text(2)?,
        from: row.text(3)?,
        keep: keep.map(Sid::from_bytes),
        at: row.instant(5)?,
    })
}
