//! The command line.

mod apply;
mod backup;
mod check;
mod client;
mod connection;
mod demo;
mod installation;
mod keys;
mod migrate_data;
mod preview;
mod restore;
mod serve;
mod session;
pub mod session_text;
mod simulate;
mod test_logout;
mod user;
mod way_out;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A self-hosted sign-in server whose speciality is the life of a session.
#[derive(Debug, Parser)]
#[command(name = "tenure", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Args),
    /// Try it out: a server, two sites and the life of their session to watch, on loopback.
    Demo(demo::Args),
    /// Bring an installation to the state that a tenant file describes.
    Apply(apply::Args),
    /// Validate and lint a configuration or tenant file without touching anything.
    Check(check::Args),
    /// Try a policy on a list of events: when does each layer end, and which rule wins?
    Simulate(simulate::Args),
    /// Tell what a change of settings would do to the sessions that live now, and change nothing.
    Preview(preview::Args),
    /// Manage users.
    #[command(subcommand)]
    User(user::Command),
    /// Look at clients, and test how they hear of an end.
    #[command(subcommand)]
    Client(client::Command),
    /// Look at connections to other identity providers, and test them.
    #[command(subcommand)]
    Connection(connection::Command),
    /// Look at sessions, end them, and see who was told.
    #[command(subcommand)]
    Session(session::Command),
    /// Look at keys, and roll them over.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Copy the database while the server runs.
    Backup(backup::Args),
    /// Move an installation to another database, with everything that lives in it.
    MigrateData(migrate_data::Args),
    /// Put a backup in the place of a database.
    Restore(restore::Args),
}

/// Runs the command line. Exit code 2 for wrong input, 1 for everything else that fails.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Check(args) => check::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Preview(args) => preview::run(args),
        Command::User(command) => user::run(command),
        Command::Client(command) => client::run(command),
        Command::Connection(command) => connection::run(command),
        Command::Session(command) => session::run(command),
        Command::Keys(command) => keys::run(command),
        Command::Backup(args) => backup::run(args),
        Command::MigrateData(args) => migrate_data::run(args),
        Command::Restore(args) => restore::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            match error.downcast_ref::<WrongInput>() {
                Some(_) => ExitCode::from(2),
                None => ExitCode::FAILURE,
            }
        }
    }
}

/// What whoever called can mend by writing something else: in a flag, in a file, in a name.
#[derive(Debug)]
struct WrongInput(String);

impl std::fmt::Display for WrongInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongInput {}

/// Marks an error as [`WrongInput`], whatever it is.
fn wrong<T>(result: anyhow::Result<T>) -> anyhow::Result<T> {
    result.map_err(|error| WrongInput(format!("{error:#}")).into())
}

#[expect(clippy::print_stderr, reason = "the command line's own voice")]
fn complain(error: &anyhow::Error) {
    eprintln!("tenure: {error:#}");
}

/// A line of output. Who reads it may have seen enough (`| head`): that ends no command half-way, and no server.
pub(crate) fn say(text: impl std::fmt::Display) {
    use std::io::{ErrorKind, Write as _};
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&anyhow::Error::new(error).context("cannot write the output"));
        }
        _ => {}
    }
}

/// A file that was named on the command line: one that is not there is wrong input.
fn open_named(file: &std::path::Path) -> anyhow::Result<std::fs::File> {
    use anyhow::Context as _;
    let words = || format!("cannot read {}", file.display());
    match std::fs::File::open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            wrong(Err(error).with_context(words))
        }
        opened => opened.with_context(words),
    }
}
