//! Work that one server does at a time.

use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

impl Tx<'_> {
    /// Takes or renews a lease until `until`. `false`: another server holds it.
    pub fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let taken = self.execute(
            "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, \
             expires_at = excluded.expires_at \
             WHERE leases.holder = excluded.holder OR leases.expires_at <= $4",
            &[name.into(), holder.into(), until.into(), now.into()],
        )?;
        Ok(taken == 1)
    }

    /// Gives a lease up early, so that the next server need not wait for its end.
    pub fn drop_lease(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM leases WHERE name = $1 AND holder = $2",
            &[name.into(), holder.into()],
        )?;
        Ok(())
    }

    /// Lets nobody else into the same section before this transaction ends: for rare work that must
    /// not be done twice, such as making the first keys. The embedded engine has one writer anyway.
    pub fn enter(&self, section: &str) -> Result<(), StoreError> {
        if self.is_postgres() {
            let name = format!("section {section}");
            self.execute(
                "INSERT INTO leases (name, holder, expires_at) VALUES ($1, '', 0) \
                 ON CONFLICT (name) DO NOTHING",
                &[(&name).into()],
            )?;
            self.query_first(
                "SELECT name FROM leases WHERE name = $1 FOR UPDATE",
                &[(&name).into()],
                |_| Ok(()),
            )?;
        }
        Ok(())
    }
}
