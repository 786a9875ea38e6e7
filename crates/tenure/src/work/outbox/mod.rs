//! Tells relying parties that sessions ended. What is to be told stands in the database, written by the
//! transaction that ended the session; this worker claims what is due, sends, and stores what came of
//! it. A claim that a dead process held comes due again by itself.

mod attempt;

use crate::app::App;
use attempt::Attempt;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tenure_protocol::session::EndReason;
use tenure_protocol::{Sid, Timestamp, delivery};
use tenure_store::{Delivery, DeliveryState, Notice, StoreError};
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

/// Requests under way at once, in all and to one host.
const IN_FLIGHT: usize = 256;
const IN_FLIGHT_BY_HOST: usize = 32;
/// Claimed at once, in all and for one host: at the timeout of 5 s, a host that hangs is through with
/// all of its own before the claim runs out.
const HELD: usize = 4_096;
const HELD_BY_HOST: usize = 512;
/// Seconds until a claim runs out.
pub(crate) const CLAIM: i64 = 120;
/// Seconds for which a host with enough to do gets no more.
const PUT_OFF: i64 = 1;
const BATCH: usize = 256;

/// A change is seen within this time also where no notice gets through: the command line ends
/// sessions in a process of its own.
const LOOK: Duration = Duration::from_millis(400);
const COUNT_INTERVAL: Duration = Duration::from_secs(10);

/// The longest that a person's logout waits for relying parties.
const LOGOUT_WAIT: Duration = Duration::from_secs(1);

/// What requests need to know of the outbox.
#[derive(Debug, Default)]
pub struct Outbox {
    running: AtomicBool,
    settled: Notify,
}

/// Waits for the first attempt at every relying party of a session that just ended, a second at most:
/// a person who is sent on should find the other applications signed out, and never wait for a slow one.
pub async fn first_attempts(app: &App, sid: Sid) {
    if !app.outbox.running.load(Ordering::Relaxed) {
        return;
    }
    let waiting = async {
        loop {
            let settled = app.outbox.settled.notified();
            match app
                .background
                .read(move |tx| tx.deliveries_of_session(&sid))
                .await
            {
                Ok(rows) if rows.iter().any(|row| is_untried(app, row)) => {}
                _ => return,
            }
            tokio::select! {
                () = settled => tokio::time::sleep(Duration::from_millis(5)).await,
                // Another server may have claimed them, whose news do not get here.
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    };
    drop(tokio::time::timeout(LOGOUT_WAIT, waiting).await);
}

fn is_untried(app: &App, row: &Delivery) -> bool {
    let settings = app.settings.current();
    row.state == DeliveryState::Pending
        && row.last_at.is_none()
        && url_of(&settings, &row.client_id, row.reason).is_some()
}

/// Where a client is to be told; `None`: it is gone, or is not asked.
fn url_of<'s>(
    settings: &'s crate::settings::Settings,
    client_id: &str,
    reason: EndReason,
) -> Option<&'s str> {
    delivery::address(&settings.client(client_id)?.client, reason)
}

/// Runs until `stopping`; then what is under way is finished, and what waits is given back.
pub async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut worker = Worker {
        notices: app.store.subscribe(),
        places: Arc::new(Semaphore::new(IN_FLIGHT)),
        hosts: HashMap::new(),
        tasks: JoinSet::new(),
        counted_at: None,
        app,
    };
    worker.app.outbox.running.store(true, Ordering::Relaxed);
    loop {
        // Never broken off: what it claims must be sent or given back.
        let next = worker.look(&stopping).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "looking for deliveries failed");
            None
        });
        tokio::select! {
            () = worker.rest(next) => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
    worker.app.outbox.running.store(false, Ordering::Relaxed);
    worker.finish().await;
}

