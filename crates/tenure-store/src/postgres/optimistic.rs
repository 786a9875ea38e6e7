//! A closure without a transaction: what it asks is read, it decides, and its change is made if the rows
//! still are what was read (see `ahead.rs`).

use super::Engine;
use super::lanes::{Failure, Lanes};
use crate::ahead::{Foreseen, Foresight};
use crate::notice::Notice;
use crate::{ReadAhead, StoreError, Tx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Row;

/// Connections for statements that stand alone: those that look wait for nobody's commit.
pub(super) struct Standalone {
    pub(super) looks: Lanes,
    pub(super) changes: Lanes,
}

impl Engine {
    /// `None`: it needs a transaction, and nothing has happened yet.
    pub(crate) async fn without_transaction<T>(
        &self,
        ahead: ReadAhead,
        work: &(impl Fn(&Tx<'_>) -> Result<T, StoreError> + Sync),
    ) -> Result<Option<T>, StoreError> {
        let lanes = self.with_senders(|senders| Arc::clone(&senders.standalone))?;
        let deadline = lanes.changes.deadline();
        match optimistic(&lanes, ahead, work, deadline).await {
            Ok(Some((result, told))) => {
                // Once closed there is nobody to tell; it is done all the same.
                drop(self.with_senders(|senders| senders.shared.told(told)));
                Ok(Some(result))
            }
            Ok(None) | Err(Failure::Conflict) => Ok(None),
            Err(Failure::Gone(error) | Failure::Other(error)) => Err(error),
        }
    }
}

async fn optimistic<T>(
    lanes: &Standalone,
    ahead: ReadAhead,
    work: &(impl Fn(&Tx<'_>) -> Result<T, StoreError> + Sync),
    deadline: Instant,
) -> Result<Option<(T, Vec<Notice>)>, Failure> {
    let row = read(&lanes.looks, &ahead, deadline).await?;
    let (result, outcome, told) = foresee(Foresight::new(ahead, row), work);
    let change = match outcome {
        Foreseen::Unforeseen => return Ok(None),
        Foreseen::Nothing => None,
        Foreseen::Change(change) => Some(change),
    };
    let result = result.map_err(Failure::Other)?;
    if let Some(change) = change {
        let rows = lanes
            .changes
            .ask(change.text, &change.values, deadline)
            .await?;
        let made = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose();
        if made.map_err(|error| Failure::Other(error.into()))? != Some(1) {
            return Err(Failure::Conflict);
        }
    }
    Ok(Some((result, told)))
}

/// Reads what the closure will ask. A connection that is gone is no reason to fail as long as another
/// may be there: after a restart each of them finds out for itself.
async fn read(lanes: &Lanes, ahead: &ReadAhead, deadline: Instant) -> Result<Option<Row>, Failure> {
    let mut left = lanes.size();
    loop {
        match lanes.ask(ahead.text, &ahead.values, deadline).await {
            Err(Failure::Gone(_)) if left > 0 => left -= 1,
            rows => return Ok(rows?.into_iter().next()),
        }
    }
}

/// Runs the closure on what was read.
fn foresee<T>(
    foresight: Foresight,
    work: &impl Fn(&Tx<'_>) -> Result<T, StoreError>,
) -> (Result<T, StoreError>, Foreseen, Vec<Notice>) {
    let tx = Tx::ahead(&foresight);
    let result = catch_unwind(AssertUnwindSafe(|| work(&tx)));
    let told = tx.into_notices();
    let result = result.unwrap_or(Err(StoreError::Panicked));
    (result, foresight.outcome(), told)
}
