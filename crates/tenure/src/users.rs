//! Changing users: what must happen together happens in one transaction (lesson leodip/goiabada#106).
//! A credential change, a block or a deletion is one write, `valid_after`, which is checked at every use.

use crate::entropy::Entropy;
use crate::oidc::sessions::{Judge, end_session};
use crate::settings::Settings;
use crate::tenant_log::{Entry, kind};
use tenure_protocol::Timestamp;
use tenure_protocol::limits::Caps;
use tenure_protocol::model::User;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{End, EndReason, Rule};
use tenure_store::{StoreError, Tx, UserRow};

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

/// Sessions that a deletion ends by name. A person has a handful; the rest of very many is over all
/// the same, since every use asks whether the user is there.
const ENDED_AT_ONCE: i64 = 500;

/// Deletes a user and ends what the user was signed in to. Whoever gets the same id later starts with
/// a `valid_after` of their own and finds nothing of it alive.
pub fn delete(tx: &Tx<'_>, user_id: &str, now: Timestamp, tail: &str) -> Result<bool, StoreError> {
    if !tx.delete_user(user_id)? {
        return Ok(false);
    }
    let end = End {
        at: now,
        reason: EndReason::AccountDisabled,
        by: String::new(),
        from: String::new(),
        rule: Rule::User.name().to_owned(),
    };
    let (settings, caps, entropy) = (Settings::load(tx)?, Caps::default(), Entropy::system());
    let judge = Judge {
        settings: &settings,
        caps: &caps,
        entropy: &entropy,
        metrics: None,
        now,
    };
    for sid in tx.unended_sessions(user_id, None, ENDED_AT_ONCE)? {
        // Whoever changes a session or its families holds it.
        if let Some(session) = tx.session(&sid)? {
            end_session(tx, &session, end.clone(), judge)?;
        }
    }
    // Offline families outlive their session, but not their user.
    for sid in tx.sessions_with_unended_families(user_id, None, ENDED_AT_ONCE)? {
        tx.session(&sid)?;
        for family in tx.families_of_session(&sid)? {
            if family.end.is_none() {
                let generation = family.generation;
                let end = Some(end.clone());
                tx.update_family(&Family { end, ..family }, generation)?;
            }
        }
    }
    Entry::new(kind::USER_DELETED)
        .user(user_id)
        .write(tx, now, tail)?;
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
