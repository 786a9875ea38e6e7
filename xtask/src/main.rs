//! The one tool: `cargo xtask test`, `tidy`, `assets`, `bench`. `.ci/run` calls it.

mod assets;
mod bench;
mod named_tests;
mod published;
mod run;
mod test;
mod tidy;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need, then run all of them
    Test {
        /// The long loops in full: 200 rounds of simultaneous refreshes, 50 crashes
        #[arg(long)]
        full: bool,
    },
    /// Format, lints and the rules of this repository
    Tidy,
    /// Build the sites of `tenure demo`, which the binary embeds
    Assets,
    /// Measure the release server against the machine's own limits
    Bench(bench::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Test { full } => test::run(full),
        Command::Tidy => tidy::run(),
        Command::Assets => assets::run(),
        Command::Bench(args) => bench::run(&args),
    }
}
