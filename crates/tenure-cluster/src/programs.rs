//! Where PostgreSQL's programs are, and under which account they run.

use anyhow::{Context, bail};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with `initdb`, `postgres` and their like: `TENURE_POSTGRES_BIN`, or the newest that
/// Debian installed.
///
/// # Errors
/// There is none.
pub fn bin_folder() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("TENURE_POSTGRES_BIN") {
        return Ok(named.into());
    }
    let newest = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").exists().then_some((version, bin))
        })
        .max();
    let (_, bin) = newest.context(
        "PostgreSQL is not installed: apt-get install postgresql, or name its programs in TENURE_POSTGRES_BIN",
    )?;
    Ok(bin)
}

/// The program `nginx`: the one that `TENURE_NGINX` names, the machine's, or what `cargo xtask test` unpacked.
///
/// # Errors
/// There is none.
pub fn nginx() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("TENURE_NGINX") {
        return Ok(named.into());
    }
    let places = [PathBuf::from("/usr"), nginx_folder().join("usr")];
    let programs = places.map(|place| place.join("sbin/nginx"));
    let found = programs.into_iter().find(|program| program.exists());
    found.context("nginx is not there: run `cargo xtask test`, which unpacks Debian's, or name it in TENURE_NGINX")
}

/// Where Debian's package is unpacked to. Installed, it would start a server of the machine's.
pub fn nginx_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nginx")
}

/// PostgreSQL refuses to run as root, so root lends it the account that its package made.
#[derive(Clone, Copy, Debug)]
pub struct Account(Option<(u32, u32)>);

impl Account {
    /// # Errors
    /// We are root and there is no account `postgres`.
    pub fn for_servers() -> anyhow::Result<Self> {
        if std::fs::metadata("/proc/self")?.uid() != 0 {
            return Ok(Self(None));
        }
        let accounts = std::fs::read_to_string("/etc/passwd")?;
        let line = accounts
            .lines()
            .find_map(|line| line.strip_prefix("postgres:"))
            .context("root cannot run PostgreSQL, and there is no account named postgres")?;
        let mut ids = line.split(':').skip(1).map(str::parse);
        match (ids.next(), ids.next()) {
            (Some(Ok(user)), Some(Ok(group))) => Ok(Self(Some((user, group)))),
            _ => bail!("the account postgres in /etc/passwd cannot be read"),
        }
    }

    pub(crate) fn become_it(self, command: &mut Command) {
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        // A folder that everybody may stand in.
        command.current_dir("/");
    }

    pub(crate) fn give(self, path: &Path) -> anyhow::Result<()> {
        if let Some((user, group)) = self.0 {
            std::os::unix::fs::chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// Runs a program to its end.
    pub(crate) fn run(self, command: &mut Command) -> anyhow::Result<()> {
        self.become_it(command);
        let done = command
            .output()
            .with_context(|| format!("cannot run {command:?}"))?;
        if !done.status.success() {
            bail!(
                "{command:?} failed: {}{}",
                String::from_utf8_lossy(&done.stdout),
                String::from_utf8_lossy(&done.stderr)
            );
        }
        Ok(())
    }
}
