//! What can go wrong in the store. None of it is a refusal: refusals are values and commit.

use std::fmt;

#[derive(Clone, Debug)]
pub enum StoreError {
    /// A row breaks an invariant: which table, which key, what is wrong with it.
    Corrupt {
        table: &'static str,
        key: String,
        problem: String,
    },
    /// A row that the transaction held was no longer as it had read it. Nobody can do that; whatever it did is to be
    /// rolled back, and trying again is right.
    Changed { table: &'static str, key: String },
    /// The engine failed: disk full, I/O, a constraint.
    Engine(String),
    /// The database cannot be reached, or did not answer in time: trying again is right. Whether a
    /// transaction whose commit was not answered happened is not known.
    Unavailable(String),
    /// Too many transactions wait already.
    Overloaded,
    /// The closure panicked; its changes were rolled back, those of others were not.
    Panicked,
    /// The store is closed.
    Closed,
    /// The database cannot be used by this program, and why, in words for an operator.
    Refused(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt {
                table,
                key,
                problem,
            } => {
                write!(f, "table {table}, row {key}: {problem}")
            }
            Self::Changed { table, key } => {
                write!(
                    f,
                    "table {table}, row {key}: changed under its own transaction"
                )
            }
            Self::Engine(message) => write!(f, "database: {message}"),
            Self::Unavailable(message) => write!(f, "database unavailable: {message}"),
            Self::Overloaded => f.write_str("too many transactions are waiting for the database"),
            Self::Panicked => f.write_str("a transaction panicked and was rolled back"),
            Self::Closed => f.write_str("the database is closed"),
            Self::Refused(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error.to_string())
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Engine(error.to_string())
    }
}
