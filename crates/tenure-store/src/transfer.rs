//! Moving an installation from one database to another, of either engine, with everything that lives
//! in it. What arrived is read back and compared: rows counted, and a checksum over all their values.

use crate::value::{Row, Value};
use crate::{Store, StoreError, Tx};
use std::sync::mpsc::sync_channel;

/// A table as it is copied: its columns, the first of which are its key.
struct Table {
    name: &'static str,
    /// How many columns, from the first on, are the primary key.
    key: usize,
    columns: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
    Blob,
}

use Kind::{Blob, Int, Text};

/// Every table but `leases`, whose holders stay behind. A test compares this with the schema.
const TABLES: &[Table] = &[
    Table {
        name: "meta",
        key: 1,
        columns: &[("name", Text), ("value", Text)],
    },
    Table {
        name: "documents",
        key: 2,
        columns: &[
            ("kind", Text),
            ("id", Text),
            ("body", Text),
            ("secret_mac", Blob),
            ("updated_at", Int),
        ],
    },
    Table {
        name: "users",
        key: 1,
        columns: &[
            ("user_id", Text),
            ("body", Text),
            ("password_hash", Text),
            ("blocked", Int),
            ("valid_after", Int),
        ],
    },
    Table {
        name: "user_identifiers",
        key: 2,
        columns: &[("kind", Text), ("value", Text), ("user_id", Text)],
    },
    Table {
        name: "user_permissions",
        key: 3,
        columns: &[("user_id", Text), ("audience", Text), ("permission", Text)],
    },
    Table {
        name: "grants",
        key: 3,
        columns: &[
            ("user_id", Text),
            ("client_id", Text),
            ("audience", Text),
            ("scope", Text),
            ("granted_at", Int),
        ],
    },
    Table {
        name: "sessions",
        key: 1,
        columns: &[
            ("sid", Blob),
            ("user_id", Text),
            ("secret_hash", Blob),
            ("created_at", Int),
            ("authenticated_at", Int),
            ("last_active_at", Int),
            ("idle_deadline", Int),
            ("absolute_deadline", Int),
            ("body", Text),
            ("ended_at", Int),
            ("end_reason", Text),
            ("end_by", Text),
            ("end_from", Text),
            ("end_rule", Text),
            ("due_at", Int),
        ],
    },
    Table {
        name: "participants",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("client_id", Text),
            ("first_seen_at", Int),
            ("last_seen_at", Int),
        ],
    },
    Table {
        name: "families",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("family_id", Blob),
            ("client_id", Text),
            ("user_id", Text),
            ("kind", Text),
            ("secret", Blob),
            ("key_id", Int),
            ("generation", Int),
            ("last_exchanged_at", Int),
            ("idle_deadline", Int),
            ("absolute_deadline", Int),
            ("body", Text),
            ("history", Text),
            ("ended_at", Int),
            ("end_reason", Text),
            ("end_by", Text),
            ("end_from", Text),
            ("end_rule", Text),
        ],
    },
    Table {
        name: "deliveries",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("client_id", Text),
            ("user_id", Text),
            ("reason", Text),
            ("state", Text),
            ("attempts", Int),
            ("created_at", Int),
            ("due_at", Int),
            ("last_at", Int),
            ("last_status", Int),
            ("last_error", Text),
        ],
    },
    Table {
        name: "user_ends",
        key: 1,
        columns: &[
            ("user_id", Text),
            ("reason", Text),
            ("by_whom", Text),
            ("from_address", Text),
            ("keep_sid", Blob),
            ("at", Int),
        ],
    },
    Table {
        name: "codes",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("hash", Blob),
            ("expires_at", Int),
            ("consumed_at", Int),
            ("body", Text),
        ],
    },
    Table {
        name: "revoked_tokens",
        key: 2,
        columns: &[("sid", Blob), ("jti", Text), ("expires_at", Int)],
    },
    Table {
        name: "one_time",
        key: 2,
        columns: &[
            ("kind", Text),
            ("id", Text),
            ("expires_at", Int),
            ("body", Text),
        ],
    },
    Table {
        name: "keys",
        key: 1,
        columns: &[
            ("kid", Text),
            ("key_usage", Text),
            ("alg", Text),
            ("state", Text),
            ("public_jwk", Text),
            ("sealed", Blob),
            ("created_at", Int),
            ("activated_at", Int),
            ("retired_at", Int),
        ],
    },
    Table {
        name: "throttle",
        key: 1,
        columns: &[
            ("bucket", Text),
            ("failures", Int),
            ("since", Int),
            ("expires_at", Int),
        ],
    },
    Table {
        name: "logs",
        key: 1,
        columns: &[
            ("log_id", Text),
            ("at", Int),
            ("type", Text),
            ("user_id", Text),
            ("sid", Text),
            ("body", Text),
        ],
    },
];

