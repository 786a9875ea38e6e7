//! Opening an installation: its database, and the master key that belongs to it.

use crate::config::DatabaseUrl;
use crate::crypto::master::Master;
use crate::entropy::Entropy;
use anyhow::{Context, bail};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use tenure_store::{Options, Place, PostgresOptions, Store};

/// How much a PostgreSQL is asked for; nothing of it concerns the embedded engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Connections for transactions that write; half as many read.
    pub connections: usize,
    /// How long a transaction may take, waiting included.
    pub deadline_ms: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            connections: 16,
            deadline_ms: 5_000,
        }
    }
}

/// Opens the database, creating or migrating its schema. `durable` is false in tests that do not crash.
///
/// # Errors
/// In words for an operator, why it cannot be used.
pub fn open_store(database: &DatabaseUrl, pool: Pool, durable: bool) -> anyhow::Result<Store> {
    let place = match database {
        DatabaseUrl::Sqlite(path) => Place::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Place::Postgres(PostgresOptions {
            connections: pool.connections.div_ceil(2),
            shared_writers: pool.connections / 2,
            readers: pool.connections.div_ceil(2),
            shared_readers: pool.connections.div_ceil(8),
            deadline: std::time::Duration::from_millis(pool.deadline_ms),
            ..PostgresOptions::new(url)
        }),
    };
    let options = Options {
        durable,
        ..Options::at(place)
    };
    Store::open(&options).map_err(anyhow::Error::from)
}

/// Refuses an installation that moved away or has not arrived: whatever is changed here, nobody is served
/// from here.
///
/// # Errors
/// Where it is.
pub fn must_be_here(store: &Store) -> anyhow::Result<()> {
    match store.read_blocking(|tx| tx.is_elsewhere())? {
        Some(where_it_is) => bail!("{where_it_is}: use that database"),
        None => Ok(()),
    }
}

/// Finds the master key and compares its fingerprint with the database's. A fresh database gets a
/// fresh key; one that has keys never does. Of several servers that start on a fresh database at
/// once, the first decides, and one that has another key refuses to start.
///
/// # Errors
/// The key is absent, unreadable, or not the one that this database's keys are sealed under.
pub fn open_master(
    store: &Store,
    database: &DatabaseUrl,
    key_file: Option<&Path>,
    entropy: &Entropy,
) -> anyhow::Result<Master> {
    let known = store.read_blocking(|tx| tx.meta("master_fingerprint"))?;
    let is_fresh = known.is_none();
    let master = match (crate::config::master_key_variable(), key_file) {
        (Some(text), _) => Master::from_text(&text)?,
        (None, Some(file)) => Master::from_file(file, is_fresh, entropy)?,
        (None, None) => Master::from_file(
            &default_key_file(store, database, entropy)?,
            is_fresh,
            entropy,
        )?,
    };
    let fingerprint = master.fingerprint();
    let ours = fingerprint.clone();
    let known = match known {
        Some(known) => known,
        None => store.write_blocking(move |tx| tx.meta_or_insert("master_fingerprint", &ours))?,
    };
    if known != fingerprint {
        bail!(
            "the master key is not the one that the keys in this database are sealed under: \
             put back the right key file or TENURE_KEY"
        );
    }
    Ok(master)
}

/// Beside a SQLite file; for PostgreSQL in the user's state directory, by the installation's id. Never
/// in the working directory, which differs from start to start.
fn default_key_file(
    store: &Store,
    database: &DatabaseUrl,
    entropy: &Entropy,
) -> anyhow::Result<PathBuf> {
    if let DatabaseUrl::Sqlite(path) = database {
        return Ok(Master::file_beside(path));
    }
    let folder = state_folder()?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.join(format!("{}.key", installation_id(store, entropy)?)))
}

/// Made once, by whoever is first.
fn installation_id(store: &Store, entropy: &Entropy) -> anyhow::Result<String> {
    let fresh = entropy.token(12);
    Ok(store.write_blocking(move |tx| tx.meta_or_insert("installation_id", &fresh))?)
}

/// `$XDG_STATE_HOME/tenure`, else `~/.local/state/tenure` (XDG Base Directory Specification).
fn state_folder() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = variable("STATE_DIRECTORY")
        .or_else(|| variable("XDG_STATE_HOME"))
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .context("where is the master key to be kept? say --key-file FILE, or set TENURE_KEY")?;
    Ok(base.join("tenure"))
}
