//! Users, their identifiers, permissions and the grants they gave.

use super::{from_json, to_json};
use crate::value::Row;
use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;
use tenure_protocol::model::User;
use tenure_protocol::session::UserStanding;

/// A user with the password hash that is read only to check a password.
#[derive(Clone, PartialEq)]
pub struct UserRow {
    pub user: User,
    pub password_hash: Option<String>,
}

impl UserRow {
    pub const fn standing(&self) -> UserStanding {
        UserStanding {
            exists: true,
            blocked: self.user.blocked,
            valid_after: self.user.valid_after,
        }
    }

    /// The standing of a user who may not be there.
    pub fn standing_of(row: Option<&Self>) -> UserStanding {
        row.map_or(
            UserStanding {
                exists: false,
                blocked: false,
                valid_after: Timestamp::default(),
            },
            Self::standing,
        )
    }
}

impl std::fmt::Debug for UserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRow")
            .field("user_id", &self.user.user_id)
            .finish_non_exhaustive()
    }
}

/// What a user allowed a third-party client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRow {
    pub client_id: String,
    /// Empty for no API.
    pub audience: String,
    /// Space-separated.
    pub scope: String,
    pub granted_at: Timestamp,
}

pub(super) const COLUMNS: &str =
    "users.user_id, users.body, users.password_hash, users.blocked, users.valid_after";

/// How many they are: a joined table's columns follow.
pub(super) const WIDTH: usize = 5;

