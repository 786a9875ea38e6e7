//! The writer thread: many waiting closures in one `BEGIN IMMEDIATE … COMMIT`, each in a savepoint,
//! all answered after the commit. If the commit fails, every closure of the group fails.

use super::checkpoint;
use crate::job::Job;
use crate::notice::{Notice, Notices};
use crate::{StoreError, Tx};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

/// Bounds how long the first closure of a group waits for the last.
const GROUP_SIZE: usize = 256;

pub(super) fn spawn(
    connection: Connection,
    path: PathBuf,
    jobs: Receiver<Box<dyn Job>>,
    notices: Notices,
) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name("tenure-writer".to_owned())
        .spawn(move || run(&connection, &path, &jobs, &notices))
        .map_err(|error| StoreError::Engine(error.to_string()))
}

fn run(
    connection: &Connection,
    path: &std::path::Path,
    jobs: &Receiver<Box<dyn Job>>,
    notices: &Notices,
) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP_SIZE - 1));
        let commit = run_group(connection, &mut group);
        if let Err(error) = &commit {
            tracing::error!(%error, closures = group.len(), "a group of transactions failed");
        }
        let answer = commit.as_ref().map(|_| ()).map_err(Clone::clone);
        for job in group {
            job.finish(answer.clone());
        }
        commit
            .into_iter()
            .flatten()
            .for_each(|notice| notices.send(notice));
        checkpoint::help_if_needed(connection, path);
    }
    // Leave one tidy file behind; a crash instead of this costs nothing but the log's replay.
    drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
}

fn run_group(
    connection: &Connection,
    group: &mut [Box<dyn Job>],
) -> Result<Vec<Notice>, StoreError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let done = run_closures(connection, group)
        .and_then(|notices| execute(connection, "COMMIT").map(|()| notices));
    if done.is_err() {
        // After a failed COMMIT a transaction may still be open, or not: both are fine.
        drop(execute(connection, "ROLLBACK"));
    }
    done
}

/// Answers what is to be told once the group has committed.
fn run_closures(
    connection: &Connection,
    group: &mut [Box<dyn Job>],
) -> Result<Vec<Notice>, StoreError> {
    let tx = Tx::sqlite(connection);
    for job in group {
        execute(connection, "SAVEPOINT closure")?;
        let before = tx.notices().borrow().len();
        if job.run(&tx).is_err() {
            execute(connection, "ROLLBACK TO closure")?;
            tx.notices().borrow_mut().truncate(before);
        }
        execute(connection, "RELEASE closure")?;
    }
    Ok(tx.notices().take())
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
