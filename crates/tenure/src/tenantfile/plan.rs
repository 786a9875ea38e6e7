//! Comparing what the file wants with what is there.

use super::change::Change;
use super::credentials::adopt_credentials;
pub use super::present::{Present, user_id};
use super::read::{Object, Wanted};
use super::typed::typed;
use super::{Findings, known, lint, lint_connection, management, together};
use crate::app::{Macs, client_secret_mac};
use crate::entropy::Entropy;
use crate::passwords;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tenure_protocol::limits::Caps;
use tenure_protocol::model::{Api, AuthMethod, Client, Tenant};
use tenure_store::DocumentKind;

/// Everything that planning needs.
pub struct Planner<'a> {
    pub present: &'a Present,
    pub macs: &'a Macs,
    pub caps: &'a Caps,
    pub entropy: &'a Entropy,
    pub delete: bool,
}

impl Planner<'_> {
    /// The changes that bring the installation to what the file wants.
    pub fn plan(&self, wanted: &Wanted, findings: &mut Findings) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut add = |object: &Object, change: Option<Change>| {
            changes.extend(change.map(|change| change.on_line(object.line)));
        };
        if let Some(object) = &wanted.tenant {
            known::check(&known::TENANT, "tenant", object.node(), findings);
            add(object, self.tenant(object, findings));
        }
        let mut clients = BTreeMap::new();
        for object in &wanted.clients {
            known::check(
                &known::CLIENT,
                &object.title("client"),
                object.node(),
                findings,
            );
            if let Some((name, change)) = self.client(object, findings) {
                clients.insert(name, change.id.clone());
                add(object, Some(change));
            }
        }
        for object in &wanted.apis {
            known::check(&known::API, &object.title("API"), object.node(), findings);
            add(object, self.api(object, findings));
        }
        for object in &wanted.client_grants {
            known::check(
                &known::CLIENT_GRANT,
                "client grant",
                object.node(),
                findings,
            );
            add(
                object,
                self.client_grant(object, (wanted, &clients), findings),
            );
        }
        for object in &wanted.connections {
            add(object, self.connection(object, findings));
        }
        lint_connection::together(wanted, findings);
        for object in &wanted.roles {
            known::check(&known::ROLE, &object.title("role"), object.node(), findings);
            add(object, self.named(DocumentKind::Role, object, findings));
        }
        for object in &wanted.users {
            known::check(&known::USER, &object.title("user"), object.node(), findings);
            add(object, self.user(object, findings));
        }
        for (section, value) in &wanted.kept {
            changes.push(self.document(DocumentKind::Other, section.clone(), value, None));
        }
        check_identifiers(&wanted.users, findings);
        check_twice(&changes, findings);
        together::check(wanted, &changes, self.present, self.caps, findings);
        if self.delete {
            let named = self.deletions(wanted, &changes);
            changes.extend(named);
        }
        changes
    }

    fn tenant(&self, object: &Object, findings: &mut Findings) -> Option<Change> {
        let mut tenant: Tenant = self.merged(DocumentKind::Tenant, "tenant", object, findings)?;
        if let Some(profile) = object.profile {
            profile.apply_to_tenant(&mut tenant);
        }
        lint::tenant(&tenant, object, self.caps, findings);
        Some(self.document(DocumentKind::Tenant, "tenant".to_owned(), &tenant, None))
    }

    fn client(&self, object: &Object, findings: &mut Findings) -> Option<(String, Change)> {
        let name = object.text("name").unwrap_or_default().to_owned();
        let id = match object.text("client_id") {
            Some(id) => id.to_owned(),
            None if name.is_empty() => {
                findings.error(object.line, "a client needs a name or a client_id");
                return None;
            }
            None => self
                .present
                .client_by_name(&name)
                .unwrap_or_else(|| self.entropy.token(24)),
        };
        if let Some(app_type) = object.text("app_type")
            && !known::APP_TYPES.contains(&app_type)
        {
            findings.error(
                object.line_of("app_type"),
                format!(
                    "app_type: {app_type:?} is not known: write spa, native, regular_web or non_interactive"
                ),
            );
        }
        let alg = object
            .body
            .get("jwt_configuration")
            .and_then(|c| c.get("alg"));
        if !lint::check_algorithm(
            alg,
            object.line_of("jwt_configuration"),
            "jwt_configuration.alg",
            findings,
        ) {
            return None;
        }
        let mut object = object.clone();
        let secret = object
            .body
            .remove("client_secret")
            .and_then(|s| s.as_str().map(str::to_owned));
        object
            .body
            .insert("client_id".to_owned(), id.clone().into());
        adopt_credentials(&mut object, findings);
        let mut client: Client = self.merged(DocumentKind::Client, &id, &object, findings)?;
        if let Some(profile) = object.profile {
            profile.apply_to_client(&mut client);
        }
        lint::client(&client, &object, findings);
        let mac =
            secret.map(|secret| client_secret_mac(&self.macs.client_secret, &id, &secret).to_vec());
        let has_secret = self
            .present
            .documents
            .get(&(DocumentKind::Client, id.clone()))
            .is_some_and(|d| d.secret_mac.is_some());
        let needs = matches!(
            client.auth_method(),
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
        );
        if needs && mac.is_none() && !has_secret {
            findings.warn(
                object.line,
                format!(
                    "client {}: without client_secret it cannot authenticate",
                    client.name
                ),
            );
        }
        Some((name, self.document(DocumentKind::Client, id, &client, mac)))
    }

    fn api(&self, object: &Object, findings: &mut Findings) -> Option<Change> {
        let Some(id) = object.text("identifier").map(str::to_owned) else {
            findings.error(
                object.line,
                "a resource server needs an identifier: the audience of its access tokens",
            );
            return None;
        };
        if !management::may_declare(&id, object, self.present, findings) {
            return None;
        }
        let alg = object.body.get("signing_alg");
        if !lint::check_algorithm(alg, object.line_of("signing_alg"), "signing_alg", findings) {
            return None;
        }
        let mut api: Api = self.merged(DocumentKind::Api, &id, object, findings)?;
        if let Some(profile) = object.profile {
            profile.apply_to_api(&mut api);
        }
        lint::api(&api, object, findings);
        Some(self.document(DocumentKind::Api, id, &api, None))
    }

    /// Exports name the client instead of giving its id.
    fn client_grant(
        &self,
        object: &Object,
        (wanted, clients): (&Wanted, &BTreeMap<String, String>),
        findings: &mut Findings,
    ) -> Option<Change> {
        let (Some(client), Some(audience)) = (object.text("client_id"), object.text("audience"))
        else {
            findings.error(object.line, "a client grant needs client_id and audience");
            return None;
        };
        let id = clients
            .get(client)
            .cloned()
            .or_else(|| self.present.client_by_name(client));
        let client_id = id.unwrap_or_else(|| client.to_owned());
        let stored = |kind, id: &str| self.present.documents.contains_key(&(kind, id.to_owned()));
        if !clients.values().any(|known| *known == client_id)
            && !stored(DocumentKind::Client, &client_id)
        {
            findings.warn(
                object.line_of("client_id"),
                format!("client grant: there is no client {client}, so it does nothing yet"),
            );
        }
        let in_file = |api: &Object| api.text("identifier") == Some(audience);
        let declared = wanted.apis.iter().any(in_file) || stored(DocumentKind::Api, audience);
        let known = (self.present, declared);
        if !management::is_granted(audience, object, known, findings) && !declared {
            let line = object.line_of("audience");
            findings.warn(line, management::nobodys(audience, self.present));
        }
        let scope = object
            .body
            .get("scope")
            .cloned()
            .unwrap_or_else(|| json!([]));
        if !scope
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string))
        {
            findings.error(object.line_of("scope"), "scope must be a list of words");
            return None;
        }
        let body = json!({ "client_id": client_id, "audience": audience, "scope": scope });
        Some(self.document(
            DocumentKind::ClientGrant,
            format!("{client_id} {audience}"),
            &body,
            None,
        ))
    }

    pub(super) fn named(
        &self,
        kind: DocumentKind,
        object: &Object,
        findings: &mut Findings,
    ) -> Option<Change> {
        let Some(name) = object.text("name") else {
            findings.error(object.line, format!("a {} needs a name", kind.name()));
            return None;
        };
        let mut body = self.present.body(kind, name).unwrap_or_default();
        body.extend(object.body.clone());
        Some(self.document(kind, name.to_owned(), &body, None))
    }

    fn user(&self, object: &Object, findings: &mut Findings) -> Option<Change> {
        if object.text("email").is_none() && object.text("username").is_none() {
            findings.error(object.line, "a user needs an email or a username");
            return None;
        }
        let hash = object.text("password_hash");
        if let Some(Err(problem)) = hash.map(passwords::acceptable) {
            findings.error(
                object.line_of("password_hash"),
                format!("password_hash: {problem}"),
            );
            return None;
        }
        let present = self.present.user(object);
        let password = object.text("password");
        if password.is_some_and(|p| p.is_empty() || p.len() > passwords::MAX_PASSWORD) {
            findings.error(
                object.line_of("password"),
                "a password must have 1 to 1024 bytes",
            );
            return None;
        }
        let mut body = object.body.clone();
        let permissions = body.remove("permissions");
        for secret in ["password", "password_hash"] {
            body.remove(secret);
        }
        let mut change = Change::user(present, body, object, self.entropy, findings)?;
        if present.is_none() {
            // A password counts at creation only: a file must not reset what its user changed.
            change.password = password.map(str::to_owned);
            change.password_hash = hash.map(str::to_owned);
        }
        change.permissions = change.read_permissions(permissions, object, findings);
        Some(change)
    }

    /// The stored object with the file's members put over it, as its type.
    pub(super) fn merged<T: DeserializeOwned>(
        &self,
        kind: DocumentKind,
        id: &str,
        object: &Object,
        findings: &mut Findings,
    ) -> Option<T> {
        let mut body = self.present.body(kind, id).unwrap_or_default();
        for (name, value) in &object.body {
            merge(&mut body, name, value);
        }
        body.retain(|_, value| !value.is_null());
        typed(&body)
            .map_err(|faults| object.report(&faults, findings))
            .ok()
    }

    pub(super) fn document(
        &self,
        kind: DocumentKind,
        id: String,
        body: &impl Serialize,
        secret_mac: Option<Vec<u8>>,
    ) -> Change {
        let body = serde_json::to_value(body).unwrap_or_default();
        let stored = self.present.documents.get(&(kind, id.clone()));
        Change::document(stored, kind, id, body, secret_mac)
    }

    /// Of the kinds that the file speaks of, what it does not name.
    fn deletions(&self, wanted: &Wanted, changes: &[Change]) -> Vec<Change> {
        let kept: BTreeSet<(DocumentKind, &str)> = changes
            .iter()
            .filter_map(|c| Some((c.document_kind()?, c.id.as_str())))
            .collect();
        let spoken = |kind| match kind {
            DocumentKind::Client => !wanted.clients.is_empty(),
            DocumentKind::Api => !wanted.apis.is_empty(),
            DocumentKind::ClientGrant => !wanted.client_grants.is_empty(),
            DocumentKind::Connection => !wanted.connections.is_empty(),
            DocumentKind::Role => !wanted.roles.is_empty(),
            DocumentKind::Tenant | DocumentKind::Other => false,
        };
        self.present
            .documents
            .iter()
            .filter(|((kind, id), _)| spoken(*kind) && !kept.contains(&(*kind, id.as_str())))
            .map(|((kind, id), stored)| Change::deletion(*kind, id.clone(), stored))
            .collect()
    }
}

