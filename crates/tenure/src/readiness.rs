//! Whether the database takes writes: a disk that is full or read-only still answers reads.

use crate::entropy::Entropy;
use std::time::Duration;
use tenure_store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Times 16 bytes: four pages of SQLite's.
const PROBE_REPEATS: usize = 1024;

/// The latest look, shared by whoever asks: probes must not become load.
#[derive(Debug)]
pub struct Readiness {
    interval: Duration,
    patience: Duration,
    latest: Mutex<Option<(Instant, bool)>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new(Duration::from_secs(3), Duration::from_secs(2))
    }
}

impl Readiness {
    /// Looks once in `interval`, and waits `patience` for a look at most.
    pub fn new(interval: Duration, patience: Duration) -> Self {
        Self {
            interval,
            patience,
            latest: Mutex::new(None),
        }
    }

    pub async fn takes_writes(&self, store: &Store, entropy: &Entropy) -> bool {
        // Another text each time, since what is there already is not written again, and more of it
        // than a login writes, so that the last free pages do not deceive.
        let text = entropy.token(12).repeat(PROBE_REPEATS);
        self.ask(|| store.write(move |tx| tx.set_meta("ready_probe", &text)))
            .await
    }

    /// Callers wait for the one who looks.
    async fn ask<F>(&self, probe: impl FnOnce() -> F) -> bool
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let mut latest = self.latest.lock().await;
        if let Some((at, is_ready)) = *latest
            && at.elapsed() < self.interval
        {
            return is_ready;
        }
        let is_ready = match tokio::time::timeout(self.patience, probe()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database takes no writes");
                false
            }
            Err(_) => {
                tracing::warn!("the database does not finish a write");
                false
            }
        };
        *latest = Some((Instant::now(), is_ready));
        is_ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_look_counts_for_everybody_until_it_is_old() {
        let readiness = Readiness::new(LONG, LONG);
        assert!(readiness.ask(|| ready(Ok(()))).await);
        let second = readiness.ask(|| ready(Err(StoreError::Closed))).await;
        assert!(second, "nobody looks again so soon");
        let readiness = Readiness::new(Duration::ZERO, LONG);
        assert!(!readiness.ask(|| ready(Err(StoreError::Closed))).await);
        assert!(readiness.ask(|| ready(Ok(()))).await, "and it recovers");
    }

    #[tokio::test]
    async fn a_write_that_hangs_is_none() {
        let readiness = Readiness::new(LONG, Duration::from_millis(5));
        assert!(!readiness.ask(pending).await);
        assert!(!readiness.ask(|| ready(Ok(()))).await, "the look counts");
    }
}
