//! A closure without a transaction: what it asks is read, it decides, and its change is made if the rows
//! still are what was read (see `ahead.rs`).

use super::Engine;
use super::lanes::{Failure, Lanes};
use crate::ahead::{Foreseen, Foresight};
use crate::job::guarded;
use crate::notice::Notice;
use crate::{ReadAhead, StoreError, Tx};
use std::sync::{Arc, PoisonError};
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
        since: Instant,
    ) -> Result<Option<T>, StoreError> {
        let lanes = self.with_senders(|senders| Arc::clone(&senders.standalone))?;
        let deadline = since + self.target.deadline;
        let senders = Arc::clone(&self.senders);
        let tell = move |told| {
            // Once closed there is nobody to tell; it is done all the same.
            if let Some(senders) = &*senders.lock().unwrap_or_else(PoisonError::into_inner) {
                senders.shared.told(told);
            }
        };
        match optimistic(&lanes, tell, ahead, work, deadline).await {
            Ok(done) => Ok(done),
            Err(Failure::Conflict) => Ok(None),
            Err(Failure::Gone(error) | Failure::Other(error)) => Err(error),
        }
    }
}

async fn optimistic<T>(
    lanes: &Standalone,
    tell: impl FnOnce(Vec<Notice>) + Send + 'static,
    ahead: ReadAhead,
    work: &(impl Fn(&Tx<'_>) -> Result<T, StoreError> + Sync),
    deadline: Instant,
) -> Result<Option<T>, Failure> {
    let row = read(&lanes.looks, &ahead, deadline).await?;
    let (result, outcome, told) = foresee(Foresight::new(ahead, row), work);
    let change = match outcome {
        Foreseen::Unforeseen => return Ok(None),
        Foreseen::Nothing => return result.map(Some).map_err(Failure::Other),
        Foreseen::Change(change) => change,
    };
    let result = result.map_err(Failure::Other)?;
    let then = move |rows: &[Row]| {
        if is_made(rows) {
            tell(told);
        }
    };
    let changes = &lanes.changes;
    let rows = changes
        .ask(change.text, change.values, deadline, then)
        .await?;
    if is_made(&rows) {
        Ok(Some(result))
    } else {
        Err(Failure::Conflict)
    }
}

/// What a change answers (see `rows/ahead.rs`).
fn is_made(rows: &[Row]) -> bool {
    let count = rows.first().map(|row| row.try_get::<_, i64>(0));
    matches!(count, Some(Ok(1)))
}

/// Reads what the closure will ask. A connection that is gone is no reason to fail as long as another
/// may be there: after a restart each of them finds out for itself.
async fn read(lanes: &Lanes, ahead: &ReadAhead, deadline: Instant) -> Result<Option<Row>, Failure> {
    let mut left = lanes.size();
    loop {
        let values = ahead.values.clone();
        match lanes.ask(ahead.text, values, deadline, |_| {}).await {
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
    let result = guarded(|| work(&tx));
    let told = tx.into_notices();
    (result, foresight.outcome(), told)
}
