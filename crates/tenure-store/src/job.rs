//! A closure on its way to a database thread and its result on the way back.

use crate::{StoreError, Tx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;

/// A unit of work whose result is held back until its transaction has committed.
pub(crate) trait Job: Send {
    /// Runs the closure; `Err` asks for a rollback of just this closure.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// Answers the caller: the closure's own result, or why the commit failed.
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

pub(crate) struct Closure<F, T> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Closure<F, T>
where
    F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    pub(crate) fn new(work: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                work: Some(work),
                result: None,
                reply,
            },
            answer,
        )
    }
}

/// Runs a closure that may panic. That takes back no more than its own changes: the state it could have
/// left torn is inside them.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(StoreError::Panicked))
}

impl<F, T> Job for Closure<F, T>
where
    F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else {
            return Err(StoreError::Panicked);
        };
        let result = guarded(|| work(tx));
        let asked = result.as_ref().map(|_| ()).map_err(Clone::clone);
        self.result = Some(result);
        asked
    }

    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let result = match (commit, self.result) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Closed),
        };
        // The caller may have gone away; the work is done all the same.
        drop(self.reply.send(result));
    }
}
