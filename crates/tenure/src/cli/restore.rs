//! `tenure restore`.

use super::installation::Installation;
use super::{open_named, say, wrong};
use crate::clock::Clock;
use crate::config::DatabaseUrl;
use crate::database_file::{Serving, beside, family};
use anyhow::{Context, anyhow, bail};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tenure_store::{Options, Store, StoreError};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The backup, as `tenure backup` wrote it; none for a PostgreSQL database, which pg_restore or
    /// its like has put back before: then this ends what must not live on
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    installation: Installation,
    /// Keep sessions and refresh tokens alive. A rotation made after the backup is forgotten, so a
    /// stolen, already used refresh token may work again
    #[arg(long)]
    keep_sessions: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let url = wrong(args.installation.url())?;
    let (target, file) = match (&url, &args.file) {
        (DatabaseUrl::Sqlite(target), Some(file)) => (target, file),
        (DatabaseUrl::Sqlite(_), None) => {
            return wrong(Err(anyhow!(
                "which backup? tenure restore FILE --database …"
            )));
        }
        (DatabaseUrl::Postgres(_), Some(_)) => {
            return wrong(Err(anyhow!(
                "a PostgreSQL database is put back with its own tools, such as pg_restore; then run \
                 tenure restore without a file, before any server starts"
            )));
        }
        (DatabaseUrl::Postgres(_), None) => return after_pg_restore(&args),
    };
    wrong(refuse_leftovers(file, target))?;
    // A server whose database was moved away under it still writes to its log.
    let _serving = beside(target, ".lock")
        .exists()
        .then(|| Serving::begin(&url))
        .transpose()?;
    let draft = Draft::copy(file, target)?;
    let (epoch, ended) = draft
        .make_safe(args.keep_sessions)
        .with_context(|| format!("{} cannot be restored", file.display()))?;
    draft.put_in_place(target)?;
    if args.keep_sessions {
        say(format_args!(
            "restored to {}; sessions were kept",
            target.display()
        ));
    } else {
        say(format_args!(
            "restored to {}; epoch {epoch}, {ended} sessions ended",
            target.display()
        ));
    }
    Ok(())
}

/// The database is back as it was: what was rotated or ended since then is forgotten, so everything
/// that lives is ended, and a new epoch begins.
fn after_pg_restore(args: &Args) -> anyhow::Result<()> {
    let opened = args.installation.open(false)?;
    let (epoch, ended) = opened.store.restore(args.keep_sessions, opened.now()?)?;
    opened.store.close();
    if args.keep_sessions {
        say(format_args!("epoch {epoch}; sessions were kept"));
    } else {
        say(format_args!("epoch {epoch}, {ended} sessions ended"));
    }
    Ok(())
}

/// A log (`-wal`) that an old database left behind would be replayed into the new one.
fn refuse_leftovers(file: &Path, target: &Path) -> anyhow::Result<()> {
    let in_the_way: Vec<String> = family(target)
        .into_iter()
        .chain(family(&beside(target, ".part")))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| path.display().to_string())
        .collect();
    match in_the_way.as_slice() {
        [] => {}
        [one] => bail!("{one} is in the way: move it away first; a restore never overwrites"),
        many => bail!(
            "{} are in the way: move them away first; a restore never overwrites",
            many.join(" and ")
        ),
    }
    let log = beside(file, "-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        bail!(
            "{} is not a backup but a database in use: {} holds a part of it. Copy it with `tenure backup`",
            file.display(),
            log.display()
        );
    }
    Ok(())
}

/// The copy under another name, until it is safe to serve. Gone with everything beside it unless it
/// was put in its place.
struct Draft {
    path: PathBuf,
}

impl Drop for Draft {
    fn drop(&mut self) {
        for path in family(&self.path) {
            drop(std::fs::remove_file(path));
        }
    }
}

impl Draft {
    fn copy(file: &Path, target: &Path) -> anyhow::Result<Self> {
        let mut from = open_named(file)?;
        let path = beside(target, ".part");
        let mut to = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        let draft = Self { path };
        std::io::copy(&mut from, &mut to)
            .with_context(|| format!("copying {} to {}", file.display(), draft.path.display()))?;
        Ok(draft)
    }

    /// Checks the copy and ends its sessions, by the clock of the installation that it is.
    fn make_safe(&self, keep_sessions: bool) -> anyhow::Result<(i64, usize)> {
        let store = Store::open(&Options::new(&self.path))?;
        let done = store
            .read_blocking(crate::app::clock_offset)
            .and_then(|offset| store.restore(keep_sessions, Clock::system(offset).now()))
            .map_err(damaged);
        store.close();
        Ok(done?)
    }

    fn put_in_place(self, target: &Path) -> anyhow::Result<()> {
        let log = beside(&self.path, "-wal");
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            bail!("{} could not be written back", log.display());
        }
        File::open(&self.path)?.sync_all()?;
        // Unlike a rename, a link fails where a file has appeared meanwhile.
        std::fs::hard_link(&self.path, target)
            .with_context(|| format!("cannot create {}", target.display()))?;
        let folder = target.parent().filter(|folder| *folder != Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

/// The engine's words for what it stumbles over in a damaged file.
fn damaged(error: StoreError) -> StoreError {
    match error {
        StoreError::Engine(problem) => {
            StoreError::Refused(format!("the backup is damaged: {problem}"))
        }
        other => other,
    }
}
