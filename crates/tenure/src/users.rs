//! Changing users: what must happen together happens in one transaction (lesson leodip/goiabada#106).
//! A credential change, a block or a deletion is one write, `valid_after`, which is checked at every use;
//! `work/user_ends.rs` ends the rows.

use crate::tenant_log::{Entry, kind};
use crate::work::user_ends;
use tenure_protocol::model::User;
use tenure_protocol::session::EndReason;
use tenure_protocol::user_end::UserEnd;
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{StoreError, Tx, UserRow};

/// When something is done to a user, by whom and from where.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    pub now: Timestamp,
    pub by: &'a str,
    pub from: &'a str,
}

impl Occasion<'_> {
    pub const fn command_line(now: Timestamp) -> Self {
        Self {
            now,
            by: "cli",
            from: "",
        }
    }

    /// Everything of the user from before `at` is over by what the caller writes in the same
    /// transaction; this has a worker end the rows and tell who relied on them.
    pub fn end_everything(
        self,
        tx: &Tx<'_>,
        user_id: &str,
        reason: EndReason,
        at: Timestamp,
        keep: Option<Sid>,
    ) -> Result<(), StoreError> {
        tx.put_user_end(&UserEnd {
            user_id: user_id.to_owned(),
            reason,
            by: self.by.to_owned(),
            from: self.from.to_owned(),
            keep,
            at,
        })
    }
}

/// Whether a text has the form of an e-mail address. Only a message sent to it could tell more.
pub fn is_email(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    match text.rsplit_once('@') {
        Some((local, domain)) => !local.is_empty() && !domain.is_empty() && !text.contains(odd),
        None => false,
    }
}

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
    occasion: Occasion<'_>,
    tail: &str,
) -> Result<(), StoreError> {
    let now = occasion.now;
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
        .from(occasion.from, "")
        .detail("blocked", blocked)
        .detail("by", occasion.by);
    if blocked {
        let reason = EndReason::AccountDisabled;
        occasion.end_everything(tx, &user.user_id, reason, valid_after, None)?;
    }
    tx.put_user(&UserRow { user, ..row })?;
    entry.write(tx, now, tail)
}

/// Sets a password: every session and refresh token from before is over.
pub fn set_password(
    tx: &Tx<'_>,
    row: UserRow,
    hash: String,
    occasion: Occasion<'_>,
    tail: &str,
) -> Result<(), StoreError> {
    let now = occasion.now;
    let user = User {
        valid_after: now.max(row.user.valid_after),
        updated_at: now,
        ..row.user
    };
    let entry = Entry::new(kind::PASSWORD_CHANGED)
        .user(&user.user_id)
        .from(occasion.from, "")
        .detail("by", occasion.by);
    let reason = EndReason::CredentialChange;
    occasion.end_everything(tx, &user.user_id, reason, user.valid_after, None)?;
    tx.put_user(&UserRow {
        user,
        password_hash: Some(hash),
    })?;
    entry.write(tx, now, tail)
}

/// Every session and every token of the user from before `at` is over, since an identity provider that
/// vouches for them said so. The caller writes the log.
pub fn sign_out_everywhere(
    tx: &Tx<'_>,
    row: UserRow,
    at: Timestamp,
    occasion: Occasion<'_>,
) -> Result<(), StoreError> {
    let user = User {
        valid_after: at.max(row.user.valid_after),
        updated_at: occasion.now,
        ..row.user
    };
    let (reason, at) = (EndReason::UpstreamLogout, user.valid_after);
    occasion.end_everything(tx, &user.user_id, reason, at, None)?;
    tx.put_user(&UserRow { user, ..row })?;
    Ok(())
}

/// Somebody proves themselves with what counts now, and the clock says that this was before the last change
/// of the user: it was ahead then, and was set back since. The change lies in the past all the same. What it
/// ended is ended for good here, and the mark moves to now, or nobody could sign in until the clock came
/// there again.
pub fn forget_the_future(tx: &Tx<'_>, row: &UserRow, now: Timestamp) -> Result<(), StoreError> {
    let user = &row.user;
    if user.valid_after <= now {
        return Ok(());
    }
    let wish = tx.user_end(&user.user_id)?.unwrap_or(UserEnd {
        user_id: user.user_id.clone(),
        reason: EndReason::CredentialChange,
        by: String::new(),
        from: String::new(),
        keep: None,
        at: user.valid_after,
    });
    user_ends::finish(tx, &wish, now)?;
    let user = User {
        valid_after: now,
        ..user.clone()
    };
    tx.put_user(&UserRow {
        user,
        ..row.clone()
    })?;
    Ok(())
}

/// Deletes a user. What the user was signed in to is over, since every use asks whether the user is
/// there; whoever gets the same id later starts with a `valid_after` of their own and finds nothing of
/// it alive.
pub fn delete(
    tx: &Tx<'_>,
    user_id: &str,
    occasion: Occasion<'_>,
    tail: &str,
) -> Result<bool, StoreError> {
    if !tx.delete_user(user_id)? {
        return Ok(false);
    }
    let reason = EndReason::AccountDisabled;
    occasion.end_everything(tx, user_id, reason, occasion.now, None)?;
    Entry::new(kind::USER_DELETED)
        .user(user_id)
        .from(occasion.from, "")
        .detail("by", occasion.by)
        .write(tx, occasion.now, tail)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn forms_of_addresses() {
        for (text, answer) in [
            ("ada@example.com", true),
            ("ada+x@localhost", true),
            ("\"a@b\"@example.com", true),
            ("", false),
            ("not an email", false),
            ("ada", false),
            ("@example.com", false),
            ("ada@", false),
            ("ada@example.com ", false),
            ("ada@exam\nple.com", false),
        ] {
            assert_eq!(is_email(text), answer, "{text:?}");
        }
    }
}
