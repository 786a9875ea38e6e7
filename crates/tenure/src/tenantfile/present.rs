//! What is there, for a plan to compare with.

use super::read::{Object, Wanted};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tenure_protocol::{Timestamp, management};
use tenure_store::{Document, DocumentKind, StoreError, Tx};

/// What the installation has, as far as a tenant file speaks of it.
#[derive(Debug, Default)]
pub struct Present {
    pub(super) documents: BTreeMap<(DocumentKind, String), Document>,
    users: BTreeMap<String, tenure_store::UserRow>,
    /// Where the installation's servers are reached, if one has ever run.
    issuer: Option<String>,
}

const KINDS: [DocumentKind; 7] = [
    DocumentKind::Tenant,
    DocumentKind::Client,
    DocumentKind::Api,
    DocumentKind::Connection,
    DocumentKind::ClientGrant,
    DocumentKind::Role,
    DocumentKind::Other,
];

impl Present {
    /// Reads the documents, and of the users only those that the file names.
    pub fn load(tx: &Tx<'_>, wanted: &Wanted) -> Result<Self, StoreError> {
        let mut present = Self {
            issuer: tx.meta(crate::facts::ISSUER)?,
            ..Self::default()
        };
        for kind in KINDS {
            for document in tx.documents(kind)? {
                present
                    .documents
                    .insert((kind, document.id.clone()), document);
            }
        }
        for object in &wanted.users {
            let user = match object.text("user_id").map(user_id) {
                Some(id) => tx.user(&id)?,
                None => None,
            };
            let user = match (user, object.text("email"), object.text("username")) {
                (Some(user), ..) => Some(user),
                (None, Some(email), _) => {
                    tx.user_by_identifier("email", &email.trim().to_lowercase())?
                }
                (None, None, Some(name)) => {
                    tx.user_by_identifier("username", &name.trim().to_lowercase())?
                }
                (None, None, None) => None,
            };
            if let Some(user) = user {
                present.users.insert(user.user.user_id.clone(), user);
            }
        }
        Ok(present)
    }

    /// The audience of the management API, as far as anybody knows.
    pub(super) fn management_audience(&self) -> Option<String> {
        self.issuer.as_deref().map(management::audience)
    }

    /// Takes a document as there, for a plan that compares with another plan.
    pub fn suppose(&mut self, kind: DocumentKind, id: &str, body: &Value, at: Timestamp) {
        let document = Document {
            id: id.to_owned(),
            body: body.to_string(),
            secret_mac: None,
            updated_at: at,
        };
        self.documents.insert((kind, id.to_owned()), document);
    }

    pub(super) fn body(&self, kind: DocumentKind, id: &str) -> Option<Map<String, Value>> {
        let document = self.documents.get(&(kind, id.to_owned()))?;
        match serde_json::from_str(&document.body) {
            Ok(Value::Object(map)) => Some(map),
            _ => None,
        }
    }

    pub(super) fn client_by_name(&self, name: &str) -> Option<String> {
        self.documents
            .iter()
            .filter(|((kind, _), _)| *kind == DocumentKind::Client)
            .find_map(|((_, id), document)| {
                let body: Value = serde_json::from_str(&document.body).ok()?;
                (body.get("name").and_then(Value::as_str) == Some(name)).then(|| id.clone())
            })
    }

    pub(super) fn user(&self, object: &Object) -> Option<&tenure_store::UserRow> {
        let by_id = object
            .text("user_id")
            .and_then(|id| self.users.get(&user_id(id)));
        by_id.or_else(|| {
            let fold = |name| object.text(name).map(|text| text.trim().to_lowercase());
            let (email, username) = (fold("email"), fold("username"));
            self.users.values().find(|row| {
                let identifiers = row.user.identifiers();
                (email.is_some() && identifiers.email == email)
                    || (username.is_some() && identifiers.username == username)
            })
        })
    }
}

/// Auth0's ids of database users have a prefix, which exports of users leave out.
pub fn user_id(text: &str) -> String {
    if text.contains('|') {
        text.to_owned()
    } else {
        format!("auth0|{text}")
    }
}
