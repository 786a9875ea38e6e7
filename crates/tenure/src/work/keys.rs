//! Rolls keys over when their time has come.

use crate::app::App;
use crate::crypto::rollover::{self, Policy};
use std::collections::BTreeSet;
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_store::{StoreError, Tx};

/// Seconds between looks; far below the time that a key is published before it signs.
const INTERVAL: i64 = 30;

/// Seconds between looks for families that still name a rolled refresh key. Nothing is urgent about
/// it, and the answer "none" reads every family.
const USE_INTERVAL: i64 = 3600;

pub async fn run(app: Arc<App>) {
    let serving_since = app.clock.now();
    let mut in_use = InUse::default();
    loop {
        let now = app.clock.now();
        match roll(&app, &mut in_use, serving_since, now).await {
            Ok(0) => {}
            Ok(changes) => tracing::info!(changes, "keys rolled over"),
            Err(error) => tracing::error!(error = format!("{error:#}"), "rolling keys over failed"),
        }
        app.clock.sleep_until(now.plus(INTERVAL)).await;
    }
}

/// One look: carries out what is due and tells how much that was.
pub async fn roll(
    app: &App,
    in_use: &mut InUse,
    serving_since: Timestamp,
    now: Timestamp,
) -> anyhow::Result<usize> {
    let rows = app.background.read(|tx| tx.keys()).await?;
    let rolled = rollover::rolled_refresh_keys(&rows);
    if in_use.looked_for != rolled || now.is_more_than(USE_INTERVAL, in_use.looked_at) {
        let asked = rolled.clone();
        // On a reader: the writer must not wait for a look at every family.
        let found = app
            .background
            .read(move |tx| named_by_families(tx, &asked, now));
        // What cannot be found out is taken to be in use: the rest of the roll-over goes on.
        let found = found.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "looking for families that name rolled keys failed");
            rolled.iter().copied().collect()
        });
        *in_use = InUse {
            looked_at: now,
            found,
            looked_for: rolled,
        };
    }
    let changes = rollover::due(&rows, Policy::default(), serving_since, &in_use.found, now);
    let count = changes.len();
    if count > 0 {
        app.background
            .write(move |tx| rollover::apply(tx, &changes, now))
            .await?;
        app.reload_if_changed().await?;
    }
    Ok(count)
}

/// What the last look found.
#[derive(Debug, Default)]
pub struct InUse {
    looked_at: Timestamp,
    looked_for: Vec<u32>,
    found: BTreeSet<u32>,
}

fn named_by_families(
    tx: &Tx<'_>,
    ids: &[u32],
    now: Timestamp,
) -> Result<BTreeSet<u32>, StoreError> {
    let mut named = BTreeSet::new();
    for id in ids {
        if tx.refresh_key_in_use(*id, now)? {
            named.insert(*id);
        }
    }
    Ok(named)
}
