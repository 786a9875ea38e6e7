//! One event of a script: exactly one action, and what it needs.

use super::parse_duration;
use super::read::word;
use crate::tenantfile::Findings;
use crate::tenantfile::yaml::Node;
use tenure_protocol::session::EndReason;
use tenure_protocol::simulate::{Action, Ask, Provider, Upstream};

/// An event as it stands in the file.
pub enum Written<'n> {
    /// With the browser in which it happens, and its words for the report.
    Action(Action, String, String),
    /// Sections of a tenant file.
    Settings(&'n Node),
}

const ACTIONS: [&str; 15] = [
    "login",
    "authorize",
    "silent",
    "refresh",
    "extend",
    "settings",
    "logout",
    "upstream_logout",
    "upstream_revocation",
    "provider",
    "end",
    "block",
    "unblock",
    "password",
    "wait",
];

/// What an action may have beside itself.
const DETAILS: [&str; 13] = [
    "at",
    "expect",
    "scope",
    "audience",
    "max_age",
    "generation",
    "elsewhere",
    "upstream",
    "connection",
    "federated",
    "everywhere",
    "told",
    "browser",
];

/// What is asked for where the script does not say.
const SCOPE: &str = "openid profile email";

pub fn read<'n>(node: &'n Node, findings: &mut Findings) -> Option<Written<'n>> {
    for (name, value) in node.entries() {
        let name = name.as_str();
        if !ACTIONS.contains(&name) && !DETAILS.contains(&name) {
            findings.error(
                value.line,
                format!("{name} is no event: write one of {}", ACTIONS.join(", ")),
            );
            return None;
        }
    }
    let mut named = ACTIONS.iter().filter(|name| node.get(name).is_some());
    let (Some(name), None) = (named.next(), named.next()) else {
        findings.error(
            node.line,
            format!("an event has at: and one of {}", ACTIONS.join(", ")),
        );
        return None;
    };
    if *name == "settings" {
        return node.get(name).map(Written::Settings);
    }
    let subject = word(node, name, findings);
    let action = action(name, subject.as_deref(), node, findings)?;
    let mut words = match subject {
        Some(subject) => format!("{name} {subject}"),
        None => (*name).to_owned(),
    };
    words.push_str(&details(&action));
    let browser = word(node, "browser", findings).unwrap_or_default();
    if !browser.is_empty() {
        words.push_str(&format!(", browser {browser}"));
    }
    Some(Written::Action(action, browser, words))
}

/// What the report says of an action besides its name and its subject.
fn details(action: &Action) -> String {
    match action {
        Action::Login(Ask {
            upstream: Some(upstream),
            ..
        }) => {
            let name = upstream.connection.as_deref();
            format!(" by way of {}", name.unwrap_or("a provider"))
        }
        Action::Logout {
            federated: true, ..
        } => ", federated".to_owned(),
        Action::UpstreamLogout { everywhere, told } => {
            let everywhere = if *everywhere { ", everywhere" } else { "" };
            let untold = if *told { "" } else { ", which it tells nobody" };
            format!("{everywhere}{untold}")
        }
        Action::Provider {
            connection: Some(name),
            ..
        } => format!(" ({name})"),
        _ => String::new(),
    }
}

