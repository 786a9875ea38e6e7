//! A transaction as closures see it: statements by text, rows by position.

use crate::StoreError;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, ToSql};

/// An open transaction. The queries of each kind of row are in `rows/`.
pub struct Tx<'c> {
    connection: &'c Connection,
}

/// A parameter. SQL texts number them `$1`, `$2`, … in the order of their first appearance.
#[derive(Clone, Debug)]
pub(crate) enum Value<'v> {
    Null,
    Int(i64),
    Text(&'v str),
    Blob(&'v [u8]),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(SqlValue::Null),
            Self::Int(i) => ToSqlOutput::Owned(SqlValue::Integer(*i)),
            Self::Text(t) => ToSqlOutput::Borrowed(ValueRef::Text(t.as_bytes())),
            Self::Blob(b) => ToSqlOutput::Borrowed(ValueRef::Blob(b)),
        })
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<tenure_protocol::Timestamp> for Value<'_> {
    fn from(at: tenure_protocol::Timestamp) -> Self {
        Self::Int(at.millis())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(value: &'v str) -> Self {
        Self::Text(value)
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(value: &'v String) -> Self {
        Self::Text(value)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(value: &'v [u8]) -> Self {
        Self::Blob(value)
    }
}

impl<'v, const N: usize> From<&'v [u8; N]> for Value<'v> {
    fn from(value: &'v [u8; N]) -> Self {
        Self::Blob(value)
    }
}

impl<'v, T: Into<Self>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A row of a result; columns by position, in the order the text selects them.
pub(crate) struct Row<'r>(&'r rusqlite::Row<'r>);

impl Row<'_> {
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        Ok(self.0.get(column)?)
    }

    pub(crate) fn optional_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.0.get(column)?)
    }

    pub(crate) fn text(&self, column: usize) -> Result<String, StoreError> {
        Ok(self.0.get(column)?)
    }

    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.0.get(column)?)
    }

    pub(crate) fn blob(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        Ok(self.0.get(column)?)
    }

    pub(crate) fn optional_blob(&self, column: usize) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(column)?)
    }

    pub(crate) fn instant(&self, column: usize) -> Result<tenure_protocol::Timestamp, StoreError> {
        Ok(tenure_protocol::Timestamp::from_millis(self.int(column)?))
    }

    pub(crate) fn optional_instant(
        &self,
        column: usize,
    ) -> Result<Option<tenure_protocol::Timestamp>, StoreError> {
        Ok(self
            .optional_int(column)?
            .map(tenure_protocol::Timestamp::from_millis))
    }
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// Runs a statement and tells how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, StoreError> {
        let mut statement = self.prepare(sql)?;
        Ok(statement.execute(rusqlite::params_from_iter(values))?)
    }

    /// All rows of a query, each read by `read`.
    pub(crate) fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(&Row(row))?);
        }
        Ok(found)
    }

    /// The first row of a query, if there is one.
    pub(crate) fn query_first<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        rows.next()?.map(|row| read(&Row(row))).transpose()
    }

    fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>, StoreError> {
        let statement = self.connection.prepare_cached(sql)?;
        debug_assert!(
            (1..=statement.parameter_count()).all(|i| statement
                .parameter_name(i)
                .is_none_or(|name| name == format!("${i}"))),
            "parameters must first appear in order: {sql}"
        );
        Ok(statement)
    }
}
