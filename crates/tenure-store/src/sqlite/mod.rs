//! The embedded engine: one writer thread with group commit, a few reader threads, a checkpointing thread.

mod checkpoint;
mod reader;
mod writer;

use crate::job::Job;
use crate::notice::Notices;
use crate::store::Options;
use crate::{StoreError, migrate};
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long to wait for another program that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Engine {
    path: PathBuf,
    /// `None` once closed.
    senders: Mutex<Option<Senders>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Senders {
    write: SyncSender<Box<dyn Job>>,
    read: SyncSender<Box<dyn Job>>,
    /// Dropped with the others: the checkpointing thread ends when it is gone.
    _checkpoint: Arc<SyncSender<()>>,
}

pub(crate) fn open(options: &Options, path: &Path, notices: Notices) -> Result<Engine, StoreError> {
    create_private(path)?;
    let mut connection =
        connect(path, options.durable).map_err(|error| naming_the_file(path, error))?;
    migrate::run(&mut connection).map_err(|error| naming_the_file(path, error))?;
    let (write, write_jobs) = sync_channel(options.queue);
    let (read, read_jobs) = sync_channel(options.queue);
    let (checkpoint, closing) = sync_channel(0);
    let mut threads = vec![writer::spawn(
        connection,
        path.to_owned(),
        write_jobs,
        notices,
    )?];
    let read_jobs = Arc::new(Mutex::new(read_jobs));
    for _ in 0..options.readers.max(1) {
        let connection = connect_reader(path)?;
        threads.push(reader::spawn(connection, Arc::clone(&read_jobs))?);
    }
    threads.push(checkpoint::spawn(connect(path, options.durable)?, closing)?);
    let senders = Senders {
        write,
        read,
        _checkpoint: Arc::new(checkpoint),
    };
    Ok(Engine {
        path: path.to_owned(),
        senders: Mutex::new(Some(senders)),
        threads: Mutex::new(threads),
    })
}

impl Engine {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.senders()
            .map(|s| s.write)
            .and_then(|sender| send(&sender, job))
    }

    pub(crate) fn read(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.senders()
            .map(|s| s.read)
            .and_then(|sender| send(&sender, job))
    }

    fn senders(&self) -> Result<Senders, StoreError> {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.clone().ok_or(StoreError::Closed)
    }

    pub(crate) fn close(&self) {
        self.senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A database thread that panicked has already failed its jobs.
            drop(thread.join());
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The threads end by themselves once the senders are gone.
        self.senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

fn send(sender: &SyncSender<Box<dyn Job>>, job: Box<dyn Job>) -> Result<(), StoreError> {
    sender.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => StoreError::Overloaded,
        TrySendError::Disconnected(_) => StoreError::Closed,
    })
}

fn connect(path: &Path, durable: bool) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(|error| cannot_open(path, &error))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    if connection.is_readonly("main")? {
        // SQLite falls back to reading where it may not write, and fails at the first write only.
        return Err(StoreError::Refused(format!(
            "cannot open the database {}: it may not be written to",
            path.display()
        )));
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", if durable { "full" } else { "off" })?;
    // A thread of its own writes the log back (see checkpoint.rs).
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| cannot_open(path, &error))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -4_096)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Refused(format!(
        "cannot open the database {}: {error}",
        path.display()
    ))
}

/// SQLite's own words ("file is not a database") do not say which file.
fn naming_the_file(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Engine(problem) => StoreError::Refused(format!(
            "cannot open the database {}: {problem}",
            path.display()
        )),
        other => other,
    }
}

/// A new file belongs to its owner alone: password hashes and the secrets of refresh tokens are in
/// it. SQLite gives its `-wal` and `-shm` files the same mode. An existing file is not touched, not
/// even opened: closing it would drop the locks that other connections of this process hold on it.
fn create_private(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| {
            StoreError::Refused(format!(
                "cannot create the database {}: {error}",
                path.display()
            ))
        })
}

/// A consistent copy while the database is in use.
pub(crate) fn backup(
    from: &Path,
    target: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), StoreError> {
    if target.exists() {
        return Err(StoreError::Refused(format!(
            "{} exists: name a new file for the backup",
            target.display()
        )));
    }
    let source = connect_reader(from)?;
    // The snapshot is held throughout: a copy of what changes between two steps would start over,
    // and on a busy server never end.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
    create_private(target)?;
    let mut copy = Connection::open(target).map_err(|error| cannot_open(target, &error))?;
    let backup = rusqlite::backup::Backup::new(&source, &mut copy)?;
    loop {
        let step = backup.step(4_096)?;
        let state = backup.progress();
        let total = u64::try_from(state.pagecount).unwrap_or(0);
        let left = u64::try_from(state.remaining).unwrap_or(0);
        progress(total - left, total);
        match step {
            rusqlite::backup::StepResult::Done => return Ok(()),
            rusqlite::backup::StepResult::More => {}
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
