//! Removes what has expired and is past its retention, in small batches that never hold up requests.
//! Hygiene only: whether something is over is decided where it is read (lesson CVE-2025-64708).

use crate::app::App;
use std::sync::Arc;
use std::time::Duration;
use tenure_protocol::Timestamp;
use tenure_store::{StoreError, Tx};

const INTERVAL: i64 = 60;
const BATCH: i64 = 500;

/// Seconds for which a server that sweeps keeps others from it.
const LEASE: i64 = 150;

/// Seconds that things stay after they expired: a code for the detection of its second use, an ended
/// session and the log for the people who ask what happened.
const KEEP_CODES: i64 = 3_600;
const KEEP_SESSIONS: i64 = 30 * 86_400;
const KEEP_LOGS: i64 = 30 * 86_400;

type Sweep = fn(&Tx<'_>, Timestamp) -> Result<usize, StoreError>;

const SWEEPS: [(&str, Sweep); 6] = [
    ("codes", |tx, now| {
        tx.sweep_codes(now.plus(-KEEP_CODES), BATCH)
    }),
    ("one-time entries", |tx, now| tx.sweep_once(now, BATCH)),
    ("revoked tokens", |tx, now| {
        tx.sweep_revoked_tokens(now, BATCH)
    }),
    ("throttle counters", |tx, now| tx.sweep_throttle(now, BATCH)),
    ("sessions", |tx, now| {
        tx.sweep_sessions(now.plus(-KEEP_SESSIONS), now, BATCH)
    }),
    ("log entries", |tx, now| {
        let before = now.plus(-KEEP_LOGS).millis().max(0);
        tx.sweep_logs(&format!("{before:013}"), BATCH)
    }),
];

pub async fn run(app: Arc<App>) {
    // A name for this process, by which it knows its own lease again.
    let holder = app.entropy.token(9);
    loop {
        let now = app.clock.now();
        app.clock.sleep_until(now.plus(INTERVAL)).await;
        let now = app.clock.now();
        if !is_ours(&app, &holder, now).await {
            continue;
        }
        for (what, sweep) in SWEEPS {
            if let Err(error) = empty(&app, sweep, now).await {
                tracing::error!(%error, what, "sweeping failed");
            }
        }
    }
}

/// Of several servers one sweeps at a time. The lease outlasts a round or two, so that the work stays
/// with one server while it lives.
async fn is_ours(app: &App, holder: &str, now: Timestamp) -> bool {
    let holder = holder.to_owned();
    let taken = app
        .store
        .write(move |tx| tx.take_lease("sweep", &holder, now, now.plus(LEASE)));
    taken.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "taking the lease for sweeping failed");
        false
    })
}

async fn empty(app: &App, sweep: Sweep, now: Timestamp) -> Result<(), StoreError> {
    loop {
        let removed = app.store.write(move |tx| sweep(tx, now)).await?;
        if i64::try_from(removed).unwrap_or(0) < BATCH {
            return Ok(());
        }
        // Let requests through between the batches.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
