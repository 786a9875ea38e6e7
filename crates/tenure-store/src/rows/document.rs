//! Settings, clients, APIs and the like: one JSON document each.

use crate::{StoreError, Tx};
use tenure_protocol::Timestamp;

/// The kinds of documents, by the Management API's nouns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    Tenant,
    Client,
    Api,
    Connection,
    ClientGrant,
    Role,
    /// Parts of a tenant file that are kept but not interpreted yet.
    Other,
}

impl DocumentKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Client => "client",
            Self::Api => "api",
            Self::Connection => "connection",
            Self::ClientGrant => "client_grant",
            Self::Role => "role",
            Self::Other => "other",
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    pub id: String,
    /// JSON.
    pub body: String,
    /// The MAC of a client's secret.
    pub secret_mac: Option<Vec<u8>>,
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Tx<'_> {
    pub fn document(&self, kind: DocumentKind, id: &str) -> Result<Option<Document>, StoreError> {
        self.query_first(
            "SELECT id, body, secret_mac, updated_at FROM documents WHERE kind = $1 AND id = $2",
            &[kind.name().into(), id.into()],
            read,
        )
    }

    pub fn documents(&self, kind: DocumentKind) -> Result<Vec<Document>, StoreError> {
        self.query(
            "SELECT id, body, secret_mac, updated_at FROM documents WHERE kind = $1 ORDER BY id",
            &[kind.name().into()],
            read,
        )
    }

    /// Inserts or replaces a document. A `secret_mac` of `None` keeps the stored one.
    pub fn put_document(&self, kind: DocumentKind, document: &Document) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO documents (kind, id, body, secret_mac, updated_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, \
             secret_mac = COALESCE(excluded.secret_mac, documents.secret_mac), \
             updated_at = excluded.updated_at",
            &[
                kind.name().into(),
                (&document.id).into(),
                (&document.body).into(),
                document.secret_mac.as_deref().into(),
                document.updated_at.into(),
            ],
        )?;
        self.configuration_changed()
    }

    pub fn delete_document(&self, kind: DocumentKind, id: &str) -> Result<bool, StoreError> {
        let deleted = self.execute(
            "DELETE FROM documents WHERE kind = $1 AND id = $2",
            &[kind.name().into(), id.into()],
        )?;
        self.configuration_changed()?;
        Ok(deleted == 1)
    }
}

fn read(row: &crate::value::Row<'_>) -> Result<Document, StoreError> {
    Ok(Document {
        id: row.text(0)?,
        body: row.text(1)?,
        secret_mac: row.optional_blob(2)?,
        updated_at: row.instant(3)?,
    })
}
