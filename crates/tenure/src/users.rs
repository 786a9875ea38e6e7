//! Changing users: what must happen together happens in one transaction (lesson leodip/goiabada#106).
//! A credential change, a block or a deletion is one write, `valid_after`, which is checked at every use.

use crate::tenant_log::{Entry, kind};
use tenure_protocol::Timestamp;
use tenure_protocol::model::User;
use tenure_store::{StoreError, Tx, UserRow};

/// The user whom a text names: a user id, an e-mail address or a user name.
pub fn find(tx: &Tx<'_>, name: &str) -> Result<Option<UserRow>, StoreError> {
    if let Some(row) = tx.user(name)? {
        return Ok(Some(row));
    }
    let folded = name.trim().to_lowercase();
    match tx.user_by_identifier("email", &folded)? {
        Some(row) => Ok(Some(row)),
        None => tx.user_by_identifier("username", &folded),
    }
}

/// Blocks or unblocks. A block ends what was authenticated before it, also after it is lifted.
pub fn set_blocked(
    tx: &Tx<'_>,
    row: UserRow,
    blocked: bool,
    now: Timestamp,
    tail: &str,
) -> Result<(), StoreError> {
    let valid_after = if blocked {
        now.max(row.user.valid_after)
    } else {
        row.user.valid_after
    };
    let user = User {
        blocked,
        valid_after,
        updated_at: now,
        ..row.user
    };
    let entry = Entry::new(kind::USER_BLOCKED)
        .user(&user.user_id)
        .detail("blocked", blocked);
    tx.put_user(&UserRow { user, ..row })?;
    entry.write(tx, now, tail)
}

/// Sets a password: every session and refresh token from before is over.
pub fn set_password(
    tx: &Tx<'_>,
    row: UserRow,
    hash: String,
    now: Timestamp,
    tail: &str,
) -> Result<(), StoreError> {
    let user = User {
        valid_after: now.max(row.user.valid_after),
        updated_at: now,
        ..row.user
    };
    let entry = Entry::new(kind::PASSWORD_CHANGED).user(&user.user_id);
    tx.put_user(&UserRow {
        user,
        password_hash: Some(hash),
    })?;
    entry.write(tx, now, tail)
}

pub fn delete(tx: &Tx<'_>, user_id: &str, now: Timestamp, tail: &str) -> Result<bool, StoreError> {
    let deleted = tx.delete_user(user_id)?;
    if deleted {
        Entry::new(kind::USER_DELETED)
            .user(user_id)
            .write(tx, now, tail)?;
    }
    Ok(deleted)
}
