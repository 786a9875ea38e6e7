//! Where an installation is: here, gone, or still arriving.

use super::tables::TABLES;
use super::{ARRIVING, MOVED, OF_THE_DATABASE};
use crate::{StoreError, Tx};

impl Tx<'_> {
    /// Whether the installation moved away, and where to; or is still on its way here, and from where.
    pub fn is_elsewhere(&self) -> Result<Option<String>, StoreError> {
        if let Some(place) = self.meta(MOVED)? {
            return Ok(Some(format!("this installation moved to {place}")));
        }
        let arriving = self.meta(ARRIVING)?;
        Ok(arriving.map(|place| format!("this installation is still arriving from {place}")))
    }

    /// Marks the source: from the commit on nothing of it can be changed, by whatever program, so that two
    /// installations never advance the same families, and what is answered as done was moved as well.
    pub fn mark_moved(&self, to: &str) -> Result<(), StoreError> {
        self.set_meta(MOVED, to)?;
        self.forbid_changes()?;
        self.configuration_changed()
    }

    /// The place that [`Tx::mark_moved`] was told.
    pub fn moved_to(&self) -> Result<Option<String>, StoreError> {
        self.meta(MOVED)
    }

    pub fn mark_arriving(&self, from: &str) -> Result<(), StoreError> {
        self.set_meta(ARRIVING, from)
    }

    pub fn arriving_from(&self) -> Result<Option<String>, StoreError> {
        self.meta(ARRIVING)
    }

    pub fn mark_arrived(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM meta WHERE name = $1", &[ARRIVING.into()])?;
        self.configuration_changed()
    }

    /// Whether an installation lives here.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        let keys = self.query_first("SELECT kid FROM keys LIMIT 1", &[], |_| Ok(()))?;
        let users = self.query_first("SELECT user_id FROM users LIMIT 1", &[], |_| Ok(()))?;
        let documents = self.query_first("SELECT id FROM documents LIMIT 1", &[], |_| Ok(()))?;
        Ok(keys.is_none() && users.is_none() && documents.is_none())
    }

    /// Removes what an interrupted move left.
    pub fn clear_arrivals(&self) -> Result<(), StoreError> {
        for table in TABLES.iter().filter(|table| table.name != "meta") {
            self.execute_once(&format!("DELETE FROM {}", table.name), &[])?;
        }
        let keep: Vec<String> = OF_THE_DATABASE
            .iter()
            .map(|name| format!("'{name}'"))
            .collect();
        let sql = format!("DELETE FROM meta WHERE name NOT IN ({})", keep.join(", "));
        self.execute_once(&sql, &[])?;
        Ok(())
    }

    fn forbid_changes(&self) -> Result<(), StoreError> {
        let refusal = "this installation moved";
        if self.is_postgres() {
            self.execute_batch(&format!(
                "CREATE OR REPLACE FUNCTION tenure_moved() RETURNS trigger LANGUAGE plpgsql \
                 AS 'BEGIN RAISE EXCEPTION ''{refusal}''; END'"
            ))?;
        }
        // What a server that has not noticed yet still says in its log harms nobody.
        let names = TABLES.iter().map(|table| table.name);
        for table in names.filter(|name| !matches!(*name, "meta" | "logs")) {
            let sql = if self.is_postgres() {
                format!(
                    "DROP TRIGGER IF EXISTS moved ON {table}; \
                     CREATE TRIGGER moved BEFORE INSERT OR UPDATE OR DELETE ON {table} \
                     FOR EACH STATEMENT EXECUTE FUNCTION tenure_moved()"
                )
            } else {
                ["INSERT", "UPDATE", "DELETE"]
                    .map(|act| {
                        format!(
                            "CREATE TRIGGER IF NOT EXISTS moved_{table}_{act} BEFORE {act} ON {table} \
                             BEGIN SELECT RAISE(ABORT, '{refusal}'); END;"
                        )
                    })
                    .join(" ")
            };
            self.execute_batch(&sql)?;
        }
        Ok(())
    }
}
