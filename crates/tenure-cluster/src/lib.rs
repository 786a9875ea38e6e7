//! A private PostgreSQL in a temporary folder, for tests and benchmarks: never the machine's own.
//!
//! It runs from the programs that the distribution installs, listens on loopback, and ends with the
//! process that started it, however that process ends: a shell waits for the end of its standard
//! input and then stops the server and removes the folder.

mod programs;
mod standby;

pub use programs::{Account, bin_folder, nginx, nginx_folder};

use anyhow::{Context, bail};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    account: Account,
    /// `None` while stopped.
    keeper: Option<Child>,
    /// Lines of postgresql.conf beyond the defaults.
    settings: Vec<String>,
}

/// How a cluster is made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Commits reach the disk. Without it a crash of the server, but not of the machine, is survived,
    /// and tests are faster.
    pub durable: bool,
    /// Lines of postgresql.conf.
    pub settings: Vec<String>,
    /// Files in its data folder, by name: certificates, a `pg_hba.conf`.
    pub files: Vec<(String, String)>,
}

/// Databases get names of their own: tests run side by side in one cluster.
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Cluster {
    /// Makes a cluster in a fresh folder and starts it.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let account = Account::for_servers()?;
        let folder = tempfile::Builder::new()
            .prefix("tenure-postgres-")
            .tempdir()?
            .keep();
        account.give(&folder)?;
        let data = folder.join("data");
        let mut command = Command::new(bin_folder()?.join("initdb"));
        command
            .arg("--pgdata")
            .arg(&data)
            .args([
                "--username=tenure",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
            ])
            // A collation that differs from the order of bytes, as installations have it.
            .args(["--locale=C.UTF-8", "--no-instructions"]);
        account.run(&mut command)?;
        let mut settings = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("unix_socket_directories = '{}'", folder.display()),
            "max_connections = 300".to_owned(),
            "logging_collector = off".to_owned(),
        ];
        if !options.durable {
            settings.push("fsync = off".to_owned());
            settings.push("full_page_writes = off".to_owned());
        }
        settings.extend(options.settings.clone());
        let mut cluster = Self {
            folder,
            port: free_port()?,
            account,
            keeper: None,
            settings,
        };
        cluster.write_settings()?;
        for (name, text) in &options.files {
            cluster.write_file(name, text)?;
        }
        cluster.resume()?;
        Ok(cluster)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A database of the cluster, as Tenure is told of it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://tenure@127.0.0.1:{}/{database}", self.port)
    }

    /// A fresh, empty database; answers its URL.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn database(&self) -> anyhow::Result<String> {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{number}", std::process::id());
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// Runs statements and answers what they print, unaligned and without headings.
    ///
    /// # Errors
    /// A statement failed; its message is in the error.
    pub fn sql(&self, database: &str, text: &str) -> anyhow::Result<String> {
        psql(&self.url(database), text)
    }

    /// Writes postgresql.conf's own lines; they count from the next start.
    fn write_settings(&self) -> anyhow::Result<()> {
        let port = format!("port = {}", self.port);
        let lines: Vec<&str> = self
            .settings
            .iter()
            .map(String::as_str)
            .chain([port.as_str()])
            .collect();
        let file = self.data().join("postgresql.auto.conf");
        std::fs::write(&file, lines.join("\n") + "\n")?;
        self.account.give(&file)
    }

    /// A file that PostgreSQL alone may read.
    fn write_file(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = self.data().join(name);
        std::fs::write(&file, text)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        self.account.give(&file)
    }

    /// Adds a line to the settings; it counts from the next start.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&mut self, line: &str) -> anyhow::Result<()> {
        self.settings.push(line.to_owned());
        self.write_settings()
    }

    /// Starts the server (again).
    ///
    /// # Errors
    /// It does not come up; the error has the end of its log.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let log = self.folder.join("log");
        let script = format!(
            "{postgres} -D {data} >>{log} 2>&1 & server=$!; cat >/dev/null; \
             kill -INT $server 2>/dev/null; wait $server; \
             [ -e {folder}/leave ] || rm -rf {folder}",
            postgres = bin_folder()?.join("postgres").display(),
            data = self.data().display(),
            log = log.display(),
            folder = self.folder.display(),
        );
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).stdin(Stdio::piped());
        // A group of its own, so that Ctrl-C reaches the test and not the server under it.
        command.process_group(0);
        self.account.become_it(&mut command);
        self.keeper = Some(command.spawn().context("starting PostgreSQL")?);
        self.wait_until_ready()
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if self.sql("postgres", "SELECT 1").is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        bail!("PostgreSQL did not come up:\n{}", self.log());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Kills the server as a power cut would end it, or (`immediately` false) asks it to restart fast.
    ///
    /// # Errors
    /// It was not running.
    pub fn halt(&mut self, immediately: bool) -> anyhow::Result<()> {
        let mut keeper = self.keeper.take().context("PostgreSQL is not running")?;
        std::fs::write(self.folder.join("leave"), "")?;
        let pid = std::fs::read_to_string(self.data().join("postmaster.pid"))?;
        let pid = pid.lines().next().context("no postmaster.pid")?.to_owned();
        let signal = if immediately { "-QUIT" } else { "-INT" };
        Command::new("kill").args([signal, &pid]).status()?;
        drop(keeper.stdin.take());
        keeper.wait()?;
        std::fs::remove_file(self.folder.join("leave"))?;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            // The keeper stops the server and removes the folder.
            drop(keeper.wait());
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

fn psql(url: &str, text: &str) -> anyhow::Result<String> {
    let done = Command::new(bin_folder()?.join("psql"))
        .arg("--dbname")
        .arg(url)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set=ON_ERROR_STOP=1", "--command", text])
        .output()?;
    if !done.status.success() {
        bail!("{}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}
