//! What `/metrics` says, in Prometheus' text format.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Signal {
    kind: String,
    outcome: String,
}

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    logins: Family<Outcome, Counter>,
    refreshes: Family<Outcome, Counter>,
    ends: Family<Reason, Counter>,
    deliveries: Family<Outcome, Counter>,
    signals: Family<Signal, Counter>,
    outbox: Family<State, Gauge>,
    live_sessions: Gauge,
    lateness: Histogram,
    latency: Family<Route, Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tenure");
        let logins = Family::default();
        let refreshes = Family::default();
        let ends = Family::default();
        let deliveries = Family::default();
        let signals = Family::default();
        let outbox = Family::default();
        let live_sessions = Gauge::default();
        let lateness = Histogram::new([
            0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0,
        ]);
        let latency = Family::new_with_constructor(latency_histogram as fn() -> Histogram);
        registry.register("logins", "Logins by outcome", logins.clone());
        registry.register("refreshes", "Refreshes by outcome", refreshes.clone());
        registry.register(
            "session_ends",
            "Sessions that ended, by reason",
            ends.clone(),
        );
        registry.register(
            "logout_attempts",
            "Back-channel logout by what came of each attempt",
            deliveries.clone(),
        );
        registry.register(
            "upstream_signals",
            "What identity providers told us, by what became of it",
            signals.clone(),
        );
        registry.register(
            "logout_outbox",
            "Back-channel logouts that are pending, and those that were given up",
            outbox.clone(),
        );
        registry.register(
            "live_sessions",
            "Sessions alive at the last census",
            live_sessions.clone(),
        );
        registry.register(
            "expiry_lateness_seconds",
            "How long after their deadline sessions were ended by the worker",
            lateness.clone(),
        );
        registry.register(
            "request_seconds",
            "Requests by route and status",
            latency.clone(),
        );
        Self {
            registry,
            logins,
            refreshes,
            ends,
            deliveries,
            signals,
            outbox,
            live_sessions,
            lateness,
            latency,
        }
    }

    pub fn login(&self, outcome: &'static str) {
        self.logins
            .get_or_create(&Outcome {
                outcome: outcome.to_owned(),
            })
            .inc();
    }

    pub fn refresh(&self, outcome: &'static str) {
        self.refreshes
            .get_or_create(&Outcome {
                outcome: outcome.to_owned(),
            })
            .inc();
    }

    pub fn session_ended(&self, reason: &'static str) {
        self.ends
            .get_or_create(&Reason {
                reason: reason.to_owned(),
            })
            .inc();
    }

    /// The worker ended a session so long after its deadline.
    pub fn expired(&self, late: Duration) {
        self.lateness.observe(late.as_secs_f64());
    }

    pub fn delivery(&self, outcome: &'static str) {
        self.deliveries
            .get_or_create(&Outcome {
                outcome: outcome.to_owned(),
            })
            .inc();
    }

    /// `kind` and `outcome` are our own words.
    pub fn signal(&self, kind: &'static str, outcome: &'static str) {
        self.signals
            .get_or_create(&Signal {
                kind: kind.to_owned(),
                outcome: outcome.to_owned(),
            })
            .inc();
    }

    pub fn set_deliveries(&self, state: &'static str, count: i64) {
        self.outbox
            .get_or_create(&State {
                state: state.to_owned(),
            })
            .set(count);
    }

    pub fn set_live_sessions(&self, count: i64) {
        self.live_sessions.set(count);
    }

    /// `route` is the router's pattern, never the path a stranger sent.
    pub fn request(&self, route: &str, status: u16, took: Duration) {
        let label = Route {
            route: route.to_owned(),
            status,
        };
        self.latency
            .get_or_create(&label)
            .observe(took.as_secs_f64());
    }

    pub fn render(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }
}

fn latency_histogram() -> Histogram {
    Histogram::new([
        0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    ])
}
