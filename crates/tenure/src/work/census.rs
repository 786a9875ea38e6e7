//! Counts the live sessions for the metrics, a small range of ids at a time: one count over all of
//! them would hold up a reader for as long as there are sessions.

use crate::app::App;
use std::sync::Arc;
use std::time::Duration;
use tenure_protocol::Sid;

const STEP: Duration = Duration::from_millis(100);

pub async fn run(app: Arc<App>) {
    loop {
        let mut total = 0;
        for first in 0..=u8::MAX {
            let from = border(first);
            let to = first.checked_add(1).map(border);
            let now = app.clock.now();
            match app
                .store
                .read(move |tx| tx.count_sessions(&from, to.as_ref(), now))
                .await
            {
                Ok(count) => total += count,
                Err(error) => tracing::warn!(%error, "counting sessions failed"),
            }
            tokio::time::sleep(STEP).await;
        }
        app.metrics.set_live_sessions(total);
    }
}

/// The smallest id that begins with this byte.
fn border(first: u8) -> Sid {
    let mut bytes = [0; 16];
    if let Some(byte) = bytes.first_mut() {
        *byte = first;
    }
    Sid::from_bytes(bytes)
}
