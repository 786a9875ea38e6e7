//! What the hot paths read together: a session, its user, and what the request is about, in one
//! statement, since each would be a round trip to PostgreSQL.
//!
//! In a transaction that may write, the session is held as by [`Tx::session`]. What is read beside it
//! is locked as well: after waiting for the session's holder, PostgreSQL reads anew only what it locks.

use super::session::{COLUMNS, WIDTH, read};
use super::user::{self, UserRow};
use super::{code, family};
use crate::value::{Row, Value};
use crate::{StoreError, Tx};
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::Session;
use tenure_protocol::{FamilyId, Sid};

/// A session with its user; `None` for a user that is gone.
pub type SessionAndUser = (Session, Option<UserRow>);

impl Tx<'_> {
    /// A session and its user.
    pub fn session_and_user(&self, sid: &Sid) -> Result<Option<SessionAndUser>, StoreError> {
        let user = user::COLUMNS;
        let sql = format!(
            "SELECT {COLUMNS}, {user} FROM sessions \
             LEFT JOIN users ON users.user_id = sessions.user_id WHERE sessions.sid = $1{}",
            self.for_update("sessions")
        );
        self.query_first(&sql, &[sid.as_bytes().into()], session_and_user)
    }

    /// A session, its user and one of its families: what an exchange of a refresh token needs.
    /// `None` without either of the session and the family.
    pub fn session_and_family(
        &self,
        sid: &Sid,
        family_id: &FamilyId,
    ) -> Result<Option<(SessionAndUser, Family)>, StoreError> {
        let sql = self.beside("families", &family::qualified(), "family_id");
        let key = [sid.as_bytes().into(), family_id.as_bytes().into()];
        self.query_first(&sql, &key, |row| {
            let family = family::read_at(row, WIDTH + user::WIDTH)?;
            Ok((session_and_user(row)?, family))
        })
    }

    /// A session, its user and one of its codes: what the exchange of a code needs.
    pub fn session_and_code(
        &self,
        sid: &Sid,
        hash: &[u8; 32],
    ) -> Result<Option<(SessionAndUser, Code)>, StoreError> {
        let sql = self.beside("codes", code::COLUMNS, "hash");
        let key: [Value<'_>; 2] = [sid.as_bytes().into(), hash.into()];
        self.query_first(&sql, &key, |row| {
            let code = code::read_at(row, WIDTH + user::WIDTH, sid)?;
            Ok((session_and_user(row)?, code))
        })
    }

    /// The query for a session, its user, and a row of `table` that is keyed by the session and `key`.
    fn beside(&self, table: &str, columns: &str, key: &str) -> String {
        let user = user::COLUMNS;
        let lock = self.for_update(&format!("sessions, {table}"));
        format!(
            "SELECT {COLUMNS}, {user}, {columns} FROM sessions \
             JOIN {table} ON {table}.sid = sessions.sid \
             LEFT JOIN users ON users.user_id = sessions.user_id \
             WHERE sessions.sid = $1 AND {table}.{key} = $2{lock}"
        )
    }
}

pub(super) fn session_and_user(row: &Row<'_>) -> Result<SessionAndUser, StoreError> {
    let there = row.optional_text(WIDTH)?.is_some();
    let user = there.then(|| user::read_at(row, WIDTH)).transpose()?;
    Ok((read(row)?, user))
}
