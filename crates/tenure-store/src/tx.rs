//! A transaction as closures see it: statements by text, rows by position.

use crate::StoreError;
use crate::ahead::Foresight;
use crate::notice::{CHANNEL, Notice};
use crate::postgres::Link;
use crate::value::{Row, Value};
use rusqlite::Connection;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};

/// An open transaction. The queries of each kind of row are in `rows/`.
pub struct Tx<'c> {
    engine: Engine<'c>,
    /// What this process is told once the transaction has committed.
    notices: RefCell<Vec<Notice>>,
    /// Whether nobody's request asked for it.
    background: Cell<bool>,
}

/// What the statements begin with on PostgreSQL that no request asked for, where the database itself tells
/// of statements: in `pg_stat_activity`, its log, its plans.
pub const BACKGROUND: &str = "/* background */ ";

/// What a transaction runs on.
#[derive(Clone, Copy)]
pub(crate) enum Engine<'c> {
    Sqlite(&'c Connection),
    Postgres(&'c Link),
    /// PostgreSQL as well, without a transaction.
    Ahead(&'c Foresight),
}

impl<'c> Tx<'c> {
    pub(crate) const fn sqlite(connection: &'c Connection) -> Self {
        Self::on(Engine::Sqlite(connection))
    }

    pub(crate) const fn postgres(link: &'c Link) -> Self {
        Self::on(Engine::Postgres(link))
    }

    pub(crate) const fn ahead(foresight: &'c Foresight) -> Self {
        Self::on(Engine::Ahead(foresight))
    }

    const fn on(engine: Engine<'c>) -> Self {
        Self {
            engine,
            notices: RefCell::new(Vec::new()),
            background: Cell::new(false),
        }
    }

    /// What is to be told once it has committed.
    pub(crate) fn into_notices(self) -> Vec<Notice> {
        self.notices.into_inner()
    }

    pub(crate) fn set_background(&self, background: bool) {
        self.background.set(background);
    }

    fn marked<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        if self.background.get() {
            return format!("{BACKGROUND}{sql}").into();
        }
        sql.into()
    }

    /// Tells everybody who listens, on every server, once the transaction has committed.
    pub fn notify(&self, notice: Notice) -> Result<(), StoreError> {
        match (self.engine, notice) {
            // Rare, and worth that it cannot get lost.
            (Engine::Postgres(link), Notice::Configuration) => {
                let payload = notice.payload();
                link.query(
                    "SELECT pg_notify($1, $2)",
                    &[CHANNEL.into(), (&payload).into()],
                )?;
            }
            (Engine::Ahead(foresight), Notice::Configuration) => {
                return Err(foresight.is_unforeseen());
            }
            _ => self.notices.borrow_mut().push(notice),
        }
        Ok(())
    }

    pub(crate) fn notices(&self) -> &RefCell<Vec<Notice>> {
        &self.notices
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        !matches!(self.engine, Engine::Sqlite(_))
    }

    /// Whether a query must lock the row that is about to be changed. SQLite has one writer at a time;
    /// PostgreSQL locks the row, in transactions that may write.
    pub(crate) fn locks_rows(&self) -> bool {
        matches!(self.engine, Engine::Postgres(link) if link.writes())
    }

    /// What a query that is about to change its row ends with.
    pub(crate) fn for_update(&self, of: &str) -> String {
        if self.locks_rows() {
            format!(" FOR UPDATE OF {of}")
        } else {
            String::new()
        }
    }

    /// What a worker's query ends with that takes rows nobody else is working on.
    pub(crate) const fn skip_locked(&self) -> &'static str {
        match self.engine {
            Engine::Postgres(_) | Engine::Ahead(_) => " FOR UPDATE SKIP LOCKED",
            Engine::Sqlite(_) => "",
        }
    }

    /// The next statement is the transaction's last, and PostgreSQL may commit right after it: that
    /// saves a round trip during which the session is held. Whoever says so has decided: an error
    /// made of the statement's result no longer takes anything back, and a further statement fails.
    pub fn commit_with_next(&self) {
        match self.engine {
            Engine::Sqlite(_) => {}
            Engine::Postgres(link) => link.commit_with_next(),
            Engine::Ahead(foresight) => foresight.decide(),
        }
    }

    /// What the closure was read ahead, when it runs without a transaction.
    pub(crate) const fn foresight(&self) -> Option<&Foresight> {
        match self.engine {
            Engine::Ahead(foresight) => Some(foresight),
            Engine::Sqlite(_) | Engine::Postgres(_) => None,
        }
    }

    /// Runs a statement and tells how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, StoreError> {
        match self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = prepare(connection, sql)?;
                Ok(statement.execute(rusqlite::params_from_iter(values))?)
            }
            Engine::Postgres(link) => link.execute(&self.marked(sql), values),
            Engine::Ahead(foresight) => Err(foresight.is_unforeseen()),
        }
    }

    /// [`Tx::execute`] for a text that will not come again: it is not kept prepared.
    pub(crate) fn execute_once(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<usize, StoreError> {
        match self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare(sql)?;
                Ok(statement.execute(rusqlite::params_from_iter(values))?)
            }
            Engine::Postgres(link) => link.execute_once(&self.marked(sql), values),
            Engine::Ahead(foresight) => Err(foresight.is_unforeseen()),
        }
    }

    /// Several statements without parameters.
    pub(crate) fn execute_batch(&self, sql: &str) -> Result<(), StoreError> {
        match self.engine {
            Engine::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Engine::Postgres(link) => link.batch(sql),
            Engine::Ahead(foresight) => Err(foresight.is_unforeseen()),
        }
    }

    /// All rows of a query, each read by `read`.
    pub(crate) fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        match self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = prepare(connection, sql)?;
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(read(&Row::Sqlite(row))?);
                }
                Ok(found)
            }
            Engine::Postgres(link) => {
                let rows = link.query(&self.marked(sql), values)?;
                rows.iter().map(|row| read(&Row::Postgres(row))).collect()
            }
            // What is read ahead is one row.
            Engine::Ahead(foresight) => Err(foresight.is_unforeseen()),
        }
    }

    /// The first row of a query, if there is one.
    pub(crate) fn query_first<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = prepare(connection, sql)?;
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                rows.next()?.map(|row| read(&Row::Sqlite(row))).transpose()
            }
            Engine::Postgres(link) => {
                let rows = link.query(&self.marked(sql), values)?;
                rows.first()
                    .map(|row| read(&Row::Postgres(row)))
                    .transpose()
            }
            Engine::Ahead(foresight) => {
                let row = foresight.answer(sql, values)?;
                row.map(|row| read(&row)).transpose()
            }
        }
    }
}

fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
) -> Result<rusqlite::CachedStatement<'c>, StoreError> {
    let statement = connection.prepare_cached(sql)?;
    debug_assert!(
        (1..=statement.parameter_count()).all(|i| statement
            .parameter_name(i)
            .is_none_or(|name| name == format!("${i}"))),
        "parameters must first appear in order: {sql}"
    );
    Ok(statement)
}
