//! One file for each kind of row: its queries, as methods of [`crate::Tx`].

mod ahead;
mod code;
mod confirm;
mod delivery;
mod document;
mod due;
mod family;
mod identity;
mod joined;
mod key;
mod lease;
mod listing;
mod log;
mod meta;
mod metadata;
mod one_time;
mod session;
mod signal;
mod throttle;
mod together;
mod upstream;
mod user;

pub use delivery::{Delivery, DeliveryState};
pub use document::{Document, DocumentKind};
pub use identity::Identity;
pub use joined::SessionAndUser;
pub use key::KeyRow;
pub use listing::{FamilyFilter, FamilyName};
pub use log::LogRow;
pub use metadata::Metadata;
pub use session::{Participant, SessionFilter, SessionTrace, SweepCursor};
pub use signal::{SignalKind, UpstreamSignal};
pub use throttle::ThrottleRow;
pub use upstream::{UpstreamSession, UpstreamWhom};
pub use user::{ConsentRow, UserRow};

use crate::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenure_protocol::session::{End, EndReason};

/// Reads a JSON column; a text that does not fit names its row.
fn from_json<T: DeserializeOwned>(
    table: &'static str,
    key: impl ToString,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(table, key, error))
}

fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Engine(error.to_string()))
}

fn corrupt(table: &'static str, key: impl ToString, problem: impl ToString) -> StoreError {
    StoreError::Corrupt {
        table,
        key: key.to_string(),
        problem: problem.to_string(),
    }
}

fn changed(table: &'static str, key: impl ToString) -> StoreError {
    StoreError::Changed {
        table,
        key: key.to_string(),
    }
}

/// The column that names the row. When it is no id, its bytes are the only name there is.
fn id<const N: usize>(table: &'static str, bytes: Vec<u8>) -> Result<[u8; N], StoreError> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    fixed(table, format!("0x{digits}"), bytes)
}

/// A BLOB column of an exact length.
fn fixed<const N: usize>(
    table: &'static str,
    key: impl ToString,
    bytes: Vec<u8>,
) -> Result<[u8; N], StoreError> {
    let length = bytes.len();
    bytes.try_into().map_err(|_| {
        corrupt(
            table,
            key,
            format!("a column has {length} bytes instead of {N}"),
        )
    })
}

/// Reads the five `end…` columns that start at `column`.
fn read_end(
    table: &'static str,
    key: impl ToString,
    row: &crate::value::Row<'_>,
    column: usize,
) -> Result<Option<End>, StoreError> {
    let Some(at) = row.optional_instant(column)? else {
        return Ok(None);
    };
    let name = row.optional_text(column + 1)?.unwrap_or_default();
    let reason = EndReason::from_name(&name)
        .ok_or_else(|| corrupt(table, key, format!("unknown end reason {name:?}")))?;
    Ok(Some(End {
        at,
        reason,
        by: row.optional_text(column + 2)?.unwrap_or_default(),
        from: row.optional_text(column + 3)?.unwrap_or_default(),
        rule: row.optional_text(column + 4)?.unwrap_or_default(),
    }))
}

/// The values of the five `end…` columns.
fn end_values(end: Option<&End>) -> [crate::value::Value<'_>; 5] {
    [
        end.map(|e| e.at).into(),
        end.map(|e| e.reason.name()).into(),
        end.map(|e| e.by.as_str()).into(),
        end.map(|e| e.from.as_str()).into(),
        end.map(|e| e.rule.as_str()).into(),
    ]
}
