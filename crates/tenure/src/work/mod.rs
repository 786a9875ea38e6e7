//! What the server does without being asked. Workers are started here and end with the server.

mod census;
mod changes;
mod confirm;
pub mod expiry;
pub mod keys;
pub mod lanes;
pub mod outbox;
mod signals;
pub mod streams;
pub mod sweep;
pub mod user_ends;

use crate::app::App;
use lanes::Lane;
use std::sync::Arc;
use std::time::Duration;
use tenure_protocol::Timestamp;
use tenure_store::StoreError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The running workers; dropping it ends them.
#[derive(Debug)]
pub struct Workers {
    app: Arc<App>,
    tasks: JoinSet<()>,
    /// The log's, which hears of what the others do until they end.
    log: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// Starts every worker. `log` is the work that [`App::open`] returned.
pub fn start(app: &Arc<App>, log: impl Future<Output = ()> + Send + 'static) -> Workers {
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(until(stopping.clone(), keys::run(app.clone())));
    tasks.spawn(until(stopping.clone(), sweep::run(app.clone())));
    tasks.spawn(until(stopping.clone(), changes::run(app.clone())));
    tasks.spawn(until(stopping.clone(), expiry::run(app.clone())));
    tasks.spawn(until(stopping.clone(), user_ends::run(app.clone())));
    tasks.spawn(until(
        stopping.clone(),
        lanes::run(app.clone(), Lane::Confirmations),
    ));
    tasks.spawn(until(
        stopping.clone(),
        lanes::run(app.clone(), Lane::Signals),
    ));
    tasks.spawn(until(stopping.clone(), streams::run(app.clone())));
    tasks.spawn(until(stopping.clone(), census::run(app.clone())));
    // It ends by itself: what it has sent must not be forgotten.
    tasks.spawn(outbox::run(app.clone(), stopping));
    let mut last = JoinSet::new();
    last.spawn(log);
    Workers {
        app: app.clone(),
        tasks,
        log: last,
        stop,
    }
}

impl Workers {
    /// Ends every worker, in a place where it is safe for it: each transaction is whole or not at all.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        sweep::give_up(&self.app).await;
        self.app.log.close();
        if timeout(LAST_ENTRIES, self.log.join_next()).await.is_err() {
            tracing::warn!("the last entries of the tenant log could not be written");
        }
    }
}

async fn until(mut stopping: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// How long the log may take for what it still holds.
const LAST_ENTRIES: Duration = Duration::from_secs(5);

/// How long a worker sleeps at most, in milliseconds: what begins meanwhile, also on another server, may
/// be due before what it waits for.
const MOMENT: i64 = 400;

/// After a failure.
const AFTER_FAILURE: Duration = Duration::from_millis(300);

/// Rounds of a worker, each at the instant that the one before named.
async fn whenever_due<F>(app: &App, failed: &str, round: impl Fn() -> F)
where
    F: Future<Output = Result<Option<Timestamp>, StoreError>>,
{
    loop {
        match round().await {
            Ok(next) => {
                let moment = Timestamp::from_millis(app.clock.now().millis() + MOMENT);
                let wake = next.map_or(moment, |next| next.min(moment));
                app.clock.sleep_until(wake).await;
            }
            Err(error) => {
                tracing::warn!(%error, "{failed}");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}
