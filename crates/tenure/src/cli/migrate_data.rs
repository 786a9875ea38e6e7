//! `tenure migrate-data`: an installation moves to another database.

use super::{say, wrong};
use crate::config::DatabaseUrl;
use crate::crypto::master::Master;
use crate::database::{Pool, open_master, open_store};
use crate::entropy::Entropy;
use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use tenure_store::{Store, Transferred, transfer};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database to leave: sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL")]
    from: String,
    /// The database to go to, which must be empty
    #[arg(long, value_name = "URL")]
    to: String,
    /// The master key file of the source; it stays the same for the target
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Leave the source serving, and make a copy (for staging) in which every session and refresh
    /// token is over: two installations must never advance the same tokens
    #[arg(long)]
    copy: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (from_url, to_url) = (
        wrong(DatabaseUrl::parse(&args.from))?,
        wrong(DatabaseUrl::parse(&args.to))?,
    );
    if let DatabaseUrl::Sqlite(path) = &from_url
        && !path.exists()
    {
        return wrong(Err(anyhow!("there is no database at {}", path.display())));
    }
    // One closure reads everything: it must not be cut off by the deadline of a request.
    let pool = Pool {
        connections: 2,
        deadline_ms: 24 * 3_600_000,
    };
    let from = open_store(&from_url, pool, true).context("opening the source")?;
    let to = open_store(&to_url, pool, true).context("opening the target")?;
    let entropy = Entropy::system();
    let master = open_master(&from, &from_url, args.key_file.as_deref(), &entropy)?;
    let done = move_over(&from, &to, &args)?;
    from.close();
    to.close();
    report(&args, &done, &master, &to_url);
    Ok(())
}

fn move_over(from: &Store, to: &Store, args: &Args) -> anyhow::Result<Vec<Transferred>> {
    let (source, target) = (from.describe(), to.describe());
    prepare_target(to, &source)?;
    if !args.copy {
        mark_source(from, &target)?;
    }
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg}: {pos} rows")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let done = transfer(from, to, |table, rows| {
        bar.set_message(table);
        bar.set_position(rows);
    })
    .context("nothing is lost: run the same command again, which begins anew")?;
    if args.copy {
        bar.set_message("ending the copy's sessions");
        let offset = to.read_blocking(|tx| tx.meta("clock_offset_ms"))?;
        let offset = offset.and_then(|text| text.parse().ok()).unwrap_or(0);
        to.restore(false, crate::clock::Clock::system(offset).now())?;
    }
    to.write_blocking(|tx| tx.mark_arrived())?;
    bar.finish_and_clear();
    Ok(done)
}

/// Empty, or left so by an earlier run of the same move.
fn prepare_target(to: &Store, source: &str) -> anyhow::Result<()> {
    let (is_empty, arriving) = to.read_blocking(|tx| Ok((tx.is_empty()?, tx.arriving_from()?)))?;
    match arriving {
        Some(earlier) if earlier == source => to.write_blocking(|tx| tx.clear_arrivals())?,
        Some(earlier) => {
            bail!("the target is being filled from {earlier}: choose an empty database")
        }
        None if !is_empty => bail!("the target {} is not empty", to.describe()),
        None => {}
    }
    let source = source.to_owned();
    Ok(to.write_blocking(move |tx| tx.mark_arriving(&source))?)
}

/// A transaction of its own, before anything is read: what is answered later, is answered by the target.
fn mark_source(from: &Store, target: &str) -> anyhow::Result<()> {
    let target = target.to_owned();
    match from.read_blocking(|tx| tx.moved_to())? {
        Some(earlier) if earlier == target => Ok(()),
        Some(earlier) => bail!("the source moved to {earlier} before"),
        None => Ok(from.write_blocking(move |tx| tx.mark_moved(&target))?),
    }
}

fn report(args: &Args, done: &[Transferred], master: &Master, to: &DatabaseUrl) {
    if args.json {
        let tables: Vec<_> = done
            .iter()
            .map(|t| json!({"table": t.table, "rows": t.rows, "checksum": t.checksum}))
            .collect();
        return say(json!({"tables": tables, "master_key_fingerprint": master.fingerprint()}));
    }
    for table in done.iter().filter(|table| table.rows > 0) {
        say(format_args!(
            "{:18} {:>10} rows  {}",
            table.table, table.rows, table.checksum
        ));
    }
    let key = match to {
        DatabaseUrl::Sqlite(_) => {
            "copy its file beside the new database, or name it with --key-file"
        }
        DatabaseUrl::Postgres(_) => {
            "name its file with --key-file on every server, or set TENURE_KEY"
        }
    };
    let what = if args.copy { "copied" } else { "moved" };
    say(format_args!(
        "{what}; counts and checksums agree. The master key stays the same: {key}"
    ));
    if !args.copy {
        say("the source answers 503 from now on and does not start again");
    }
}
