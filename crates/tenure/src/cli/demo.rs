//! `tenure demo`: a server with a tenant, a user and a sample application, gone when it ends.

use super::{say, serve};
use crate::app::{App, Parts};
use crate::config::{BaseUrl, ConfigFile, DatabaseUrl, Plan, ServerConfig};
use crate::database_file::Serving;
use crate::entropy::Entropy;
use crate::passwords::Hasher;
use crate::tenantfile::plan::{Planner, Present};
use crate::tenantfile::read::read;
use crate::tenantfile::yaml::Node;
use crate::tenantfile::{Findings, change::Change};
use crate::{demo, listen};
use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server's port on loopback; the sample application takes the next one
    #[arg(long, default_value_t = 7100, value_parser = clap::value_parser!(u16).range(1..=65_534))]
    port: u16,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let quiet = ConfigFile {
        log: crate::config::LogConfig {
            filter: Some("warn".to_owned()),
            ..Default::default()
        },
        ..Default::default()
    };
    serve::start_logging(&quiet);
    let folder = demo_folder()?;
    let result = run_in(&args, &folder);
    // Everything of the demo is made up, keys included: nothing of it is worth keeping.
    drop(std::fs::remove_dir_all(&folder));
    result
}

fn demo_folder() -> anyhow::Result<std::path::PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let folder = std::env::temp_dir().join(format!("tenure-demo-{}", Entropy::system().token(9)));
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn run_in(args: &Args, folder: &std::path::Path) -> anyhow::Result<()> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let config = ServerConfig {
        listen: address(args.port),
        base_url: BaseUrl::parse(&format!("http://localhost:{}", args.port))?,
        database: DatabaseUrl::Sqlite(folder.join("demo.db")),
        key_file: None,
        metrics_listen: None,
        tls: None,
        trusted_proxies: Vec::new(),
        pool: crate::database::Pool::default(),
        caps: Plan::Enterprise.caps(),
        outbound: crate::config::OutboundConfig::default(),
        retention: crate::config::Retention::default(),
        manual_clock: true,
    }
    .check()?;
    let _serving = Serving::begin(&config.database)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (app, log) = App::open(
        config,
        Parts {
            durable: true,
            ..Parts::default()
        },
    )?;
    let password = Entropy::system().token(9);
    seed(&app, args.port + 1, &password)?;
    runtime.block_on(async {
        app.reload_if_changed().await?;
        let sample = TcpListener::bind(address(args.port + 1))
            .await
            .with_context(|| {
                format!(
                    "port {} is taken: choose another with --port",
                    args.port + 1
                )
            })?;
        greet(args, &password);
        let limits = listen::Limits::of_this_process(&[]);
        tokio::select! {
            done = serve::serve(app.clone(), log, serve::stop_signal()) => done,
            () = listen::serve(sample, None, demo::router(&app), limits, std::future::pending()) => Ok(()),
        }
    })
}

/// The tenant of the demo, through the same file format that everybody uses.
fn seed(app: &Arc<App>, sample_port: u16, password: &str) -> anyhow::Result<()> {
    let text = demo::TENANT
        .replace("{port}", &sample_port.to_string())
        .replace("{password}", password);
    let mut findings = Findings::default();
    let wanted = read(&Node::parse(&text, "demo")?, &mut findings);
    let planner = Planner {
        present: &Present::default(),
        macs: &app.macs,
        caps: &app.config.caps,
        entropy: &app.entropy,
        delete: false,
    };
    let mut changes: Vec<Change> = planner.plan(&wanted, &mut findings);
    for change in &mut changes {
        if let Some(password) = change.takes_password() {
            change.password_hash = Some(Hasher::default().hash(&password, &app.entropy)?);
        }
    }
    let now = app.clock.now();
    app.store
        .write_blocking(move |tx| changes.iter().try_for_each(|change| change.apply(tx, now)))?;
    Ok(())
}

fn greet(args: &Args, password: &str) {
    let (port, sample) = (args.port, args.port + 1);
    let page = format!("http://localhost:{sample}/");
    say(format_args!(
        "\n  Tenure demo\n\n  \
         Sample application   {page}\n  \
         Sign in as           ada@example.com\n  \
         with the password    {password}\n\n  \
         Discovery            http://localhost:{port}/.well-known/openid-configuration\n  \
         Move the clock       curl -H 'content-type: application/json' -d '{{\"advance_seconds\": 3600}}' http://localhost:{port}/dev/clock\n\n  \
         Everything is thrown away when you stop it with Ctrl-C.\n"
    ));
    if !args.no_open
        && let Some(opener) = opener()
    {
        // A machine without a desktop has no opener, or one that fails: the addresses are printed above.
        drop(
            std::process::Command::new(opener)
                .arg(&page)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn(),
        );
    }
}

fn opener() -> Option<&'static str> {
    if cfg!(target_os = "macos") {
        return Some("open");
    }
    let desktop =
        std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some();
    desktop.then_some("xdg-open")
}