/// What concerns the database that a row of meta stands in, and not the installation.
const OF_THE_DATABASE: [&str; 3] = ["schema_usable_by", MOVED, ARRIVING];

/// In the source: where the installation went. It serves no more.
pub(crate) const MOVED: &str = "moved_to";
/// In the target, until everything has arrived: where it comes from.
pub(crate) const ARRIVING: &str = "arriving_from";

/// Rows read at a time, and in one transaction of the target.
const PAGE: usize = 500;
/// Values in one statement: below every engine's bound.
const VALUES: usize = 8_000;

/// What a table brought over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    pub table: &'static str,
    pub rows: u64,
    /// Over all values of all rows, whatever their order.
    pub checksum: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

type Line = Vec<Cell>;

/// Copies everything as of one instant, and compares what arrived. The target must be empty.
///
/// # Errors
/// Either database failed, or what arrived is not what was sent.
pub fn transfer(
    from: &Store,
    to: &Store,
    mut progress: impl FnMut(&'static str, u64),
) -> Result<Vec<Transferred>, StoreError> {
    let (sender, pages) = sync_channel::<(usize, Vec<Line>)>(4);
    let source = from.clone();
    // One closure, so that it sees one instant of a source that may still be served.
    let reading = std::thread::spawn(move || {
        source.read_blocking(move |tx| {
            for (index, table) in TABLES.iter().enumerate() {
                table.each_page(tx, |page| {
                    let gone = |_| StoreError::Closed;
                    sender.send((index, page)).map_err(gone)
                })?;
            }
            Ok(())
        })
    });
    let mut sent: Vec<Sum> = TABLES.iter().map(|_| Sum::default()).collect();
    for (index, page) in pages {
        let (Some(table), Some(sum)) = (TABLES.get(index), sent.get_mut(index)) else {
            continue;
        };
        page.iter().for_each(|line| sum.add(line));
        let rows = sum.rows;
        to.write_blocking(move |tx| table.insert(tx, &page))?;
        progress(table.name, rows);
    }
    reading.join().map_err(|_| StoreError::Panicked)??;
    let mut done = Vec::new();
    for (table, sum) in TABLES.iter().zip(sent) {
        let arrived = to.read_blocking(move |tx| {
            let mut sum = Sum::default();
            table.each_page(tx, |page| {
                page.iter().for_each(|line| sum.add(line));
                Ok(())
            })?;
            Ok(sum)
        })?;
        if arrived != sum {
            return Err(StoreError::Refused(format!(
                "table {}: {} rows with checksum {} were sent, {} with {} arrived",
                table.name,
                sum.rows,
                sum.text(),
                arrived.rows,
                arrived.text()
            )));
        }
        done.push(Transferred {
            table: table.name,
            rows: sum.rows,
            checksum: sum.text(),
        });
    }
    Ok(done)
}

impl Table {
    /// All rows in the order of the key, a page at a time.
    fn each_page(
        &self,
        tx: &Tx<'_>,
        mut each: impl FnMut(Vec<Line>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let (names, key) = (names.join(", "), self.key_names());
        let marks: Vec<String> = (1..=self.key).map(|n| format!("${n}")).collect();
        let first = format!(
            "SELECT {names} FROM {} ORDER BY {key} LIMIT {PAGE}",
            self.name
        );
        let next = format!(
            "SELECT {names} FROM {} WHERE ({key}) > ({}) ORDER BY {key} LIMIT {PAGE}",
            self.name,
            marks.join(", ")
        );
        let mut last: Option<Line> = None;
        loop {
            let values: Vec<Value<'_>> = last
                .iter()
                .flat_map(|line| line.iter().take(self.key).map(Cell::value))
                .collect();
            let sql = if last.is_some() { &next } else { &first };
            let page = tx.query(sql, &values, |row| self.read(row))?;
            let full = page.len() == PAGE;
            let end = page.last().cloned();
            let page: Vec<Line> = page.into_iter().filter(|line| self.travels(line)).collect();
            each(page)?;
            if !full {
                return Ok(());
            }
            last = end;
        }
    }

    fn key_names(&self) -> String {
        let names: Vec<&str> = self
            .columns
            .iter()
            .take(self.key)
            .map(|(n, _)| *n)
            .collect();
        names.join(", ")
    }

    fn travels(&self, line: &Line) -> bool {
        match (self.name, line.first()) {
            ("meta", Some(Cell::Text(name))) => !OF_THE_DATABASE.contains(&name.as_str()),
            _ => true,
        }
    }

    fn read(&self, row: &Row<'_>) -> Result<Line, StoreError> {
        let read = |(column, (_, kind)): (usize, &(&str, Kind))| {
            Ok(match kind {
                Int => row.optional_int(column)?.map_or(Cell::Null, Cell::Int),
                Text => row.optional_text(column)?.map_or(Cell::Null, Cell::Text),
                Blob => row.optional_blob(column)?.map_or(Cell::Null, Cell::Blob),
            })
        };
        self.columns.iter().enumerate().map(read).collect()
    }

    fn insert(&self, tx: &Tx<'_>, page: &[Line]) -> Result<(), StoreError> {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let width = self.columns.len();
        for lines in page.chunks((VALUES / width).max(1)) {
            let rows: Vec<String> = (0..lines.len())
                .map(|row| {
                    let marks: Vec<String> = (1..=width)
                        .map(|column| format!("${}", row * width + column))
                        .collect();
                    format!("({})", marks.join(", "))
                })
                .collect();
            let values: Vec<Value<'_>> = lines.iter().flatten().map(Cell::value).collect();
            let sql = format!(
                "INSERT INTO {} ({}) VALUES {}",
                self.name,
                names.join(", "),
                rows.join(", ")
            );
            tx.execute_once(&sql, &values)?;
        }
        Ok(())
    }
}

impl Cell {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(i) => Value::Int(*i),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }
}

/// Rows counted, and the sum of a digest of each: their order does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    digests: u128,
}

