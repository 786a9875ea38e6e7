//! From the file to a script.

use super::actions::{self, Written};
use super::expect;
use super::{START, Script, Step, parse_duration};
use crate::app::Macs;
use crate::crypto::master::Master;
use crate::entropy::Entropy;
use crate::tenantfile::Findings;
use crate::tenantfile::plan::{Planner, Present};
use crate::tenantfile::read::read as read_sections;
use crate::tenantfile::yaml::{Data, Node};
use serde_json::Value;
use tenure_protocol::limits::Caps;
use tenure_protocol::model::STRATEGY;
use tenure_protocol::simulate::{Action, Event, Settings};
use tenure_store::DocumentKind;

/// What a script has besides the sections of a tenant file.
const OWN: [&str; 5] = ["title", "settings", "events", "expect", "upstream"];

/// Settings as they are at one instant of the script, and as the next ones build on them.
#[derive(Default)]
pub struct Configured {
    present: Present,
    settings: Settings,
}

impl Configured {
    /// What `tenure apply` would make of these sections.
    fn apply(&mut self, sections: &Node, caps: &Caps, findings: &mut Findings) -> Settings {
        let before = findings.0.len();
        let wanted = read_sections(sections, findings);
        let planner = Planner {
            present: &self.present,
            macs: &Macs::derive(&Master::from_bytes([0; 32])),
            caps,
            entropy: &Entropy::system(),
            delete: false,
        };
        let changes = planner.plan(&wanted, findings);
        // What `tenure check` warns of is its business, but for names that nobody knows.
        let mut index = 0;
        findings.0.retain(|finding| {
            index += 1;
            let old = index <= before;
            let is_error = finding.severity == crate::tenantfile::Severity::Error;
            old || is_error || finding.message.contains("is not known")
        });
        self.settings.caps = *caps;
        for change in &changes {
            let (Some(kind), Some(body)) = (change.document_kind(), change.document_body()) else {
                continue;
            };
            self.present.suppose(kind, &change.id, body, START);
            self.take(kind, &change.id, body);
        }
        self.settings.clone()
    }

    /// A plan's bodies were made from these very types.
    fn take(&mut self, kind: DocumentKind, id: &str, body: &Value) {
        let (id, body) = (id.to_owned(), body.clone());
        match kind {
            DocumentKind::Tenant => {
                self.settings.tenant = serde_json::from_value(body).unwrap_or_default();
            }
            DocumentKind::Client => {
                let client = serde_json::from_value(body).unwrap_or_default();
                self.settings.clients.insert(id, client);
            }
            DocumentKind::Api => {
                let api = serde_json::from_value(body).unwrap_or_default();
                self.settings.apis.insert(id, api);
            }
            // Those of other strategies do nothing.
            DocumentKind::Connection if body.get("strategy").is_some_and(|one| one == STRATEGY) => {
                let connection = serde_json::from_value(body).unwrap_or_default();
                self.settings.connections.insert(id, connection);
            }
            _ => {}
        }
    }
}

/// Says what is wrong with a tenant file that a script names.
pub fn check_settings(sections: &Node, caps: &Caps, findings: &mut Findings) {
    Configured::default().apply(sections, caps, findings);
}

/// Reads a script. `other` is the file that `settings:` names, where it is a name.
pub fn read(root: &Node, other: Option<&Node>, caps: &Caps, findings: &mut Findings) -> Script {
    let mut configured = Configured::default();
    let settings = configured.apply(&sections(root, other), caps, findings);
    if let Some(upstream) = root.get("upstream") {
        findings.error(
            upstream.line,
            "upstream: belongs to a login, such as {at: 0s, login: shop, upstream: 4h}",
        );
    }
    let mut script = Script {
        title: root.text("title").map(str::to_owned),
        settings,
        events: Vec::new(),
        expected: expect::read(root, findings),
    };
    let events = root.get("events");
    if events.is_none_or(|events| events.items().is_empty()) {
        findings.error(
            events.map_or(root.line, |events| events.line),
            "expected events: a list such as - {at: 10m, silent: shop}",
        );
    }
    let mut last = START;
    for node in events.map(Node::items).unwrap_or_default() {
        let at = when(node, findings).unwrap_or(last);
        if at < last {
            findings.error(node.line_of("at"), "events must stand in the order of time");
        }
        last = last.max(at);
        let Some(written) = actions::read(node, findings) else {
            continue;
        };
        let (action, browser, words) = match written {
            Written::Action(action, browser, words) => (action, browser, words),
            Written::Settings(sections) => {
                let settings = configured.apply(sections, caps, findings);
                let action = Action::Settings(Box::new(settings));
                (
                    action,
                    String::new(),
                    format!("settings {}", brief(sections)),
                )
            }
        };
        check_names(&action, &configured.settings, node, findings);
        script.events.push(Step {
            line: node.line,
            event: Event {
                at,
                browser,
                action,
            },
            words,
            expect: word(node, "expect", findings),
        });
    }
    expect::check_names(&script.expected, &configured.settings, findings);
    script
}

