//! Many sessions whose time is over within a minute, while others are refreshed.

use super::load::Connection;
use super::server::{Seed, Server};
use super::{operations, refreshing};
use crate::run::say;
use anyhow::Context;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SESSIONS: usize = 100_000;
/// Seconds over which they expire.
const OVER: u32 = 60;
/// Seconds until the first does: until then they must have been made.
const AFTER: u32 = 45;

#[derive(Clone, Debug)]
pub struct Expiry {
    pub sessions: usize,
    /// Seconds over which they were due.
    pub over: u32,
    /// Buckets of lateness: so many sessions were ended at most so many seconds late.
    pub lateness: Vec<(f64, f64)>,
    /// Refreshes a second before and meanwhile, at a rate that is offered and not pushed.
    pub offered: f64,
    pub p99_before: Duration,
    pub p99_meanwhile: Duration,
}

impl Expiry {
    /// The bound below which this share of the sessions was late.
    pub fn within(&self, share: f64) -> f64 {
        let total = self.lateness.last().map_or(0.0, |(_, count)| *count);
        let bound = self
            .lateness
            .iter()
            .find(|(_, count)| *count >= total * share);
        bound.map_or(f64::INFINITY, |(bound, _)| *bound)
    }
}

pub async fn measure(bench: &super::Bench<'_>) -> anyhow::Result<Expiry> {
    say(&format!(
        "{SESSIONS} sessions that expire within {OVER} s …"
    ));
    let began = Instant::now();
    let server = Server::start(
        bench.engine,
        &Seed {
            expiring: Some((AFTER, OVER)),
            ..Seed::sample_of(SESSIONS, SAMPLE)
        },
    )?;
    // Their families are offline: they live on, and are what is refreshed meanwhile.
    let load = refreshing(&[&server], "bench-spa");
    let until = |seconds: u32| Duration::from_secs(seconds.into()).saturating_sub(began.elapsed());
    anyhow::ensure!(
        !until(AFTER).is_zero(),
        "making the sessions took longer than {AFTER} s"
    );
    let offered = load.closed_rate(Duration::from_secs(3)).await? * OFFERED;
    let before = load.open_latencies(Duration::from_secs(5), offered).await?;
    tokio::time::sleep(until(AFTER)).await;
    let meanwhile = load.open_latencies(until(AFTER + OVER), offered).await?;
    let lateness = all_ended(server.address()).await?;
    Ok(Expiry {
        sessions: SESSIONS,
        over: OVER,
        lateness,
        offered,
        p99_before: super::load::percentile(&before, 99),
        p99_meanwhile: super::load::percentile(&meanwhile, 99),
    })
}

/// Sessions whose families are refreshed.
const SAMPLE: usize = 5_000;

/// The share of what the server manages that is offered to it.
const OFFERED: f64 = 0.5;

/// Waits until the worker has ended all of them, and answers the histogram of its lateness.
async fn all_ended(address: SocketAddr) -> anyhow::Result<Vec<(f64, f64)>> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(300) {
        let lateness = lateness(address).await?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let all = SESSIONS as f64;
        if lateness.last().is_some_and(|(_, count)| *count >= all) {
            return Ok(lateness);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("the sessions did not end")
}

/// `tenure_expiry_lateness_seconds_bucket{le="0.5"} 123`
async fn lateness(address: SocketAddr) -> anyhow::Result<Vec<(f64, f64)>> {
    let mut connection = Connection::open(address).await?;
    let metrics = connection.ask(&operations::get("/metrics")).await?;
    let bucket = |line: &str| -> anyhow::Result<(f64, f64)> {
        let (bound, count) = line.split_once("\"} ").context("no bucket")?;
        let bound = bound.replace("+Inf", "inf").parse()?;
        Ok((bound, count.trim().parse()?))
    };
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix("tenure_expiry_lateness_seconds_bucket{le=\""))
        .map(bucket)
        .collect()
}
