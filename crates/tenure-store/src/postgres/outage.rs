//! A database that cannot be reached.

use crate::StoreError;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After a failed connection attempt nobody tries again for this long: waiting requests hear at once
/// that the database is away, instead of each waiting for an attempt of its own.
const PAUSE: Duration = Duration::from_millis(200);

/// Shared by the pool: since when the database cannot be reached.
#[derive(Default)]
pub(super) struct Outage(Mutex<Option<(Instant, StoreError)>>);

impl Outage {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let outage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outage
            .as_ref()
            .filter(|(at, _)| at.elapsed() < PAUSE)
            .map_or(Ok(()), |(_, error)| Err(error.clone()))
    }

    pub(super) fn begin(&self, error: &StoreError) {
        tracing::warn!(%error, "the database cannot be reached");
        let mut outage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *outage = Some((Instant::now(), error.clone()));
    }
}
