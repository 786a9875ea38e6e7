//! Connections for statements that stand alone, each a transaction of its own. Many requests share one,
//! since nothing is held between two statements: what they ask while the server works on the one before
//! goes out together, and nobody waits for a connection to be free.

use super::Mode;
use super::connect::Target;
use super::dial::{connect, judge};
use super::link::parameters;
use super::outage::Outage;
use crate::StoreError;
use crate::value::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{self, Handle};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row, Statement};

/// A statement that waits for a row that somebody holds makes those behind it wait, so it does not wait
/// long: whoever asked goes on in a transaction, which has a connection to itself.
const PATIENCE: Duration = Duration::from_millis(20);

pub(super) struct Lanes {
    target: Arc<Target>,
    outage: Arc<Outage>,
    lanes: Vec<Lane>,
    /// Statements that may wait on one before new ones are refused.
    capacity: usize,
}

#[derive(Default)]
struct Lane {
    open: Mutex<Option<Arc<Open>>>,
    /// One connects, and the others wait for it.
    connecting: tokio::sync::Mutex<()>,
    waiting: AtomicUsize,
}

struct Open {
    client: Client,
    /// Whose tasks read and write it: without them nothing is answered.
    runtime: runtime::Id,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

/// Why a statement has no answer.
pub(super) enum Failure {
    /// The row is held by somebody, or is not what it was: nothing happened.
    Conflict,
    /// The connection is gone. Whether the statement was carried out is not known.
    Gone(StoreError),
    Other(StoreError),
}

/// Counted as long as it waits.
struct Place<'l>(&'l Lane);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    pub(super) fn new(
        target: &Arc<Target>,
        outage: &Arc<Outage>,
        size: usize,
        queue: usize,
    ) -> Self {
        let size = size.max(1);
        Self {
            target: Arc::clone(target),
            outage: Arc::clone(outage),
            lanes: std::iter::repeat_with(Lane::default).take(size).collect(),
            capacity: queue.div_ceil(size),
        }
    }

    /// How many connections there are at most.
    pub(super) const fn size(&self) -> usize {
        self.lanes.len()
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.target.deadline
    }

    /// The rows of a statement that is a transaction by itself, by `deadline` or not at all.
    pub(super) async fn ask(
        &self,
        text: &'static str,
        values: &[Value<'static>],
        deadline: Instant,
    ) -> Result<Vec<Row>, Failure> {
        let place = self.place().map_err(Failure::Other)?;
        let open = self.open(place.0, deadline).await.map_err(Failure::Other)?;
        match tokio::time::timeout_at(deadline.into(), open.ask(text, values)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) if is_conflict(&error) => Err(Failure::Conflict),
            Ok(Err(error)) => {
                let (error, broken) = judge(&error, Mode::Write);
                if broken || open.client.is_closed() {
                    place.0.give_up(&open);
                    return Err(Failure::Gone(error));
                }
                Err(Failure::Other(error))
            }
            Err(_) => {
                // Those behind it wait for the same answer.
                place.0.give_up(&open);
                let late = "the database did not answer in time".to_owned();
                Err(Failure::Other(StoreError::Unavailable(late)))
            }
        }
    }

    /// The lane on which the fewest wait; of several the first, whose connection is the warmest.
    fn place(&self) -> Result<Place<'_>, StoreError> {
        let waiting = |lane: &&Lane| lane.waiting.load(Ordering::Relaxed);
        let lane = self
            .lanes
            .iter()
            .min_by_key(waiting)
            .ok_or(StoreError::Closed)?;
        if lane.waiting.fetch_add(1, Ordering::Relaxed) >= self.capacity {
            drop(Place(lane));
            return Err(StoreError::Overloaded);
        }
        Ok(Place(lane))
    }

    async fn open(&self, lane: &Lane, deadline: Instant) -> Result<Arc<Open>, StoreError> {
        if let Some(open) = lane.usable() {
            return Ok(open);
        }
        let _turn = lane.connecting.lock().await;
        if let Some(open) = lane.usable() {
            return Ok(open);
        }
        self.outage.check()?;
        let client = self
            .connect(deadline)
            .await
            .inspect_err(|error| self.outage.begin(error))?;
        let open = Arc::new(Open {
            client,
            runtime: Handle::current().id(),
            statements: Mutex::default(),
        });
        *lane.slot() = Some(Arc::clone(&open));
        Ok(open)
    }

    async fn connect(&self, deadline: Instant) -> Result<Client, StoreError> {
        let client = connect(&self.target, deadline).await?;
        let setup = format!("SET lock_timeout = {}", PATIENCE.as_millis());
        match tokio::time::timeout_at(deadline.into(), client.batch_execute(&setup)).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(error)) => Err(judge(&error, Mode::Write).0),
            Err(_) => Err(StoreError::Unavailable(
                "the database did not answer in time".to_owned(),
            )),
        }
    }
}

impl Lane {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self) -> Option<Arc<Open>> {
        self.slot()
            .as_ref()
            .filter(|open| !open.client.is_closed() && open.runtime == Handle::current().id())
            .cloned()
    }

    /// The next one connects anew, unless somebody already has.
    fn give_up(&self, open: &Arc<Open>) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|held| Arc::ptr_eq(held, open)) {
            *slot = None;
        }
    }
}

impl Open {
    async fn ask(
        &self,
        text: &'static str,
        values: &[Value<'static>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let known = self.statements().get(text).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => {
                let statement = self.client.prepare(text).await?;
                self.statements().insert(text, statement.clone());
                statement
            }
        };
        self.client.query(&statement, &parameters(values)).await
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock that was not to be had in time, a deadlock, or the cast that fails with which a statement
/// takes itself back (see `rows/ahead.rs`).
fn is_conflict(error: &tokio_postgres::Error) -> bool {
    let conflicts = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::INVALID_TEXT_REPRESENTATION,
    ];
    error.code().is_some_and(|code| conflicts.contains(code))
}
