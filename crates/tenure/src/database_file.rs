//! The file of a SQLite database: what lies beside it, who may read it, and that one server at a
//! time serves it.

use crate::config::DatabaseUrl;
use anyhow::{Context, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The database and what SQLite may have left beside it.
pub fn family(path: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|suffix| beside(path, suffix))
}

pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Held as long as a server runs; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Serving {
    _lock: Option<File>,
}

impl Serving {
    /// Commands beside a running server do not ask for it: SQLite keeps their transactions apart. Two
    /// servers would each hold settings, counters and logs of their own.
    ///
    /// # Errors
    /// Another server serves this file.
    pub fn begin(database: &DatabaseUrl) -> anyhow::Result<Self> {
        let DatabaseUrl::Sqlite(path) = database else {
            return Ok(Self { _lock: None });
        };
        let name = beside(path, ".lock");
        // Never removed: who removes a lock file may remove the one that another process has just locked.
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)
            .with_context(|| format!("cannot open {}", name.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => bail!(
                "another server serves {} already ({} is locked). One SQLite file has one server; \
                 several servers share a PostgreSQL database",
                path.display(),
                name.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", name.display()))
            }
        }
    }
}

/// Of the files that are there, those that others than their owner may read.
pub fn readable_by_others(database: &DatabaseUrl) -> Vec<PathBuf> {
    let DatabaseUrl::Sqlite(path) = database else {
        return Vec::new();
    };
    family(path)
        .into_iter()
        .filter(|file| {
            std::fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o044 != 0)
        })
        .collect()
}
