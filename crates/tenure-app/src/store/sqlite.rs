//! Sessions in a SQLite file, for one process or several on one machine.

use super::{Answer, Entry, Key, Mark, Replaced, Store, StoreError, sql};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tenure_protocol::Timestamp;

/// One connection; its statements run on threads where blocking is allowed. With the feature `sqlite`.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Mutex<Connection>>);

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(error)
    }
}

impl SqliteStore {
    /// Opens the file, or makes one that only its owner can read.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        private(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A logout that was answered is never lost.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(sql::SQLITE_SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn run<'a, T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'a, T> {
        let connection = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        Box::pin(async move { task.await.map_err(StoreError::new)? })
    }
}

/// Bodies are sealed, but who was here when is nobody else's business either.
#[cfg(unix)]
fn private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    made.map(drop).map_err(StoreError::new)
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

impl Store for SqliteStore {
    fn create<'a>(&'a self, entry: &'a Entry) -> Answer<'a, bool> {
        let entry = entry.clone();
        self.run(move |tx| {
            let values = params![
                entry.key,
                entry.sid,
                entry.sub,
                entry.version,
                entry.created_at.millis(),
                entry.touched_at.millis(),
                entry.expires_at.millis(),
                entry.body
            ];
            Ok(tx.prepare_cached(sql::CREATE)?.execute(values)? == 1)
        })
    }

    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        let key = *key;
        self.run(move |tx| {
            tx.prepare_cached(sql::LOAD)?
                .query_row([key], |row| {
                    Ok(Entry {
                        key,
                        sid: row.get(0)?,
                        sub: row.get(1)?,
                        version: row.get(2)?,
                        created_at: at(row.get(3)?),
                        touched_at: at(row.get(4)?),
                        expires_at: at(row.get(5)?),
                        body: row.get(6)?,
                    })
                })
                .optional()
        })
    }

    fn replace<'a>(&'a self, entry: &'a Entry) -> Answer<'a, Replaced> {
        let entry = entry.clone();
        self.run(move |tx| {
            let values = params![
                entry.body,
                entry.expires_at.millis(),
                entry.key,
                entry.version
            ];
            if tx.prepare_cached(sql::REPLACE)?.execute(values)? == 1 {
                return Ok(Replaced::Done);
            }
            let there = tx.prepare_cached(sql::EXISTS)?.exists([entry.key])?;
            Ok(if there {
                Replaced::Changed
            } else {
                Replaced::Gone
            })
        })
    }

    fn touch<'a>(
        &'a self,
        key: &'a Key,
        touched_at: Timestamp,
        expires_at: Timestamp,
    ) -> Answer<'a, bool> {
        let key = *key;
        self.run(move |tx| {
            let values = params![touched_at.millis(), expires_at.millis(), key];
            Ok(tx.prepare_cached(sql::TOUCH)?.execute(values)? == 1)
        })
    }

    fn end<'a>(&'a self, mark: &'a Mark) -> Answer<'a, u64> {
        let mark = mark.clone();
        self.run(move |tx| {
            let ended: Vec<Key> = tx
                .prepare_cached(sql::ENDING)?
                .query_map(params![mark.key, mark.at.millis()], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let mut insert = tx.prepare_cached(sql::MARK)?;
            for key in ended.iter().chain([&mark.key]) {
                insert.execute(params![
                    key,
                    mark.at.millis(),
                    mark.reason,
                    mark.expires_at.millis()
                ])?;
            }
            Ok(ended.len() as u64)
        })
    }

    fn marks<'a>(&'a self, keys: &'a [Key]) -> Answer<'a, Vec<Mark>> {
        let keys = keys.to_vec();
        self.run(move |tx| {
            let mut found = Vec::new();
            let mut select = tx.prepare_cached(sql::MARKED)?;
            for key in keys {
                let mark = select.query_row([key], |row| {
                    Ok(Mark {
                        key,
                        at: at(row.get(0)?),
                        reason: row.get(1)?,
                        expires_at: at(row.get(2)?),
                    })
                });
                found.extend(mark.optional()?);
            }
            Ok(found)
        })
    }

    fn sweep(&self, now: Timestamp) -> Answer<'_, u64> {
        self.run(move |tx| {
            let mut swept = 0;
            for statement in sql::SWEEP {
                swept += tx.prepare_cached(statement)?.execute([now.millis()])?;
            }
            Ok(swept as u64)
        })
    }
}
