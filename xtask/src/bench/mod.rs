//! `cargo xtask bench`: starts the release server and drives it from this process.
//!
//! Machines are noisy, so each figure is stated as a share of a limit that is measured in the same
//! seconds: how many signatures, or bare transactions, the machine manages at all, less what this load
//! generator itself costs beside the server.

mod engine;
mod expiry;
mod fanout;
mod import;
mod limits;
mod load;
mod operations;
mod report;
mod server;
mod streams;

use crate::run::say;
use anyhow::Context;
use limits::Needs;
use load::Load;
use report::{Figure, Report};
use server::{Cores, Seed, Server};
use std::collections::VecDeque;
use std::net::SocketAddr;
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
    /// Only these parts; all when none is named
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// The engine: the embedded one, or a PostgreSQL of the bench's own
    #[arg(long, value_enum, default_value_t = engine::Kind::Sqlite)]
    database: engine::Kind,
    /// On PostgreSQL, refresh once more beside so many expired rows
    #[arg(long, default_value_t = 10_000_000)]
    expired: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Rates of the endpoints with 1,000 sessions
    Rates,
    /// 100,000 and 1,000,000 sessions, and event streams
    Large,
    /// Two servers against one, where the database is shared
    Servers,
    /// Refreshes beside rows that wait for the sweep, where the database is shared
    ExpiredRows,
    /// Telling 1,000 relying parties of an end
    Fanout,
    /// 100,000 sessions that expire within a minute
    Expiry,
    /// The import of users
    Import,
}

/// Connections that are kept busy.
const CONNECTIONS: usize = 32;
/// Users of the import.
const IMPORTED: usize = 100_000;
/// Listeners that hear nothing.
const LISTENERS: usize = 10_000;
/// Sessions that a run draws from.
const SAMPLE: usize = 20_000;

const REFRESH: &str = "refresh RS256, rotating, durable";

pub fn run(args: &Args) -> anyhow::Result<()> {
    server::build()?;
    let duration = Duration::from_secs(args.seconds);
    let mut report = Report::default();
    say("measuring the machine's own limits …");
    let engine = engine::Engine::start(args.database)?;
    let machine = limits::Machine::new(engine.bare()?)?;
    report.alone = machine.alone(duration / 2)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let bench = Bench {
        engine: &engine,
        machine: &machine,
        duration,
    };
    runtime.block_on(bench.run(args, &mut report))?;
    if args.wants(Part::Import) && !args.quick && !engine.is_shared() {
        report.import = Some(import::measure(IMPORTED)?);
    }
    say(&report.table());
    std::fs::write(&args.json, report.json())
        .with_context(|| format!("writing {}", args.json.display()))?;
    say(&format!("written to {}", args.json.display()));
    Ok(())
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// What every measurement of a run shares.
struct Bench<'b> {
    engine: &'b engine::Engine,
    machine: &'b limits::Machine,
    duration: Duration,
}

/// The machine client's request for a token of an API.
fn machine_token(audience: &str) -> operations::Fixed {
    operations::fixed(operations::form(
        "/oauth/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "bench-machine"),
            ("client_secret", "bench-secret"),
            ("audience", audience),
        ],
    ))
}

/// Refreshes of the sample's tokens of one client, at one server or, in turn, at several of one database.
fn refreshing(servers: &[&Server], client_id: &'static str) -> Load<operations::Refresh> {
    let tokens: VecDeque<String> = servers
        .first()
        .into_iter()
        .flat_map(|server| &server.sample)
        .filter(|seeded| seeded.client_id == client_id)
        .map(|seeded| seeded.token.clone())
        .collect();
    Load {
        addresses: servers.iter().map(|server| server.address()).collect(),
        connections: CONNECTIONS,
        operation: operations::refresh(&Arc::new(Mutex::new(tokens)), client_id),
    }
}

