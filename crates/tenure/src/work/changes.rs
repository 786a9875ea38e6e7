//! Hears what other servers on the same database changed, and looks by itself now and then, so that a
//! lost notice costs a second and nothing else.

use crate::app::App;
use std::sync::Arc;
use std::time::Duration;
use tenure_store::Notice;
use tokio::sync::broadcast::error::RecvError;

/// A change is seen within a second also where notices do not get through (a connection pooler in
/// transaction mode passes none).
const LOOK: Duration = Duration::from_millis(700);

pub async fn run(app: Arc<App>) {
    if !app.store.is_shared() {
        // The embedded database is looked at with each request.
        return;
    }
    let mut notices = app.store.subscribe();
    loop {
        let heard = tokio::time::timeout(LOOK, notices.recv()).await;
        let look = match heard {
            Ok(Ok(Notice::Session(_))) => false,
            Ok(Ok(Notice::Configuration | Notice::Missed) | Err(RecvError::Lagged(_))) | Err(_) => {
                true
            }
            Ok(Err(RecvError::Closed)) => return,
        };
        if look && let Err(error) = app.reload_if_changed().await {
            tracing::debug!(error = format!("{error:#}"), "looking for changes failed");
            tokio::time::sleep(LOOK).await;
        }
    }
}
