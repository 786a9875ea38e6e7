//! Numbered, embedded migrations, the same for both engines.
//!
//! During a rolling update the previous program runs on beside the new one, so a migration adds what
//! the previous program can live with, and says with `usable_by` which programs that are. One that
//! takes something away comes a release after nothing uses it any more.

use crate::StoreError;
use rusqlite::Connection;

pub(crate) struct Migration {
    pub(crate) number: i64,
    /// The oldest program, by the newest migration it knows, that can use the schema afterwards.
    pub(crate) usable_by: i64,
    pub(crate) sql: &'static str,
}

/// One that only adds: every program can use the schema afterwards.
const fn added(number: i64, sql: &'static str) -> Migration {
    Migration {
        number,
        usable_by: 1,
        sql,
    }
}

pub(crate) const MIGRATIONS: [Migration; 7] = [
    added(1, include_str!("../migrations/0001_backbone.sql")),
    added(2, include_str!("../migrations/0002_several_servers.sql")),
    added(
        3,
        include_str!("../migrations/0003_refresh_keys_in_use.sql"),
    ),
    added(4, include_str!("../migrations/0004_ends.sql")),
    added(5, include_str!("../migrations/0005_upstream.sql")),
    added(6, include_str!("../migrations/0006_metadata.sql")),
    added(
        7,
        include_str!("../migrations/0007_a_lane_for_each_connection.sql"),
    ),
];

/// The newest schema this program knows.
pub(crate) const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Whether this program can use a database. `usable_by` is 0 where none is recorded.
pub(crate) fn judge(version: i64, usable_by: i64) -> Result<(), StoreError> {
    let needed = if usable_by == 0 { version } else { usable_by };
    if needed > SCHEMA_VERSION {
        return Err(StoreError::Refused(format!(
            "the database has schema version {version}, but this program knows versions up to \
             {SCHEMA_VERSION}: start the newer program that wrote it"
        )));
    }
    Ok(())
}

/// Brings an embedded database up to date.
pub(crate) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let usable_by = if found > SCHEMA_VERSION {
        let recorded: Option<String> = transaction
            .query_row(
                "SELECT value FROM meta WHERE name = 'schema_usable_by'",
                [],
                |row| row.get(0),
            )
            .ok();
        recorded.and_then(|text| text.parse().ok()).unwrap_or(0)
    } else {
        0
    };
    judge(found, usable_by)?;
    for migration in MIGRATIONS.iter().filter(|m| m.number > found) {
        transaction.execute_batch(migration.sql)?;
        transaction.pragma_update(None, "user_version", migration.number)?;
        transaction.execute(
            "INSERT INTO meta (name, value) VALUES ('schema_usable_by', ?1) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [migration.usable_by.to_string()],
        )?;
    }
    transaction.commit()?;
    Ok(())
}
