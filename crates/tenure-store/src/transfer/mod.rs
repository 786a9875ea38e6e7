//! Moving an installation from one database to another, of either engine, with everything that lives
//! in it. What arrived is read back and compared: rows counted, and a checksum over all their values.

mod marks;
mod tables;

use crate::value::{Row, Value};
use crate::{Store, StoreError, Tx};
use std::sync::mpsc::sync_channel;
use tables::{Kind, TABLES, Table};

use Kind::{Blob, Int, Text};

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
            Self::Text(text) => Value::Text(text.into()),
            Self::Blob(bytes) => Value::Blob(bytes.into()),
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
