//! Reader threads: each closure sees one consistent snapshot.

use crate::job::Job;
use crate::{StoreError, Tx};
use rusqlite::Connection;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

pub(super) fn spawn(
    connection: Connection,
    jobs: Arc<Mutex<Receiver<Box<dyn Job>>>>,
) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name("tenure-reader".to_owned())
        .spawn(move || run(&connection, &jobs))
        .map_err(|error| StoreError::Engine(error.to_string()))
}

fn run(connection: &Connection, jobs: &Mutex<Receiver<Box<dyn Job>>>) {
    loop {
        // The lock is held while waiting: exactly one idle thread waits on the channel, the others on the lock.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut job) = next else { return };
        let outcome = snapshot(connection, job.as_mut());
        job.finish(outcome);
    }
}

fn snapshot(connection: &Connection, job: &mut dyn Job) -> Result<(), StoreError> {
    connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
    // The closure's own error reaches the caller through the job.
    drop(job.run(&Tx::sqlite(connection)));
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}
