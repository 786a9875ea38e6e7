//! Connections of a file: those to other OpenID Providers are interpreted, others are kept as they are.

use super::change::Change;
use super::plan::Planner;
use super::read::Object;
use super::{Findings, known, lint_connection};
use crate::upstream::{seal_secret, secret_mac};
use serde_json::Value;
use tenure_protocol::model::{Connection, STRATEGY};
use tenure_store::DocumentKind;

/// Whether a connection is to another OpenID Provider.
pub(super) fn is_oidc(object: &Object) -> bool {
    match object.text("strategy") {
        Some(strategy) => strategy == STRATEGY,
        None => object.body.contains_key("preset"),
    }
}

impl Planner<'_> {
    pub(super) fn connection(&self, object: &Object, findings: &mut Findings) -> Option<Change> {
        let title = object.title("connection");
        let mut object = object.clone();
        // What is sealed comes from here and not from a file.
        object.body.remove("sealed_secret");
        let secret = take_secret(&mut object, findings);
        if !is_oidc(&object) {
            known::check(&known::CONNECTION, &title, object.node(), findings);
            lint_connection::other(&object, findings);
            return self.named(DocumentKind::Connection, &object, findings);
        }
        known::check(&known::OIDC_CONNECTION, &title, object.node(), findings);
        let Some(name) = object.text("name").map(str::to_owned) else {
            findings.error(object.line, "a connection needs a name");
            return None;
        };
        let kind = DocumentKind::Connection;
        let mut connection: Connection = self.merged(kind, &name, &object, findings)?;
        STRATEGY.clone_into(&mut connection.strategy);
        // A file from before secrets were sealed may have left one in the clear.
        connection.options.extra.remove("client_secret");
        let mac = secret.map(|secret| {
            let mac = secret_mac(&self.macs.connection_secret, &name, &secret).to_vec();
            let stored = self.present.documents.get(&(kind, name.clone()));
            let same = stored.is_some_and(|d| d.secret_mac.as_ref() == Some(&mac));
            if !same || connection.sealed_secret.is_none() {
                let sealed = seal_secret(&self.macs.sealing, &name, &secret, self.entropy);
                connection.sealed_secret = Some(sealed);
            }
            mac
        });
        lint_connection::oidc(&connection, &object, findings);
        Some(self.document(kind, name, &connection, mac))
    }
}

/// A secret never goes into the document in the clear, also not of a connection that is only kept.
fn take_secret(object: &mut Object, findings: &mut Findings) -> Option<String> {
    let options = object.body.get_mut("options")?.as_object_mut()?;
    match options.remove("client_secret")? {
        Value::String(secret) if !secret.is_empty() => Some(secret),
        Value::Null => None,
        _ => {
            let line = object.line_of("options");
            findings.error(line, "options.client_secret must be text: put it in quotes");
            None
        }
    }
}
