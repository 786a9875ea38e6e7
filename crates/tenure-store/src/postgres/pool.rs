//! Closures that wait for a connection, and threads that wait for a closure.
//!
//! The thread that became idle last gets the next closure: its connection's caches are warm, on both
//! sides, and in calm times few connections are used at all. Nobody is woken in vain.

use super::Queued;
use crate::StoreError;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Pool {
    state: Mutex<State>,
    /// Closures that may wait before new ones are refused.
    capacity: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Queued>,
    /// Threads that have nothing to do, the last one on top. While there are any, nothing waits.
    idle: Vec<SyncSender<Option<Queued>>>,
    closed: bool,
}

/// A thread's own end of the pool.
pub(super) struct Seat {
    sender: SyncSender<Option<Queued>>,
    receiver: Receiver<Option<Queued>>,
}

impl Seat {
    pub(super) fn new() -> Self {
        // Never more than one: a thread is handed a closure only when it has none.
        let (sender, receiver) = sync_channel(1);
        Self { sender, receiver }
    }
}

impl Pool {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a closure to an idle thread, or lets it wait for one.
    pub(super) fn submit(&self, queued: Queued) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.closed {
            return Err(StoreError::Closed);
        }
        if let Some(idle) = state.idle.pop() {
            drop(state);
            // A thread that is gone has panicked outside of a closure.
            return idle.send(Some(queued)).map_err(|_| StoreError::Closed);
        }
        if state.waiting.len() >= self.capacity {
            return Err(StoreError::Overloaded);
        }
        state.waiting.push_back(queued);
        Ok(())
    }

    /// The next closure for a thread; waits for it. `None` once the pool is closed and nothing waits.
    pub(super) fn next(&self, seat: &Seat) -> Option<Queued> {
        let mut state = self.state();
        if let Some(queued) = state.waiting.pop_front() {
            return Some(queued);
        }
        if state.closed {
            return None;
        }
        state.idle.push(seat.sender.clone());
        drop(state);
        seat.receiver.recv().ok().flatten()
    }

    /// No more closures; those that wait are still run.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for idle in state.idle.drain(..) {
            // One that is gone needs no word.
            drop(idle.send(None));
        }
    }
}