struct Worker {
    app: Arc<App>,
    notices: broadcast::Receiver<Notice>,
    places: Arc<Semaphore>,
    /// Shared with the tasks, so that the count of references is the count of what is held.
    hosts: HashMap<Arc<str>, Arc<Semaphore>>,
    tasks: JoinSet<()>,
    counted_at: Option<Instant>,
}

impl Worker {
    /// Claims what is due and sends it on its way. Tells when the next delivery is due.
    async fn look(
        &mut self,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Option<Timestamp>, StoreError> {
        if let Err(error) = self.count().await {
            tracing::warn!(%error, "counting deliveries failed");
        }
        loop {
            while self.tasks.try_join_next().is_some() {}
            let next = self.app.background.read(|tx| tx.next_delivery()).await?;
            let now = self.app.clock.now();
            let room = HELD.saturating_sub(self.tasks.len()).min(BATCH);
            let nothing = room == 0 || next.is_none_or(|next| next > now);
            if nothing || *stopping.borrow() {
                return Ok(next);
            }
            self.claim(room, now).await?;
        }
    }

    async fn claim(&mut self, room: usize, now: Timestamp) -> Result<(), StoreError> {
        if let Err(error) = self.app.notice_changes().await {
            tracing::warn!(error = format!("{error:#}"), "looking for changes failed");
        }
        let until = now.plus(CLAIM);
        let most = i64::try_from(room).unwrap_or(1);
        let claimed = self
            .app
            .background
            .write(move |tx| tx.claim_deliveries(now, until, most))
            .await?;
        let settings = self.app.settings.current();
        self.hosts.retain(|_, places| Arc::strong_count(places) > 1);
        let (mut not_asked, mut put_off) = (Vec::new(), Vec::new());
        for delivery in claimed {
            let Some(url) = url_of(&settings, &delivery.client_id, delivery.reason) else {
                not_asked.push(delivery);
                continue;
            };
            let host = self
                .hosts
                .entry(crate::outbound::authority(url))
                .or_insert_with(|| Arc::new(Semaphore::new(IN_FLIGHT_BY_HOST)));
            if Arc::strong_count(host) > HELD_BY_HOST {
                put_off.push(delivery);
                continue;
            }
            let attempt = Attempt {
                app: Arc::clone(&self.app),
                delivery,
                until,
                host: Arc::clone(host),
                places: Arc::clone(&self.places),
            };
            self.tasks.spawn(attempt.run());
        }
        attempt::settle_not_asked(&self.app, not_asked).await?;
        if !put_off.is_empty() {
            let due_at = now.plus(PUT_OFF);
            self.app
                .background
                .write(move |tx| tx.release_deliveries(&put_off, due_at))
                .await?;
        }
        Ok(())
    }

    /// Until there may be something to do.
    async fn rest(&mut self, next: Option<Timestamp>) {
        let full = self.tasks.len() >= HELD;
        tokio::select! {
            _ = self.tasks.join_next(), if full => {}
            _ = self.notices.recv(), if !full => {
                // Whatever else was said meanwhile is answered by the same look.
                while !matches!(
                    self.notices.try_recv(),
                    Err(TryRecvError::Empty | TryRecvError::Closed)
                ) {}
            }
            () = until(&self.app, next), if !full => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }

    /// For the metrics.
    async fn count(&mut self) -> Result<(), StoreError> {
        if self
            .counted_at
            .is_some_and(|at| at.elapsed() < COUNT_INTERVAL)
        {
            return Ok(());
        }
        self.counted_at = Some(Instant::now());
        for state in [DeliveryState::Pending, DeliveryState::Dead] {
            let count = self
                .app
                .background
                .read(move |tx| tx.count_deliveries(state));
            self.app.metrics.set_deliveries(state.name(), count.await?);
        }
        Ok(())
    }

    /// Whoever waits for a place gets none any more, and gives back what it holds.
    async fn finish(mut self) {
        self.places.close();
        self.hosts.values().for_each(|places| places.close());
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn until(app: &App, next: Option<Timestamp>) {
    match next {
        Some(at) => app.clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
