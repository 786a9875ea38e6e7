//! Opening an installation from the command line: its database, its master key, its clock.

use crate::app::Macs;
use crate::config::DatabaseUrl;
use crate::crypto::master::Master;
use crate::database::{Pool, open_master, open_store};
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
        env = "TENURE_DATABASE"
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

    /// Opens it; with `create`, makes one that is not there yet.
    pub fn open(&self, create: bool) -> anyhow::Result<Opened> {
        let url = self.url()?;
        if let DatabaseUrl::Sqlite(path) = &url
            && !create
            && !path.exists()
        {
            bail!(
                "there is no database at {}: name it with --database sqlite:PATH",
                path.display()
            );
        }
        let pool = Pool {
            connections: 2,
            ..Pool::default()
        };
        let store = open_store(&url, pool, true)?;
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
    /// The installation's time: the machine's clock and the offset of a database that has travelled.
    pub fn now(&self) -> anyhow::Result<Timestamp> {
        let offset = self.store.read_blocking(|tx| tx.meta("clock_offset_ms"))?;
        let offset = offset.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(crate::clock::Clock::system(offset).now())
    }
}
