//! `tenure demo`: a server, two sites, an API and another identity provider, gone when it ends.

use super::{say, serve};
use crate::app::{App, Parts};
use crate::clock::Clock;
use crate::config::{BaseUrl, ConfigFile, DatabaseUrl, Plan, ServerConfig};
use crate::database_file::Serving;
use crate::demo::{Addresses, Demo, EMAIL, Secrets, api, site, tenant};
use crate::entropy::Entropy;
use crate::{listen, router, work};
use anyhow::Context;
use axum::Router;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server's port on loopback; shop, forum, API and another identity provider take the next four
    #[arg(long, default_value_t = 7100, value_parser = clap::value_parser!(u16).range(1..=65_531))]
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

fn demo_folder() -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let folder = std::env::temp_dir().join(format!("tenure-demo-{}", Entropy::system().token(9)));
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn run_in(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let at = Addresses::from_port(args.port);
    let secrets = Secrets::new(&Entropy::system());
    let config = configuration(args.port, folder.join("demo.db"), true)?;
    let _serving = Serving::begin(&config.database)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (app, log) = App::open(config, parts(None))?;
    tenant::apply(&app, &tenant::file(&at, &secrets))?;
    // One clock for both: a session upstream grows old with the one that hangs on it.
    let config = configuration(args.port + 4, folder.join("company.db"), false)?;
    let (company, company_log) = App::open(config, parts(Some(app.clock.clone())))?;
    tenant::apply(&company, &tenant::company(&at, &secrets))?;
    let demo = Demo::new(app.clone(), at, secrets);
    runtime.block_on(async {
        app.reload_if_changed().await?;
        company.reload_if_changed().await?;
        // The server opens this one itself; nothing is promised in the terminal before it is known to be free.
        drop(listener(args.port).await?);
        let shop = listener(args.port + 1).await?;
        let forum = listener(args.port + 2).await?;
        let api = listener(args.port + 3).await?;
        let provider = listener(args.port + 4).await?;
        let workers = work::start(&company, company_log);
        greet(args, &demo);
        let done = tokio::select! {
            done = serve::serve(app.clone(), log, serve::stop_signal()) => done,
            () = run_site(shop, site::router(&demo, site::Which::Shop)) => Ok(()),
            () = run_site(forum, site::router(&demo, site::Which::Forum)) => Ok(()),
            () = run_site(api, api::router(&demo)) => Ok(()),
            () = run_site(provider, router::router(company.clone())) => Ok(()),
        };
        workers.stop().await;
        let store = company.store.clone();
        tokio::task::spawn_blocking(move || store.close()).await?;
        done
    })
}

/// A server of the demo: on loopback, with a database of its own.
fn configuration(port: u16, database: PathBuf, manual_clock: bool) -> anyhow::Result<ServerConfig> {
    ServerConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        base_url: BaseUrl::parse(&format!("http://localhost:{port}"))?,
        database: DatabaseUrl::Sqlite(database),
        key_file: None,
        metrics_listen: None,
        tls: None,
        trusted_proxies: Vec::new(),
        pool: crate::database::Pool::default(),
        caps: Plan::Enterprise.caps(),
        outbound: crate::config::OutboundConfig::default(),
        retention: crate::config::Retention::default(),
        manual_clock,
    }
    .check()
}

fn parts(clock: Option<Clock>) -> Parts {
    Parts {
        clock,
        durable: true,
        ..Parts::default()
    }
}

async fn listener(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("port {port} is taken: choose others with --port"))
}

/// Until the server ends, and everything with it.
async fn run_site(listener: TcpListener, router: Router) {
    let limits = listen::Limits::of_this_process(&[]);
    listen::serve(listener, None, router, limits, std::future::pending()).await;
}

fn greet(args: &Args, demo: &Demo) {
    let (at, password) = (&demo.at, &demo.secrets.password);
    let page = format!("{}/", at.shop);
    say(format_args!(
        "\n  Tenure demo\n\n  \
         Shop                 {page}      open this one\n  \
         Forum                {}/\n  \
         API of both          {}/orders\n  \
         Server               {}/\n  \
         Another provider     {}/     upstream of it\n\n  \
         Sign in as           {EMAIL}\n  \
         with the password    {password}\n\n  \
         Everything is thrown away when you stop it with Ctrl-C.\n",
        at.forum, at.api, at.server, at.company
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
