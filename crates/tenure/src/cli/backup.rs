//! `tenure backup`.

use super::installation::Installation;
use super::{say, wrong};
use crate::config::DatabaseUrl;
use anyhow::anyhow;
use std::path::PathBuf;
use tenure_store::{Options, Store};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write the copy; must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    installation: Installation,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let DatabaseUrl::Sqlite(path) = wrong(args.installation.existing())? else {
        return wrong(Err(anyhow!(
            "a PostgreSQL database is copied with its own tools, such as pg_dump; keep the master key as well"
        )));
    };
    if args.file.exists() {
        return wrong(Err(anyhow!(
            "{} exists: name a new file for the backup",
            args.file.display()
        )));
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
