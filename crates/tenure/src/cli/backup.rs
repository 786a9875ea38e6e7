//! `tenure backup` and `tenure restore`.

use super::installation::Installation;
use super::say;
use crate::config::DatabaseUrl;
use anyhow::{Context, bail};
use std::path::PathBuf;
use tenure_store::{Options, Store};

#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// Where to write the copy; must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    installation: Installation,
    /// Keep sessions and refresh tokens alive. A rotation made after the backup is forgotten, so a
    /// stolen, already used refresh token may work again
    #[arg(long)]
    keep_sessions: bool,
}

pub fn run_backup(args: BackupArgs) -> anyhow::Result<()> {
    let DatabaseUrl::Sqlite(path) = args.installation.url()? else {
        bail!(
            "a PostgreSQL database is copied with its own tools, such as pg_dump; keep the master key as well"
        );
    };
    if !path.exists() {
        bail!("there is no database at {}", path.display());
    }
    let store = Store::open(&Options::new(&path))?;
    let bar = indicatif::ProgressBar::new(0).with_message("copying");
    store.backup(&args.file, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    say(format_args!(
        "copied to {}. The master key is not in it, on purpose: keep {}.key (or TENURE_KEY) safe elsewhere",
        args.file.display(),
        path.display()
    ));
    Ok(())
}

pub fn run_restore(args: RestoreArgs) -> anyhow::Result<()> {
    let DatabaseUrl::Sqlite(target) = args.installation.url()? else {
        bail!("a PostgreSQL database is restored with its own tools, such as pg_restore");
    };
    if target.exists() {
        bail!(
            "{} exists: move it away first; a restore never overwrites",
            target.display()
        );
    }
    std::fs::copy(&args.file, &target)
        .with_context(|| format!("copying {} to {}", args.file.display(), target.display()))?;
    let store = Store::open(&Options::new(&target))?;
    let now = crate::clock::Clock::system(0).now();
    let (epoch, ended) = store
        .restore(args.keep_sessions, now)
        .context("the backup cannot be used; the copy was left for inspection")?;
    store.close();
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
