//! The engine for many servers: a pool of threads, each owning a connection, one transaction for each
//! closure. Whoever changes a session holds its row (`SELECT … FOR UPDATE`, see `rows/session.rs`).

mod connect;
mod link;
mod listen;
mod migrate;
mod worker;

pub(crate) use connect::Target;
pub(crate) use link::Link;

use crate::StoreError;
use crate::job::Job;
use crate::notice::Notices;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How to reach the database, and how much it may be asked at once.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:5432/database?…`; several hosts separated by commas.
    pub url: String,
    /// Connections for transactions; one more listens.
    pub connections: usize,
    /// How long a transaction may take, waiting for a connection included.
    pub deadline: Duration,
    pub connect_timeout: Duration,
    /// Closures that may wait before new ones are refused.
    pub queue: usize,
}

impl PostgresOptions {
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            connections: 16,
            deadline: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            queue: 10_000,
        }
    }
}

pub(crate) struct Engine {
    target: Arc<Target>,
    /// `None` once closed.
    sender: Mutex<Option<SyncSender<Queued>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    listener: listen::Listener,
}

/// A closure that waits for a connection.
struct Queued {
    job: Box<dyn Job>,
    mode: Mode,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

pub(crate) fn open(options: &PostgresOptions, notices: Notices) -> Result<Engine, StoreError> {
    let target = Arc::new(Target::parse(options)?);
    migrate::run(&target)?;
    let (sender, queue) = sync_channel(options.queue);
    let queue: Arc<Mutex<Receiver<Queued>>> = Arc::new(Mutex::new(queue));
    let outage = Arc::new(worker::Outage::default());
    let threads = (0..options.connections.max(1))
        .map(|_| worker::spawn(&target, &queue, &outage))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Engine {
        listener: listen::spawn(&target, notices)?,
        target,
        sender: Mutex::new(Some(sender)),
        threads: Mutex::new(threads),
    })
}

impl Engine {
    /// Where the database is, without the password.
    pub(crate) fn describe(&self) -> String {
        self.target.describe()
    }

    pub(crate) fn submit(&self, job: Box<dyn Job>, mode: Mode) -> Result<(), StoreError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(StoreError::Closed)?;
        let since = Instant::now();
        sender
            .try_send(Queued { job, mode, since })
            .map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Overloaded,
                TrySendError::Disconnected(_) => StoreError::Closed,
            })
    }

    pub(crate) fn close(&self) {
        self.listener.stop();
        self.sender
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
