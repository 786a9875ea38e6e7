//! The one Store: closures go to the writer thread or to a reader thread, answers come back after the commit.

use crate::job::{Closure, Job};
use crate::notice::Notices;
use crate::postgres::{self, Mode, PostgresOptions};
use crate::{Notice, ReadAhead, StoreError, Tx, sqlite};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tenure_protocol::Timestamp;
use tokio::sync::broadcast;

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file, used by one process that serves (and by the command line beside it).
    Sqlite(PathBuf),
    /// A server, used by any number of processes.
    Postgres(PostgresOptions),
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Options {
    pub place: Place,
    /// `false` gives up durability for speed: for tests that do not crash, never for a server. (SQLite only.)
    pub durable: bool,
    /// Threads that read. (SQLite only.)
    pub readers: usize,
    /// Closures that may wait for the writer before new ones are refused. (SQLite only.)
    pub queue: usize,
}

impl Options {
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self::at(Place::Sqlite(path.as_ref().to_owned()))
    }

    pub fn at(place: Place) -> Self {
        Self {
            place,
            durable: true,
            readers: 2,
            queue: 10_000,
        }
    }

    #[must_use]
    pub fn not_durable(self) -> Self {
        Self {
            durable: false,
            ..self
        }
    }
}

/// A handle to the database, cheap to clone. The threads end when the last handle is dropped or [`Store::close`] is called.
#[derive(Clone)]
pub struct Store {
    engine: Arc<Engine>,
    notices: Notices,
    background: bool,
}

enum Engine {
    Sqlite(sqlite::Engine),
    Postgres(postgres::Engine),
}

impl Engine {
    fn submit(&self, job: Box<dyn Job>, mode: Mode) -> Result<(), StoreError> {
        self.submit_since(job, mode, Instant::now())
    }

    fn submit_since(
        &self,
        job: Box<dyn Job>,
        mode: Mode,
        since: Instant,
    ) -> Result<(), StoreError> {
        match (self, mode) {
            (Self::Sqlite(engine), Mode::Read) => engine.read(job),
            (Self::Sqlite(engine), Mode::Write) => engine.write(job),
            (Self::Postgres(engine), mode) => engine.submit(job, mode, since),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("database", &self.describe())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database, creating it when there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened or written, or comes from a newer program.
    pub fn open(options: &Options) -> Result<Self, StoreError> {
        let notices = Notices::new();
        let engine = match &options.place {
            Place::Sqlite(path) => Engine::Sqlite(sqlite::open(options, path, notices.clone())?),
            Place::Postgres(server) => Engine::Postgres(postgres::open(server, notices.clone())?),
        };
        Ok(Self {
            engine: Arc::new(engine),
            notices,
            background: false,
        })
    }

    /// The same database for work that no request asked for: PostgreSQL's own tools can tell its statements
    /// from those of requests (see [`crate::BACKGROUND`]).
    #[must_use]
    pub fn in_background(&self) -> Self {
        Self {
            background: true,
            ..self.clone()
        }
    }

    fn marked<T, F>(
        &self,
        work: F,
    ) -> impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + use<T, F>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send,
    {
        let background = self.background;
        move |tx: &Tx<'_>| {
            // Set for each: closures may share what runs them.
            tx.set_background(background);
            work(tx)
        }
    }

    /// The database in words, without secrets.
    pub fn describe(&self) -> String {
        match &*self.engine {
            Engine::Sqlite(engine) => engine.path().display().to_string(),
            Engine::Postgres(engine) => engine.describe(),
        }
    }

    /// Whether other servers may use the same database.
    pub fn is_shared(&self) -> bool {
        matches!(&*self.engine, Engine::Postgres(_))
    }

    /// Hears what transactions told with [`Tx::notify`], here and on other servers of the database.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Runs `work` in a write transaction and answers when it is durable. `Err` rolls back.
    ///
    /// # Errors
    /// What `work` returned, or why the commit failed: then nothing of it happened.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Closure::new(self.marked(work));
        self.engine.submit(Box::new(job), Mode::Write)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// [`Store::write`] for work that first asks what `ahead` names and then, mostly, makes one change
    /// with [`Tx::commit_with_next`]. On PostgreSQL it then runs without a transaction: nothing is held
    /// while this process thinks, and the change is made if the rows still are as they were read.
    /// Otherwise `work` runs a second time, in a transaction, and what it made of the first is forgotten.
    /// A change that was sent is made even if the caller goes away.
    ///
    /// # Errors
    /// As [`Store::write`]; after [`StoreError::Unavailable`] it is not known whether it happened.
    pub async fn write_optimistically<T, F>(
        &self,
        ahead: ReadAhead,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> Result<T, StoreError> + Send + Sync + 'static,
    {
        let since = Instant::now();
        if let Engine::Postgres(engine) = &*self.engine
            && let Some(done) = engine.without_transaction(ahead, &work, since).await?
        {
            return Ok(done);
        }
        let (job, answer) = Closure::new(self.marked(work));
        self.engine
            .submit_since(Box::new(job), Mode::Write, since)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs `work` against a consistent snapshot. It sees every write that was answered before.
    ///
    /// # Errors
    /// What `work` returned, or that the store is closed.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Closure::new(self.marked(work));
        self.engine.submit(Box::new(job), Mode::Read)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// [`Store::write`] for code that is not async: the command line, start-up, tests.
    /// Must not be called from an async task.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Closure::new(self.marked(work));
        self.engine.submit(Box::new(job), Mode::Write)?;
        answer.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// [`Store::read`] for code that is not async.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = Closure::new(self.marked(work));
        self.engine.submit(Box::new(job), Mode::Read)?;
        answer.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Copies the database to `target` while it is in use. `progress` hears (pages done, pages in all).
    ///
    /// # Errors
    /// The target exists or cannot be written.
    pub fn backup(&self, target: &Path, progress: impl FnMut(u64, u64)) -> Result<(), StoreError> {
        match &*self.engine {
            Engine::Sqlite(engine) => sqlite::backup(engine.path(), target, progress),
            Engine::Postgres(_) => Err(StoreError::Refused(
                "a PostgreSQL database is copied with its own tools, such as pg_dump".to_owned(),
            )),
        }
    }

    /// Makes a copied-back database safe to serve: checks it, and unless `keep_sessions` raises the
    /// epoch, which ends every session and family, since a rotation made after the backup is
    /// forgotten and a token used up since would work again. Answers (epoch, sessions ended).
    ///
    /// # Errors
    /// The database is damaged.
    pub fn restore(&self, keep_sessions: bool, now: Timestamp) -> Result<(i64, usize), StoreError> {
        let problems = match self.read_blocking(|tx| tx.integrity_problems()) {
            // Damage may be such that the check itself fails.
            Err(StoreError::Engine(problem)) => vec![problem],
            problems => problems?,
        };
        if let Some(problem) = problems.into_iter().next() {
            return Err(StoreError::Refused(format!(
                "the backup is damaged: {problem}"
            )));
        }
        if keep_sessions {
            return Ok((self.read_blocking(|tx| tx.epoch())?, 0));
        }
        let epoch = self.write_blocking(|tx| tx.raise_epoch())?;
        let mut ended = 0;
        loop {
            let batch = self.write_blocking(move |tx| tx.end_batch(now, 500))?;
            ended += batch.0;
            if batch == (0, 0) {
                return Ok((epoch, ended));
            }
        }
    }

    /// Finishes what is waiting, writes the log back into the database and closes it.
    pub fn close(&self) {
        match &*self.engine {
            Engine::Sqlite(engine) => engine.close(),
            Engine::Postgres(engine) => engine.close(),
        }
    }
}