impl Bench<'_> {
    async fn run(&self, args: &Args, report: &mut Report) -> anyhow::Result<()> {
        if args.wants(Part::Rates) {
            self.small(report).await?;
        }
        if args.wants(Part::Large) && !args.quick {
            self.large(report, 100_000).await?;
            self.large(report, 1_000_000).await?;
        }
        if args.wants(Part::Servers) && self.engine.is_shared() {
            self.several_servers(report).await?;
        }
        if args.wants(Part::Fanout) {
            report.fanout = Some(fanout::measure(self).await?);
        }
        if args.wants(Part::Expiry) && !args.quick {
            report.expiry = Some(expiry::measure(self).await?);
        }
        if args.wants(Part::ExpiredRows) && self.engine.is_shared() && !args.quick {
            self.beside_expired_rows(report, args.expired).await?;
        }
        Ok(())
    }

    /// Everything with 1,000 sessions.
    async fn small(&self, report: &mut Report) -> anyhow::Result<()> {
        let server = Server::start(self.engine, &Seed::sessions(1_000))?;
        report.idle_memory = server.memory()?;
        report.start_up.push((1_000, server.start_up));
        let address = server.address();
        let token = operations::access_token(address).await?;
        let introspect = operations::form(
            "/oauth/introspect",
            &[
                ("client_id", "bench-machine"),
                ("client_secret", "bench-secret"),
                ("token", &token),
            ],
        );
        let discovery = operations::get("/.well-known/openid-configuration");
        let silent = operations::get(&operations::silent_path());
        for (name, request) in [
            ("discovery", discovery),
            ("introspection", introspect),
            ("silent authorize, no session", silent),
        ] {
            let load = one(address, operations::fixed(request));
            self.figure(report, (name, 1_000), &load, Needs::NOTHING)
                .await?;
        }
        for (name, audience, needs) in [
            (
                "client_credentials RS256",
                "https://bench.example",
                Needs::rsa(1.0),
            ),
            (
                "client_credentials ES256",
                "https://bench-es.example",
                Needs::ec(1.0),
            ),
        ] {
            let load = one(address, machine_token(audience));
            self.figure(report, (name, 1_000), &load, needs).await?;
        }
        let load = refreshing(&[&server], "bench-spa");
        self.figure(
            report,
            (REFRESH, 1_000),
            &load,
            self.refresh_needs(Needs::rsa(2.0)),
        )
        .await?;
        let load = refreshing(&[&server], "bench-spa-es");
        let name = "refresh ES256, rotating, durable";
        self.figure(
            report,
            (name, 1_000),
            &load,
            self.refresh_needs(Needs::ec(2.0)),
        )
        .await?;
        let cookies = server.sample.iter().map(|seeded| seeded.cookie.clone());
        let load = one(address, operations::silent(cookies.collect()));
        let name = "silent authorize + code exchange";
        self.figure(report, (name, 1_000), &load, Needs::rsa(2.0))
            .await
    }

    /// On a shared database, whose work is done by the same cores, a transaction belongs to it.
    const fn refresh_needs(&self, signatures: Needs) -> Needs {
        if self.engine.is_shared() {
            signatures.and_a_transaction()
        } else {
            signatures
        }
    }

    async fn figure(
        &self,
        report: &mut Report,
        (name, sessions): (&'static str, usize),
        load: &Load<impl load::Operation>,
        needs: Needs,
    ) -> anyhow::Result<()> {
        say(&format!("{name}, {sessions} sessions …"));
        let measured = load.measure(self.machine, &needs, self.duration).await?;
        let figure = Figure::new((name, sessions), measured, needs, self.machine.cores);
        report.figures.push(figure);
        Ok(())
    }

    /// Refresh, memory, disk and start-up with many sessions.
    async fn large(&self, report: &mut Report, sessions: usize) -> anyhow::Result<()> {
        say(&format!("making {sessions} sessions …"));
        let server = Server::start(self.engine, &Seed::sample_of(sessions, SAMPLE))?;
        report.start_up.push((sessions, server.start_up));
        report.disk.push((sessions, server.bytes_on_disk()?));
        let idle = server.memory()?;
        let load = refreshing(&[&server], "bench-spa");
        let needs = self.refresh_needs(Needs::rsa(2.0));
        self.figure(report, (REFRESH, sessions), &load, needs)
            .await?;
        report.memory.push((sessions, idle, server.memory()?));
        let few = Server::start(self.engine, &Seed::sessions(1_000))?;
        let [many, few] =
            load::in_turn([&load, &refreshing(&[&few], "bench-spa")], self.duration).await?;
        report.to_thousand.push((sessions, many / few));
        if report.streams.is_none() {
            report.streams = Some(streams::measure(&server, LISTENERS).await?);
        }
        Ok(())
    }

    /// One server and two on the same database, in turn: with all cores for each of them, where the
    /// machine is what both share, and with half of the cores for each, as if each had a machine.
    async fn several_servers(&self, report: &mut Report) -> anyhow::Result<()> {
        report.two_to_one = Some(self.two_to_one(Cores::All, Cores::All).await?);
        let halves = (Cores::FirstHalf, Cores::SecondHalf);
        report.two_to_one_of_their_own = Some(self.two_to_one(halves.0, halves.1).await?);
        Ok(())
    }

    async fn two_to_one(&self, of_one: Cores, of_other: Cores) -> anyhow::Result<f64> {
        let first = Server::start_on(self.engine, &Seed::sessions(10_000), of_one)?;
        let second = first.beside(of_other)?;
        let one = refreshing(&[&first], "bench-spa");
        // The same pool of tokens, so that no token is used twice.
        let two = Load {
            addresses: vec![first.address(), second.address()],
            ..one.clone()
        };
        let [one, two] = load::in_turn([&one, &two], self.duration).await?;
        Ok(two / one)
    }

    /// Rows that have expired and wait for the sweep must not cost those that live anything.
    async fn beside_expired_rows(&self, report: &mut Report, rows: u64) -> anyhow::Result<()> {
        let without = Server::start(self.engine, &Seed::sessions(10_000))?;
        let beside = Server::start(self.engine, &Seed::sessions(10_000))?;
        say(&format!("making {rows} expired rows …"));
        beside.add_expired(rows)?;
        let loads = [
            &refreshing(&[&without], "bench-spa"),
            &refreshing(&[&beside], "bench-spa"),
        ];
        let [without, beside] = load::in_turn(loads, self.duration).await?;
        report.expired = Some((rows, beside / without));
        Ok(())
    }
}

fn one<O>(address: SocketAddr, operation: O) -> Load<O> {
    Load {
        addresses: vec![address],
        connections: CONNECTIONS,
        operation,
    }
}
