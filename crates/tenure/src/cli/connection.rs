//! `tenure connection`.

use super::installation::Installation;
use super::way_out::WayOut;
use super::{say, wrong};
use crate::settings::Settings;
use crate::upstream::{Providers, Register, Report, auth_method, examine};
use anyhow::{anyhow, bail};
use serde_json::{Value, json};
use std::sync::Arc;
use tenure_protocol::model::{Connection, UpstreamPolicy};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the connections to other identity providers
    List {
        #[command(flatten)]
        installation: Installation,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the settings of a connection, but no secret
    Show {
        /// The connection's name
        name: String,
        #[command(flatten)]
        installation: Installation,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask a provider for its metadata and keys, and say what is there, what is missing, and what to register
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The connection's name
    name: String,
    #[command(flatten)]
    installation: Installation,
    #[command(flatten)]
    way_out: WayOut,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { installation, json } => list(&settings(&installation)?, json),
        Command::Show {
            name,
            installation,
            json,
        } => show(&*find(&settings(&installation)?, &name)?, json),
        Command::Test(args) => test(&args),
    }
}

fn settings(installation: &Installation) -> anyhow::Result<Settings> {
    let opened = installation.open(false)?;
    Ok(opened.store.read_blocking(Settings::load)?)
}

fn find(settings: &Settings, name: &str) -> anyhow::Result<Arc<Connection>> {
    if settings.other_connections.contains(name) {
        let words = "is kept as the file has it, and nobody can sign in with it";
        return wrong(Err(anyhow!("the connection {name} {words}")));
    }
    let found = settings.connections.get(name).cloned();
    wrong(found.ok_or_else(|| anyhow!("there is no connection {name}")))
}

fn list(settings: &Settings, json: bool) -> anyhow::Result<()> {
    let connections = settings.connections.values();
    if json {
        let list: Vec<Value> = connections.map(|connection| shown(connection)).collect();
        say(Value::Array(list));
        return Ok(());
    }
    for connection in connections {
        let issuer = connection.issuer().unwrap_or_default();
        say(format_args!(
            "{}  {}  {issuer}",
            connection.name,
            connection.title()
        ));
    }
    for name in &settings.other_connections {
        say(format_args!("{name}  (kept, and not used)"));
    }
    Ok(())
}

/// A connection without what is secret about it.
fn shown(connection: &Connection) -> Value {
    let public = Connection {
        sealed_secret: None,
        ..connection.clone()
    };
    let mut value = json!(public);
    if let Value::Object(map) = &mut value {
        map.insert("issuer".to_owned(), json!(connection.issuer()));
        let has_secret = connection.sealed_secret.is_some();
        map.insert("has_client_secret".to_owned(), has_secret.into());
    }
    value
}

fn show(connection: &Connection, json: bool) -> anyhow::Result<()> {
    if json {
        say(shown(connection));
        return Ok(());
    }
    let (options, policy) = (&connection.options, &connection.upstream);
    let or_none = |list: &[String]| match list {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    let clients = connection.enabled_clients.as_deref();
    let mapping: Vec<String> = policy
        .acr_mapping
        .iter()
        .map(|(theirs, ours)| format!("{theirs} is {ours}"))
        .collect();
    let secret = if connection.sealed_secret.is_some() {
        "stored"
    } else {
        "none"
    };
    title(connection);
    for (name, value) in [
        ("issuer", connection.issuer().unwrap_or_default()),
        ("metadata", connection.metadata_url().unwrap_or_default()),
        ("client_id", options.client_id.clone()),
        ("client secret", secret.to_owned()),
        ("authentication", auth_method(connection).to_owned()),
        ("scope", connection.scope()),
        ("domains", or_none(&options.domain_aliases)),
        ("clients", clients.map_or("all".to_owned(), or_none)),
        ("button", yes_or_no(connection.show_as_button)),
        ("sign-up", yes_or_no(!options.disable_signup)),
        ("session_expiry", word(&connection.expiry_policy())),
        ("linking", word(&policy.linking)),
        (
            "fresh auth_time",
            yes_or_no(connection.demands_fresh_auth_time()),
        ),
        ("amr that counts", or_none(&policy.amr_values)),
        ("acr that counts", or_none(&mapping)),
        ("logout tokens end", word(&policy.backchannel_logout)),
        (
            "takes revocations",
            yes_or_no(policy.global_token_revocation),
        ),
        ("asked", asked(policy)),
    ] {
        line(name, value);
    }
    Ok(())
}

/// A setting's word on the wire.
fn word(value: &impl serde::Serialize) -> String {
    let value = json!(value);
    value.as_str().unwrap_or_default().to_owned()
}

/// How often the provider is asked whether people are still welcome.
fn asked(policy: &UpstreamPolicy) -> String {
    match policy.confirm_after_minutes {
        None => "never".to_owned(),
        Some(minutes) => format!(
            "after {minutes} minutes, with {} of grace",
            policy.confirm_grace_minutes
        ),
    }
}

fn yes_or_no(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

fn title(connection: &Connection) {
    say(format_args!(
        "connection {} ({})",
        connection.name,
        connection.title()
    ));
}

fn line(name: &str, value: impl std::fmt::Display) {
    say(format_args!("  {name:<26}{value}"));
}

fn test(args: &TestArgs) -> anyhow::Result<()> {
    let (base_url, outbound) = args.way_out.open()?;
    let connection = find(&settings(&args.installation)?, &args.name)?;
    let providers = Providers::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let provider = match runtime.block_on(providers.provider(&outbound, &connection)) {
        Ok(provider) => provider,
        Err(fault) => {
            // What to register is what is wanted most where nothing works yet.
            if !args.json {
                title(&connection);
                register(&Register::of(&connection, &base_url));
            }
            bail!("connection {}: {fault}", connection.name);
        }
    };
    let report = examine(&connection, &provider, &base_url);
    if args.json {
        say(json!(report));
    } else {
        title(&connection);
        print(&report);
    }
    if report.wrong.is_empty() {
        return Ok(());
    }
    bail!(
        "connection {}: {}",
        report.connection,
        report.wrong.join("; ")
    )
}

fn print(report: &Report) {
    let found = &report.found;
    line("issuer", &report.issuer);
    line("metadata", &report.metadata_url);
    line("authorization_endpoint", &found.authorization_endpoint);
    line("token_endpoint", &found.token_endpoint);
    let optional = |endpoint: &Option<String>| endpoint.clone().unwrap_or("none".to_owned());
    line("userinfo_endpoint", optional(&found.userinfo_endpoint));
    line(
        "end_session_endpoint",
        optional(&found.end_session_endpoint),
    );
    line("jwks_uri", &found.jwks_uri);
    for key in &found.keys {
        line("  key", key);
    }
    line("authentication", found.token_endpoint_auth_method);
    register(&report.register);
    if !report.missing.is_empty() {
        say("missing");
    }
    for words in &report.missing {
        say(format_args!("  {words}"));
    }
}

fn register(register: &Register) {
    say("to be registered at the provider");
    line("client_id", &register.client_id);
    line("redirect URI", &register.redirect_uri);
    line(
        "post-logout redirect URI",
        &register.post_logout_redirect_uri,
    );
    line("back-channel logout URI", &register.backchannel_logout_uri);
    if let Some(uri) = &register.global_token_revocation_uri {
        line("global token revocation", uri);
    }
    if let Some(jwks_uri) = &register.jwks_uri {
        line("JWK set", jwks_uri);
    }
}
