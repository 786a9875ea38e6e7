//! Rolls keys over when their time has come.

use crate::app::App;
use crate::crypto::rollover;
use std::sync::Arc;

/// Seconds between looks; far below the time that a key is published before it signs.
const INTERVAL: i64 = 30;

pub async fn run(app: Arc<App>) {
    loop {
        let now = app.clock.now();
        let done = app
            .store
            .write(move |tx| rollover::apply_due(tx, now))
            .await;
        match done {
            Ok(0) => {}
            Ok(changes) => {
                tracing::info!(changes, "keys rolled over");
                if let Err(error) = app.reload_if_changed().await {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "reading the keys again failed"
                    );
                }
            }
            Err(error) => tracing::error!(%error, "rolling keys over failed"),
        }
        app.clock.sleep_until(now.plus(INTERVAL)).await;
    }
}
