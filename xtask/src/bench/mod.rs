//! `cargo xtask bench`: starts the release server and drives it from this process.
//!
//! Machines are noisy, so each figure is stated as a share of a limit that is measured in the same
//! run: how many signatures or durable commits the machine manages at all, less what this load
//! generator itself costs beside the server.

mod engine;
mod import;
mod limits;
mod load;
mod report;
mod server;
mod streams;

use crate::run::say;
use anyhow::Context;
use report::{Figure, Report};
use server::Server;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds for each measurement
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Where to write the figures as JSON
    #[arg(long, default_value = "target/bench.json")]
    json: std::path::PathBuf,
    /// Leave out the runs with 100,000 and 1,000,000 sessions, and the import of 100,000 users
    #[arg(long)]
    quick: bool,
    /// The engine: the embedded one, or a PostgreSQL of the bench's own
    #[arg(long, value_enum, default_value_t = engine::Kind::Sqlite)]
    database: engine::Kind,
    /// On PostgreSQL, refresh once more beside so many expired rows
    #[arg(long, default_value_t = 10_000_000)]
    expired: u64,
}

/// Connections that are kept busy.
const CONNECTIONS: usize = 32;
/// Users of the import.
const IMPORTED: usize = 100_000;
/// Listeners that hear nothing.
const LISTENERS: usize = 10_000;
/// Sessions that a run draws from.
const SAMPLE: usize = 20_000;

pub fn run(args: &Args) -> anyhow::Result<()> {
    server::build()?;
    let duration = Duration::from_secs(args.seconds);
    let mut report = Report::default();
    say("measuring the machine's own limits …");
    let engine = engine::Engine::start(args.database)?;
    let mut limits = limits::measure(duration)?;
    limits.transactions = engine.bare_transactions(duration)?;
    report.limits = limits.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let bench = Bench {
            engine: &engine,
            limits: &limits,
            duration,
        };
        let small = bench.small(&mut report).await?;
        if !args.quick {
            bench.large(&mut report, 100_000, None).await?;
            bench.large(&mut report, 1_000_000, Some(small)).await?;
        }
        if engine.is_shared() {
            bench.several_servers(&mut report).await?;
            if !args.quick {
                bench.beside_expired_rows(&mut report, args.expired).await?;
            }
        }
        anyhow::Ok(())
    })?;
    if !args.quick && !engine.is_shared() {
        report.import = Some(import::measure(IMPORTED)?);
    }
    say(&report.table());
    std::fs::write(&args.json, report.json())
        .with_context(|| format!("writing {}", args.json.display()))?;
    say(&format!("written to {}", args.json.display()));
    Ok(())
}

/// What every measurement of a run shares.
struct Bench<'b> {
    engine: &'b engine::Engine,
    limits: &'b limits::Limits,
    duration: Duration,
}

/// The machine client's request for a token of an API.
fn machine(audience: &str) -> load::Fixed {
    load::fixed(load::form(
        "/oauth/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "bench-machine"),
            ("client_secret", "bench-secret"),
            ("audience", audience),
        ],
    ))
}

