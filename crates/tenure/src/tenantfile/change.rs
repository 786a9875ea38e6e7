//! One change of a plan, and carrying it out.

use super::Findings;
use super::plan::user_id;
use super::read::Object;
use super::user::{self, Said, Stored};
use crate::entropy::Entropy;
use crate::users::Occasion;
use serde::Serialize;
use serde_json::{Map, Value};
use tenure_protocol::Timestamp;
use tenure_protocol::model::User;
use tenure_store::{Document, DocumentKind, StoreError, Tx, UserRow};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Create,
    /// With the members that differ.
    Change(Vec<String>),
    Unchanged,
    Delete,
}

/// What a change writes. Secrets are in it, so it has no `Debug` of its own.
#[derive(Clone)]
enum Payload {
    Document {
        kind: DocumentKind,
        body: Value,
        secret_mac: Option<Vec<u8>>,
        /// What the plan compared with.
        before: Option<Document>,
    },
    User(Said),
}

#[derive(Clone)]
pub struct Change {
    pub noun: &'static str,
    /// Where the file says so; 0 for a deletion.
    pub line: usize,
    pub id: String,
    name: String,
    pub kind: Kind,
    payload: Payload,
    /// To be hashed before the transaction; only for a new user.
    pub password: Option<String>,
    pub password_hash: Option<String>,
    /// (audience, permission) pairs to give.
    pub permissions: Vec<(String, String)>,
}

impl Change {
    pub(super) fn document(
        stored: Option<&Document>,
        kind: DocumentKind,
        id: String,
        body: Value,
        secret_mac: Option<Vec<u8>>,
    ) -> Self {
        let old: Option<Value> = stored.and_then(|d| serde_json::from_str(&d.body).ok());
        let mut fields = differing(old.as_ref(), &body);
        let old_mac = stored.and_then(|d| d.secret_mac.as_deref());
        if stored.is_some()
            && secret_mac
                .as_deref()
                .is_some_and(|mac| old_mac != Some(mac))
        {
            // How it is sealed says nothing to anybody.
            fields.retain(|name| name != "sealed_secret");
            fields.push("client_secret".to_owned());
        }
        let what = match stored {
            None => Kind::Create,
            Some(_) if fields.is_empty() => Kind::Unchanged,
            Some(_) => Kind::Change(fields),
        };
        let name = body
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let payload = Payload::Document {
            kind,
            body,
            secret_mac,
            before: stored.cloned(),
        };
        Self::new(kind.name(), id, name, what, payload)
    }

    pub(super) fn deletion(kind: DocumentKind, id: String, stored: &Document) -> Self {
        let payload = Payload::Document {
            kind,
            body: Value::Null,
            secret_mac: None,
            before: Some(stored.clone()),
        };
        Self::new(kind.name(), id, String::new(), Kind::Delete, payload)
    }

    pub(super) fn user(
        present: Option<&UserRow>,
        body: Map<String, Value>,
        object: &Object,
        entropy: &Entropy,
        findings: &mut Findings,
    ) -> Option<Self> {
        let id = match (present, object.text("user_id")) {
            (Some(row), _) => row.user.user_id.clone(),
            (None, Some(id)) => user_id(id),
            (None, None) => user_id(&entropy.token(18)),
        };
        let said = Said::new(body);
        let user = match said.over(present.map(|row| &row.user)) {
            Ok(user) => user,
            Err(faults) => {
                object.report(&faults, findings);
                return None;
            }
        };
        let old = present.map(|row| serde_json::to_value(&row.user).unwrap_or_default());
        let fields = differing(
            old.as_ref(),
            &serde_json::to_value(&user).unwrap_or_default(),
        );
        let what = match present {
            None => Kind::Create,
            Some(_) if fields.is_empty() => Kind::Unchanged,
            Some(_) => Kind::Change(fields),
        };
        let name = user
            .email
            .clone()
            .or_else(|| user.username.clone())
            .unwrap_or_default();
        Some(Self::new("user", id, name, what, Payload::User(said)))
    }

    fn new(noun: &'static str, id: String, name: String, kind: Kind, payload: Payload) -> Self {
        let (password, password_hash, permissions) = (None, None, Vec::new());
        Self {
            noun,
            line: 0,
            id,
            name,
            kind,
            payload,
            password,
            password_hash,
            permissions,
        }
    }

