//! Subjects of other identity providers, and the users they lead to.

use crate::value::Row;
use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

/// A user as another identity provider knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub connection: String,
    pub issuer: String,
    pub subject: String,
    pub user_id: String,
    /// JSON: the profile as it came at the last login.
    pub body: String,
    pub linked_at: Timestamp,
    pub last_login_at: Timestamp,
}

const COLUMNS: &str = "connection, issuer, subject, user_id, body, linked_at, last_login_at";

impl Tx<'_> {
    /// Whom a subject leads to. In a transaction that may write nobody else changes it before this ends.
    pub fn identity(
        &self,
        connection: &str,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Identity>, StoreError> {
        let lock = self.for_update("identities");
        let sql = format!(
            "SELECT {COLUMNS} FROM identities WHERE connection = $1 AND issuer = $2 \
             AND subject = $3{lock}"
        );
        self.query_first(
            &sql,
            &[connection.into(), issuer.into(), subject.into()],
            read,
        )
    }

    /// The identities of a user.
    pub fn identities_of_user(&self, user_id: &str) -> Result<Vec<Identity>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM identities WHERE user_id = $1 \
             ORDER BY connection, issuer, subject"
        );
        self.query(&sql, &[user_id.into()], read)
    }

    /// Records a login: the first links the subject to the user, later ones bring a newer profile.
    /// `false`: the subject leads to another user already; nothing was changed.
    pub fn put_identity(&self, identity: &Identity) -> Result<bool, StoreError> {
        let changed = self.execute(
            "INSERT INTO identities (connection, issuer, subject, user_id, body, linked_at, \
             last_login_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (connection, issuer, subject) DO UPDATE SET body = excluded.body, \
             last_login_at = excluded.last_login_at WHERE identities.user_id = excluded.user_id",
            &[
                (&identity.connection).into(),
                (&identity.issuer).into(),
                (&identity.subject).into(),
                (&identity.user_id).into(),
                (&identity.body).into(),
                identity.linked_at.into(),
                identity.last_login_at.into(),
            ],
        )?;
        Ok(changed == 1)
    }
}

fn read(row: &Row<'_>) -> Result<Identity, StoreError> {
    Ok(Identity {
        connection: row.text(0)?,
        issuer: row.text(1)?,
        subject: row.text(2)?,
        user_id: row.text(3)?,
        body: row.text(4)?,
        linked_at: row.instant(5)?,
        last_login_at: row.instant(6)?,
    })
}
