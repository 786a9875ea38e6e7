//! Where sessions are kept on the server, and how every process learns that one has ended.

#[cfg(feature = "contract")]
pub mod contract;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

use std::pin::Pin;
use tenure_protocol::Timestamp;

/// A name in the store: SHA-256 of what it stands for, so that a copy of the store signs nobody in.
pub type Key = [u8; 32];

/// A session at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// The provider's session, where the ID token named one.
    pub sid: Option<Key>,
    /// The user at this provider and client.
    pub sub: Key,
    /// Counts the replacements.
    pub version: i64,
    /// The login.
    pub created_at: Timestamp,
    /// The last activity that was written down.
    pub touched_at: Timestamp,
    /// From then on nobody asks for it: a sweep may remove it.
    pub expires_at: Timestamp,
    /// Sealed: the store cannot read it.
    pub body: Vec<u8>,
}

impl Entry {
    /// Whether a key names this session: its own, its `sid`'s, or its user's.
    pub fn is_named(&self, key: &Key) -> bool {
        self.key == *key || self.sid.as_ref() == Some(key) || self.sub == *key
    }
}

/// What stays of sessions that were ended: by the key of one, by its `sid`, or by its `sub`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it names: a session, a `sid`, or a user.
    pub key: Key,
    /// Sessions that were created at this instant or earlier are over.
    pub at: Timestamp,
    /// Kept and given back as it is.
    pub reason: String,
    /// From then on no session can come that it could end: a sweep may remove it.
    pub expires_at: Timestamp,
}

/// What became of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The stored session is the new one.
    Done,
    /// Somebody else replaced it first: load it and decide again.
    Changed,
    /// It has ended. Nothing was written.
    Gone,
}

/// The store is broken or cannot be reached.
#[derive(Debug)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// With its cause, which the log shows and people never see.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the session store failed: {}", self.0)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// What a store answers, once it is durable.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps sessions and the marks of ended ones. There is no "save": each method says what it may change, so
/// that a slow request can never bring an ended session back. Each is one atomic step and answers when
/// its effect is durable. `tenure_app::store::contract` (feature `contract`) is the suite that every store passes.
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Inserts a new session. `false`, and nothing is written: the key exists, or a mark of its key, `sid`
    /// or `sub` is not older than the session.
    fn create<'a>(&'a self, entry: &'a Entry) -> Answer<'a, bool>;

    /// Finds a session by its key.
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>>;

    /// Writes `body` and `expires_at` if the stored version is still `entry.version`, and counts the
    /// version up. Nothing else changes; `expires_at` never comes earlier.
    fn replace<'a>(&'a self, entry: &'a Entry) -> Answer<'a, Replaced>;

    /// Moves `touched_at` and `expires_at` forward, never back. `false`: there is no such session.
    fn touch<'a>(
        &'a self,
        key: &'a Key,
        touched_at: Timestamp,
        expires_at: Timestamp,
    ) -> Answer<'a, bool>;

    /// Ends every session that the mark's key names, by key, `sid` or `sub`, and that was created at
    /// `mark.at` or earlier. Keeps the mark, and one like it under the key of each session that ended. Of
    /// two marks with one key the later instants stay. Answers how many sessions ended.
    fn end<'a>(&'a self, mark: &'a Mark) -> Answer<'a, u64>;

    /// The marks that these keys have.
    fn marks<'a>(&'a self, keys: &'a [Key]) -> Answer<'a, Vec<Mark>>;

    /// Removes sessions and marks that have expired, at most 500 of each; answers how many.
    fn sweep(&self, now: Timestamp) -> Answer<'_, u64>;
}
