//! Numbered, embedded migrations.

use crate::StoreError;
use rusqlite::Connection;

const MIGRATIONS: [(i64, &str); 1] = [(1, include_str!("../migrations/0001_backbone.sql"))];

/// The newest schema this program knows.
pub(crate) const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the schema up to date. A database from a newer program is refused.
pub(crate) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Refused(format!(
            "the database has schema version {found}, but this program knows versions up to \
             {SCHEMA_VERSION}: start the newer program that wrote it"
        )));
    }
    for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| *number > found) {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    transaction.commit()?;
    Ok(())
}
