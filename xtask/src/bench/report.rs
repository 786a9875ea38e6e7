//! The table, and the same as JSON.

use super::import::Import;
use super::limits::Limits;
use super::load::Measured;
use super::streams::Streams;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Figure {
    name: &'static str,
    sessions: usize,
    measured: Measured,
    limit: Option<(&'static str, f64)>,
}

impl Figure {
    pub fn new(
        name: &'static str,
        sessions: usize,
        measured: Measured,
        limit: Option<(&'static str, f64)>,
    ) -> Self {
        Self {
            name,
            sessions,
            measured,
            limit,
        }
    }

    fn share(&self) -> Option<f64> {
        self.limit.map(|(_, limit)| self.measured.rate / limit)
    }
}

#[derive(Debug, Default)]
pub struct Report {
    pub limits: Limits,
    pub figures: Vec<Figure>,
    pub idle_memory: u64,
    /// Sessions, bytes before and after the load.
    pub memory: Vec<(usize, u64, u64)>,
    pub disk: Vec<(usize, u64)>,
    pub start_up: Vec<(usize, Duration)>,
    pub import: Option<Import>,
    pub streams: Option<Streams>,
    /// The refresh rate with a million sessions over that with a thousand.
    pub large_to_small: Option<f64>,
    /// The refresh rate of two servers over that of one.
    pub two_to_one: Option<f64>,
    /// Expired rows, and the refresh rate beside them over that without.
    pub expired: Option<(u64, f64)>,
}

impl Report {
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        self.write(&mut out).unwrap_or_default();
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let limits = &self.limits;
        writeln!(
            out,
            "\nthe machine: {:.0} RSA-2048 signatures/s, {:.0} P-256 signatures/s on {} cores; {:.0} durable commits/s",
            limits.rsa, limits.ec, limits.cores, limits.commits
        )?;
        if let Some(rate) = limits.transactions {
            writeln!(
                out,
                "PostgreSQL: {rate:.0} bare transactions/s (pgbench -N, prepared, 16 clients)"
            )?;
        }
        writeln!(
            out,
            "\n{:36} {:>9} {:>9} {:>8} {:>8}  of the limit",
            "", "sessions", "per s", "p50 ms", "p99 ms"
        )?;
        for figure in &self.figures {
            let share = match (figure.share(), figure.limit) {
                (Some(share), Some((what, limit))) => {
                    format!("{:.0} % of {limit:.0}/s ({what})", share * 100.0)
                }
                _ => String::new(),
            };
            writeln!(
                out,
                "{:36} {:>9} {:>9.0} {:>8.1} {:>8.1}  {share}",
                figure.name,
                figure.sessions,
                figure.measured.rate,
                figure.measured.p50.as_secs_f64() * 1e3,
                figure.measured.p99.as_secs_f64() * 1e3
            )?;
        }
        writeln!(
            out,
            "\nresident memory, idle: {:.1} MB",
            mega(self.idle_memory)
        )?;
        for (sessions, before, after) in &self.memory {
            writeln!(
                out,
                "resident memory with {sessions} sessions: {:.1} MB at start, {:.1} MB after the load",
                mega(*before),
                mega(*after)
            )?;
        }
        for (sessions, bytes) in &self.disk {
            writeln!(
                out,
                "bytes on disk for a session with one family, of {sessions}: {}",
                bytes / (*sessions as u64).max(1)
            )?;
        }
        for (sessions, time) in &self.start_up {
            writeln!(
                out,
                "start-up with {sessions} sessions: {} ms",
                time.as_millis()
            )?;
        }
        if let Some(import) = &self.import {
            writeln!(
                out,
                "import of {} users: {:.0} users/s, {:.1} MB at the most",
                import.users,
                import.rate(),
                mega(import.peak_memory)
            )?;
        }
        if let Some(streams) = &self.streams {
            writeln!(
                out,
                "{} idle event streams: {:.1} kB of memory for each, {:.1} % of a core for all",
                streams.listeners,
                mega(streams.each()) * 1e3,
                streams.processor * 100.0
            )?;
        }
        if let Some(share) = self.large_to_small {
            writeln!(
                out,
                "refresh with 1,000,000 sessions: {:.0} % of that with 1,000",
                share * 100.0
            )?;
        }
        if let Some(share) = self.two_to_one {
            writeln!(
                out,
                "refresh with two servers: {:.0} % of that with one",
                share * 100.0
            )?;
        }
        if let Some((rows, share)) = self.expired {
            writeln!(
                out,
                "refresh beside {rows} expired rows: {:.0} % of that without them",
                share * 100.0
            )?;
        }
        Ok(())
    }

    pub fn json(&self) -> String {
        let figures: Vec<_> = self.figures.iter().map(|f| json!({
            "name": f.name, "sessions": f.sessions, "per_second": f.measured.rate,
            "p50_ms": f.measured.p50.as_secs_f64() * 1e3, "p99_ms": f.measured.p99.as_secs_f64() * 1e3,
            "limit": f.limit.map(|(what, limit)| json!({"of": what, "per_second": limit})), "share": f.share(),
        })).collect();
        json!({
            "limits": {"rsa_per_second": self.limits.rsa, "p256_per_second": self.limits.ec,
                       "commits_per_second": self.limits.commits,
                       "bare_transactions_per_second": self.limits.transactions, "cores": self.limits.cores},
            "figures": figures,
            "idle_memory_bytes": self.idle_memory,
            "memory": self.memory.iter().map(|(n, a, b)| json!({"sessions": n, "at_start": a, "after_load": b})).collect::<Vec<_>>(),
            "disk": self.disk.iter().map(|(n, b)| json!({"sessions": n, "bytes": b})).collect::<Vec<_>>(),
            "start_up_ms": self.start_up.iter().map(|(n, t)| json!({"sessions": n, "ms": t.as_millis()})).collect::<Vec<_>>(),
            "streams": self.streams.as_ref().map(|s| json!({"listeners": s.listeners,
                "bytes_for_each": s.each(), "processor": s.processor})),
            "import": self.import.map(|i| json!({"users": i.users, "per_second": i.rate(), "peak_memory_bytes": i.peak_memory})),
            "million_to_thousand": self.large_to_small,
            "two_servers_to_one": self.two_to_one,
            "beside_expired_rows": self.expired.map(|(rows, share)| json!({"rows": rows, "share": share})),
        })
        .to_string()
    }
}

#[expect(clippy::cast_precision_loss, reason = "for reading")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
