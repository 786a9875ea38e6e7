//! From the tree to what the file wants: settings, clients, APIs, users.

use super::Findings;
use super::typed::Fault;
use super::yaml::{Data, Node};
use serde_json::{Map, Value};
use tenure_protocol::profiles::{self, PROFILES, Profile};

/// What the file wants, in the Management API's shapes, each with its line.
#[derive(Debug, Default)]
pub struct Wanted {
    pub tenant: Option<Object>,
    pub clients: Vec<Object>,
    pub apis: Vec<Object>,
    pub client_grants: Vec<Object>,
    pub connections: Vec<Object>,
    pub roles: Vec<Object>,
    pub users: Vec<Object>,
    /// Sections that are kept as they are and not interpreted.
    pub kept: Vec<(String, Value)>,
}

/// One object of the file.
#[derive(Clone, Debug)]
pub struct Object {
    pub line: usize,
    pub body: Map<String, Value>,
    pub profile: Option<&'static Profile>,
    node: Node,
}

impl Object {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }

    /// The object in words, for messages.
    pub fn title(&self, noun: &str) -> String {
        let name = ["name", "client_id", "identifier", "email", "username"]
            .iter()
            .find_map(|member| self.text(member));
        match name {
            Some(name) => format!("{noun} {name}"),
            None => noun.to_owned(),
        }
    }

    pub fn line_of(&self, name: &str) -> usize {
        self.node.line_of(name)
    }

    /// The object as it stands in the file, every member with its line.
    pub fn node(&self) -> &Node {
        &self.node
    }

    pub fn report(&self, faults: &[Fault], findings: &mut Findings) {
        for fault in faults {
            let node = fault
                .path
                .iter()
                .try_fold(&self.node, |node, name| node.get(name));
            let line = match (node, fault.path.first()) {
                (Some(node), _) => node.line,
                (None, Some(name)) => self.line_of(name),
                (None, None) => self.line,
            };
            findings.error(line, fault.to_string());
        }
    }
}

/// Sections that an export has and that have no meaning for sign-in and sessions here.
const KEPT: [&str; 32] = [
    "actions",
    "attackProtection",
    "branding",
    "customDomains",
    "emailProvider",
    "emailTemplates",
    "flowVaultConnections",
    "flows",
    "forms",
    "guardianFactorProviders",
    "guardianFactorTemplates",
    "guardianFactors",
    "guardianPhoneFactorMessageTypes",
    "guardianPhoneFactorSelectedProvider",
    "guardianPolicies",
    "hooks",
    "logStreams",
    "migrations",
    "networkACLs",
    "organizations",
    "pages",
    "phoneProviders",
    "phoneTemplates",
    "prompts",
    "riskAssessment",
    "rules",
    "rulesConfigs",
    "selfServiceProfiles",
    "themes",
    "tokenExchangeProfiles",
    "triggers",
    "userAttributeProfiles",
];

pub fn read(root: &Node, findings: &mut Findings) -> Wanted {
    let mut wanted = Wanted::default();
    if !matches!(root.data, Data::Map(_)) {
        findings.error(
            root.line,
            "expected sections such as tenant:, clients: and resourceServers:",
        );
        return wanted;
    }
    for (name, node) in root.entries() {
        match name.as_str() {
            "tenant" => wanted.tenant = object(node, "tenant", findings),
            "clients" => wanted.clients = objects(node, "clients", findings),
            "resourceServers" => wanted.apis = objects(node, "resourceServers", findings),
            "clientGrants" => wanted.client_grants = objects(node, "clientGrants", findings),
            "databases" | "connections" => wanted.connections.extend(objects(node, name, findings)),
            "roles" => wanted.roles = objects(node, "roles", findings),
            "users" => wanted.users = objects(node, "users", findings),
            other if KEPT.contains(&other) => wanted.kept.push((name.clone(), node.to_json())),
            other => findings.warn(
                node.line,
                format!("the section {other:?} is not known and is left out"),
            ),
        }
    }
    wanted
}

fn objects(node: &Node, section: &str, findings: &mut Findings) -> Vec<Object> {
    if !node.is_null() && !matches!(node.data, Data::List(_)) {
        findings.error(
            node.line,
            format!("{section} must be a list: begin each entry with a dash"),
        );
    }
    node.items()
        .iter()
        .filter_map(|item| object(item, section, findings))
        .collect()
}

fn object(node: &Node, section: &str, findings: &mut Findings) -> Option<Object> {
    if node.is_null() {
        return None;
    }
    let Value::Object(mut body) = node.to_json() else {
        findings.error(
            node.line,
            format!("an entry of {section} must have members such as name: …"),
        );
        return None;
    };
    check_placeholders(node, findings);
    check_texts(node, &mut body, findings);
    let profile = body.remove("profile").and_then(|name| {
        let found = name.as_str().and_then(profiles::find);
        if found.is_none() {
            let known: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
            findings.error(
                node.line_of("profile"),
                format!(
                    "there is no profile {name}: write one of {}",
                    known.join(", ")
                ),
            );
        }
        found
    });
    Some(Object {
        line: node.line,
        body,
        profile,
        node: node.clone(),
    })
}

/// Members that are text. YAML reads `client_secret: 12345` as a number, which must not vanish.
const TEXTS: [&str; 10] = [
    "audience",
    "client_id",
    "client_secret",
    "email",
    "identifier",
    "name",
    "password",
    "password_hash",
    "user_id",
    "username",
];

fn check_texts(node: &Node, body: &mut Map<String, Value>, findings: &mut Findings) {
    for name in TEXTS {
        let Some(value) = body.get_mut(name) else {
            continue;
        };
        if !value.is_string() && !value.is_null() {
            findings.error(
                node.line_of(name),
                format!("{name} must be text: put it in quotes"),
            );
            // So that nothing else is said about it.
            *value = value.to_string().into();
        }
    }
}

/// The Deploy CLI replaces `##NAME##` and `@@NAME@@` from its own configuration; we have none.
fn check_placeholders(node: &Node, findings: &mut Findings) {
    match &node.data {
        Data::Scalar(Value::String(text)) => {
            let is_placeholder = |mark: &str| {
                text.len() > 2 * mark.len() && text.starts_with(mark) && text.ends_with(mark)
            };
            if is_placeholder("##") || is_placeholder("@@") {
                findings.error(
                    node.line,
                    format!("{text} is a placeholder of the Deploy CLI: write its value instead"),
                );
            }
        }
        Data::Scalar(_) => {}
        Data::List(items) => items
            .iter()
            .for_each(|item| check_placeholders(item, findings)),
        Data::Map(entries) => entries
            .iter()
            .for_each(|(_, node)| check_placeholders(node, findings)),
    }
}
