//! The engine for many servers: a pool of threads, each owning a connection, one transaction for each
//! closure. Whoever changes a session there holds its row (`SELECT … FOR UPDATE`, see `rows/session.rs`).
//! Beside them, connections that requests share for statements that stand alone (`optimistic.rs`).

mod connect;
mod dial;
mod lanes;
mod link;
mod listen;
mod migrate;
mod optimistic;
mod outage;
mod tell;
mod worker;

pub(crate) use connect::Target;
pub(crate) use link::Link;

use crate::StoreError;
use crate::job::Job;
use crate::notice::Notices;
use lanes::Lanes;
use optimistic::Standalone;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How to reach the database, and how much it may be asked at once.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:5432/database?…`; several hosts separated by commas.
    pub url: String,
    /// Connections for transactions that may write; one more listens.
    pub connections: usize,
    /// Connections for those that only read, so that neither kind waits for the other.
    pub readers: usize,
    /// Connections that many requests share for looks that stand alone: few, since none of them waits.
    pub shared_readers: usize,
    /// The same for changes, each of which waits for its own commit.
    pub shared_writers: usize,
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
            connections: 8,
            readers: 8,
            shared_readers: 2,
            shared_writers: 8,
            deadline: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            queue: 10_000,
        }
    }
}

pub(crate) struct Engine {
    target: Arc<Target>,
    senders: Arc<Mutex<Option<Senders>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    listener: listen::Listener,
}

/// What is there until the engine is closed.
struct Senders {
    write: SyncSender<Queued>,
    read: SyncSender<Queued>,
    standalone: Arc<Standalone>,
    /// Dropped with the others: the telling thread ends when the workers are gone, too.
    shared: worker::Shared,
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
    let (tell, telling) = tell::spawn(&target)?;
    let shared = worker::Shared {
        target: Arc::clone(&target),
        outage: Arc::default(),
        notices: notices.clone(),
        tell,
    };
    let mut threads = Vec::new();
    let mut pool = |size: usize| {
        let (sender, queue) = sync_channel(options.queue);
        let queue: Arc<Mutex<Receiver<Queued>>> = Arc::new(Mutex::new(queue));
        for _ in 0..size.max(1) {
            threads.push(worker::spawn(&shared, &queue)?);
        }
        Ok::<_, StoreError>(sender)
    };
    let lanes = |size| Lanes::new(&target, &shared.outage, size, options.queue);
    let senders = Senders {
        write: pool(options.connections)?,
        read: pool(options.readers)?,
        standalone: Arc::new(Standalone {
            looks: lanes(options.shared_readers),
            changes: lanes(options.shared_writers),
        }),
        shared,
    };
    threads.push(telling);
    Ok(Engine {
        listener: listen::spawn(&target, notices)?,
        target,
        senders: Arc::new(Mutex::new(Some(senders))),
        threads: Mutex::new(threads),
    })
}

impl Engine {
    /// Where the database is, without the password.
    pub(crate) fn describe(&self) -> String {
        self.target.describe()
    }

    /// Something of what is there until the engine is closed.
    fn with_senders<T>(&self, take: impl FnOnce(&Senders) -> T) -> Result<T, StoreError> {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.as_ref().map(take).ok_or(StoreError::Closed)
    }

    /// `since` is when its deadline began to run.
    pub(crate) fn submit(
        &self,
        job: Box<dyn Job>,
        mode: Mode,
        since: Instant,
    ) -> Result<(), StoreError> {
        self.with_senders(|senders| {
            let sender = match mode {
                Mode::Read => &senders.read,
                Mode::Write => &senders.write,
            };
            let sent = sender.try_send(Queued { job, mode, since });
            sent.map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Overloaded,
                TrySendError::Disconnected(_) => StoreError::Closed,
            })
        })?
    }

    pub(crate) fn close(&self) {
        self.listener.stop();
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
