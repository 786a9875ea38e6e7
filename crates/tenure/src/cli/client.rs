//! `tenure client`.

use super::installation::Installation;
use super::say;
use crate::settings::Settings;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the clients
    List {
        #[command(flatten)]
        installation: Installation,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send a client a logout token for a session that never was, and report its answer
    TestLogout(super::test_logout::Args),
}

pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { installation, json } => list(&installation, json),
        Command::TestLogout(args) => super::test_logout::run(&args),
    }
}

fn list(installation: &Installation, json: bool) -> anyhow::Result<()> {
    let opened = installation.open(false)?;
    let settings = opened.store.read_blocking(Settings::load)?;
    let mut clients: Vec<_> = settings
        .clients
        .values()
        .map(|registered| &registered.client)
        .collect();
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    if json {
        let list: Vec<_> = clients
            .iter()
            .map(|c| {
                json!({"client_id": c.client_id, "name": c.name, "app_type": c.app_type,
                            "first_party": c.is_first_party, "callbacks": c.callbacks})
            })
            .collect();
        say(json!(list));
    } else {
        for client in clients {
            say(format_args!(
                "{}  {}  {:?}",
                client.client_id, client.name, client.app_type
            ));
        }
    }
    Ok(())
}
