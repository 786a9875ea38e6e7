//! Which database the servers of a run use, and a bare loop of transactions on it.

use super::limits::Work;
use anyhow::Context;
use std::path::PathBuf;
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

    /// PostgreSQL's own benchmark, ready to run; nothing where the database is embedded.
    pub fn bare(&self) -> anyhow::Result<Option<Bare>> {
        let Self::Postgres(cluster) = self else {
            return Ok(None);
        };
        let bare = Bare {
            program: tenure_cluster::bin_folder()?.join("pgbench"),
            url: cluster.database()?,
        };
        let made = Command::new(&bare.program)
            .args(["--initialize", "--scale=20", "--quiet"])
            .arg(&bare.url)
            .output()?;
        anyhow::ensure!(made.status.success(), "pgbench: {made:?}");
        Ok(Some(bare))
    }
}

/// A bare loop of transactions on the shared database: an update, a select and an insert each,
/// prepared, as many at once as a server of ours has connections.
pub struct Bare {
    program: PathBuf,
    url: String,
}

impl Bare {
    /// For a whole number of seconds, at least one.
    pub fn run(&self, duration: Duration) -> anyhow::Result<Work> {
        let seconds = duration.as_secs().max(1);
        let done = Command::new(&self.program)
            .args(["--skip-some-updates", "--protocol=prepared", "--no-vacuum"])
            .args(["--client=16", "--jobs=2"])
            .arg(format!("--time={seconds}"))
            .arg(&self.url)
            .output()?;
        let text = String::from_utf8_lossy(&done.stdout);
        // `tps = 4567.8 (without initial connection time)`
        let rate: f64 = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = "))
            .and_then(|rest| rest.split(' ').next()?.parse().ok())
            .with_context(|| format!("pgbench: {done:?}"))?;
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let seconds = seconds as f64;
        Ok(Work {
            count: rate * seconds,
            seconds,
        })
    }
}