impl Bench<'_> {
    /// Everything with 1,000 sessions; answers the refresh rate.
    async fn small(&self, report: &mut Report) -> anyhow::Result<f64> {
        let server = Server::start(self.engine, 1_000, 1_000)?;
        report.idle_memory = server.memory()?;
        let address = server.address();
        let token = load::access_token(address).await?;
        let introspect = load::form(
            "/oauth/introspect",
            &[
                ("client_id", "bench-machine"),
                ("client_secret", "bench-secret"),
                ("token", &token),
            ],
        );
        let discovery = load::get("/.well-known/openid-configuration");
        let silent = load::get(&load::silent_path());
        for (name, request) in [
            ("discovery", discovery),
            ("introspection", introspect),
            ("silent authorize, no session", silent),
        ] {
            let measured = self.measure(address, load::fixed(request)).await?;
            report
                .figures
                .push(Figure::new(name, 1_000, measured, None));
        }
        let measured = self
            .measure(address, machine("https://bench.example"))
            .await?;
        let limit = self.limits.rsa_requests(1.0, measured.generator_seconds);
        report.figures.push(Figure::new(
            "client_credentials RS256",
            1_000,
            measured,
            Some(("RSA signatures", limit)),
        ));
        let measured = self
            .measure(address, machine("https://bench-es.example"))
            .await?;
        let limit = self.limits.ec_requests(1.0, measured.generator_seconds);
        report.figures.push(Figure::new(
            "client_credentials ES256",
            1_000,
            measured,
            Some(("P-256 signatures", limit)),
        ));
        let name = "refresh RS256, rotating, durable";
        let refresh = self.refresh(report, name, &[&server], 1_000).await?;
        let cookies: VecDeque<String> = server
            .sample
            .iter()
            .map(|(cookie, _)| cookie.clone())
            .collect();
        let measured = self.measure(address, load::silent(cookies)).await?;
        let limit = self.limits.rsa_requests(2.0, measured.generator_seconds);
        report.figures.push(Figure::new(
            "silent authorize + code exchange",
            1_000,
            measured,
            Some(("RSA signatures", limit)),
        ));
        report.start_up.push((1_000, server.start_up));
        Ok(refresh)
    }

    async fn measure(
        &self,
        address: std::net::SocketAddr,
        operation: impl load::Operation,
    ) -> anyhow::Result<load::Measured> {
        load::measure(&[address], CONNECTIONS, self.duration, operation).await
    }

    /// Refreshes at one server or, in turn, at several of one database.
    async fn refresh(
        &self,
        report: &mut Report,
        name: &'static str,
        servers: &[&Server],
        sessions: usize,
    ) -> anyhow::Result<f64> {
        let tokens: VecDeque<String> = servers
            .first()
            .into_iter()
            .flat_map(|server| &server.sample)
            .map(|(_, token)| token.clone())
            .collect();
        let tokens = Arc::new(Mutex::new(tokens));
        let addresses: Vec<_> = servers.iter().map(|server| server.address()).collect();
        let refresh = load::refresh(&tokens);
        let measured = load::measure(&addresses, CONNECTIONS, self.duration, refresh).await?;
        let rate = measured.rate;
        let signing = self.limits.rsa_requests(2.0, measured.generator_seconds);
        let limit = match self.limits.transactions {
            Some(bare) if bare < signing => ("bare transactions", bare),
            _ => ("RSA signatures", signing),
        };
        report
            .figures
            .push(Figure::new(name, sessions, measured, Some(limit)));
        Ok(rate)
    }

    /// Refresh, memory, disk and start-up with many sessions.
    async fn large(
        &self,
        report: &mut Report,
        sessions: usize,
        small: Option<f64>,
    ) -> anyhow::Result<()> {
        say(&format!("making {sessions} sessions …"));
        let server = Server::start(self.engine, sessions, SAMPLE)?;
        report.start_up.push((sessions, server.start_up));
        report.disk.push((sessions, server.bytes_on_disk()?));
        let idle = server.memory()?;
        let name = "refresh RS256, rotating, durable";
        let rate = self.refresh(report, name, &[&server], sessions).await?;
        report.memory.push((sessions, idle, server.memory()?));
        if report.streams.is_none() {
            report.streams = Some(streams::measure(&server, LISTENERS).await?);
        }
        if let Some(small) = small {
            report.large_to_small = Some(rate / small);
        }
        Ok(())
    }

    /// One server and two on the same database, one after the other.
    async fn several_servers(&self, report: &mut Report) -> anyhow::Result<()> {
        let first = Server::start(self.engine, 10_000, 10_000)?;
        let one = self
            .refresh(report, "refresh, one server", &[&first], 10_000)
            .await?;
        let second = first.beside()?;
        let servers = [&first, &second];
        let two = self
            .refresh(report, "refresh, two servers", &servers, 10_000)
            .await?;
        report.two_to_one = Some(two / one);
        Ok(())
    }

    /// Rows that have expired and wait for the sweep must not cost those that live anything.
    async fn beside_expired_rows(&self, report: &mut Report, rows: u64) -> anyhow::Result<()> {
        let server = Server::start(self.engine, 10_000, 10_000)?;
        let name = "refresh, nothing expired";
        let before = self.refresh(report, name, &[&server], 10_000).await?;
        say(&format!("making {rows} expired rows …"));
        server.add_expired(rows)?;
        let name = "refresh, beside expired rows";
        let after = self.refresh(report, name, &[&server], 10_000).await?;
        report.expired = Some((rows, after / before));
        Ok(())
    }
}
