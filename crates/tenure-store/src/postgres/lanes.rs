//! Connections for statements that stand alone, each a transaction of its own. Many requests share one,
//! since nothing is held between two statements: what they ask while the server works on the one before
//! goes out together, and nobody waits for a connection to be free.

use super::Mode;
use super::connect::Target;
use super::dial::{connect, judge, late};
use super::link::{GRACE, parameters};
use super::outage::Outage;
use crate::StoreError;
use crate::value::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::runtime::{self, Handle};
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row, Statement};

/// Statements that are on their way on one connection at a time. What was sent cannot be taken back, so
/// whoever is told that it took too long should, if possible, still be waiting to send.
const UNDER_WAY: usize = 8;

pub(super) struct Lanes {
    target: Arc<Target>,
    outage: Arc<Outage>,
    lanes: Vec<Arc<Lane>>,
    /// Statements that may wait on one before new ones are refused.
    capacity: usize,
}

struct Lane {
    open: Mutex<Option<Arc<Open>>>,
    /// One connects, and the others wait for it.
    connecting: tokio::sync::Mutex<()>,
    /// Statements that wait or are on their way.
    busy: AtomicUsize,
    under_way: Arc<Semaphore>,
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

/// Counted as long as it waits or is on its way.
struct Place(Arc<Lane>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
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
        let lane = || {
            Arc::new(Lane {
                open: Mutex::default(),
                connecting: tokio::sync::Mutex::default(),
                busy: AtomicUsize::new(0),
                under_way: Arc::new(Semaphore::new(UNDER_WAY)),
            })
        };
        Self {
            target: Arc::clone(target),
            outage: Arc::clone(outage),
            lanes: std::iter::repeat_with(lane).take(size).collect(),
            capacity: queue.div_ceil(size),
        }
    }

    /// How many connections there are at most.
    pub(super) const fn size(&self) -> usize {
        self.lanes.len()
    }

    /// The rows of a statement that is a transaction by itself. It is sent by `deadline` or not at all.
    /// Once sent it goes on even if nobody waits for it any more, and `then` hears what came of it.
    pub(super) async fn ask(
        &self,
        text: &'static str,
        values: Vec<Value<'static>>,
        deadline: Instant,
        then: impl FnOnce(&[Row]) + Send + 'static,
    ) -> Result<Vec<Row>, Failure> {
        let place = self.place().map_err(Failure::Other)?;
        let permit = Arc::clone(&place.0.under_way).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout_at(deadline.into(), permit).await else {
            return Err(Failure::Other(late()));
        };
        let opened = self.open(&place.0, deadline).await;
        let open = opened.map_err(Failure::Other)?;
        let statement = tokio::spawn(async move {
            let _held = permit;
            let until = tokio::time::Instant::from_std(deadline + GRACE);
            let answer = tokio::time::timeout_at(until, open.ask(text, &values)).await;
            let rows = place.0.judge(&open, answer)?;
            then(&rows);
            Ok(rows)
        });
        // Cancelled only with its runtime.
        let ended = |_| Err(Failure::Other(StoreError::Closed));
        statement.await.unwrap_or_else(ended)
    }

    /// The lane on which the fewest wait; of several the first, whose connection is the warmest. While
    /// nobody may connect, one that is connected.
    fn place(&self) -> Result<Place, StoreError> {
        let busy = |lane: &&Arc<Lane>| lane.busy.load(Ordering::Relaxed);
        let mut lane = self
            .lanes
            .iter()
            .min_by_key(busy)
            .ok_or(StoreError::Closed)?;
        if lane.usable().is_none() && self.outage.check().is_err() {
            let usable = self.lanes.iter().filter(|lane| lane.usable().is_some());
            lane = usable.min_by_key(busy).unwrap_or(lane);
        }
        let before = lane.busy.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(lane));
        if before >= self.capacity {
            return Err(StoreError::Overloaded);
        }
        Ok(place)
    }

    async fn open(&self, lane: &Lane, deadline: Instant) -> Result<Arc<Open>, StoreError> {
        if let Some(open) = lane.usable() {
            return Ok(open);
        }
        let turn = tokio::time::timeout_at(deadline.into(), lane.connecting.lock());
        let _turn = turn.await.map_err(|_| late())?;
        if let Some(open) = lane.usable() {
            return Ok(open);
        }
        self.outage.check()?;
        // With little time left an attempt says nothing about the database.
        let client = connect_to_primary(&self.target, deadline + GRACE)
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
}

/// A look that no change follows would not notice that it asks a standby, which may know less.
async fn connect_to_primary(target: &Target, deadline: Instant) -> Result<Client, StoreError> {
    let client = connect(target, deadline).await?;
    let asked = client.query_one("SELECT pg_is_in_recovery()", &[]);
    match tokio::time::timeout_at(deadline.into(), asked).await {
        Ok(Ok(row)) if row.try_get(0)? => Err(StoreError::Unavailable(
            "the database is a standby".to_owned(),
        )),
        Ok(Ok(_)) => Ok(client),
        Ok(Err(error)) => Err(judge(&error, Mode::Write).0),
        Err(_) => Err(late()),
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

    /// What came of a statement. A connection that is of no use any more is given up.
    fn judge(
        &self,
        open: &Arc<Open>,
        answer: Result<Result<Vec<Row>, tokio_postgres::Error>, Elapsed>,
    ) -> Result<Vec<Row>, Failure> {
        match answer {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) if is_conflict(&error) => Err(Failure::Conflict),
            Ok(Err(error)) => {
                let (error, broken) = judge(&error, Mode::Write);
                if broken || open.client.is_closed() {
                    self.give_up(open);
                    return Err(Failure::Gone(error));
                }
                Err(Failure::Other(error))
            }
            Err(_) => {
                // Those behind it wait for the same answer.
                self.give_up(open);
                Err(Failure::Other(late()))
            }
        }
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

/// The database chose this one to give way to others.
fn is_conflict(error: &tokio_postgres::Error) -> bool {
    let conflicts = [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    error.code().is_some_and(|code| conflicts.contains(code))
}
