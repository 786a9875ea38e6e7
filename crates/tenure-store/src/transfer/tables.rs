//! Every table as it travels.

/// A table as it is copied: its columns, the first of which are its key.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// How many columns, from the first on, are the primary key.
    pub(super) key: usize,
    pub(super) columns: &'static [(&'static str, Kind)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Blob,
}

use Kind::{Blob, Int, Text};

/// Every table but `leases`, whose holders stay behind. A test compares this with the schema.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "meta",
        key: 1,
        columns: &[("name", Text), ("value", Text)],
    },
    Table {
        name: "documents",
        key: 2,
        columns: &[
            ("kind", Text),
            ("id", Text),
            ("body", Text),
            ("secret_mac", Blob),
            ("updated_at", Int),
        ],
    },
    Table {
        name: "users",
        key: 1,
        columns: &[
            ("user_id", Text),
            ("body", Text),
            ("password_hash", Text),
            ("blocked", Int),
            ("valid_after", Int),
        ],
    },
    Table {
        name: "user_identifiers",
        key: 2,
        columns: &[("kind", Text), ("value", Text), ("user_id", Text)],
    },
    Table {
        name: "user_permissions",
        key: 3,
        columns: &[("user_id", Text), ("audience", Text), ("permission", Text)],
    },
    Table {
        name: "grants",
        key: 3,
        columns: &[
            ("user_id", Text),
            ("client_id", Text),
            ("audience", Text),
            ("scope", Text),
            ("granted_at", Int),
        ],
    },
    Table {
        name: "sessions",
        key: 1,
        columns: &[
            ("sid", Blob),
            ("user_id", Text),
            ("secret_hash", Blob),
            ("created_at", Int),
            ("authenticated_at", Int),
            ("last_active_at", Int),
            ("idle_deadline", Int),
            ("absolute_deadline", Int),
            ("body", Text),
            ("ended_at", Int),
            ("end_reason", Text),
            ("end_by", Text),
            ("end_from", Text),
            ("end_rule", Text),
            ("due_at", Int),
        ],
    },
    Table {
        name: "participants",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("client_id", Text),
            ("first_seen_at", Int),
            ("last_seen_at", Int),
        ],
    },
    Table {
        name: "families",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("family_id", Blob),
            ("client_id", Text),
            ("user_id", Text),
            ("kind", Text),
            ("secret", Blob),
            ("key_id", Int),
            ("generation", Int),
            ("last_exchanged_at", Int),
            ("idle_deadline", Int),
            ("absolute_deadline", Int),
            ("body", Text),
            ("history", Text),
            ("ended_at", Int),
            ("end_reason", Text),
            ("end_by", Text),
            ("end_from", Text),
            ("end_rule", Text),
        ],
    },
    Table {
        name: "deliveries",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("client_id", Text),
            ("user_id", Text),
            ("reason", Text),
            ("state", Text),
            ("attempts", Int),
            ("created_at", Int),
            ("due_at", Int),
            ("last_at", Int),
            ("last_status", Int),
            ("last_error", Text),
        ],
    },
    Table {
        name: "user_ends",
        key: 1,
        columns: &[
            ("user_id", Text),
            ("reason", Text),
            ("by_whom", Text),
            ("from_address", Text),
            ("keep_sid", Blob),
            ("at", Int),
        ],
    },
    Table {
        name: "identities",
        key: 3,
        columns: &[
            ("connection", Text),
            ("issuer", Text),
            ("subject", Text),
            ("user_id", Text),
            ("body", Text),
            ("linked_at", Int),
            ("last_login_at", Int),
        ],
    },
    Table {
        name: "upstream_sessions",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("connection", Text),
            ("user_id", Text),
            ("issuer", Text),
            ("subject", Text),
            ("upstream_sid", Text),
            ("auth_time", Int),
            ("session_expiry", Int),
            ("began_at", Int),
            ("confirmed_at", Int),
            ("confirm_due_at", Int),
            ("confirm_failures", Int),
            ("confirm_error", Text),
            ("body", Text),
            ("sealed", Blob),
            ("ended_at", Int),
            ("ended_by", Text),
        ],
    },
    Table {
        name: "upstream_signals",
        key: 2,
        columns: &[
            ("connection", Text),
            ("id", Text),
            ("kind", Text),
            ("token", Text),
            ("body", Text),
            ("received_at", Int),
            ("expires_at", Int),
            ("due_at", Int),
            ("attempts", Int),
            ("last_error", Text),
        ],
    },
    Table {
        name: "metadata",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("family_id", Blob),
            ("body", Text),
            ("updated_at", Int),
        ],
    },
    Table {
        name: "codes",
        key: 2,
        columns: &[
            ("sid", Blob),
            ("hash", Blob),
            ("expires_at", Int),
            ("consumed_at", Int),
            ("body", Text),
        ],
    },
    Table {
        name: "revoked_tokens",
        key: 2,
        columns: &[("sid", Blob), ("jti", Text), ("expires_at", Int)],
    },
    Table {
        name: "one_time",
        key: 2,
        columns: &[
            ("kind", Text),
            ("id", Text),
            ("expires_at", Int),
            ("body", Text),
        ],
    },
    Table {
        name: "keys",
        key: 1,
        columns: &[
            ("kid", Text),
            ("key_usage", Text),
            ("alg", Text),
            ("state", Text),
            ("public_jwk", Text),
            ("sealed", Blob),
            ("created_at", Int),
            ("activated_at", Int),
            ("retired_at", Int),
        ],
    },
    Table {
        name: "throttle",
        key: 1,
        columns: &[
            ("bucket", Text),
            ("failures", Int),
            ("since", Int),
            ("expires_at", Int),
        ],
    },
    Table {
        name: "logs",
        key: 1,
        columns: &[
            ("log_id", Text),
            ("at", Int),
            ("type", Text),
            ("user_id", Text),
            ("sid", Text),
            ("body", Text),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use std::collections::BTreeSet;

    /// A migration that adds a table or a column must say here how it travels.
    #[test]
    fn every_table_and_column_travels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        Store::open(&crate::Options::new(&path)).unwrap().close();
        let connection = rusqlite::Connection::open(path).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'leases'",
            )
            .unwrap();
        let there: BTreeSet<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let travel: BTreeSet<String> = TABLES
            .iter()
            .flat_map(|table| {
                table
                    .columns
                    .iter()
                    .map(|(column, _)| format!("{}.{column}", table.name))
            })
            .collect();
        assert_eq!(there, travel);
    }
}
