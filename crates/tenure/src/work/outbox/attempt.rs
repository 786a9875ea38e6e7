//! One attempt at one delivery, from its claim to what is stored of it.

use crate::app::App;
use crate::oidc::backchannel::{Matter, Sender};
use crate::tenant_log::{Entry, kind};
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_protocol::delivery::{self, Answer, Outcome, Progress};
use tenure_store::{Delivery, DeliveryState, StoreError};
use tokio::sync::Semaphore;

pub struct Attempt {
    pub app: Arc<App>,
    pub delivery: Delivery,
    /// When the claim runs out.
    pub until: Timestamp,
    pub host: Arc<Semaphore>,
    pub places: Arc<Semaphore>,
}

impl Attempt {
    pub async fn run(self) {
        // The host's place first: who waits for a slow host must not hold one of everybody's.
        let host = self.host.acquire().await;
        let (Ok(_host), Ok(_place)) = (host, self.places.acquire().await) else {
            return self.give_back().await;
        };
        let timeout = i64::try_from(self.app.outbound.timeout().as_secs()).unwrap_or(CLAIM_END);
        if self.app.clock.now().plus(timeout) >= self.until {
            // It is somebody else's soon.
            return;
        }
        let (answer, now) = match self.send().await {
            Some(answer) => (answer, self.app.clock.now()),
            None => {
                // The client was changed since the claim: it is looked at anew.
                return self.give_back().await;
            }
        };
        if let Err(error) = self.settle(&answer, now).await {
            // It stays claimed, and is tried again when the claim runs out.
            tracing::warn!(%error, "storing the outcome of a delivery failed");
        }
        self.app.outbox.settled.notify_waiters();
    }

    async fn send(&self) -> Option<Answer> {
        let (app, row) = (&self.app, &self.delivery);
        let settings = app.settings.current();
        let registered = settings.client(&row.client_id)?;
        let url = delivery::address(&registered.client, row.reason)?;
        let matter = Matter {
            client: &registered.client,
            user_id: &row.user_id,
            sid: &row.sid,
            reason: row.reason,
        };
        let sender = Sender {
            issuer: &app.issuer,
            ring: &app.ring(),
            outbound: &app.outbound,
            entropy: &app.entropy,
        };
        Some(sender.send(url, matter, app.clock.now()).await)
    }

    async fn settle(&self, answer: &Answer, now: Timestamp) -> Result<(), StoreError> {
        let progress = Progress {
            attempts: self.delivery.attempts,
            created_at: self.delivery.created_at,
        };
        let [jitter] = self.app.entropy.bytes();
        let outcome = delivery::judge(answer, progress, now, jitter);
        let status = match answer {
            Answer::Status { status, .. } => Some(i64::from(*status)),
            Answer::None(_) | Answer::Impossible(_) => None,
        };
        let (state, due_at, why, counted) = match outcome {
            Outcome::Delivered => (DeliveryState::Delivered, now, None, "delivered"),
            Outcome::Rejected(why) => (DeliveryState::Rejected, now, Some(why), "rejected"),
            Outcome::Retry { at, why } => (DeliveryState::Pending, at, Some(why), "retried"),
            Outcome::Dead(why) => (DeliveryState::Dead, now, Some(why), "dead"),
        };
        let row = Delivery {
            state,
            due_at,
            last_at: Some(now),
            last_status: status,
            last_error: why,
            ..self.delivery.clone()
        };
        let entry = entry(&row).row(now, &self.app.entropy.token(9));
        let stored = self.app.background.write(move |tx| {
            let settled = tx.settle_delivery(&row)?;
            if settled {
                tx.insert_log(&entry)?;
            }
            Ok(settled)
        });
        if stored.await? {
            self.app.metrics.delivery(counted);
        }
        Ok(())
    }

    async fn give_back(&self) {
        let now = self.app.clock.now();
        let rows = vec![self.delivery.clone()];
        let released = self
            .app
            .background
            .write(move |tx| tx.release_deliveries(&rows, now));
        if let Err(error) = released.await {
            tracing::debug!(%error, "giving a delivery back failed");
        }
    }
}

/// What a timeout that is no number of seconds counts as.
const CLAIM_END: i64 = super::CLAIM;

fn entry(row: &Delivery) -> Entry {
    let delivered = row.state == DeliveryState::Delivered;
    let code = if delivered {
        kind::BACKCHANNEL_LOGOUT
    } else {
        kind::BACKCHANNEL_LOGOUT_FAILED
    };
    let initiator = delivery::initiators(row.reason).first().copied();
    let mut entry = Entry::new(code)
        .user(&row.user_id)
        .client(&row.client_id)
        .session(&row.sid)
        .detail("initiator", initiator.unwrap_or_default())
        .detail("reason", row.reason.name())
        .detail("attempt", row.attempts)
        .detail("state", row.state.name());
    if let Some(status) = row.last_status {
        entry = entry.detail("status", status);
    }
    match &row.last_error {
        Some(why) => entry.describe(why),
        None => entry,
    }
}

/// A client without a URL, one that does not want to hear of the reason, one that is gone.
pub async fn settle_not_asked(app: &App, rows: Vec<Delivery>) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let count = rows.len();
    let now = app.clock.now();
    let settled = app.background.write(move |tx| {
        for row in &rows {
            tx.settle_delivery(&Delivery {
                state: DeliveryState::NotAsked,
                due_at: now,
                ..row.clone()
            })?;
        }
        Ok(())
    });
    settled.await?;
    (0..count).for_each(|_| app.metrics.delivery("not_asked"));
    app.outbox.settled.notify_waiters();
    Ok(())
}