impl Tx<'_> {
    /// A user. In a transaction that may write nobody else changes the row before it ends: what is
    /// written back is what was read, changed.
    pub fn user(&self, user_id: &str) -> Result<Option<UserRow>, StoreError> {
        let lock = self.for_update("users");
        let sql = format!("SELECT {COLUMNS} FROM users WHERE user_id = $1{lock}");
        self.query_first(&sql, &[user_id.into()], read)
    }

    /// The user whom a folded e-mail address or user name names.
    pub fn user_by_identifier(
        &self,
        kind: &str,
        value: &str,
    ) -> Result<Option<UserRow>, StoreError> {
        let found = self.query_first(
            "SELECT user_id FROM user_identifiers WHERE kind = $1 AND value = $2",
            &[kind.into(), value.into()],
            |row| row.text(0),
        )?;
        found.map_or(Ok(None), |user_id| self.user(&user_id))
    }

    /// What is known of a user at the moment of use. One that is not there has no standing.
    pub fn user_standing(&self, user_id: &str) -> Result<UserStanding, StoreError> {
        let found = self.query_first(
            "SELECT blocked, valid_after FROM users WHERE user_id = $1",
            &[user_id.into()],
            |row| {
                Ok(UserStanding {
                    exists: true,
                    blocked: row.int(0)? != 0,
                    valid_after: row.instant(1)?,
                })
            },
        )?;
        Ok(found.unwrap_or(UserStanding {
            exists: false,
            blocked: false,
            valid_after: Timestamp::default(),
        }))
    }

    /// Inserts or replaces a user and the identifiers. A `password_hash` of `None` removes the password.
    /// `false`: another user holds an identifier; nothing was changed.
    pub fn put_user(&self, row: &UserRow) -> Result<bool, StoreError> {
        let user = &row.user;
        let identifiers = user.identifiers();
        let wanted = [
            ("email", identifiers.email),
            ("username", identifiers.username),
        ];
        if !self.take_identifiers(&user.user_id, &wanted)? {
            return Ok(false);
        }
        let body = to_json(user)?;
        self.execute(
            "INSERT INTO users (user_id, body, password_hash, blocked, valid_after) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id) DO UPDATE SET body = excluded.body, \
             password_hash = excluded.password_hash, blocked = excluded.blocked, \
             valid_after = excluded.valid_after",
            &[
                (&user.user_id).into(),
                (&body).into(),
                row.password_hash.as_ref().into(),
                i64::from(user.blocked).into(),
                user.valid_after.into(),
            ],
        )?;
        Ok(true)
    }

    /// Takes identifiers for a user and gives up those that are not wanted any more. The unique key
    /// decides between two who want the same. `false`: another user holds one; nothing was changed.
    fn take_identifiers(
        &self,
        user_id: &str,
        wanted: &[(&str, Option<String>)],
    ) -> Result<bool, StoreError> {
        let mut taken = Vec::new();
        for (kind, value) in wanted {
            let Some(value) = value else { continue };
            let inserted = self.execute(
                "INSERT INTO user_identifiers (kind, value, user_id) VALUES ($1, $2, $3) \
                 ON CONFLICT (kind, value) DO NOTHING",
                &[(*kind).into(), value.into(), user_id.into()],
            )?;
            if inserted == 1 {
                taken.push((*kind, value));
                continue;
            }
            let holder = self.query_first(
                "SELECT user_id FROM user_identifiers WHERE kind = $1 AND value = $2",
                &[(*kind).into(), value.into()],
                |row| row.text(0),
            )?;
            if holder.is_none_or(|holder| holder != user_id) {
                for (kind, value) in taken {
                    self.drop_identifier(kind, value)?;
                }
                return Ok(false);
            }
        }
        let held = self.query(
            "SELECT kind, value FROM user_identifiers WHERE user_id = $1",
            &[user_id.into()],
            |row| Ok((row.text(0)?, row.text(1)?)),
        )?;
        for (kind, value) in held {
            let is_wanted = wanted
                .iter()
                .any(|(k, v)| *k == kind && v.as_deref() == Some(value.as_str()));
            if !is_wanted {
                self.drop_identifier(&kind, &value)?;
            }
        }
        Ok(true)
    }

    fn drop_identifier(&self, kind: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM user_identifiers WHERE kind = $1 AND value = $2",
            &[kind.into(), value.into()],
        )?;
        Ok(())
    }

    pub fn delete_user(&self, user_id: &str) -> Result<bool, StoreError> {
        for sql in [
            "DELETE FROM user_identifiers WHERE user_id = $1",
            "DELETE FROM user_permissions WHERE user_id = $1",
            "DELETE FROM grants WHERE user_id = $1",
            "DELETE FROM identities WHERE user_id = $1",
        ] {
            self.execute(sql, &[user_id.into()])?;
        }
        Ok(self.execute("DELETE FROM users WHERE user_id = $1", &[user_id.into()])? == 1)
    }

    /// Users in the order of their ids, after `after`.
    pub fn users(&self, after: &str, most: i64) -> Result<Vec<UserRow>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM users WHERE user_id > $1 ORDER BY user_id LIMIT $2");
        self.query(&sql, &[after.into(), most.into()], read)
    }

    pub fn user_permissions(
        &self,
        user_id: &str,
        audience: &str,
    ) -> Result<Vec<String>, StoreError> {
        self.query(
            "SELECT permission FROM user_permissions WHERE user_id = $1 AND audience = $2 \
             ORDER BY permission",
            &[user_id.into(), audience.into()],
            |row| row.text(0),
        )
    }

    pub fn put_user_permission(
        &self,
        user_id: &str,
        audience: &str,
        permission: &str,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO user_permissions (user_id, audience, permission) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id, audience, permission) DO NOTHING",
            &[user_id.into(), audience.into(), permission.into()],
        )?;
        Ok(())
    }

    /// What the user allowed a client at an API (empty audience: none).
    pub fn consent(
        &self,
        user_id: &str,
        client_id: &str,
        audience: &str,
    ) -> Result<Option<ConsentRow>, StoreError> {
        self.query_first(
            "SELECT client_id, audience, scope, granted_at FROM grants \
             WHERE user_id = $1 AND client_id = $2 AND audience = $3",
            &[user_id.into(), client_id.into(), audience.into()],
            |row| {
                Ok(ConsentRow {
                    client_id: row.text(0)?,
                    audience: row.text(1)?,
                    scope: row.text(2)?,
                    granted_at: row.instant(3)?,
                })
            },
        )
    }

    pub fn put_consent(&self, user_id: &str, consent: &ConsentRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO grants (user_id, client_id, audience, scope, granted_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, client_id, audience) \
             DO UPDATE SET scope = excluded.scope, granted_at = excluded.granted_at",
            &[
                user_id.into(),
                (&consent.client_id).into(),
                (&consent.audience).into(),
                (&consent.scope).into(),
                consent.granted_at.into(),
            ],
        )?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> Result<UserRow, StoreError> {
    read_at(row, 0)
}

/// Reads a user whose columns start at `first`.
pub(super) fn read_at(row: &Row<'_>, first: usize) -> Result<UserRow, StoreError> {
    let user_id = row.text(first)?;
    let user: User = from_json("users", &user_id, &row.text(first + 1)?)?;
    let (blocked, valid_after) = (row.int(first + 3)? != 0, row.instant(first + 4)?);
    Ok(UserRow {
        user: User {
            user_id,
            blocked,
            valid_after,
            ..user
        },
        password_hash: row.optional_text(first + 2)?,
    })
}
