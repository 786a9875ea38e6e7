//! A private, empty database, and what a test does to it behind the Store's back. This file and the
//! table in main.rs are what a new engine has to extend.

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;
use tenure_cluster::Cluster;
use tenure_store::{Options, Place, PostgresOptions, Store, StoreError};

pub struct Fresh {
    engine: Engine,
    folder: PathBuf,
    /// `None` in a child process, which must not remove its parent's database.
    _guard: Option<TempDir>,
}

enum Engine {
    Sqlite,
    Postgres { url: String },
}

/// One server for the whole run; it ends with this process.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&tenure_cluster::Options::default()).unwrap())
}

impl Fresh {
    pub fn sqlite() -> Self {
        Self::with(Engine::Sqlite)
    }

    pub fn postgres() -> Self {
        let url = cluster().database().unwrap();
        Self::with(Engine::Postgres { url })
    }

    /// Another database of the same engine.
    pub fn another(&self) -> Self {
        match self.engine {
            Engine::Sqlite => Self::sqlite(),
            Engine::Postgres { .. } => Self::postgres(),
        }
    }

    fn with(engine: Engine) -> Self {
        let guard = tempfile::tempdir().unwrap();
        Self {
            engine,
            folder: guard.path().to_owned(),
            _guard: Some(guard),
        }
    }

    /// The database that another process named with [`Fresh::place`].
    pub fn at(place: &str) -> Self {
        let (engine, folder) = if place.starts_with("postgres://") {
            let url = place.to_owned();
            (Engine::Postgres { url }, std::env::temp_dir())
        } else {
            (Engine::Sqlite, PathBuf::from(place))
        };
        Self {
            engine,
            folder,
            _guard: None,
        }
    }

    pub fn place(&self) -> &str {
        match &self.engine {
            Engine::Sqlite => self.folder.to_str().unwrap(),
            Engine::Postgres { url } => url,
        }
    }

    pub const fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres { .. })
    }

    /// Until two transactions wait for a row that another one holds. The embedded engine's writer
    /// takes one after the other: there nobody can be early.
    pub fn wait_for_two_who_wait(&self) {
        self.wait_until("wait_event_type = 'Lock'", 2);
    }

    /// Until somebody waits for a row in a transaction of its own, and not in a statement that stands alone.
    pub fn wait_until_somebody_waits_in_a_transaction(&self) {
        self.wait_until("wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'", 1);
    }

    /// Until nobody is connected any more but who asks. The embedded engine has no connections to give up.
    pub fn wait_until_all_have_gone(&self) {
        self.wait_until("pid <> pg_backend_pid()", 0);
    }

    fn wait_until(&self, which: &str, wanted: i64) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {which}"
        );
        let began = std::time::Instant::now();
        while self.is_postgres() && self.raw_number(&sql) != wanted {
            let waited = began.elapsed();
            assert!(waited < std::time::Duration::from_secs(60), "{which}");
            std::thread::yield_now();
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join("tenure.db")
    }

    /// A path beside the database where nothing is yet.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Not durable, since most tests do not crash. (The cluster survives its own crash, not the machine's.)
    fn options(&self) -> Options {
        match &self.engine {
            Engine::Sqlite => Options::new(self.path()).not_durable(),
            Engine::Postgres { url } => Options::at(Place::Postgres(PostgresOptions {
                // Many tests share the cluster.
                connections: 4,
                readers: 2,
                shared_readers: 2,
                shared_writers: 3,
                ..PostgresOptions::new(url)
            })),
        }
    }

    pub fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    pub fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(&self.options())
    }

    /// Opens what must be there already.
    pub fn reopen(&self) -> Store {
        if matches!(self.engine, Engine::Sqlite) {
            assert!(self.path().exists(), "there is nothing to open again");
        }
        self.open()
    }

    pub fn open_durable(&self) -> Store {
        let durable = true;
        Store::open(&Options {
            durable,
            ..self.options()
        })
        .unwrap()
    }

    /// One writer, one reader, and room for one that waits for each.
    pub fn open_narrow(&self) -> Store {
        let mut options = self.options();
        (options.readers, options.queue) = (1, 1);
        if let Place::Postgres(server) = &mut options.place {
            (server.connections, server.readers, server.queue) = (1, 1, 1);
        }
        Store::open(&options).unwrap()
    }

    /// One writer, so that whoever holds it holds everybody.
    pub fn open_single(&self) -> Store {
        let mut options = self.options();
        if let Place::Postgres(server) = &mut options.place {
            server.connections = 1;
        }
        Store::open(&options).unwrap()
    }

    /// Whose transactions may take a second.
    pub fn open_impatient(&self) -> Store {
        let mut options = self.options();
        if let Place::Postgres(server) = &mut options.place {
            server.deadline = std::time::Duration::from_secs(1);
        }
        Store::open(&options).unwrap()
    }

    /// Runs statements on a connection of the test's own.
    pub fn raw(&self, sql: &str) {
        match &self.engine {
            Engine::Sqlite => connect(&self.path()).execute_batch(sql).unwrap(),
            Engine::Postgres { url } => drop(cluster().sql(name(url), sql).unwrap()),
        }
    }

    pub fn raw_number(&self, sql: &str) -> i64 {
        match &self.engine {
            Engine::Sqlite => connect(&self.path())
                .query_row(sql, [], |row| row.get(0))
                .unwrap(),
            Engine::Postgres { url } => cluster().sql(name(url), sql).unwrap().parse().unwrap(),
        }
    }

    /// Bytes as the engine's SQL writes them.
    pub fn blob(&self, bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match &self.engine {
            Engine::Sqlite => format!("X'{digits}'"),
            Engine::Postgres { .. } => format!("CAST('\\x{digits}' AS BYTEA)"),
        }
    }

    /// From now on a transaction that sets meta 'doomed' for the first time runs well and fails at its commit.
    pub fn doom_commits(&self) {
        self.raw(
            "CREATE TABLE empty (id BIGINT PRIMARY KEY);
             CREATE TABLE doomed (id BIGINT NOT NULL REFERENCES empty (id) DEFERRABLE INITIALLY DEFERRED);",
        );
        self.raw(match &self.engine {
            Engine::Sqlite => {
                "CREATE TRIGGER doom AFTER INSERT ON meta WHEN NEW.name = 'doomed'
                 BEGIN INSERT INTO doomed VALUES (1); END;"
            }
            Engine::Postgres { .. } => {
                "CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN INSERT INTO doomed VALUES (1); RETURN NEW; END';
                 CREATE TRIGGER doom AFTER INSERT ON meta FOR EACH ROW
                 WHEN (NEW.name = 'doomed') EXECUTE FUNCTION doom();"
            }
        });
    }

    /// Makes the schema look as if a newer program had written it, that this one may still use or not.
    pub fn pretend_newer(&self, usable: bool) {
        let usable_by = if usable { 1 } else { 999 };
        self.raw(&match &self.engine {
            Engine::Sqlite => format!(
                "PRAGMA user_version = 999;
                 UPDATE meta SET value = '{usable_by}' WHERE name = 'schema_usable_by';"
            ),
            Engine::Postgres { .. } => {
                format!("UPDATE schema_version SET version = 999, usable_by = {usable_by}")
            }
        });
    }
}

/// The database of a URL.
fn name(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    connection
}