/// The tenant file's sections: under `settings:`, in the file that it names, or beside the events.
fn sections(root: &Node, other: Option<&Node>) -> Node {
    match (root.get("settings"), other) {
        (_, Some(other)) => other.clone(),
        (Some(settings), None) => settings.clone(),
        (None, None) => {
            let entries = root.entries().iter();
            let sections = entries.filter(|(name, _)| !OWN.contains(&name.as_str()));
            Node {
                line: root.line,
                data: Data::Map(sections.cloned().collect()),
            }
        }
    }
}

fn when(node: &Node, findings: &mut Findings) -> Option<tenure_protocol::Timestamp> {
    let at = node.get("at").map(|at| (at.line, at.to_json()));
    let Some((line, value)) = at else {
        findings.error(node.line, "an event needs at: such as 0s, 10m, 2h30m or 1d");
        return None;
    };
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let seconds = parse_duration(&text);
    if seconds.is_none() {
        findings.error(
            line,
            format!("at: {text} is no duration: write 0s, 10m, 2h30m or 1d"),
        );
    }
    seconds.map(|seconds| START.plus(seconds))
}

/// A member that is one word.
pub(super) fn word(node: &Node, name: &str, findings: &mut Findings) -> Option<String> {
    let member = node.get(name)?;
    match member.to_json() {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => {
            findings.error(
                member.line,
                format!("{name}: {other} cannot be used: write a word"),
            );
            None
        }
    }
}

fn check_names(action: &Action, settings: &Settings, node: &Node, findings: &mut Findings) {
    let (client, audience) = match action {
        Action::Login(ask) | Action::Authorize { ask, .. } => {
            (Some(&ask.client), ask.audience.as_ref())
        }
        Action::Refresh { client, .. } => (Some(client), None),
        Action::Logout { client, .. } => (client.as_ref(), None),
        _ => (None, None),
    };
    if let Some(client) = client.filter(|client| !settings.clients.contains_key(*client)) {
        let known: Vec<&str> = settings.clients.keys().map(String::as_str).collect();
        findings.error(
            node.line,
            format!(
                "there is no client {client:?}: the settings have {}",
                listed(&known)
            ),
        );
    }
    if let Some(name) = connection(action).filter(|name| !settings.connections.contains_key(*name))
    {
        let known: Vec<&str> = settings.connections.keys().map(String::as_str).collect();
        findings.error(
            node.line,
            format!(
                "there is no connection {name:?}: the settings have {}",
                listed(&known)
            ),
        );
    }
    if let Some(audience) = audience.filter(|audience| !settings.apis.contains_key(*audience)) {
        findings.error(
            node.line_of("audience"),
            format!("there is no API {audience:?} among the settings' resourceServers"),
        );
    }
}

/// The connection that an action names.
fn connection(action: &Action) -> Option<&String> {
    match action {
        Action::Login(ask) => ask.upstream.as_ref()?.connection.as_ref(),
        Action::UpstreamRevocation { connection } | Action::Provider { connection, .. } => {
            connection.as_ref()
        }
        _ => None,
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// The changed settings on one line.
fn brief(sections: &Node) -> String {
    let mut parts = Vec::new();
    walk(&sections.to_json(), "", &mut parts);
    parts.join(", ")
}

fn walk(value: &Value, path: &str, parts: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter().filter(|(name, _)| *name != "client_id") {
                let inner = match name.as_str() {
                    "tenant" | "clients" | "resourceServers" | "connections" => path.to_owned(),
                    name if path.is_empty() => name.to_owned(),
                    name => format!("{path}.{name}"),
                };
                walk(value, &inner, parts);
            }
        }
        Value::Array(items) if items.iter().all(Value::is_object) => {
            for item in items {
                let name = ["client_id", "identifier", "name"]
                    .iter()
                    .find_map(|name| item.get(name)?.as_str());
                walk(item, name.unwrap_or(path), parts);
            }
        }
        other => parts.push(format!("{path}={other}")),
    }
}
