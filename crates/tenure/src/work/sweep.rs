//! Removes what has expired and is past its retention, in small batches that never hold up requests.
//! Hygiene only: whether something is over is decided where it is read (lesson CVE-2025-64708).

use crate::app::App;
use crate::config::Retention;
use std::sync::Arc;
use std::time::Duration;
use tenure_protocol::Timestamp;
use tenure_store::{StoreError, SweepCursor, Tx};

/// Seconds between rounds.
const INTERVAL: i64 = 60;
/// Sessions that must stay, since a family of theirs lives, are looked at in each round: fewer rounds.
const SESSION_INTERVAL: i64 = 1_800;
const BATCH: i64 = 500;

/// Seconds for which a server that sweeps keeps others from it: a round or two, so that the work stays
/// with one server while it lives.
const LEASE: i64 = 150;
const LEASE_NAME: &str = "sweep";

/// Seconds that a code stays after it expired, so that its second use is recognised.
const KEEP_CODES: i64 = 3_600;

type Sweep = fn(&Tx<'_>, Retention, Timestamp) -> Result<usize, StoreError>;

const SWEEPS: [(&str, Sweep); 5] = [
    ("codes", |tx, _, now| {
        tx.sweep_codes(now.plus(-KEEP_CODES), BATCH)
    }),
    ("one-time entries", |tx, _, now| tx.sweep_once(now, BATCH)),
    ("revoked tokens", |tx, _, now| {
        tx.sweep_revoked_tokens(now, BATCH)
    }),
    ("throttle counters", |tx, _, now| {
        tx.sweep_throttle(now, BATCH)
    }),
    ("log entries", |tx, keep, now| {
        let before = now.plus(-keep.logs).millis().max(0);
        tx.sweep_logs(&format!("{before:013}"), BATCH)
    }),
];

pub async fn run(app: Arc<App>) {
    let mut sessions_at = app.clock.now();
    loop {
        let now = app.clock.now();
        app.clock.sleep_until(now.plus(INTERVAL)).await;
        let now = app.clock.now();
        if !is_ours(&app, now).await {
            continue;
        }
        for (what, sweep) in SWEEPS {
            if let Err(error) = empty(&app, sweep, now).await {
                tracing::error!(%error, what, "sweeping failed");
            }
        }
        if now >= sessions_at {
            match sessions(&app, now).await {
                Ok(true) => sessions_at = now.plus(SESSION_INTERVAL),
                Ok(false) => tracing::debug!("sessions whose time is over are to be ended first"),
                Err(error) => tracing::error!(%error, "sweeping sessions failed"),
            }
        }
    }
}

/// Gives the work up at the server's end, so that another need not wait for the lease to run out.
pub async fn give_up(app: &App) {
    let holder = app.process_id.clone();
    let dropped = app
        .background
        .write(move |tx| tx.drop_lease(LEASE_NAME, &holder));
    if let Err(error) = dropped.await {
        tracing::debug!(%error, "giving up the lease for sweeping failed");
    }
}

/// Of several servers one sweeps at a time.
async fn is_ours(app: &App, now: Timestamp) -> bool {
    let holder = app.process_id.clone();
    let taken = app
        .background
        .write(move |tx| tx.take_lease(LEASE_NAME, &holder, now, now.plus(LEASE)));
    taken.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "taking the lease for sweeping failed");
        false
    })
}

async fn empty(app: &App, sweep: Sweep, now: Timestamp) -> Result<(), StoreError> {
    let keep = app.config.retention;
    loop {
        let removed = app.background.write(move |tx| sweep(tx, keep, now)).await?;
        if i64::try_from(removed).unwrap_or(0) < BATCH {
            return Ok(());
        }
        pause().await;
    }
}

/// Once past all sessions whose time is long over. `false`: there are some whose end nobody has noticed
/// yet, after a long outage or a leap of the clock; they must not go before it is told to those who
/// relied on them.
pub async fn sessions(app: &App, now: Timestamp) -> Result<bool, StoreError> {
    let next = app.background.read(|tx| tx.next_due_session()).await?;
    if next.is_some_and(|due| due <= now) {
        return Ok(false);
    }
    let before = now.plus(-app.config.retention.sessions);
    let mut from = Some(SweepCursor::default());
    while let Some(cursor) = from {
        let (_, next) = app
            .background
            .write(move |tx| tx.sweep_sessions(cursor, before, now, BATCH))
            .await?;
        from = next;
        pause().await;
    }
    Ok(true)
}

/// Lets requests through between the batches.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