impl Sum {
    fn add(&mut self, line: &Line) {
        use sha2::{Digest as _, Sha256};
        let mut digest = Sha256::new();
        for cell in line {
            let (tag, bytes): (u8, Vec<u8>) = match cell {
                Cell::Null => (0, Vec::new()),
                Cell::Int(i) => (1, i.to_be_bytes().to_vec()),
                // As PostgreSQL keeps it, see `Value`.
                Cell::Text(text) => (2, text.replace('\0', "\u{fffd}").into_bytes()),
                Cell::Blob(bytes) => (3, bytes.clone()),
            };
            digest.update([tag]);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(&bytes);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let half = digest.first_chunk::<16>().copied().unwrap_or_default();
        self.digests = self.digests.wrapping_add(u128::from_be_bytes(half));
        self.rows += 1;
    }

    fn text(&self) -> String {
        format!("{:032x}", self.digests)
    }
}

impl Tx<'_> {
    /// Whether the installation moved away, and where to; or is still on its way here, and from where.
    pub fn is_elsewhere(&self) -> Result<Option<String>, StoreError> {
        if let Some(place) = self.meta(MOVED)? {
            return Ok(Some(format!("this installation moved to {place}")));
        }
        let arriving = self.meta(ARRIVING)?;
        Ok(arriving.map(|place| format!("this installation is still arriving from {place}")))
    }

