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
        drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }
}

fn passive(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "checkpoint failed");
    }
}
