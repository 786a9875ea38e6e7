//! A thread of the pool: takes a closure, runs it in a transaction of its own connection, answers
//! after the commit, and connects anew when the connection is gone.

use super::connect::Target;
use super::link::Link;
use super::{Mode, Queued};
use crate::{StoreError, Tx};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After a failed connection attempt nobody tries again for this long: waiting requests hear at once
/// that the database is away, instead of each waiting for an attempt of its own.
const PAUSE: Duration = Duration::from_millis(200);

/// Shared by the pool: since when the database cannot be reached.
#[derive(Default)]
pub(super) struct Outage(Mutex<Option<(Instant, StoreError)>>);

impl Outage {
    fn current(&self) -> Option<StoreError> {
        let outage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outage
            .as_ref()
            .filter(|(at, _)| at.elapsed() < PAUSE)
            .map(|(_, error)| error.clone())
    }

    fn begin(&self, error: &StoreError) {
        let mut outage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *outage = Some((Instant::now(), error.clone()));
    }
}

pub(super) fn spawn(
    target: &Arc<Target>,
    queue: &Arc<Mutex<Receiver<Queued>>>,
    outage: &Arc<Outage>,
) -> Result<JoinHandle<()>, StoreError> {
    let mut worker = Worker {
        target: Arc::clone(target),
        outage: Arc::clone(outage),
        link: None,
    };
    let queue = Arc::clone(queue);
    std::thread::Builder::new()
        .name("tenure-postgres".to_owned())
        .spawn(move || {
            loop {
                // The lock is held while waiting: one idle thread waits on the channel, the others on the lock.
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(queued) = next else { return };
                worker.serve(queued);
            }
        })
        .map_err(|error| StoreError::Engine(error.to_string()))
}

struct Worker {
    target: Arc<Target>,
    outage: Arc<Outage>,
    link: Option<Link>,
}

impl Worker {
    fn serve(&mut self, queued: Queued) {
        let Queued {
            mut job,
            mode,
            since,
        } = queued;
        let deadline = since + self.target.deadline;
        if Instant::now() >= deadline {
            let late = "the transaction waited too long for a connection";
            return job.finish(Err(StoreError::Unavailable(late.to_owned())));
        }
        let link = match self.begin(mode, deadline) {
            Ok(link) => link,
            Err(error) => return job.finish(Err(error)),
        };
        let outcome = match job.run(&Tx::postgres(link)) {
            Ok(()) => link.commit(),
            // The closure's own error reaches the caller through the job.
            Err(_) => {
                link.rollback();
                Ok(())
            }
        };
        if let Err(error) = &outcome {
            tracing::warn!(%error, "a transaction failed");
        }
        if link.is_broken() {
            self.link = None;
        }
        job.finish(outcome);
    }

    /// A connection with an open transaction. One that was idle while the server restarted is
    /// noticed here, before the closure ran, and replaced.
    fn begin(&mut self, mode: Mode, deadline: Instant) -> Result<&Link, StoreError> {
        let usable = match &self.link {
            Some(link) if !link.is_broken() => link.begin(mode, deadline).is_ok(),
            _ => false,
        };
        if !usable {
            self.link = None;
            let fresh = self.connect()?;
            fresh.begin(mode, deadline)?;
            self.link = Some(fresh);
        }
        self.link.as_ref().ok_or(StoreError::Closed)
    }

    fn connect(&self) -> Result<Link, StoreError> {
        if let Some(error) = self.outage.current() {
            return Err(error);
        }
        Link::connect(&self.target).inspect_err(|error| {
            tracing::warn!(%error, "the database cannot be reached");
            self.outage.begin(error);
        })
    }
}
