//! Parameters and result rows, alike for both engines.

use crate::StoreError;
use bytes::BytesMut;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use std::borrow::Cow;
use std::error::Error;
use tenure_protocol::Timestamp;
use tokio_postgres::types::{IsNull, ToSql as PgToSql, Type, to_sql_checked};

/// A parameter. SQL texts number them `$1`, `$2`, … in the order of their first appearance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    Null,
    Int(i64),
    Text(Cow<'v, str>),
    Blob(Cow<'v, [u8]>),
    /// A column of many rows, for `unnest`: PostgreSQL alone has it.
    Ints(Vec<i64>),
    Texts(Vec<Cow<'v, str>>),
}

impl Value<'_> {
    /// The same, borrowing nothing: for a statement that is sent later.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(i) => Value::Int(i),
            Self::Text(t) => Value::Text(t.into_owned().into()),
            Self::Blob(b) => Value::Blob(b.into_owned().into()),
            Self::Ints(all) => Value::Ints(all),
            Self::Texts(all) => {
                Value::Texts(all.into_iter().map(|t| t.into_owned().into()).collect())
            }
        }
    }
}

/// PostgreSQL's text has no NUL. What a stranger sends with one must not be a failure, so it is stored
/// and looked up with U+FFFD in its place, which no identifier of ours contains.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text.into()
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(SqlValue::Null),
            Self::Int(i) => ToSqlOutput::Owned(SqlValue::Integer(*i)),
            Self::Text(t) => ToSqlOutput::Borrowed(ValueRef::Text(t.as_bytes())),
            Self::Blob(b) => ToSqlOutput::Borrowed(ValueRef::Blob(b)),
            Self::Ints(_) | Self::Texts(_) => {
                let problem = "an array is no value of SQLite's";
                return Err(rusqlite::Error::ToSqlConversionFailure(problem.into()));
            }
        })
    }
}

impl PgToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            // The server infers a parameter's type from its surroundings: a flag compared with 1 is an int4.
            Self::Int(i) if *ty == Type::INT4 => PgToSql::to_sql(&i32::try_from(*i)?, ty, out),
            Self::Int(i) => PgToSql::to_sql(i, ty, out),
            Self::Text(t) => PgToSql::to_sql(&without_nul(t), ty, out),
            Self::Blob(b) => PgToSql::to_sql(&b.as_ref(), ty, out),
            Self::Ints(all) => PgToSql::to_sql(all, ty, out),
            Self::Texts(all) => {
                let all: Vec<Cow<'_, str>> = all.iter().map(|t| without_nul(t)).collect();
                PgToSql::to_sql(&all, ty, out)
            }
        }
    }

    fn accepts(ty: &Type) -> bool {
        [
            Type::INT4,
            Type::INT8,
            Type::TEXT,
            Type::BYTEA,
            Type::INT8_ARRAY,
            Type::TEXT_ARRAY,
        ]
        .contains(ty)
    }

    to_sql_checked!();
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.millis())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(value: &'v str) -> Self {
        Self::Text(value.into())
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(value: &'v String) -> Self {
        Self::Text(value.into())
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(value: &'v [u8]) -> Self {
        Self::Blob(value.into())
    }
}

impl<'v, const N: usize> From<&'v [u8; N]> for Value<'v> {
    fn from(value: &'v [u8; N]) -> Self {
        Self::Blob(value.as_slice().into())
    }
}

impl<'v, T: Into<Self>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A row of a result; columns by position, in the order the text selects them.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.optional_int(column)?.ok_or_else(|| absent(column))
    }

    pub(crate) fn optional_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            Self::Postgres(row) => match row.columns().get(column) {
                Some(c) if *c.type_() == Type::INT4 => {
                    let small: Option<i32> = row.try_get(column)?;
                    Ok(small.map(i64::from))
                }
                _ => Ok(row.try_get(column)?),
            },
        }
    }

    pub(crate) fn text(&self, column: usize) -> Result<String, StoreError> {
        self.optional_text(column)?.ok_or_else(|| absent(column))
    }

    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn blob(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        self.optional_blob(column)?.ok_or_else(|| absent(column))
    }

    pub(crate) fn optional_blob(&self, column: usize) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn instant(&self, column: usize) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_millis(self.int(column)?))
    }

    pub(crate) fn optional_instant(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_int(column)?.map(Timestamp::from_millis))
    }
}

fn absent(column: usize) -> StoreError {
    StoreError::Engine(format!("column {column} of a result is null"))
}