fn action(
    name: &str,
    subject: Option<&str>,
    node: &Node,
    findings: &mut Findings,
) -> Option<Action> {
    let client = subject.map(str::to_owned);
    if matches!(name, "login" | "authorize" | "silent" | "refresh") && client.is_none() {
        findings.error(
            node.line_of(name),
            format!("{name}: needs a client, such as {name}: shop"),
        );
    }
    Some(match name {
        "login" => Action::Login(Ask {
            upstream: upstream(node, findings),
            ..ask(client?, node, findings)
        }),
        "authorize" | "silent" => Action::Authorize {
            ask: ask(client?, node, findings),
            silent: name == "silent",
        },
        "refresh" => Action::Refresh {
            client: client?,
            generation: number(node, "generation", findings),
            elsewhere: flag(node, "elsewhere", false, findings),
        },
        "extend" => Action::Extend,
        "logout" => Action::Logout {
            client,
            federated: flag(node, "federated", false, findings),
        },
        "upstream_logout" => Action::UpstreamLogout {
            everywhere: flag(node, "everywhere", false, findings),
            told: flag(node, "told", true, findings),
        },
        "upstream_revocation" => Action::UpstreamRevocation {
            connection: subject.map(str::to_owned),
        },
        "provider" => Action::Provider {
            connection: word(node, "connection", findings),
            does: provider(subject.unwrap_or_default(), node, findings)?,
        },
        "end" => Action::End(reason(subject.unwrap_or("admin"), node, findings)?),
        "block" => Action::Block,
        "unblock" => Action::Unblock,
        "password" => Action::Password,
        _ => Action::Wait,
    })
}

fn ask(client: String, node: &Node, findings: &mut Findings) -> Ask {
    let max_age = word(node, "max_age", findings).and_then(|text| {
        let seconds = parse_duration(&text);
        if seconds.is_none() {
            findings.error(
                node.line_of("max_age"),
                format!("max_age: {text} is no duration: write 0s, 10m or 1d"),
            );
        }
        seconds
    });
    Ask {
        client,
        scope: word(node, "scope", findings).unwrap_or_else(|| SCOPE.to_owned()),
        audience: word(node, "audience", findings),
        max_age,
        upstream: None,
    }
}

/// `upstream: 4h`: the provider's `session_expiry` is so long after the login; `unknown`: it sends none, as
/// where only the connection is named.
fn upstream(node: &Node, findings: &mut Findings) -> Option<Upstream> {
    let connection = word(node, "connection", findings);
    let text = match word(node, "upstream", findings) {
        Some(text) => text,
        None if connection.is_some() => "unknown".to_owned(),
        None => return None,
    };
    if text == "unknown" {
        return Some(Upstream {
            connection,
            session_expiry: None,
        });
    }
    let seconds = parse_duration(&text);
    if seconds.is_none() {
        findings.error(
            node.line_of("upstream"),
            format!("upstream: {text} is no duration: write 4h, or unknown where the provider sends no session_expiry"),
        );
    }
    Some(Upstream {
        connection,
        session_expiry: Some(seconds?),
    })
}

fn provider(text: &str, node: &Node, findings: &mut Findings) -> Option<Provider> {
    let found = match text {
        "answers" => Some(Provider::Answers),
        "silent" => Some(Provider::Silent),
        "refuses" => Some(Provider::Refuses),
        _ => None,
    };
    if found.is_none() {
        findings.error(
            node.line_of("provider"),
            "provider: needs what it does from here on: answers, silent or refuses",
        );
    }
    found
}

fn flag(node: &Node, name: &str, otherwise: bool, findings: &mut Findings) -> bool {
    let Some(member) = node.get(name) else {
        return otherwise;
    };
    let value = member.to_json();
    value.as_bool().unwrap_or_else(|| {
        findings.error(
            member.line,
            format!("{name}: {value} cannot be used: write true or false"),
        );
        otherwise
    })
}

/// `admin` is short for the reason that administrators' ends have.
fn reason(text: &str, node: &Node, findings: &mut Findings) -> Option<EndReason> {
    let found = match text {
        "admin" => Some(EndReason::AdminRevoked),
        other => EndReason::from_name(other),
    };
    if found.is_none() {
        let names: Vec<&str> = EndReason::ALL.iter().map(|reason| reason.name()).collect();
        findings.error(
            node.line_of("end"),
            format!(
                "end: {text} is no reason: write admin, or one of {}",
                names.join(", ")
            ),
        );
    }
    found
}

fn number(node: &Node, name: &str, findings: &mut Findings) -> Option<u32> {
    let member = node.get(name)?;
    let value = member.to_json();
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    if number.is_none() {
        findings.error(
            member.line,
            format!("{name}: {value} cannot be used: write a whole number"),
        );
    }
    number
}
