//! Authorization codes, and access tokens revoked before their time.

use super::{corrupt, from_json, to_json};
use crate::value::{Row, Value};
use crate::{StoreError, Tx};
use tenure_protocol::code::Code;
use tenure_protocol::{Sid, Timestamp};

/// What a code is read from.
pub(super) const COLUMNS: &str = "codes.body, codes.consumed_at";

pub(super) const INSERT: &str =
    "INSERT INTO codes (sid, hash, expires_at, consumed_at, body) VALUES ($1, $2, $3, $4, $5)";

/// The types of [`INSERT`]'s parameters.
pub(super) const TYPES: [&str; 5] = ["BYTEA", "BYTEA", "BIGINT", "BIGINT", "TEXT"];

pub(super) fn insert_values<'v>(code: &'v Code, body: &'v str) -> Vec<Value<'v>> {
    vec![
        code.sid.as_bytes().into(),
        (&code.hash).into(),
        code.expires_at.into(),
        code.consumed_at.into(),
        body.into(),
    ]
}

pub(super) const CONSUME: &str = "UPDATE codes SET consumed_at = $1, body = $2 \
     WHERE sid = $3 AND hash = $4 AND consumed_at IS NULL";

pub(super) fn consume_values<'v>(code: &'v Code, body: &'v str) -> Vec<Value<'v>> {
    vec![
        code.consumed_at.into(),
        body.into(),
        code.sid.as_bytes().into(),
        (&code.hash).into(),
    ]
}

/// Else the row would stay open, and the next exchange would win as well.
pub(super) fn must_have_instant(code: &Code) -> Result<(), StoreError> {
    match code.consumed_at {
        Some(_) => Ok(()),
        None => Err(corrupt(
            "codes",
            code.sid,
            "is to be consumed at no instant",
        )),
    }
}

/// The code whose columns begin at `first`.
pub(super) fn read_at(row: &Row<'_>, first: usize, sid: &Sid) -> Result<Code, StoreError> {
    let code: Code = from_json("codes", sid, &row.text(first)?)?;
    Ok(Code {
        consumed_at: row.optional_instant(first + 1)?,
        ..code
    })
}

impl Tx<'_> {
    pub fn insert_code(&self, code: &Code) -> Result<(), StoreError> {
        let body = to_json(code)?;
        self.execute(INSERT, &insert_values(code, &body))?;
        Ok(())
    }

    pub fn code(&self, sid: &Sid, hash: &[u8; 32]) -> Result<Option<Code>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM codes WHERE sid = $1 AND hash = $2");
        let key = [sid.as_bytes().into(), hash.into()];
        self.query_first(&sql, &key, |row| read_at(row, 0, sid))
    }

    /// Marks a code as used, if nobody did: the database decides the winner. `code.consumed_at` must be set.
    pub fn consume_code(&self, code: &Code) -> Result<bool, StoreError> {
        must_have_instant(code)?;
        let body = to_json(code)?;
        let changed = self.execute(CONSUME, &consume_values(code, &body))?;
        Ok(changed == 1)
    }

    /// Removes at most `most` codes that expired before `before`. Tells how many.
    pub fn sweep_codes(&self, before: Timestamp, most: i64) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM codes WHERE (sid, hash) IN \
             (SELECT sid, hash FROM codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            &[before.into(), most.into()],
        )
    }

    /// Revokes one access token. `sid` is `None` for a machine's.
    pub fn revoke_token(
        &self,
        sid: Option<&Sid>,
        jti: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO revoked_tokens (sid, jti, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (sid, jti) DO NOTHING",
            &[sid_bytes(sid).into(), jti.into(), expires_at.into()],
        )?;
        Ok(())
    }

    pub fn token_is_revoked(&self, sid: Option<&Sid>, jti: &str) -> Result<bool, StoreError> {
        let found = self.query_first(
            "SELECT 1 FROM revoked_tokens WHERE sid = $1 AND jti = $2",
            &[sid_bytes(sid).into(), jti.into()],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    pub fn sweep_revoked_tokens(&self, before: Timestamp, most: i64) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM revoked_tokens WHERE (sid, jti) IN \
             (SELECT sid, jti FROM revoked_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
            &[before.into(), most.into()],
        )
    }
}

fn sid_bytes(sid: Option<&Sid>) -> &[u8] {
    sid.map_or(&[], |sid| sid.as_bytes().as_slice())
}