    /// Marks the source: from the commit on no session, family or code of it can be changed, by
    /// whatever program, so that two installations never advance the same families.
    pub fn mark_moved(&self, to: &str) -> Result<(), StoreError> {
        self.set_meta(MOVED, to)?;
        self.forbid_changes()?;
        self.configuration_changed()
    }

    /// The place that [`Tx::mark_moved`] was told.
    pub fn moved_to(&self) -> Result<Option<String>, StoreError> {
        self.meta(MOVED)
    }

    pub fn mark_arriving(&self, from: &str) -> Result<(), StoreError> {
        self.set_meta(ARRIVING, from)
    }

    pub fn arriving_from(&self) -> Result<Option<String>, StoreError> {
        self.meta(ARRIVING)
    }

    pub fn mark_arrived(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM meta WHERE name = $1", &[ARRIVING.into()])?;
        self.configuration_changed()
    }

    /// Whether an installation lives here.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        let keys = self.query_first("SELECT kid FROM keys LIMIT 1", &[], |_| Ok(()))?;
        let users = self.query_first("SELECT user_id FROM users LIMIT 1", &[], |_| Ok(()))?;
        let documents = self.query_first("SELECT id FROM documents LIMIT 1", &[], |_| Ok(()))?;
        Ok(keys.is_none() && users.is_none() && documents.is_none())
    }

    /// Removes what an interrupted move left.
    pub fn clear_arrivals(&self) -> Result<(), StoreError> {
        for table in TABLES.iter().filter(|table| table.name != "meta") {
            self.execute_once(&format!("DELETE FROM {}", table.name), &[])?;
        }
        let keep: Vec<String> = OF_THE_DATABASE
            .iter()
            .map(|name| format!("'{name}'"))
            .collect();
        let sql = format!("DELETE FROM meta WHERE name NOT IN ({})", keep.join(", "));
        self.execute_once(&sql, &[])?;
        Ok(())
    }

    fn forbid_changes(&self) -> Result<(), StoreError> {
        let refusal = "this installation moved";
        if self.is_postgres() {
            self.execute_batch(&format!(
                "CREATE OR REPLACE FUNCTION tenure_moved() RETURNS trigger LANGUAGE plpgsql \
                 AS 'BEGIN RAISE EXCEPTION ''{refusal}''; END'"
            ))?;
        }
        for table in ["sessions", "families", "codes", "one_time", "deliveries"] {
            let sql = if self.is_postgres() {
                format!(
                    "DROP TRIGGER IF EXISTS moved ON {table}; \
                     CREATE TRIGGER moved BEFORE INSERT OR UPDATE OR DELETE ON {table} \
                     FOR EACH STATEMENT EXECUTE FUNCTION tenure_moved()"
                )
            } else {
                ["INSERT", "UPDATE", "DELETE"]
                    .map(|act| {
                        format!(
                            "CREATE TRIGGER IF NOT EXISTS moved_{table}_{act} BEFORE {act} ON {table} \
                             BEGIN SELECT RAISE(ABORT, '{refusal}'); END;"
                        )
                    })
                    .join(" ")
            };
            self.execute_batch(&sql)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A migration that adds a table or a column must say here how it travels.
    #[test]
    fn every_table_and_column_travels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        Store::open(&crate::Options::new(&path)).unwrap().close();
        let connection = rusqlite::Connection::open(path).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'leases'",
            )
            .unwrap();
        let there: BTreeSet<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let travel: BTreeSet<String> = TABLES
            .iter()
            .flat_map(|table| {
                table
                    .columns
                    .iter()
                    .map(|(column, _)| format!("{}.{column}", table.name))
            })
            .collect();
        assert_eq!(there, travel);
    }
}
