//! Which database the servers of a run use, and what a bare loop of transactions manages on it.

use anyhow::Context;
use std::process::Command;
use std::time::Duration;
use tenure_cluster::{Cluster, Options};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Sqlite,
    Postgres,
}

pub enum Engine {
    Sqlite,
    Postgres(Box<Cluster>),
}

impl Engine {
    pub fn start(kind: Kind) -> anyhow::Result<Self> {
        Ok(match kind {
            Kind::Sqlite => Self::Sqlite,
            Kind::Postgres => Self::Postgres(Box::new(Cluster::start(&Options {
                durable: true,
                // What a machine of this size is usually given.
                settings: vec![
                    "shared_buffers = '512MB'".to_owned(),
                    "max_wal_size = '4GB'".to_owned(),
                ],
                ..Options::default()
            })?)),
        })
    }

    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Transactions a second of PostgreSQL's own benchmark: an update, a select and an insert each,
    /// prepared, as many at once as a server of ours has connections.
    pub fn bare_transactions(&self, duration: Duration) -> anyhow::Result<Option<f64>> {
        let Self::Postgres(cluster) = self else {
            return Ok(None);
        };
        let url = cluster.database()?;
        let pgbench =
            || tenure_cluster::bin_folder().map(|folder| Command::new(folder.join("pgbench")));
        let made = pgbench()?
            .args(["--initialize", "--scale=20", "--quiet"])
            .arg(&url)
            .output()?;
        anyhow::ensure!(made.status.success(), "pgbench: {made:?}");
        let done = pgbench()?
            .args(["--skip-some-updates", "--protocol=prepared", "--no-vacuum"])
            .args(["--client=16", "--jobs=2"])
            .arg(format!("--time={}", duration.as_secs().max(1)))
            .arg(&url)
            .output()?;
        let text = String::from_utf8_lossy(&done.stdout);
        let rate = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = "))
            .and_then(|rest| rest.split(' ').next()?.parse().ok());
        rate.with_context(|| format!("pgbench: {done:?}")).map(Some)
    }
}
