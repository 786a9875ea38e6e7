//! What a script's author expects, and what is not so.

use super::read::word;
use super::{START, Script, Step, parse_duration, since_start};
use crate::tenantfile::Findings;
use crate::tenantfile::yaml::Node;
use tenure_protocol::Timestamp;
use tenure_protocol::simulate::{Layer, LayerKind, Outcome, Report, Settings};

/// That a layer ends then, or by this.
#[derive(Debug)]
pub struct Expected {
    pub line: usize,
    pub name: String,
    pub browser: Option<String>,
    pub client: Option<String>,
    pub kinds: &'static [LayerKind],
    /// `None`: not said. `Some(None)`: never.
    pub ends: Option<Option<Timestamp>>,
    pub by: Option<String>,
}

/// Something that is not as expected.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub line: usize,
    pub what: String,
    pub expected: String,
    pub found: String,
}

const FAMILY: &[LayerKind] = &[LayerKind::OfflineFamily, LayerKind::OnlineFamily];

/// Names of members, and the layers that they are about.
const OF_CLIENT: [(&str, &[LayerKind]); 3] = [
    ("family_ends", FAMILY),
    ("access_token_ends", &[LayerKind::AccessToken]),
    ("id_token_ends", &[LayerKind::IdToken]),
];

pub fn read(root: &Node, findings: &mut Findings) -> Vec<Expected> {
    let Some(node) = root.get("expect") else {
        return Vec::new();
    };
    let mut expected = of_browser(node, findings);
    for (browser, node) in node.get("browsers").map(Node::entries).unwrap_or_default() {
        if let Some(browsers) = node.get("browsers") {
            let line = browsers.line;
            findings.error(line, "expect: a browser has no browsers of its own");
        }
        expected.extend(of_browser(node, findings).into_iter().map(|one| Expected {
            name: format!("{browser}: {}", one.name),
            browser: Some(browser.clone()),
            ..one
        }));
    }
    expected
}

fn of_browser(node: &Node, findings: &mut Findings) -> Vec<Expected> {
    let mut expected = Vec::new();
    for (name, value) in node.entries() {
        match name.as_str() {
            "session_ends" | "by" | "upstream_ends" | "browsers" => {}
            "clients" => {
                for (client, node) in value.entries() {
                    of_client(client, node, findings, &mut expected);
                }
            }
            other => findings.error(
                value.line,
                format!(
                    "expect: {other} is not known: write session_ends, by, upstream_ends, clients or browsers"
                ),
            ),
        }
    }
    if let Some(ends) = instant(node, "upstream_ends", findings) {
        expected.push(Expected {
            line: node.line_of("upstream_ends"),
            name: "upstream_ends".to_owned(),
            browser: None,
            client: None,
            kinds: &[LayerKind::Upstream],
            ends: Some(ends),
            by: None,
        });
    }
    let ends = instant(node, "session_ends", findings);
    let by = word(node, "by", findings);
    if ends.is_some() || by.is_some() {
        expected.push(Expected {
            line: node.line_of(if ends.is_some() { "session_ends" } else { "by" }),
            name: "session_ends".to_owned(),
            browser: None,
            client: None,
            kinds: &[LayerKind::Session],
            ends,
            by,
        });
    }
    expected
}

fn of_client(client: &str, node: &Node, findings: &mut Findings, expected: &mut Vec<Expected>) {
    for (name, value) in node.entries() {
        if name != "by" && !OF_CLIENT.iter().any(|(known, _)| known == name) {
            findings.error(
                value.line,
                format!(
                    "expect: {name} is not known: write family_ends, by, access_token_ends or id_token_ends"
                ),
            );
        }
    }
    for (name, kinds) in OF_CLIENT {
        let ends = instant(node, name, findings);
        let by = word(node, "by", findings).filter(|_| kinds == FAMILY);
        if ends.is_some() || by.is_some() {
            expected.push(Expected {
                line: node.line_of(name),
                name: format!("{client} {name}"),
                browser: None,
                client: Some(client.to_owned()),
                kinds,
                ends,
                by,
            });
        }
    }
}

fn instant(node: &Node, name: &str, findings: &mut Findings) -> Option<Option<Timestamp>> {
    let text = word(node, name, findings)?;
    if text == "never" {
        return Some(None);
    }
    let seconds = parse_duration(&text);
    if seconds.is_none() {
        findings.error(
            node.line_of(name),
            format!("{name}: {text} is no duration: write 10m, 2h30m, 1d or never"),
        );
    }
    seconds.map(|seconds| Some(START.plus(seconds)))
}

pub fn check_names(expected: &[Expected], settings: &Settings, findings: &mut Findings) {
    for one in expected {
        if let Some(client) = &one.client
            && !settings.clients.contains_key(client)
        {
            findings.error(
                one.line,
                format!("expect: there is no client {client:?} among the settings"),
            );
        }
    }
}

/// Everything that is not as expected, in the order of the file.
pub fn compare(script: &Script, report: &Report) -> Vec<Mismatch> {
    let steps = script.events.iter().zip(&report.outcomes);
    let mut mismatches: Vec<Mismatch> = steps
        .filter_map(|(step, (_, outcome))| of_event(step, outcome))
        .collect();
    mismatches.extend(
        script
            .expected
            .iter()
            .filter_map(|one| of_layer(one, report)),
    );
    mismatches.sort_by_key(|mismatch| mismatch.line);
    mismatches
}

fn of_event(step: &Step, outcome: &Outcome) -> Option<Mismatch> {
    let expected = step.expect.as_deref()?;
    let reason = outcome.reason.map(|reason| reason.name());
    let holds = match expected {
        // Whatever the error is called.
        "refused" => !matches!(outcome.word, "ok" | "repeat"),
        expected => outcome.word == expected || reason == Some(expected),
    };
    (!holds).then(|| Mismatch {
        line: step.line,
        what: format!("{} at {}", step.words, since_start(step.event.at)),
        expected: expected.to_owned(),
        found: match reason {
            Some(reason) => format!("{} ({reason})", outcome.word),
            None => outcome.word.to_owned(),
        },
    })
}

/// The last layer of the kind: a new login begins another.
fn of_layer(one: &Expected, report: &Report) -> Option<Mismatch> {
    let is_meant = |layer: &&Layer| {
        layer.browser == one.browser
            && layer.client == one.client
            && one.kinds.contains(&layer.kind)
    };
    let layer = report.layers.iter().rfind(is_meant);
    let found = layer.map(|layer| layer.end.as_ref());
    let holds = found.is_some_and(|end| {
        let at = end.map(|end| end.at);
        let by = end.map(|end| (end.by, end.rule.as_str()));
        one.ends.is_none_or(|expected| expected == at)
            && one.by.as_deref().is_none_or(|expected| {
                by.is_some_and(|(reason, rule)| expected == reason || expected == rule)
            })
    });
    let expected = [
        one.ends
            .map(|at| at.map_or("never".to_owned(), since_start)),
        one.by.as_ref().map(|by| format!("by {by}")),
    ];
    (!holds).then(|| Mismatch {
        line: one.line,
        what: one.name.clone(),
        expected: expected.into_iter().flatten().collect::<Vec<_>>().join(" "),
        found: match found {
            None => "there is none".to_owned(),
            Some(None) => "never".to_owned(),
            Some(Some(end)) => format!("{} by {} ({})", since_start(end.at), end.by, end.rule),
        },
    })
}
