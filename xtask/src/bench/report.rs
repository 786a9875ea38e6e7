//! The table, and the same as JSON.

use super::expiry::Expiry;
use super::fanout::Fanout;
use super::import::Import;
use super::limits::{Alone, Needs};
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
    /// What binds it, and at how many a second.
    limit: Option<(&'static str, f64)>,
    /// Bare transactions a second in the same seconds, where they are part of what binds it.
    transactions: Option<f64>,
}

impl Figure {
    pub fn new(
        (name, sessions): (&'static str, usize),
        measured: Measured,
        needs: Needs,
        cores: f64,
    ) -> Self {
        let rates = &measured.rates;
        let bound = rates.bound(&needs, measured.generator_seconds, cores);
        let transactions = (needs.transactions > 0.0).then(|| rates.transactions.rate());
        Self {
            name,
            sessions,
            measured,
            limit: (!needs.is_nothing()).then_some((needs.name, bound)),
            transactions,
        }
    }

    fn share(&self) -> Option<f64> {
        self.limit.map(|(_, limit)| self.measured.rate / limit)
    }

    fn of_transactions(&self) -> Option<f64> {
        self.transactions.map(|rate| self.measured.rate / rate)
    }

    /// The most that [`Self::of_transactions`] could be, since the same cores also sign.
    fn most_of_transactions(&self) -> Option<f64> {
        let (_, limit) = self.limit?;
        self.transactions.map(|rate| limit / rate)
    }

    fn json(&self) -> serde_json::Value {
        let limit = |(what, limit)| json!({"of": what, "per_second": limit});
        json!({
            "name": self.name, "sessions": self.sessions, "per_second": self.measured.rate,
            "p50_ms": self.measured.p50.as_secs_f64() * 1e3, "p99_ms": self.measured.p99.as_secs_f64() * 1e3,
            "limit": self.limit.map(limit), "share": self.share(),
            "share_of_bare_transactions": self.of_transactions(),
            "most_of_bare_transactions": self.most_of_transactions(),
        })
    }
}

#[derive(Debug, Default)]
pub struct Report {
    pub alone: Alone,
    pub figures: Vec<Figure>,
    pub idle_memory: u64,
    /// Sessions, bytes before and after the load.
    pub memory: Vec<(usize, u64, u64)>,
    pub disk: Vec<(usize, u64)>,
    pub start_up: Vec<(usize, Duration)>,
    pub import: Option<Import>,
    pub streams: Option<Streams>,
    /// Sessions, and the refresh rate with them over that with a thousand.
    pub to_thousand: Vec<(usize, f64)>,
    pub fanout: Option<Fanout>,
    pub expiry: Option<Expiry>,
    /// The refresh rate of two servers over that of one.
    pub two_to_one: Option<f64>,
    /// The same where each server has half of the cores.
    pub two_to_one_of_their_own: Option<f64>,
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
        let limits = &self.alone;
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
            let of_transactions = (figure.of_transactions(), figure.most_of_transactions());
            let share = match of_transactions {
                (Some(bare), Some(most)) => format!(
                    "{share}; {:.0} % of bare transactions, where {:.0} % is the most",
                    bare * 100.0,
                    most * 100.0
                ),
                _ => share,
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
        if self.idle_memory > 0 {
            let idle = mega(self.idle_memory);
            writeln!(out, "\nresident memory, idle: {idle:.1} MB")?;
        }
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
        for (sessions, share) in &self.to_thousand {
            writeln!(
                out,
                "refresh with {sessions} sessions: {:.0} % of that with 1,000, in turn",
                share * 100.0
            )?;
        }
        if let Some(fanout) = &self.fanout {
            writeln!(
                out,
                "{} relying parties of a session: the last one knows after {:.0} ms (worst {:.0} ms)",
                fanout.participants,
                fanout.median.as_secs_f64() * 1e3,
                fanout.worst.as_secs_f64() * 1e3
            )?;
            writeln!(
                out,
                "logout tokens delivered: {:.0}/s, {:.0} % of {:.0}/s (RSA signatures)",
                fanout.per_second,
                fanout.per_second / fanout.bound * 100.0,
                fanout.bound
            )?;
        }
        if let Some(expiry) = &self.expiry {
            writeln!(
                out,
                "{} sessions expiring in {} s: half are ended within {} s, 99 % within {} s, all within {} s; \
                 {:.0} refreshes/s beside, p99 {:.1} ms (before {:.1} ms)",
                expiry.sessions,
                expiry.over,
                expiry.within(0.5),
                expiry.within(0.99),
                expiry.within(1.0),
                expiry.offered,
                expiry.p99_meanwhile.as_secs_f64() * 1e3,
                expiry.p99_before.as_secs_f64() * 1e3
            )?;
        }
        for (share, cores) in [
            (self.two_to_one, "that share all cores"),
            (self.two_to_one_of_their_own, "with half of the cores each"),
        ] {
            if let Some(share) = share {
                let share = share * 100.0;
                writeln!(
                    out,
                    "refresh with two servers {cores}: {share:.0} % of that with one"
                )?;
            }
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
        let figures: Vec<_> = self.figures.iter().map(Figure::json).collect();
        json!({
            "limits": {"rsa_per_second": self.alone.rsa, "p256_per_second": self.alone.ec,
                       "commits_per_second": self.alone.commits,
                       "bare_transactions_per_second": self.alone.transactions, "cores": self.alone.cores},
            "figures": figures,
            "idle_memory_bytes": self.idle_memory,
            "memory": self.memory.iter().map(|(n, a, b)| json!({"sessions": n, "at_start": a, "after_load": b})).collect::<Vec<_>>(),
            "disk": self.disk.iter().map(|(n, b)| json!({"sessions": n, "bytes": b})).collect::<Vec<_>>(),
            "start_up_ms": self.start_up.iter().map(|(n, t)| json!({"sessions": n, "ms": t.as_millis()})).collect::<Vec<_>>(),
            "streams": self.streams.as_ref().map(|s| json!({"listeners": s.listeners,
                "bytes_for_each": s.each(), "processor": s.processor})),
            "import": self.import.map(|i| json!({"users": i.users, "per_second": i.rate(), "peak_memory_bytes": i.peak_memory})),
            "to_a_thousand": self.to_thousand.iter().map(|(n, share)| json!({"sessions": n, "share": share})).collect::<Vec<_>>(),
            "fanout": self.fanout.as_ref().map(|f| json!({"relying_parties": f.participants,
                "last_knows_ms": f.median.as_secs_f64() * 1e3, "worst_ms": f.worst.as_secs_f64() * 1e3,
                "per_second": f.per_second, "limit_per_second": f.bound})),
            "expiry": self.expiry.as_ref().map(|e| json!({"sessions": e.sessions, "over_seconds": e.over,
                "half_within_seconds": e.within(0.5), "99_percent_within_seconds": e.within(0.99),
                "all_within_seconds": e.within(1.0), "refreshes_per_second": e.offered,
                "p99_before_ms": e.p99_before.as_secs_f64() * 1e3, "p99_meanwhile_ms": e.p99_meanwhile.as_secs_f64() * 1e3})),
            "two_servers_to_one": self.two_to_one,
            "two_servers_to_one_with_half_of_the_cores_each": self.two_to_one_of_their_own,
            "beside_expired_rows": self.expired.map(|(rows, share)| json!({"rows": rows, "share": share})),
        })
        .to_string()
    }
}

#[expect(clippy::cast_precision_loss, reason = "for reading")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
