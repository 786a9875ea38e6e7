//! Opening an installation from the command line: its database, its master key, its clock.

use super::wrong;
use crate::app::{Macs, clock_offset};
use crate::clock::Clock;
use crate::config::DatabaseUrl;
use crate::crypto::master::Master;
use crate::database::{Pool, must_be_here, open_master, open_store};
use crate::entropy::Entropy;
use anyhow::bail;
use clap::Args;
use std::path::PathBuf;
use tenure_protocol::Timestamp;
use tenure_store::Store;

/// Which installation a command is about.
#[derive(Clone, Debug, Args)]
pub struct Installation {
    /// The database: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        value_name = "URL",
        default_value = "sqlite:./tenure.db",
        env = "TENURE_DATABASE",
        hide_env_values = true
    )]
    pub database: String,
    /// The master key file; by default TENURE_KEY, else PATH.key beside a SQLite database, or in the
    /// user's state directory for PostgreSQL
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// An installation that was opened.
pub struct Opened {
    pub store: Store,
    pub master: Master,
    pub macs: Macs,
}

impl Installation {
    pub fn url(&self) -> anyhow::Result<DatabaseUrl> {
        DatabaseUrl::parse(&self.database)
    }

    /// Whether there is a database; of a PostgreSQL server nobody knows before asking it.
    pub fn is_there(&self) -> anyhow::Result<bool> {
        Ok(match wrong(self.url())? {
            DatabaseUrl::Sqlite(path) => path.exists(),
            DatabaseUrl::Postgres(_) => true,
        })
    }

    /// The database, which must be there.
    pub fn existing(&self) -> anyhow::Result<DatabaseUrl> {
        let url = self.url()?;
        if let DatabaseUrl::Sqlite(path) = &url
            && !path.exists()
        {
            bail!(
                "there is no database at {}: name it with --database sqlite:PATH",
                path.display()
            );
        }
        Ok(url)
    }

    /// Opens it; with `create`, makes one that is not there yet.
    pub fn open(&self, create: bool) -> anyhow::Result<Opened> {
        let url = if create { self.url() } else { self.existing() };
        let url = wrong(url)?;
        let pool = Pool {
            connections: 2,
            ..Pool::default()
        };
        let store = open_store(&url, pool, true)?;
        must_be_here(&store)?;
        let master = open_master(&store, &url, self.key_file.as_deref(), &Entropy::system())?;
        let macs = Macs::derive(&master);
        Ok(Opened {
            store,
            master,
            macs,
        })
    }
}

impl Opened {
    /// The installation's clock: the machine's, and the offset of a database that has travelled.
    pub fn clock(&self) -> anyhow::Result<Clock> {
        Ok(Clock::system(self.store.read_blocking(clock_offset)?))
    }

    pub fn now(&self) -> anyhow::Result<Timestamp> {
        Ok(self.clock()?.now())
    }
}
