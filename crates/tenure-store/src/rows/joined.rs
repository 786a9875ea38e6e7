//! What the hot paths read together: a session, its user, and what the request is about, in one
//! statement, since each would be a round trip to PostgreSQL.
//!
//! In a transaction that may write, the session is held as by [`Tx::session`]. What is read beside it
//! is locked as well: after waiting for the session's holder, PostgreSQL reads anew only what it locks.

use super::session::{COLUMNS, WIDTH, read};
use super::user::{self, UserRow};
use super::{code, family};
use crate::ahead::Foresight;
use crate::value::{Row, Value};
use crate::{ReadAhead, StoreError, Tx};
use std::sync::LazyLock;
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::Session;
use tenure_protocol::{FamilyId, Sid};

/// A session with its user; `None` for a user that is gone.
pub type SessionAndUser = (Session, Option<UserRow>);

/// A query's text, put together once, for transactions that may write and for those that only read.
struct Query {
    locking: String,
    plain: String,
}

impl Query {
    fn new(text: String, locked: &str) -> Self {
        Self {
            locking: format!("{text} FOR UPDATE OF {locked}"),
            plain: text,
        }
    }

    /// A session, its user, and a row of `table` that is keyed by the session and `key`.
    fn beside(table: &str, columns: &str, key: &str) -> Self {
        let user = user::COLUMNS;
        let text = format!(
            "SELECT {COLUMNS}, {user}, {columns} FROM sessions \
             JOIN {table} ON {table}.sid = sessions.sid \
             LEFT JOIN users ON users.user_id = sessions.user_id \
             WHERE sessions.sid = $1 AND {table}.{key} = $2"
        );
        Self::new(text, &format!("sessions, {table}"))
    }

    fn text(&self, tx: &Tx<'_>) -> &str {
        if tx.locks_rows() {
            &self.locking
        } else {
            &self.plain
        }
    }
}

static WITH_USER: LazyLock<Query> = LazyLock::new(|| {
    let user = user::COLUMNS;
    let text = format!(
        "SELECT {COLUMNS}, {user} FROM sessions \
         LEFT JOIN users ON users.user_id = sessions.user_id WHERE sessions.sid = $1"
    );
    Query::new(text, "sessions")
});

static WITH_FAMILY: LazyLock<Query> =
    LazyLock::new(|| Query::beside("families", &family::qualified(), "family_id"));

static WITH_CODE: LazyLock<Query> = LazyLock::new(|| Query::beside("codes", code::COLUMNS, "hash"));

impl ReadAhead {
    fn of(query: &'static Query, values: impl IntoIterator<Item = Value<'static>>) -> Self {
        Self {
            text: &query.plain,
            values: values.into_iter().collect(),
        }
    }

    /// What [`Tx::session_and_user`] asks.
    pub fn session_and_user(sid: &Sid) -> Self {
        Self::of(&WITH_USER, [Value::from(sid.as_bytes()).into_owned()])
    }

    /// What [`Tx::session_and_family`] asks.
    pub fn session_and_family(sid: &Sid, family_id: &FamilyId) -> Self {
        let values: [Value<'_>; 2] = [sid.as_bytes().into(), family_id.as_bytes().into()];
        Self::of(&WITH_FAMILY, values.map(Value::into_owned))
    }

    /// What [`Tx::session_and_code`] asks.
    pub fn session_and_code(sid: &Sid, hash: &[u8; 32]) -> Self {
        let values: [Value<'_>; 2] = [sid.as_bytes().into(), hash.into()];
        Self::of(&WITH_CODE, values.map(Value::into_owned))
    }
}

/// Where a family begins in a row of [`Tx::session_and_family`].
pub(super) const FAMILY: usize = WIDTH + user::WIDTH;

/// The row of [`Tx::session_and_family`], where it was read ahead.
pub(super) fn family_ahead(foresight: &Foresight) -> Result<Row<'_>, StoreError> {
    foresight.row_of(&[&WITH_FAMILY.plain])
}

/// The row of whatever was read ahead that begins with a session: all that there is.
pub(super) fn session_ahead(foresight: &Foresight) -> Result<Row<'_>, StoreError> {
    foresight.row_of(&[&WITH_USER.plain, &WITH_FAMILY.plain, &WITH_CODE.plain])
}

impl Tx<'_> {
    /// A session and its user.
    pub fn session_and_user(&self, sid: &Sid) -> Result<Option<SessionAndUser>, StoreError> {
        let key = [sid.as_bytes().into()];
        self.query_first(WITH_USER.text(self), &key, session_and_user)
    }

    /// A session, its user and one of its families: what an exchange of a refresh token needs.
    /// `None` without either of the session and the family.
    pub fn session_and_family(
        &self,
        sid: &Sid,
        family_id: &FamilyId,
    ) -> Result<Option<(SessionAndUser, Family)>, StoreError> {
        let key = [sid.as_bytes().into(), family_id.as_bytes().into()];
        self.query_first(WITH_FAMILY.text(self), &key, |row| {
            let family = family::read_at(row, FAMILY)?;
            Ok((session_and_user(row)?, family))
        })
    }

    /// A session, its user and one of its codes: what the exchange of a code needs.
    pub fn session_and_code(
        &self,
        sid: &Sid,
        hash: &[u8; 32],
    ) -> Result<Option<(SessionAndUser, Code)>, StoreError> {
        let key: [Value<'_>; 2] = [sid.as_bytes().into(), hash.into()];
        self.query_first(WITH_CODE.text(self), &key, |row| {
            let code = code::read_at(row, WIDTH + user::WIDTH, sid)?;
            Ok((session_and_user(row)?, code))
        })
    }
}

pub(super) fn session_and_user(row: &Row<'_>) -> Result<SessionAndUser, StoreError> {
    let there = row.optional_text(WIDTH)?.is_some();
    let user = there.then(|| user::read_at(row, WIDTH)).transpose()?;
    Ok((read(row)?, user))
}
