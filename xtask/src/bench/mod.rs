//! `cargo xtask bench`: starts the release server and drives it from this process.
//!
//! Machines are noisy, so each figure is stated as a share of a limit that is measured in the same
//! run: how many signatures or durable commits the machine manages at all, less what this load
//! generator itself costs beside the server.

mod limits;
mod load;
mod report;
mod server;

use crate::run::say;
use anyhow::Context;
use report::{Figure, Report};
use server::Server;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds for each measurement
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Where to write the figures as JSON
    #[arg(long, default_value = "target/bench.json")]
    json: std::path::PathBuf,
    /// Leave out the runs with 100,000 and 1,000,000 sessions
    #[arg(long)]
    quick: bool,
}

/// Connections that are kept busy.
const CONNECTIONS: usize = 32;
/// Sessions that a run draws from.
const SAMPLE: usize = 20_000;

pub fn run(args: &Args) -> anyhow::Result<()> {
    server::build()?;
    let duration = Duration::from_secs(args.seconds);
    let mut report = Report::default();
    say("measuring the machine's own limits …");
    let limits = limits::measure(duration)?;
    report.limits = limits.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let small = measure_small(&mut report, &limits, duration).await?;
        if !args.quick {
            measure_large(&mut report, 100_000, None, duration, &limits).await?;
            measure_large(&mut report, 1_000_000, Some(small), duration, &limits).await?;
        }
        anyhow::Ok(())
    })?;
    say(&report.table());
    std::fs::write(&args.json, report.json())
        .with_context(|| format!("writing {}", args.json.display()))?;
    say(&format!("written to {}", args.json.display()));
    Ok(())
}

/// Everything with 1,000 sessions; answers the refresh rate.
async fn measure_small(
    report: &mut Report,
    limits: &limits::Limits,
    duration: Duration,
) -> anyhow::Result<f64> {
    let server = Server::start(1_000, 1_000)?;
    report.idle_memory = server.memory()?;
    let address = server.address();
    let simple = |name, request: Vec<u8>| (name, load::fixed(request));
    let token = load::access_token(address).await?;
    let discovery = simple("discovery", load::get("/.well-known/openid-configuration"));
    let introspect = simple(
        "introspection",
        load::form(
            "/oauth/introspect",
            &[
                ("client_id", "bench-machine"),
                ("client_secret", "bench-secret"),
                ("token", &token),
            ],
        ),
    );
    for (name, make) in [discovery, introspect] {
        let measured = load::measure(address, CONNECTIONS, duration, make).await?;
        report
            .figures
            .push(Figure::new(name, 1_000, measured, None));
    }
    let machine = load::fixed(load::form(
        "/oauth/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "bench-machine"),
            ("client_secret", "bench-secret"),
            ("audience", "https://bench.example"),
        ],
    ));
    let measured = load::measure(address, CONNECTIONS, duration, machine).await?;
    let limit = limits.rsa_requests(1.0, measured.generator_seconds);
    report.figures.push(Figure::new(
        "client_credentials RS256",
        1_000,
        measured,
        Some(("RSA signatures", limit)),
    ));
    let machine = load::fixed(load::form(
        "/oauth/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "bench-machine"),
            ("client_secret", "bench-secret"),
            ("audience", "https://bench-es.example"),
        ],
    ));
    let measured = load::measure(address, CONNECTIONS, duration, machine).await?;
    let limit = limits.ec_requests(1.0, measured.generator_seconds);
    report.figures.push(Figure::new(
        "client_credentials ES256",
        1_000,
        measured,
        Some(("P-256 signatures", limit)),
    ));
    let refresh = refresh(report, &server, limits, 1_000, duration).await?;
    let (strangers, make) = (
        "silent authorize, no session",
        load::fixed(load::get(&load::silent_path())),
    );
    let measured = load::measure(address, CONNECTIONS, duration, make).await?;
    report
        .figures
        .push(Figure::new(strangers, 1_000, measured, None));
    let cookies: VecDeque<String> = server
        .sample
        .iter()
        .map(|(cookie, _)| cookie.clone())
        .collect();
    let measured = load::measure(address, CONNECTIONS, duration, load::silent(cookies)).await?;
    let limit = limits.rsa_requests(2.0, measured.generator_seconds);
    report.figures.push(Figure::new(
        "silent authorize + code exchange",
        1_000,
        measured,
        Some(("RSA signatures", limit)),
    ));
    report.start_up.push((1_000, server.start_up));
    Ok(refresh)
}

async fn refresh(
    report: &mut Report,
    server: &Server,
    limits: &limits::Limits,
    sessions: usize,
    duration: Duration,
) -> anyhow::Result<f64> {
    let tokens: VecDeque<String> = server
        .sample
        .iter()
        .map(|(_, token)| token.clone())
        .collect();
    let tokens = Arc::new(Mutex::new(tokens));
    let measured = load::measure(
        server.address(),
        CONNECTIONS,
        duration,
        load::refresh(&tokens),
    )
    .await?;
    drop(tokens.lock().unwrap_or_else(PoisonError::into_inner));
    let rate = measured.rate;
    let limit = limits.rsa_requests(2.0, measured.generator_seconds);
    report.figures.push(Figure::new(
        "refresh RS256, rotating, durable",
        sessions,
        measured,
        Some(("RSA signatures", limit)),
    ));
    Ok(rate)
}

/// Refresh, memory, disk and start-up with many sessions.
async fn measure_large(
    report: &mut Report,
    sessions: usize,
    small: Option<f64>,
    duration: Duration,
    limits: &limits::Limits,
) -> anyhow::Result<()> {
    say(&format!("making {sessions} sessions …"));
    let server = Server::start(sessions, SAMPLE)?;
    report.start_up.push((sessions, server.start_up));
    report.disk.push((sessions, server.bytes_on_disk()?));
    let idle = server.memory()?;
    let rate = refresh(report, &server, limits, sessions, duration).await?;
    report.memory.push((sessions, idle, server.memory()?));
    if let Some(small) = small {
        report.large_to_small = Some(rate / small);
    }
    Ok(())
}
