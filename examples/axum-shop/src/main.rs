//! One shop, four ways to configure its sessions, each on a port of its own. `tenant.yaml` beside this folder
//! is the provider's side.

mod scenarios;
mod shop;
mod time;

use anyhow::Context as _;
use axum::body::Bytes;
use clap::Parser;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(Debug, Parser)]
struct Args {
    /// The provider, as its discovery document writes it
    #[arg(long, default_value = "http://localhost:7100/")]
    issuer: String,
    /// Four ports, in the order of the scenarios
    #[arg(long, value_delimiter = ',', default_value = "3101,3102,3103,3104")]
    ports: Vec<u16>,
    /// Ports of a proxy that speaks TLS before them, in the same order: browsers reach the shops there, and the provider's
    /// answers come as forms
    #[arg(long, value_delimiter = ',')]
    https_ports: Vec<u16>,
    /// Keeps the sessions of the last scenario in this SQLite file instead of in memory
    #[arg(long)]
    sessions: Option<std::path::PathBuf>,
    /// The session monitor of @tenure/browser, from `npm ci && npm run build --workspace @tenure/browser`
    #[arg(long, default_value = "node_modules/@tenure/browser/dist/monitor.js")]
    monitor: std::path::PathBuf,
    /// Lets tests move the clock: POST /dev/clock {"advance_seconds": 60}
    #[arg(long, env = "SHOP_MANUAL_CLOCK")]
    manual_clock: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let args = Args::parse();
    let monitor = std::fs::read(&args.monitor).with_context(|| {
        format!(
            "{} is not there: run `npm ci && npm run build --workspace @tenure/browser` in the repository, or name it with --monitor",
            args.monitor.display()
        )
    })?;
    let monitor = Bytes::from(monitor);
    let time = time::Time::default();
    let mut shops = JoinSet::new();
    for (number, (scenario, port)) in scenarios::ALL.iter().zip(&args.ports).enumerate() {
        let base = match args.https_ports.get(number) {
            Some(public) => format!("https://localhost:{public}"),
            None => format!("http://localhost:{port}"),
        };
        let layer = scenario.layer(&args.issuer, &base, args.sessions.as_deref(), time.clock())?;
        let mut router = layer
            .around(shop::router(scenario))
            .merge(shop::monitor(monitor.clone()));
        if args.manual_clock {
            router = router.merge(time.router());
        }
        // Loopback alone: this is an example, and its clock may be moved.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        let listener = TcpListener::bind(address).await?;
        println(&format!("{base}  {}", scenario.title));
        shops.spawn(async move { axum::serve(listener, router).await });
    }
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        Some(ended) = shops.join_next() => Ok(ended??),
    }
}

#[expect(clippy::print_stdout, reason = "the example's voice")]
fn println(text: &str) {
    println!("{text}");
}
