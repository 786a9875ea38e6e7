//! What a file says of a user, laid over the user who is there. `apply` and `user import` share it.

use super::plan::merge;
use super::typed::{Fault, typed};
use crate::password_cost::Cost;
use crate::users::Occasion;
use crate::work::user_ends;
use serde_json::{Map, Value};
use tenure_protocol::model::User;
use tenure_protocol::session::EndReason;
use tenure_store::{StoreError, Tx, UserRow};

/// Members that the server keeps itself. An export carries them; they are not taken from it.
const KEPT_BY_THE_SERVER: [&str; 7] = [
    "user_id",
    "created_at",
    "updated_at",
    "valid_after",
    "last_login",
    "logins_count",
    "last_ip",
];

/// The members of a user that a file names.
#[derive(Clone, Debug, Default)]
pub struct Said(Map<String, Value>);

impl Said {
    pub fn new(mut members: Map<String, Value>) -> Self {
        for name in KEPT_BY_THE_SERVER {
            members.remove(name);
        }
        // A block is lifted by `blocked: false` only, never by an empty value.
        if members.get("blocked").is_some_and(Value::is_null) {
            members.remove("blocked");
        }
        Self(members)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Only these members: what a plan found to differ.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let mut members = self.0.clone();
        members.retain(|name, _| names.contains(name));
        Self(members)
    }

    /// The stored user, or a new one, with these members laid over: what is not named stays.
    pub fn over(&self, stored: Option<&User>) -> Result<User, Vec<Fault>> {
        let mut body = match stored.map(serde_json::to_value) {
            Some(Ok(Value::Object(body))) => body,
            _ => Map::new(),
        };
        for (name, value) in &self.0 {
            merge(&mut body, name, value);
        }
        body.retain(|_, value| !value.is_null());
        typed(&body)
    }
}

/// What came of storing a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Done,
    /// Another user holds the e-mail address or user name.
    Taken,
}

/// Writes a user as `user` says, over the row as it is now. A new user starts with `valid_after`, so
/// that nothing begun by an earlier holder of the same id comes back to life; a block ends what was
/// authenticated before it, also after it is lifted.
pub fn store(
    tx: &Tx<'_>,
    present: Option<&UserRow>,
    user: User,
    new_hash: Option<String>,
    occasion: Occasion<'_>,
) -> Result<Stored, StoreError> {
    let now = occasion.now;
    let before = present.map(|row| &row.user);
    let ended_until = before.map_or(now, |user| user.valid_after);
    let is_new_block = user.blocked && before.is_none_or(|user| !user.blocked);
    let user = User {
        user_id: before.map_or(user.user_id, |user| user.user_id.clone()),
        created_at: before.map_or(now, |user| user.created_at),
        valid_after: if is_new_block {
            ended_until.max(now)
        } else {
            ended_until
        },
        updated_at: now,
        ..user
    };
    // A file never changes a password that is there.
    let kept = present.and_then(|row| row.password_hash.clone());
    if let (None, Some(hash)) = (&kept, &new_hash) {
        Cost::record(tx, hash)?;
    }
    let password_hash = kept.or(new_hash);
    if present.is_none()
        && let Some(left) = tx.user_end(&user.user_id)?
    {
        user_ends::finish(tx, &left, now)?;
    }
    let row = UserRow {
        user,
        password_hash,
    };
    if !tx.put_user(&row)? {
        return Ok(Stored::Taken);
    }
    if is_new_block && present.is_some() {
        let (user_id, at) = (&row.user.user_id, row.user.valid_after);
        occasion.end_everything(tx, user_id, EndReason::AccountDisabled, at, None)?;
    }
    Ok(Stored::Done)
}
