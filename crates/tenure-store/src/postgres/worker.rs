//! A thread of the pool: takes a closure, runs it in a transaction of its own connection, answers
//! after the commit, and connects anew when the connection is gone.

use super::connect::Target;
use super::link::Link;
use super::outage::Outage;
use super::{Mode, Queued};
use crate::notice::{Notice, Notices};
use crate::{StoreError, Tx};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// What the threads of an engine have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) target: Arc<Target>,
    pub(super) outage: Arc<Outage>,
    pub(super) notices: Notices,
    pub(super) tell: SyncSender<Notice>,
}

impl Shared {
    /// What a transaction told, once it has committed: here at once, elsewhere soon.
    pub(super) fn told(&self, notices: Vec<Notice>) {
        for notice in notices {
            self.notices.send(notice);
            if self.tell.try_send(notice).is_err() {
                tracing::debug!("other servers are told too slowly: they look by themselves");
            }
        }
    }
}

pub(super) fn spawn(
    shared: &Shared,
    queue: &Arc<Mutex<Receiver<Queued>>>,
) -> Result<JoinHandle<()>, StoreError> {
    let mut worker = Worker {
        shared: shared.clone(),
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
    shared: Shared,
    link: Option<Link>,
}

impl Worker {
    fn serve(&mut self, queued: Queued) {
        let Queued {
            mut job,
            mode,
            since,
        } = queued;
        let deadline = since + self.shared.target.deadline;
        if Instant::now() >= deadline {
            let late = "the transaction waited too long for a connection";
            return job.finish(Err(StoreError::Unavailable(late.to_owned())));
        }
        let link = match self.begin(mode, deadline) {
            Ok(link) => link,
            Err(error) => return job.finish(Err(error)),
        };
        let tx = Tx::postgres(link);
        let mut told = Vec::new();
        let outcome = match job.run(&tx) {
            Ok(()) => link.commit().inspect(|()| told = tx.notices().take()),
            // The closure's own error reaches the caller through the job.
            Err(_) => {
                link.rollback();
                Ok(())
            }
        };
        if let Err(error) = &outcome {
            tracing::warn!(%error, "a transaction failed");
        }
        let broken = link.is_broken();
        if broken {
            self.link = None;
        }
        job.finish(outcome);
        self.shared.told(told);
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
            let fresh = self.connect(deadline)?;
            fresh.begin(mode, deadline)?;
            self.link = Some(fresh);
        }
        self.link.as_ref().ok_or(StoreError::Closed)
    }

    fn connect(&self, deadline: Instant) -> Result<Link, StoreError> {
        self.shared.outage.check()?;
        Link::connect(&self.shared.target, deadline)
            .inspect_err(|error| self.shared.outage.begin(error))
    }
}
