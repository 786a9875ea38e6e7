//! `tenure keys`.

use super::installation::Installation;
use super::say;
use crate::crypto::rollover;
use crate::entropy::Entropy;
use crate::http::iso_date;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the keys and their states
    List {
        #[command(flatten)]
        installation: Installation,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Publish successors; they sign after ten minutes, when every relying party has seen them
    Roll {
        #[command(flatten)]
        installation: Installation,
    },
}

pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { installation, json } => list(&installation, json),
        Command::Roll { installation } => roll(&installation),
    }
}

fn list(installation: &Installation, as_json: bool) -> anyhow::Result<()> {
    let opened = installation.open(false)?;
    let rows = opened.store.read_blocking(|tx| tx.keys())?;
    if as_json {
        let list: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({"kid": row.kid, "use": row.usage, "alg": row.alg, "state": row.state,
                              "created_at": iso_date(row.created_at)})
            })
            .collect();
        say(json!(list));
        return Ok(());
    }
    for row in rows {
        say(format_args!(
            "{:8} {:6} {:8} {}  {}",
            row.state,
            row.alg,
            row.usage,
            iso_date(row.created_at),
            row.kid
        ));
    }
    Ok(())
}

fn roll(installation: &Installation) -> anyhow::Result<()> {
    let opened = installation.open(false)?;
    let rows = opened.store.read_blocking(|tx| tx.keys())?;
    let made = rollover::missing(
        &rows,
        "next",
        (&opened.master, &Entropy::system()),
        opened.now()?,
    )?;
    let made = opened
        .store
        .write_blocking(move |tx| rollover::store_missing(tx, made))?;
    let lines: Vec<String> = made
        .iter()
        .map(|key| format!("next {} {}", key.alg, key.kid))
        .collect();
    if lines.is_empty() {
        say("every key has a successor already, which waits for its time");
    }
    lines.iter().for_each(say);
    Ok(())
}
