//! What a server tells the commands of its database, which are not started with its options.

use tenure_protocol::limits::Caps;
use tenure_store::{Store, StoreError, Tx};

/// Where the servers are reached: a tenant file may speak of the management API there.
pub const ISSUER: &str = "issuer";

/// The system caps that its plan gives (`serve --plan`), as JSON.
const CAPS: &str = "caps";

/// Notes them where they are not noted yet. Several servers on one database have the same.
pub fn remember(store: &Store, issuer: &str, caps: &Caps) -> anyhow::Result<()> {
    let caps = serde_json::to_string(caps)?;
    for (name, value) in [(ISSUER, issuer), (CAPS, &caps)] {
        if store.read_blocking(|tx| tx.meta(name))?.as_deref() != Some(value) {
            let value = value.to_owned();
            store.write_blocking(move |tx| tx.set_meta(name, &value))?;
        }
    }
    Ok(())
}

/// The caps of the server that was started last; those of the larger plan before any was.
pub fn caps(tx: &Tx<'_>) -> Result<Caps, StoreError> {
    let noted = tx.meta(CAPS)?;
    let caps = noted.map(|text| serde_json::from_str(&text));
    caps.transpose()
        .map(Option::unwrap_or_default)
        .map_err(|error| StoreError::Corrupt {
            table: "meta",
            key: CAPS.to_owned(),
            problem: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Plan;
    use tenure_store::Options;

    #[test]
    fn commands_judge_by_the_plan_of_the_server_that_was_started_last() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::new(folder.path().join("t.db"))).unwrap();
        let known = || store.read_blocking(caps).unwrap();
        assert_eq!(known(), Plan::Enterprise.caps());
        for plan in [Plan::SelfService, Plan::Enterprise] {
            remember(&store, "https://id.example/", &plan.caps()).unwrap();
            assert_eq!(known(), plan.caps());
        }
        let issuer = store.read_blocking(|tx| tx.meta(ISSUER)).unwrap();
        assert_eq!(issuer.as_deref(), Some("https://id.example/"));
        store
            .write_blocking(|tx| tx.set_meta(CAPS, "nonsense"))
            .unwrap();
        let broken = store.read_blocking(caps);
        assert!(matches!(broken, Err(StoreError::Corrupt { .. })));
    }
}
