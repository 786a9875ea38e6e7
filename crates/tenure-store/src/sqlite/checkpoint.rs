//! Writing the log back into the database. Automatic checkpoints would stall the writer, so a thread
//! of its own does it; under full load that thread never catches up, so the writer helps once the
//! log has outgrown a bound.

use crate::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(500);

/// How long the writer lets readers keep it from starting the log anew.
const PATIENCE: Duration = Duration::from_millis(10);

/// The log's bound in bytes. While it is smaller the writer never waits for a checkpoint.
const LOG_BYTES: u64 = 64 << 20;

pub(super) fn spawn(
    connection: Connection,
    closing: Receiver<()>,
) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name("tenure-checkpoint".to_owned())
        .spawn(move || {
            while closing.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                passive(&connection);
            }
        })
        .map_err(|error| StoreError::Engine(error.to_string()))
}

pub(super) fn help_if_needed(connection: &Connection, path: &Path) {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if std::fs::metadata(log).is_ok_and(|file| file.len() > LOG_BYTES) {
        // Nothing is written meanwhile, so this one completes and the next group starts the log anew.
        // The file keeps its size; TRUNCATE gives it back, or the test above would stay true.
        // It waits for readers, but not long: a backup reads for minutes, and the next group tries again.
        drop(connection.busy_timeout(PATIENCE));
        drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        drop(connection.busy_timeout(super::BUSY_TIMEOUT));
    }
}

fn passive(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "checkpoint failed");
    }
}
