//! One connection, owned by one thread, with a deadline for whatever it is asked.

use super::Mode;
use super::connect::Target;
use super::dial::{connect, judge, late};
use crate::StoreError;
use crate::value::Value;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

pub(crate) struct Link {
    runtime: Runtime,
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
    mode: Cell<Mode>,
    stage: Cell<Stage>,
    /// When the last transaction began.
    used: Cell<Instant>,
    deadline: Cell<Instant>,
    /// A statement failed: the server will not commit, whatever the closure makes of it.
    failed: Cell<bool>,
    /// The connection is of no use any more.
    broken: Cell<bool>,
}

/// Where a transaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent yet: `BEGIN` goes with the first statement, which saves its round trip.
    Announced,
    Open,
    /// The next statement is the last: `COMMIT` goes with it.
    Closing,
    Committed,
}

/// How long after its deadline a statement is given up from here, when the server did not do it.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// A connection that was used within this time is not asked whether it still is one: a restart is
/// rare, and whoever meets it in the middle of a transaction is told to come again.
const QUIET: Duration = Duration::from_millis(20);

impl Link {
    /// Connects, but not for longer than until `deadline`.
    pub(super) fn connect(target: &Target, deadline: Instant) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Engine(error.to_string()))?;
        let client = runtime.block_on(connect(target, deadline))?;
        Ok(Self {
            runtime,
            client,
            statements: RefCell::default(),
            mode: Cell::new(Mode::Write),
            stage: Cell::new(Stage::Open),
            used: Cell::new(Instant::now()),
            deadline: Cell::new(Instant::now() + target.deadline),
            failed: Cell::new(false),
            broken: Cell::new(false),
        })
    }

    pub(crate) fn writes(&self) -> bool {
        self.mode.get() == Mode::Write
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.get() || self.client.is_closed()
    }

    pub(super) fn set_deadline(&self, deadline: Instant) {
        self.deadline.set(deadline);
    }

    /// Opens a transaction that must be over by `deadline`; an error when the connection is gone.
    pub(super) fn begin(&self, mode: Mode, deadline: Instant) -> Result<(), StoreError> {
        self.mode.set(mode);
        self.deadline.set(deadline);
        self.failed.set(false);
        self.stage.set(Stage::Announced);
        if self.used.replace(Instant::now()).elapsed() > QUIET {
            self.listen();
        }
        if self.is_broken() {
            let gone = "the connection had ended";
            return Err(StoreError::Unavailable(gone.to_owned()));
        }
        Ok(())
    }

    /// What the server said while nobody listened, such as that it shuts down, is heard now and not
    /// by a closure that has begun.
    fn listen(&self) {
        self.runtime.block_on(async {
            // Once for the driver to hear it, once for the connection's task to read it.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        });
    }

    const fn opening(mode: Mode) -> &'static str {
        match mode {
            Mode::Write => "BEGIN",
            // One snapshot for the whole closure.
            Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// The next statement is the last of this transaction: it and the commit make one round trip. What
    /// the statement changed is then decided, whatever the closure makes of its result.
    pub(crate) fn commit_with_next(&self) {
        if self.stage.get() == Stage::Open {
            self.stage.set(Stage::Closing);
        }
    }

    /// Commits. When no answer comes it is not known whether the transaction happened: the caller
    /// hears that it is unavailable, never that it is done.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        if self.failed.get() {
            self.rollback();
            return Err(StoreError::Engine(
                "a statement of the transaction had failed".to_owned(),
            ));
        }
        match self.stage.replace(Stage::Committed) {
            Stage::Announced | Stage::Committed => Ok(()),
            Stage::Open | Stage::Closing => self.wait(self.client.batch_execute("COMMIT")),
        }
    }

    pub(super) fn rollback(&self) {
        let open = matches!(
            self.stage.replace(Stage::Committed),
            Stage::Open | Stage::Closing
        );
        if open && self.wait(self.client.batch_execute("ROLLBACK")).is_err() {
            self.broken.set(true);
        }
    }

    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, StoreError> {
        let statement = self.statement(sql)?;
        let parameters = parameters(values);
        let changed = self.step(self.client.execute(&statement, &parameters))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// The same for a text that will not come again.
    pub(crate) fn execute_once(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<usize, StoreError> {
        let statement = self.wait(self.client.prepare(sql))?;
        let parameters = parameters(values);
        let changed = self.step(self.client.execute(&statement, &parameters))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub(crate) fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let statement = self.statement(sql)?;
        let parameters = parameters(values);
        self.step(self.client.query(&statement, &parameters))
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.step(self.client.batch_execute(sql))
    }

    /// A statement, and what goes with it: what is sent in one go is answered in one go.
    fn step<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        match self.stage.get() {
            Stage::Open => self.wait(statement),
            Stage::Announced => {
                self.stage.set(Stage::Open);
                let opening = self.client.batch_execute(Self::opening(self.mode.get()));
                self.wait(async { in_one_go(opening, statement).await.map(|((), done)| done) })
            }
            Stage::Closing => {
                self.stage.set(Stage::Committed);
                // After a statement that failed the server takes it for a rollback.
                let commit = self.client.batch_execute("COMMIT");
                self.wait(async { in_one_go(statement, commit).await.map(|(done, ())| done) })
            }
            Stage::Committed => Err(StoreError::Engine(
                "a statement after the last of its transaction".to_owned(),
            )),
        }
    }

    /// Prepared once for each connection. Texts are few: they are literals, some put together.
    fn statement(&self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(known.clone());
        }
        let statement = self.wait(self.client.prepare(sql))?;
        self.statements
            .borrow_mut()
            .insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        let until = tokio::time::Instant::from_std(self.deadline.get() + GRACE);
        let done = self.runtime.block_on(async {
            tokio::select! {
                biased;
                done = work => Some(done),
                () = tokio::time::sleep_until(until) => None,
            }
        });
        let Some(done) = done else {
            // The answer may still come, to the next statement: the connection is given up.
            self.failed.set(true);
            self.broken.set(true);
            return Err(late());
        };
        done.map_err(|error| {
            self.failed.set(true);
            let (error, broken) = judge(&error, self.mode.get());
            if broken {
                self.broken.set(true);
            }
            error
        })
    }
}

/// Both are sent before the first is answered, in this order. When both fail, the first says why.
async fn in_one_go<A, B>(
    first: impl Future<Output = Result<A, tokio_postgres::Error>>,
    second: impl Future<Output = Result<B, tokio_postgres::Error>>,
) -> Result<(A, B), tokio_postgres::Error> {
    let (first, second) = tokio::join!(biased; first, second);
    Ok((first?, second?))
}

pub(super) fn parameters<'v>(values: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}