/// Objects such as `refresh_token` are merged member by member, lists and values replaced.
pub(super) fn merge(body: &mut Map<String, Value>, name: &str, value: &Value) {
    match (body.get_mut(name), value) {
        (Some(Value::Object(old)), Value::Object(new)) if name != "custom_claims" => {
            for (name, value) in new {
                merge(old, name, value);
            }
            old.retain(|_, value| !value.is_null());
        }
        _ => {
            body.insert(name.to_owned(), without_nulls(value));
        }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(n, v)| (n.clone(), without_nulls(v)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn check_twice(changes: &[Change], findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for change in changes {
        let Some(first) = seen.insert((change.noun, change.id.as_str()), change.line) else {
            continue;
        };
        findings.error(
            change.line,
            format!(
                "{} {} stands twice in the file, first on line {first}",
                change.noun,
                change.title()
            ),
        );
    }
}

/// An e-mail address or user name belongs to one user, without regard to case.
fn check_identifiers(users: &[Object], findings: &mut Findings) {
    let mut seen = BTreeMap::new();
    for object in users {
        for kind in ["email", "username"] {
            let Some(text) = object.text(kind) else {
                continue;
            };
            let (line, folded) = (object.line_of(kind), text.trim().to_lowercase());
            if let Some(first) = seen.insert((kind, folded), line) {
                findings.error(
                    line,
                    format!("two users have the {kind} {text}: the other is on line {first}"),
                );
            }
        }
    }
}
