//! Renewing tokens: one refresh for all requests that need it, and what its answer means.

use crate::app::{Inner, Keep};
use crate::keeping::{Found, Live, Over, name_of};
use crate::provider::{PAUSE, ProviderError};
use crate::record::{Record, Tokens};
use crate::store::{Key, Replaced, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tenure_protocol::Timestamp;

/// Seconds for which this process knows the newest copy of a session that lives in cookies: longer than
/// requests take that still carry an older one.
const KNOWN_FOR: i64 = 600;

/// What became of a renewal.
#[derive(Clone, Debug)]
pub enum Renewal {
    /// The session with new tokens, its own or another request's.
    Done(Box<Live>),
    /// The person is signed out.
    Over(Over),
    /// Nothing is known about the person: the session goes on with what it has.
    Unavailable(String),
}

/// Renewals that are under way, and what they brought.
#[derive(Debug, Default)]
pub struct Flights {
    /// One at a time for each session; inside, when the provider did not answer.
    locks: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Option<Timestamp>>>>>,
    /// The newest copies of sessions that live in cookies, and of those whose tokens the store did not take.
    latest: Mutex<HashMap<Key, (Record, Timestamp)>>,
}

impl Flights {
    fn lock_of(&self, key: &Key) -> Arc<tokio::sync::Mutex<Option<Timestamp>>> {
        let mut locks = held(&self.locks);
        // Whoever waits holds a copy; the rest is garbage once it is much.
        if locks.len() > 1000 {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(locks.entry(*key).or_default())
    }

    /// A copy of a session that is newer than one with so many renewals.
    pub fn newer(&self, key: &Key, renewals: u32) -> Option<Record> {
        let latest = held(&self.latest);
        let (record, _) = latest.get(key)?;
        (record.renewals > renewals).then(|| record.clone())
    }

    pub fn know(&self, key: Key, record: &Record, now: Timestamp) {
        let mut latest = held(&self.latest);
        if latest.len() > 1000 {
            latest.retain(|_, (_, since)| !now.is_more_than(KNOWN_FOR, *since));
        }
        latest.insert(key, (record.clone(), now));
    }

    pub fn forget(&self, key: &Key) {
        held(&self.latest).remove(key);
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// Renews a session's tokens. A task of its own does it: a browser that hangs up must not lose the
    /// answer, for its refresh token has been used.
    pub async fn renew(self: &Arc<Self>, live: Live) -> Result<Renewal, StoreError> {
        let inner = Arc::clone(self);
        let task = tokio::spawn(async move {
            let lock = inner.flights.lock_of(&live.key);
            let mut failed_at = lock.lock().await;
            inner.renew_alone(live, &mut failed_at).await
        });
        task.await
            .unwrap_or_else(|error| Err(StoreError::new(error)))
    }

    async fn renew_alone(
        &self,
        live: Live,
        failed_at: &mut Option<Timestamp>,
    ) -> Result<Renewal, StoreError> {
        let live = match self.as_it_is_now(live.clone()).await? {
            Err(over) => return Ok(Renewal::Over(over)),
            Ok(newer) if newer.record.renewals > live.record.renewals => {
                return Ok(Renewal::Done(Box::new(newer)));
            }
            Ok(same) => same,
        };
        let Some(token) = live.record.refresh_token.clone() else {
            return Ok(Renewal::Unavailable("there is no refresh token".to_owned()));
        };
        let now = self.clock.now();
        if failed_at.is_some_and(|at| !now.is_more_than(PAUSE, at)) {
            return Ok(Renewal::Unavailable(
                "the provider did not answer a moment ago".to_owned(),
            ));
        }
        *failed_at = None;
        match self.provider.refresh(&token, live.record.sub()).await {
            Ok(tokens) => self.take(live, tokens).await,
            Err(ProviderError::Refused { reason }) => self.refused(live, reason).await,
            Err(error) => {
                *failed_at = Some(now);
                tracing::warn!("a renewal failed: {error}");
                Ok(Renewal::Unavailable(error.to_string()))
            }
        }
    }

    /// The newest copy of a session, or why it is over.
    async fn as_it_is_now(&self, live: Live) -> Result<Result<Live, Over>, StoreError> {
        match self.keep {
            Keep::Cookie => {
                if let Some(over) = self.ended(&live.record, &live.key).await? {
                    return Ok(Err(over));
                }
                let newer = self.flights.newer(&live.key, live.record.renewals);
                let record = newer.unwrap_or(live.record);
                Ok(Ok(Live { record, ..live }))
            }
            Keep::Store => self.stored(&live.key).await,
        }
    }

    /// A session as the store has it, with tokens that could not be written down when they came.
    async fn stored(&self, key: &Key) -> Result<Result<Live, Over>, StoreError> {
        loop {
            let mut live = match self.find_in_store(key).await? {
                Found::Live(found) => *found,
                Found::Over(over) => return Ok(Err(over)),
                Found::Nothing => return Ok(Err(unknown(key, self.clock.now()))),
            };
            let Some(newer) = self.flights.newer(key, live.record.renewals) else {
                return Ok(Ok(live));
            };
            live.record.take_over(newer);
            if self.store.replace(&self.entry(&live)).await? == Replaced::Done {
                live.version += 1;
                self.flights.forget(key);
                return Ok(Ok(live));
            }
        }
    }

    /// Writes new tokens down. Where the session has ended meanwhile they are revoked: a slow refresh
    /// brings nobody back.
    async fn take(&self, mut live: Live, tokens: Tokens) -> Result<Renewal, StoreError> {
        loop {
            live.record.take(tokens.clone());
            let replaced = match self.keep {
                Keep::Cookie => match self.ended(&live.record, &live.key).await? {
                    Some(_) => Replaced::Gone,
                    None => Replaced::Done,
                },
                Keep::Store => match self.store.replace(&self.entry(&live)).await {
                    Ok(replaced) => replaced,
                    // Its old refresh token is used up: only this process has the new one, until it can be written.
                    Err(error) => {
                        self.flights.know(live.key, &live.record, self.clock.now());
                        return Err(error);
                    }
                },
            };
            match replaced {
                Replaced::Done => {
                    live.version += 1;
                    if self.keep == Keep::Cookie {
                        self.flights.know(live.key, &live.record, self.clock.now());
                    }
                    return Ok(Renewal::Done(Box::new(live)));
                }
                Replaced::Changed => {}
                Replaced::Gone => {}
            }
            match self.as_it_is_now(live.clone()).await? {
                Ok(newer) => live = newer,
                Err(over) => {
                    self.revoke(tokens.refresh_token.as_deref()).await;
                    return Ok(Renewal::Over(over));
                }
            }
        }
    }

    /// The refresh token has expired, was revoked, or was used by somebody else: the person is signed out at
    /// once. Unless another process renewed the session meanwhile: then its token is the one that counts.
    async fn refused(&self, live: Live, reason: Option<String>) -> Result<Renewal, StoreError> {
        match self.as_it_is_now(live.clone()).await? {
            Err(over) => return Ok(Renewal::Over(over)),
            Ok(newer) if newer.record.refresh_token != live.record.refresh_token => {
                return Ok(Renewal::Done(Box::new(newer)));
            }
            Ok(_) => {}
        }
        let reason = reason.filter(|reason| is_known(reason));
        let reason = reason.as_deref().unwrap_or("refresh_refused");
        let mark = self.mark(live.key, "refresh_token", reason, self.clock.now());
        self.store.end(&mark).await?;
        self.flights.forget(&live.key);
        Ok(Renewal::Over(Over::by_act(&live.key, &mark)))
    }

    /// Revokes a refresh token, if there is one. A failure is logged and nothing more: the session is over
    /// already, and nobody is left who could do anything about it.
    pub async fn revoke(&self, token: Option<&str>) {
        if let Some(token) = token
            && let Err(error) = self.provider.revoke(token).await
        {
            tracing::warn!("a refresh token could not be revoked: {error}");
        }
    }
}

/// A row that has gone without a trace.
fn unknown(key: &Key, now: Timestamp) -> Over {
    Over {
        sid: name_of(key),
        reason: "unknown".to_owned(),
        rule: "gone".to_owned(),
        ended_at: now,
    }
}

/// Whether a reason is one of the provider's vocabulary; anything else is not repeated.
pub fn is_known(reason: &str) -> bool {
    let mut known = tenure_protocol::session::EndReason::ALL.iter();
    known.any(|one| one.name() == reason)
}
