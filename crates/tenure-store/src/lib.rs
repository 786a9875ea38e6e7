//! Where Tenure keeps sessions: one concrete [`Store`].
//!
//! A transaction is a plain, synchronous closure, `store.write(|tx| { load; decide; apply; Ok(outcome) }).await`,
//! that runs on a thread which owns a connection: nothing slow can happen under a lock, and no
//! lifetime leaks into a handler. A success is reported only after the commit.

mod ahead;
mod error;
mod job;
mod migrate;
mod notice;
mod postgres;
mod rows;
mod sqlite;
mod store;
mod transfer;
mod tx;
mod value;

pub use ahead::ReadAhead;
pub use error::StoreError;
pub use notice::Notice;
pub use postgres::PostgresOptions;
pub use rows::*;
pub use store::{Options, Place, Store};
pub use transfer::{Transferred, transfer};
pub use tx::{BACKGROUND, Tx};
