//! The tenant log.

use crate::value::{Row, Value};
use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

/// An entry; the codes of `kind` are Auth0's (`s`, `fp`, `slo`, `ferrt`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Begins with the instant, so that ids sort as time does.
    pub log_id: String,
    pub at: Timestamp,
    pub kind: String,
    pub user_id: String,
    pub sid: String,
    /// The entry as JSON.
    pub body: String,
}

pub(super) const INSERT: &str = "INSERT INTO logs (log_id, at, type, user_id, sid, body) \
     VALUES ($1, $2, $3, $4, $5, $6)";

pub(super) fn insert_values(entry: &LogRow) -> Vec<Value<'_>> {
    vec![
        (&entry.log_id).into(),
        entry.at.into(),
        (&entry.kind).into(),
        (&entry.user_id).into(),
        (&entry.sid).into(),
        (&entry.body).into(),
    ]
}

/// Many at once, each parameter a column: the text is the same for any number of them.
const INSERT_MANY: &str = "INSERT INTO logs (log_id, at, type, user_id, sid, body) \
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])";

impl Tx<'_> {
    pub fn insert_log(&self, entry: &LogRow) -> Result<(), StoreError> {
        self.execute(INSERT, &insert_values(entry))?;
        Ok(())
    }

    /// Many entries at once: a statement for them all, where a statement is a round trip.
    pub fn insert_logs(&self, entries: &[LogRow]) -> Result<(), StoreError> {
        if !self.is_postgres() {
            return entries.iter().try_for_each(|entry| self.insert_log(entry));
        }
        let texts = |of: fn(&LogRow) -> &str| {
            Value::Texts(entries.iter().map(|entry| of(entry).into()).collect())
        };
        let values = [
            texts(|entry| &entry.log_id),
            Value::Ints(entries.iter().map(|entry| entry.at.millis()).collect()),
            texts(|entry| &entry.kind),
            texts(|entry| &entry.user_id),
            texts(|entry| &entry.sid),
            texts(|entry| &entry.body),
        ];
        self.execute(INSERT_MANY, &values)?;
        Ok(())
    }

    /// Entries after `after` in the order of their ids; of one user, where one is named.
    pub fn logs(
        &self,
        user_id: Option<&str>,
        after: &str,
        most: i64,
    ) -> Result<Vec<LogRow>, StoreError> {
        let columns = "log_id, at, type, user_id, sid, body";
        let (sql, values): (String, Vec<Value<'_>>) = match user_id {
            Some(user_id) => (
                format!(
                    "SELECT {columns} FROM logs WHERE user_id = $1 AND log_id > $2 \
                     ORDER BY log_id LIMIT $3"
                ),
                vec![user_id.into(), after.into(), most.into()],
            ),
            None => (
                format!("SELECT {columns} FROM logs WHERE log_id > $1 ORDER BY log_id LIMIT $2"),
                vec![after.into(), most.into()],
            ),
        };
        self.query(&sql, &values, read)
    }

    /// What happened in a session of a user, oldest first. Found among the user's entries: an index by
    /// session would cost every refresh a page of its own.
    pub fn logs_of_session(
        &self,
        user_id: &str,
        sid: &str,
        most: i64,
    ) -> Result<Vec<LogRow>, StoreError> {
        self.query(
            "SELECT log_id, at, type, user_id, sid, body FROM logs \
             WHERE user_id = $1 AND sid = $2 ORDER BY log_id LIMIT $3",
            &[user_id.into(), sid.into(), most.into()],
            read,
        )
    }

    /// Removes at most `most` entries whose id sorts before `before`.
    pub fn sweep_logs(&self, before: &str, most: i64) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM logs WHERE log_id IN \
             (SELECT log_id FROM logs WHERE log_id < $1 ORDER BY log_id LIMIT $2)",
            &[before.into(), most.into()],
        )
    }
}

fn read(row: &Row<'_>) -> Result<LogRow, StoreError> {
    Ok(LogRow {
        log_id: row.text(0)?,
        at: row.instant(1)?,
        kind: row.text(2)?,
        user_id: row.text(3)?,
        sid: row.text(4)?,
        body: row.text(5)?,
    })
}
