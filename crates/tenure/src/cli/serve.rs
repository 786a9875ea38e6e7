//! `tenure serve`.

use super::{say, wrong};
use crate::app::{App, Parts};
use crate::config::{
    BaseUrl, ConfigFile, DatabaseUrl, LogFormat, Plan, ServerConfig, Tls, parse_networks,
};
use crate::database::Pool;
use crate::database_file::{Serving, readable_by_others};
use crate::{listen, operations, router, work};
use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A configuration file (tenure.toml); flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on; by default 127.0.0.1:7100
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Where browsers reach the server, such as https://id.example.com; http on loopback only.
    /// Required here or in the configuration file
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The database: sqlite:PATH for one server, postgres://USER:PASSWORD@HOST/DATABASE for any number
    #[arg(
        long,
        value_name = "URL",
        env = "TENURE_DATABASE",
        hide_env_values = true
    )]
    database: Option<String>,
    /// Connections to PostgreSQL that write: half of them for one transaction each, half shared; about half
    /// as many read
    #[arg(long, value_name = "N")]
    database_connections: Option<usize>,
    /// How long a transaction on PostgreSQL may take, in milliseconds
    #[arg(long, value_name = "MS")]
    database_timeout_ms: Option<u64>,
    /// The master key file; by default TENURE_KEY, else PATH.key beside a SQLite database, or in the
    /// user's state directory for PostgreSQL
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A certificate chain (PEM); without it, serve http behind a proxy or on loopback
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A proxy whose forwarded headers count: an address or a network; repeatable
    #[arg(long, value_name = "ADDRESS")]
    trusted_proxy: Vec<String>,
    /// The system caps for session lifetimes: self-service 3 days idle and 30 in all, enterprise (the
    /// default) 100 and 365
    #[arg(long)]
    plan: Option<Plan>,
    /// A listener of its own for /metrics
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// For tests: POST /dev/clock moves the server's clock (loopback only)
    #[arg(long)]
    manual_clock: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let file = args.config.as_deref().map(ConfigFile::read).transpose();
    let file = wrong(file)?.unwrap_or_default();
    start_logging(&file);
    let config = wrong(merge(args, file))?;
    let _serving = Serving::begin(&config.database)?;
    for file in readable_by_others(&config.database) {
        tracing::warn!(
            "others on this machine can read {}, and password hashes are in it: run chmod 600 on it",
            file.display()
        );
    }
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
    runtime.block_on(serve(app, log, stop_signal()))
}

/// Flags win over the file, the file over the defaults.
fn merge(args: Args, file: ConfigFile) -> anyhow::Result<ServerConfig> {
    let base_url = args.base_url.or(file.base_url).context(
        "where is the server reached? say --base-url https://… (or base_url in the configuration file)",
    )?;
    let database = args
        .database
        .or(file.database)
        .unwrap_or_else(|| "sqlite:./tenure.db".to_owned());
    let tls = match (args.tls_certificate, args.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
        _ => file.tls,
    };
    let mut trusted = parse_networks(&file.trusted_proxies).context("trusted_proxies")?;
    trusted.extend(parse_networks(&args.trusted_proxy).context("--trusted-proxy")?);
    let listen = args
        .listen
        .or(file.listen)
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7100)));
    ServerConfig {
        listen,
        base_url: BaseUrl::parse(&base_url)?,
        database: DatabaseUrl::parse(&database)?,
        key_file: args.key_file.or(file.key_file),
        metrics_listen: args.metrics_listen.or(file.metrics_listen),
        tls,
        trusted_proxies: trusted,
        pool: Pool {
            connections: args
                .database_connections
                .or(file.database_connections)
                .unwrap_or(Pool::default().connections),
            deadline_ms: args
                .database_timeout_ms
                .or(file.database_timeout_ms)
                .unwrap_or(Pool::default().deadline_ms),
        },
        caps: args.plan.or(file.plan).unwrap_or(Plan::Enterprise).caps(),
        outbound: file.outbound,
        retention: file.retention.into(),
        manual_clock: args.manual_clock,
    }
    .check()
}

pub(super) fn start_logging(file: &ConfigFile) {
    let filter = file.log.filter.clone().unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second call, as in tests, keeps the first subscriber.
    drop(match file.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    });
}

/// Serves until `stop`, then ends in order: requests, workers, database.
pub(super) async fn serve(
    app: Arc<App>,
    log: impl Future<Output = ()> + Send + 'static,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let config = &app.config;
    let tls = config
        .tls
        .as_ref()
        .map(|tls| listen::tls_acceptor(&tls.certificate, &tls.key))
        .transpose()?;
    if config.base_url.is_https() && tls.is_none() && config.trusted_proxies.is_empty() {
        tracing::warn!(
            "the base URL is https, but there is neither a certificate nor a trusted proxy: \
            client addresses will be the proxy's"
        );
    }
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let metrics = match config.metrics_listen {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}"))?,
        ),
        None => None,
    };
    let workers = work::start(&app, log);
    say(format_args!(
        "Tenure serves {} on {}",
        app.config.base_url.as_str(),
        listener.local_addr()?
    ));
    let limits = listen::Limits::of_this_process(&config.trusted_proxies);
    let routes = router::router(app.clone());
    let streams = app.streams.clone();
    let stop = async move {
        stop.await;
        // They would run until their sessions end.
        streams.close();
    };
    let serving = listen::serve(listener, tls, routes, limits.clone(), stop);
    match metrics {
        None => serving.await,
        Some(metrics) => {
            let routes = Router::new()
                .route("/metrics", get(metrics_page))
                .with_state(app.clone());
            tokio::select! {
                () = serving => {}
                () = listen::serve(metrics, None, routes, limits, std::future::pending()) => {}
            }
        }
    }
    workers.stop().await;
    let store = app.store.clone();
    tokio::task::spawn_blocking(move || store.close()).await?;
    Ok(())
}

async fn metrics_page(State(app): State<Arc<App>>) -> axum::response::Response {
    operations::metrics_text(&app)
}

/// SIGTERM or Ctrl-C.
pub(super) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => drop(interrupted.await),
    }
    tracing::info!("stopping");
}
