//! One change of a plan, and carrying it out.

use super::Findings;
use super::plan::user_id;
use super::read::Object;
use crate::entropy::Entropy;
use crate::password_cost::Cost;
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
    },
    User {
        row: Box<UserRow>,
    },
}

#[derive(Clone)]
pub struct Change {
    pub noun: &'static str,
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
        };
        Self::new(kind.name(), id, name, what, payload)
    }

    pub(super) fn deletion(kind: DocumentKind, id: String) -> Self {
        let payload = Payload::Document {
            kind,
            body: Value::Null,
            secret_mac: None,
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
        let old = present.map(|row| serde_json::to_value(&row.user).unwrap_or_default());
        let mut merged = match &old {
            Some(Value::Object(map)) => map.clone(),
            _ => Map::new(),
        };
        merged.extend(body);
        merged.insert("user_id".to_owned(), id.clone().into());
        merged.retain(|_, value| !value.is_null());
        // The API writes instants as RFC 3339 text; the record keeps its own.
        for name in [
            "created_at",
            "updated_at",
            "valid_after",
            "last_login",
            "logins_count",
            "last_ip",
        ] {
            if merged.get(name).is_some_and(Value::is_string) || old.is_none() {
                merged.remove(name);
            }
        }
        let user: User = match serde_json::from_value(Value::Object(merged)) {
            Ok(user) => user,
            Err(error) => {
                findings.error(object.line, format!("user: {error}"));
                return None;
            }
        };
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
        let password_hash = present.and_then(|row| row.password_hash.clone());
        let payload = Payload::User {
            row: Box::new(UserRow {
                user,
                password_hash,
            }),
        };
        Some(Self::new("user", id, name, what, payload))
    }

    fn new(noun: &'static str, id: String, name: String, kind: Kind, payload: Payload) -> Self {
        let (password, password_hash, permissions) = (None, None, Vec::new());
        Self {
            noun,
            id,
            name,
            kind,
            payload,
            password,
            password_hash,
            permissions,
        }
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
            Payload::User { .. } => None,
        }
    }

    /// Whether a password waits to be hashed.
    pub fn takes_password(&mut self) -> Option<String> {
        self.password.take()
    }

    /// Writes the change, in the caller's transaction.
    pub fn apply(&self, tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        match (&self.payload, &self.kind) {
            (Payload::Document { kind, .. }, Kind::Delete) => {
                tx.delete_document(*kind, &self.id)?;
            }
            (_, Kind::Unchanged | Kind::Delete) => {}
            (
                Payload::Document {
                    kind,
                    body,
                    secret_mac,
                },
                _,
            ) => {
                tx.put_document(
                    *kind,
                    &Document {
                        id: self.id.clone(),
                        body: body.to_string(),
                        secret_mac: secret_mac.clone(),
                        updated_at: now,
                    },
                )?;
            }
            (Payload::User { row }, kind) => {
                self.apply_user(tx, row, *kind == Kind::Create, now)?
            }
        }
        for (audience, permission) in &self.permissions {
            tx.put_user_permission(&self.id, audience, permission)?;
        }
        Ok(())
    }

    fn apply_user(
        &self,
        tx: &Tx<'_>,
        row: &UserRow,
        is_new: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut row = row.clone();
        row.user.updated_at = now;
        if is_new {
            row.user.created_at = now;
            row.password_hash.clone_from(&self.password_hash);
            if let Some(hash) = &row.password_hash {
                Cost::record(tx, hash)?;
            }
        }
        let was_blocked = tx.user_standing(&self.id)?.blocked;
        if row.user.blocked && !was_blocked {
            // A block ends what was authenticated before it, also after it is lifted.
            row.user.valid_after = now;
        }
        if tx.put_user(&row)? {
            return Ok(());
        }
        Err(StoreError::Refused(format!(
            "user {}: another user has this email or username already",
            self.title()
        )))
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