    pub(super) fn on_line(self, line: usize) -> Self {
        Self { line, ..self }
    }

    pub(super) fn read_permissions(
        &self,
        value: Option<Value>,
        object: &Object,
        findings: &mut Findings,
    ) -> Vec<(String, String)> {
        let Some(Value::Array(list)) = value else {
            return Vec::new();
        };
        let mut permissions = Vec::new();
        for entry in &list {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            match (text("resource_server_identifier"), text("permission_name")) {
                (Some(audience), Some(permission)) => permissions.push((audience, permission)),
                _ => findings.error(
                    object.line_of("permissions"),
                    "a permission needs resource_server_identifier and permission_name",
                ),
            }
        }
        permissions
    }

    pub fn title(&self) -> &str {
        if self.name.is_empty() {
            &self.id
        } else {
            &self.name
        }
    }

    pub fn document_kind(&self) -> Option<DocumentKind> {
        match &self.payload {
            Payload::Document { kind, .. } => Some(*kind),
            Payload::User(_) => None,
        }
    }

    /// What a document will say, for whoever only wants to know.
    pub fn document_body(&self) -> Option<&Value> {
        match &self.payload {
            Payload::Document { body, .. } => Some(body),
            Payload::User(_) => None,
        }
    }

    /// Whether a password waits to be hashed.
    pub fn takes_password(&mut self) -> Option<String> {
        self.password.take()
    }

    /// Writes the change, in the caller's transaction, over what is there now. What the plan compared
    /// with may have changed since: a block or a new password stays, and where the two cannot be
    /// reconciled nothing is written.
    pub fn apply(&self, tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        match &self.payload {
            Payload::User(said) => self.apply_user(tx, said, now),
            Payload::Document { .. } if self.kind == Kind::Unchanged => Ok(()),
            Payload::Document {
                kind,
                body,
                secret_mac,
                before,
            } => {
                if tx.document(*kind, &self.id)? != *before {
                    return Err(self.overtaken());
                }
                if self.kind == Kind::Delete {
                    return tx.delete_document(*kind, &self.id).map(drop);
                }
                let document = Document {
                    id: self.id.clone(),
                    body: body.to_string(),
                    secret_mac: secret_mac.clone(),
                    updated_at: now,
                };
                tx.put_document(*kind, &document)
            }
        }
    }

    fn apply_user(&self, tx: &Tx<'_>, said: &Said, now: Timestamp) -> Result<(), StoreError> {
        if self.kind == Kind::Unchanged && self.permissions.is_empty() {
            return Ok(());
        }
        let present = tx.user(&self.id)?;
        if present.is_some() == (self.kind == Kind::Create) {
            return Err(self.overtaken());
        }
        let said = match &self.kind {
            Kind::Create => said.clone(),
            Kind::Change(fields) => said.only(fields),
            Kind::Unchanged | Kind::Delete => Said::default(),
        };
        if self.kind != Kind::Unchanged {
            let user = said
                .over(present.as_ref().map(|row| &row.user))
                .map_err(|_| self.overtaken())?;
            let user = User {
                user_id: self.id.clone(),
                ..user
            };
            let hash = self.password_hash.clone();
            if user::store(
                tx,
                present.as_ref(),
                user,
                hash,
                Occasion::command_line(now),
            )? == Stored::Taken
            {
                return Err(StoreError::Refused(format!(
                    "user {}: another user has this email or username already",
                    self.title()
                )));
            }
        }
        for (audience, permission) in &self.permissions {
            tx.put_user_permission(&self.id, audience, permission)?;
        }
        Ok(())
    }

    fn overtaken(&self) -> StoreError {
        StoreError::Refused(format!(
            "{} {} was changed by somebody else meanwhile: nothing was written, run it again",
            self.noun,
            self.title()
        ))
    }
}

/// The members that differ; all of them where there was nothing.
fn differing(old: Option<&Value>, new: &Value) -> Vec<String> {
    let (Some(Value::Object(old)), Value::Object(new)) = (old, new) else {
        return Vec::new();
    };
    let mut names: Vec<String> = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value))
        .map(|(name, _)| name.clone())
        .collect();
    names.extend(old.keys().filter(|name| !new.contains_key(*name)).cloned());
    names
}
