//! Migrations on PostgreSQL: the same files as the embedded engine's, under a row lock, so that any
//! number of servers may start at once.

use super::Mode;
use super::connect::Target;
use super::link::Link;
use crate::migrate::{MIGRATIONS, judge};
use crate::{StoreError, Tx};
use std::time::{Duration, Instant};

/// Creating a table that another server creates at the same moment fails although it says "if not
/// exists": tried again.
const TRIES: usize = 20;

/// A migration may take longer than a request.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn run(target: &Target) -> Result<(), StoreError> {
    let link = Link::connect(target, Instant::now() + target.deadline).map_err(|error| {
        StoreError::Refused(format!(
            "cannot use the database {}: {error}",
            target.describe()
        ))
    })?;
    link.set_deadline(Instant::now() + PATIENCE);
    let mut tries = 0;
    while let Err(error) = link.batch(
        "CREATE TABLE IF NOT EXISTS schema_version (\
           id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, usable_by BIGINT NOT NULL); \
         INSERT INTO schema_version (id, version, usable_by) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING",
    ) {
        tries += 1;
        if tries == TRIES {
            return Err(StoreError::Refused(format!("cannot prepare the database: {error}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    link.begin(Mode::Write, Instant::now() + PATIENCE)?;
    // For this transaction only: the connection may be a pooler's, and go on to somebody else.
    link.batch("SET LOCAL statement_timeout = 0")?;
    match migrate(&link) {
        Ok(()) => link.commit(),
        Err(error) => {
            link.rollback();
            Err(error)
        }
    }
}

/// Under the lock of the one row: a server that comes later finds the work done.
fn migrate(link: &Link) -> Result<(), StoreError> {
    let tx = Tx::postgres(link);
    let found = tx.query_first(
        "SELECT version, usable_by FROM schema_version WHERE id = 1 FOR UPDATE",
        &[],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )?;
    let (version, usable_by) = found.unwrap_or_default();
    judge(version, usable_by)?;
    for migration in MIGRATIONS.iter().filter(|m| m.number > version) {
        link.batch(&dialect(migration.sql))?;
        tx.execute(
            "UPDATE schema_version SET version = $1, usable_by = $2 WHERE id = 1",
            &[migration.number.into(), migration.usable_by.into()],
        )?;
    }
    Ok(())
}

/// The few words that differ. Texts sort by their bytes, as they do in the embedded engine.
fn dialect(sql: &str) -> String {
    sql.lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
        .replace(" BLOB", " BYTEA")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
}
