//! Facts about the installation: its id, its epoch, the clock's offset, the master key's fingerprint.

use crate::{StoreError, Tx};

impl Tx<'_> {
    pub fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.query_first(
            "SELECT value FROM meta WHERE name = $1",
            &[name.into()],
            |row| row.text(0),
        )
    }

    pub fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &[name.into(), value.into()],
        )?;
        Ok(())
    }

    /// Rises with every change of settings, clients or keys, whichever process makes it.
    pub fn configuration_version(&self) -> Result<i64, StoreError> {
        Ok(self
            .meta("configuration_version")?
            .and_then(|v| v.parse().ok())
            .unwrap_or(0))
    }

    pub fn configuration_changed(&self) -> Result<(), StoreError> {
        let next = self.configuration_version()? + 1;
        self.set_meta("configuration_version", &next.to_string())
    }
}
