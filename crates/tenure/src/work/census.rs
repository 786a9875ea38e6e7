//! Counts the live sessions for the metrics, a small range of ids at a time: one count over all of
//! them would hold up a reader for as long as there are sessions. Of several servers one counts, and
//! all tell what it found.

use crate::app::App;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::StoreError;

const STEP: Duration = Duration::from_millis(100);

/// Of the time that counting takes, so many times as long is rest, however many sessions there are.
const REST: u32 = 20;

/// Seconds for which the counting server keeps others from it; renewed when a third of them has passed,
/// since a renewal is a durable commit.
const LEASE: i64 = 60;

const COUNT: &str = "live_sessions";

pub async fn run(app: Arc<App>) {
    loop {
        match round(&app).await {
            Ok(count) => app.metrics.set_live_sessions(count),
            Err(error) => tracing::warn!(%error, "counting sessions failed"),
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Counts, or hears what another server counted.
async fn round(app: &App) -> Result<i64, StoreError> {
    let (mut total, mut renewed) = (0, None);
    for first in 0..=u8::MAX {
        let now = app.clock.now();
        let is_held = renewed.is_some_and(|at| !now.is_more_than(LEASE / 3, at));
        if app.store.is_shared() && !is_held {
            if !renew(app, now).await? {
                // Look again when the other's lease may have run out.
                tokio::time::sleep(Duration::from_secs(10)).await;
                let known = app.background.read(|tx| tx.meta(COUNT)).await?;
                return Ok(known.and_then(|text| text.parse().ok()).unwrap_or(0));
            }
            renewed = Some(now);
        }
        let from = border(first);
        let to = first.checked_add(1).map(border);
        let began = Instant::now();
        total += app
            .background
            .read(move |tx| tx.count_sessions(&from, to.as_ref(), now))
            .await?;
        tokio::time::sleep(STEP.max(began.elapsed() * REST)).await;
    }
    if app.store.is_shared() {
        app.background
            .write(move |tx| tx.set_meta(COUNT, &total.to_string()))
            .await?;
    }
    Ok(total)
}

async fn renew(app: &App, now: Timestamp) -> Result<bool, StoreError> {
    let holder = app.process_id.clone();
    app.background
        .write(move |tx| tx.take_lease("census", &holder, now, now.plus(LEASE)))
        .await
}

/// The smallest id that begins with this byte.
fn border(first: u8) -> Sid {
    let mut bytes = [0; 16];
    if let Some(byte) = bytes.first_mut() {
        *byte = first;
    }
    Sid::from_bytes(bytes)
}
