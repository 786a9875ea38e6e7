//! A standby that follows synchronously, and its promotion.

use crate::{Cluster, bin_folder, free_port};
use anyhow::bail;
use std::process::Command;
use std::time::{Duration, Instant};

impl Cluster {
    /// A standby of this cluster, started; from now on a commit here waits for it.
    ///
    /// # Errors
    /// The copy fails, or the standby does not come up.
    pub fn synchronous_standby(&mut self) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("tenure-postgres-")
            .tempdir()?
            .keep();
        self.account.give(&folder)?;
        let mut copy = Command::new(bin_folder()?.join("pg_basebackup"));
        copy.arg("--pgdata")
            .arg(folder.join("data"))
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .arg("--dbname")
            .arg(format!("{}?application_name=standby", self.url("postgres")));
        self.account.run(&mut copy)?;
        let follow = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user=tenure application_name=standby'",
            self.port
        );
        let mut settings: Vec<String> = self
            .settings
            .iter()
            .filter(|line| !line.starts_with("unix_socket") && !line.starts_with("synchronous"))
            .cloned()
            .collect();
        settings.push(format!("unix_socket_directories = '{}'", folder.display()));
        settings.push(follow);
        let mut standby = Self {
            folder,
            port: free_port()?,
            account: self.account,
            keeper: None,
            settings,
        };
        standby.write_settings()?;
        standby.resume()?;
        self.set("synchronous_standby_names = 'standby'")?;
        self.sql("postgres", "SELECT pg_reload_conf()")?;
        self.wait_for("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")?;
        Ok(standby)
    }

    /// Waits until a query answers 1.
    fn wait_for(&self, query: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if self.sql("postgres", query)? == "1" {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        bail!("{query} did not answer 1 in time:\n{}", self.log());
    }

    /// Makes a standby the primary.
    ///
    /// # Errors
    /// It does not become one in time.
    pub fn promote(&self) -> anyhow::Result<()> {
        let done = self.sql("postgres", "SELECT pg_promote(true, 30)")?;
        if done != "t" {
            bail!("the standby was not promoted: {done}");
        }
        Ok(())
    }
}
