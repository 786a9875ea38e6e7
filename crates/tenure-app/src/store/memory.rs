//! Sessions in the memory of one process: for tests, for small applications, and for the marks of
//! sessions that live in cookies.

use super::{Answer, Entry, Key, Mark, Replaced, Store};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tenure_protocol::Timestamp;

/// Forgets everything with its process: marks, too. Several processes need a store that they share.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    entries: HashMap<Key, Entry>,
    marks: HashMap<Key, Mark>,
}

/// Rows that one sweep removes at most.
const MOST_SWEPT: usize = 500;

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Each change below is whole before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Held {
    fn is_ended(&self, entry: &Entry) -> bool {
        let names = [Some(entry.key), entry.sid, Some(entry.sub)];
        let mut marks = names
            .into_iter()
            .flatten()
            .filter_map(|key| self.marks.get(&key));
        marks.any(|mark| mark.at >= entry.created_at)
    }

    fn keep(&mut self, mark: &Mark) {
        let kept = self.marks.entry(mark.key).or_insert_with(|| mark.clone());
        if mark.at >= kept.at {
            kept.at = mark.at;
            kept.reason.clone_from(&mark.reason);
        }
        kept.expires_at = kept.expires_at.max(mark.expires_at);
    }
}

impl Store for MemoryStore {
    fn create<'a>(&'a self, entry: &'a Entry) -> Answer<'a, bool> {
        let mut held = self.held();
        let new = !held.entries.contains_key(&entry.key) && !held.is_ended(entry);
        if new {
            held.entries.insert(entry.key, entry.clone());
        }
        answer(new)
    }

    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        answer(self.held().entries.get(key).cloned())
    }

    fn replace<'a>(&'a self, entry: &'a Entry) -> Answer<'a, Replaced> {
        let mut held = self.held();
        let Some(stored) = held.entries.get_mut(&entry.key) else {
            return answer(Replaced::Gone);
        };
        if stored.version != entry.version {
            return answer(Replaced::Changed);
        }
        stored.version += 1;
        stored.body.clone_from(&entry.body);
        stored.expires_at = stored.expires_at.max(entry.expires_at);
        answer(Replaced::Done)
    }

    fn touch<'a>(
        &'a self,
        key: &'a Key,
        touched_at: Timestamp,
        expires_at: Timestamp,
    ) -> Answer<'a, bool> {
        let mut held = self.held();
        let Some(stored) = held.entries.get_mut(key) else {
            return answer(false);
        };
        stored.touched_at = stored.touched_at.max(touched_at);
        stored.expires_at = stored.expires_at.max(expires_at);
        answer(true)
    }

    fn end<'a>(&'a self, mark: &'a Mark) -> Answer<'a, u64> {
        let mut held = self.held();
        let ended: Vec<Key> = held
            .entries
            .values()
            .filter(|entry| entry.created_at <= mark.at && entry.is_named(&mark.key))
            .map(|entry| entry.key)
            .collect();
        for key in &ended {
            held.entries.remove(key);
            held.keep(&Mark {
                key: *key,
                ..mark.clone()
            });
        }
        held.keep(mark);
        answer(ended.len() as u64)
    }

    fn marks<'a>(&'a self, keys: &'a [Key]) -> Answer<'a, Vec<Mark>> {
        let held = self.held();
        answer(
            keys.iter()
                .filter_map(|key| held.marks.get(key).cloned())
                .collect(),
        )
    }

    fn sweep(&self, now: Timestamp) -> Answer<'_, u64> {
        let mut held = self.held();
        let old = |at: Timestamp| at <= now;
        let entries: Vec<Key> = held
            .entries
            .values()
            .filter(|entry| old(entry.expires_at))
            .map(|entry| entry.key)
            .take(MOST_SWEPT)
            .collect();
        let marks: Vec<Key> = held
            .marks
            .values()
            .filter(|mark| old(mark.expires_at))
            .map(|mark| mark.key)
            .take(MOST_SWEPT)
            .collect();
        for key in &entries {
            held.entries.remove(key);
        }
        for key in &marks {
            held.marks.remove(key);
        }
        answer((entries.len() + marks.len()) as u64)
    }
}
