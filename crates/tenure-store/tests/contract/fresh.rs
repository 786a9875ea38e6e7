//! A private, empty database, and what a test does to it behind the Store's back. This file and the
//! table in main.rs are what a new engine has to extend.

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tenure_store::{Options, Store, StoreError};

pub struct Fresh {
    folder: PathBuf,
    /// `None` in a child process, which must not remove its parent's database.
    _guard: Option<TempDir>,
}

impl Fresh {
    pub fn sqlite() -> Self {
        let guard = tempfile::tempdir().unwrap();
        Self {
            folder: guard.path().to_owned(),
            _guard: Some(guard),
        }
    }

    /// The database that another process named with [`Fresh::place`].
    pub fn at(place: &str) -> Self {
        Self {
            folder: PathBuf::from(place),
            _guard: None,
        }
    }

    pub fn place(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join("tenure.db")
    }

    /// A path beside the database where nothing is yet.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Not durable, since most tests do not crash.
    fn options(&self) -> Options {
        Options::new(self.path()).not_durable()
    }

    pub fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(&self.options())
    }

    /// Opens what must be there already.
    pub fn reopen(&self) -> Store {
        assert!(self.path().exists(), "there is nothing to open again");
        self.open()
    }

    pub fn open_durable(&self) -> Store {
        Store::open(&Options::new(self.path())).unwrap()
    }

    /// One writer, one reader, and room for one that waits for each.
    pub fn open_narrow(&self) -> Store {
        Store::open(&Options {
            readers: 1,
            queue: 1,
            ..self.options()
        })
        .unwrap()
    }

    /// One writer, so that whoever holds it holds everybody.
    pub fn open_single(&self) -> Store {
        self.open()
    }

    /// Runs statements on a connection of the test's own.
    pub fn raw(&self, sql: &str) {
        connect(&self.path()).execute_batch(sql).unwrap();
    }

    pub fn raw_number(&self, sql: &str) -> i64 {
        let connection = connect(&self.path());
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Bytes as the engine's SQL writes them.
    #[expect(clippy::unused_self, reason = "engines differ here")]
    pub fn blob(&self, bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("X'{digits}'")
    }

    /// From now on a transaction that sets meta 'doomed' for the first time runs well and fails at its commit.
    pub fn doom_commits(&self) {
        self.raw(
            "CREATE TABLE nowhere (id BIGINT PRIMARY KEY);
             CREATE TABLE doomed (id BIGINT NOT NULL REFERENCES nowhere (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER doom AFTER INSERT ON meta WHEN NEW.name = 'doomed'
             BEGIN INSERT INTO doomed VALUES (1); END;",
        );
    }

    /// Makes the schema look as if a newer program had written it.
    pub fn pretend_newer(&self) {
        self.raw(
            "PRAGMA user_version = 999;
             UPDATE meta SET value = '999' WHERE name = 'schema_usable_by';",
        );
    }
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    connection
}
