//! Signing keys and refresh keys, sealed under the master key.

use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub kid: String,
    /// `sig` or `refresh`.
    pub usage: String,
    pub alg: String,
    /// `next`, `current`, `previous` or `retired`.
    pub state: String,
    /// The public JWK as JSON; empty for a symmetric key.
    pub public: String,
    /// The private key, encrypted; empty when it never signs again.
    pub sealed: Vec<u8>,
    pub created_at: Timestamp,
    pub activated_at: Option<Timestamp>,
    /// When it stepped down last: from signing to `previous`, from there to `retired`.
    pub retired_at: Option<Timestamp>,
}

impl std::fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRow")
            .field("kid", &self.kid)
            .field("usage", &self.usage)
            .field("alg", &self.alg)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Tx<'_> {
    pub fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        self.query(
            "SELECT kid, key_usage, alg, state, public_jwk, sealed, created_at, activated_at, retired_at \
             FROM keys ORDER BY created_at, kid",
            &[],
            |row| {
                Ok(KeyRow {
                    kid: row.text(0)?,
                    usage: row.text(1)?,
                    alg: row.text(2)?,
                    state: row.text(3)?,
                    public: row.text(4)?,
                    sealed: row.blob(5)?,
                    created_at: row.instant(6)?,
                    activated_at: row.optional_instant(7)?,
                    retired_at: row.optional_instant(8)?,
                })
            },
        )
    }

    /// Inserts a key or replaces the one with its id.
    pub fn put_key(&self, key: &KeyRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO keys (kid, key_usage, alg, state, public_jwk, sealed, created_at, \
             activated_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (kid) DO UPDATE SET state = excluded.state, sealed = excluded.sealed, \
             activated_at = excluded.activated_at, retired_at = excluded.retired_at",
            &[
                (&key.kid).into(),
                (&key.usage).into(),
                (&key.alg).into(),
                (&key.state).into(),
                (&key.public).into(),
                key.sealed.as_slice().into(),
                key.created_at.into(),
                key.activated_at.into(),
                key.retired_at.into(),
            ],
        )?;
        self.configuration_changed()
    }

    pub fn delete_key(&self, kid: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM keys WHERE kid = $1", &[kid.into()])?;
        self.configuration_changed()
    }
}
