//! Work for which identity providers are asked: each connection has a lane of its own, so that a provider
//! that does not answer holds up nobody's people but its own.

use super::{AFTER_FAILURE, MOMENT, confirm, signals};
use crate::app::App;
use std::collections::HashMap;
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_store::StoreError;
use tokio::task::{Id, JoinError, JoinSet};

/// Lanes at work at once. More connections than that, whose providers all are silent, wait for each other.
const MOST: usize = 64;

/// What is done in the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Asking whether people are still welcome.
    Confirmations,
    /// Carrying out what providers said.
    Signals,
}

impl Lane {
    /// When each connection's next is due.
    async fn due(self, app: &App) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let read = app.background.read(move |tx| match self {
            Self::Confirmations => tx.confirmations_due(),
            Self::Signals => tx.signals_due(),
        });
        let mut due = read.await?;
        // Who has waited longest comes first.
        due.sort_by_key(|(_, at)| *at);
        Ok(due)
    }

    /// Does some of it. `false`: there was nothing to do.
    async fn some(self, app: &Arc<App>, connection: String) -> Result<bool, StoreError> {
        match self {
            Self::Confirmations => confirm::some(app, connection).await,
            Self::Signals => signals::some(app, connection).await,
        }
    }

    const fn failed(self) -> &'static str {
        match self {
            Self::Confirmations => "confirming upstream sessions failed; trying again",
            Self::Signals => "signals of identity providers cannot be carried out; trying again",
        }
    }
}

/// Works until it is dropped.
pub async fn run(app: Arc<App>, lane: Lane) {
    let mut lanes = Lanes {
        app: app.clone(),
        lane,
        busy: HashMap::new(),
        tasks: JoinSet::new(),
    };
    loop {
        let wake = match lanes.start().await {
            Ok(wake) => wake,
            Err(error) => {
                tracing::warn!(%error, "{}", lane.failed());
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        tokio::select! {
            () = app.clock.sleep_until(wake) => {}
            Some(done) = lanes.tasks.join_next_with_id() => lanes.finished(done),
        }
    }
}

struct Lanes {
    app: Arc<App>,
    lane: Lane,
    /// The connections whose lanes are at work.
    busy: HashMap<Id, String>,
    tasks: JoinSet<()>,
}

impl Lanes {
    /// Sets to work what is due and rests, and answers when to look again.
    async fn start(&mut self) -> Result<Timestamp, StoreError> {
        let due = self.lane.due(&self.app).await?;
        let now = self.app.clock.now();
        let mut wake = Timestamp::from_millis(now.millis() + MOMENT);
        for (connection, at) in due {
            if self.busy.values().any(|busy| *busy == connection) {
                continue;
            }
            if at > now {
                wake = wake.min(at);
            } else if self.tasks.len() < MOST {
                let work = work(self.app.clone(), self.lane, connection.clone());
                let task = self.tasks.spawn(work);
                self.busy.insert(task.id(), connection);
            }
        }
        Ok(wake)
    }

    fn finished(&mut self, done: Result<(Id, ()), JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "{}", self.lane.failed());
                error.id()
            }
        };
        self.busy.remove(&id);
    }
}

async fn work(app: Arc<App>, lane: Lane, connection: String) {
    match lane.some(&app, connection).await {
        Ok(true) => return,
        // Another server has it, and has not said so yet.
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "{}", lane.failed()),
    }
    tokio::time::sleep(AFTER_FAILURE).await;
}

/// Does all that is due, and answers when the next is.
pub async fn round(app: &Arc<App>, lane: Lane) -> Result<Option<Timestamp>, StoreError> {
    loop {
        let due = lane.due(app).await?;
        let now = app.clock.now();
        let next = due.first().map(|(_, at)| *at);
        let mut any = false;
        for (connection, _) in due.into_iter().filter(|(_, at)| *at <= now) {
            any |= lane.some(app, connection).await?;
        }
        if !any {
            return Ok(next.filter(|next| *next > now));
        }
    }
}
