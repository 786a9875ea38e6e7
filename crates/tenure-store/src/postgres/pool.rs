//! Closures that wait for a connection, and threads that wait for a closure.
//!
//! A thread that is done takes the next closure itself. One that sleeps is woken for it, the one that
//! went to sleep last, whose connection is still warm on both sides; but only one at a time, which
//! wakes the next if there is more than it can take: under load most closures need no waking at all.

use super::Queued;
use crate::StoreError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Pool {
    state: Mutex<State>,
    /// Closures that may wait before new ones are refused.
    capacity: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Queued>,
    /// Threads that sleep, the last one on top.
    asleep: Vec<Arc<Condvar>>,
    /// Somebody was woken and has not looked yet.
    waking: bool,
    closed: bool,
}

impl State {
    fn wake_one(&mut self) {
        if self.waking || self.waiting.is_empty() {
            return;
        }
        if let Some(bell) = self.asleep.pop() {
            self.waking = true;
            bell.notify_one();
        }
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

    pub(super) fn submit(&self, queued: Queued) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.closed {
            return Err(StoreError::Closed);
        }
        if state.waiting.len() >= self.capacity {
            return Err(StoreError::Overloaded);
        }
        state.waiting.push_back(queued);
        state.wake_one();
        Ok(())
    }

    /// The next closure for a thread; sleeps until there is one. `None` once the pool is closed and
    /// nothing waits. `bell` is the thread's own.
    pub(super) fn next(&self, bell: &Arc<Condvar>) -> Option<Queued> {
        let mut state = self.state();
        loop {
            if let Some(queued) = state.waiting.pop_front() {
                state.wake_one();
                return Some(queued);
            }
            if state.closed {
                return None;
            }
            state.asleep.push(Arc::clone(bell));
            // Awake is who is no longer in the list: a condition may be signalled without a cause.
            while state.asleep.iter().any(|other| Arc::ptr_eq(other, bell)) {
                state = bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.waking = false;
        }
    }

    /// No more closures; those that wait are still run.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for bell in std::mem::take(&mut state.asleep) {
            bell.notify_one();
        }
    }
}
