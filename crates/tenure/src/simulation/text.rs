//! A report for people, and as JSON.

use super::expect::Mismatch;
use super::{Script, since_start};
use serde_json::{Value, json};
use tenure_protocol::simulate::{Layer, LayerEnd, LayerKind, Report};

/// Columns, each as wide as its widest cell.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        line.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}

pub fn layer_name(layer: &Layer) -> String {
    let kind = layer.kind.name();
    let name = match (&layer.client, &layer.connection) {
        (Some(client), _) => format!("{client} {kind}"),
        (None, Some(connection)) => format!("{kind} ({connection})"),
        (None, None) => kind.to_owned(),
    };
    match &layer.browser {
        Some(browser) => format!("{browser}: {name}"),
        None => name,
    }
}

/// What is said of a layer that has no end: a provider that tells none may have one all the same.
pub fn open_end(layer: &Layer) -> &'static str {
    match layer.kind {
        LayerKind::Upstream => "not told",
        _ => "never",
    }
}

/// The whole report.
pub fn report(script: &Script, report: &Report) -> String {
    let mut events = vec![row(&["at", "event", "outcome", ""])];
    for (step, (at, outcome)) in script.events.iter().zip(&report.outcomes) {
        let word = match outcome.reason {
            Some(reason) => format!("{} ({})", outcome.word, reason.name()),
            None => outcome.word.to_owned(),
        };
        events.push(row(&[&since_start(*at), &step.words, &word, &outcome.note]));
    }
    let mut layers = vec![row(&["layer", "from", "ends", "by", "rule"])];
    for layer in &report.layers {
        let since = since_start(layer.since);
        let name = layer_name(layer);
        let Some(end) = &layer.end else {
            layers.push(row(&[&name, &since, open_end(layer), "", ""]));
            continue;
        };
        let rule = match &layer.refused_from {
            Some(refused) => format!(
                "{}; refused by Tenure from {} ({})",
                end.rule,
                since_start(refused.at),
                refused.by
            ),
            None => end.rule.clone(),
        };
        layers.push(row(&[&name, &since, &since_start(end.at), end.by, &rule]));
    }
    let title = script
        .title
        .as_ref()
        .map_or(String::new(), |title| format!("{title}\n\n"));
    format!("{title}{}\n\n{}", table(&events), table(&layers))
}

/// What is not as expected, one above the other.
pub fn differences(file: &str, mismatches: &[Mismatch]) -> String {
    let lines = mismatches.iter().map(|mismatch| {
        format!(
            "{file}, line {}: {}\n  - expected: {}\n  + found:    {}",
            mismatch.line, mismatch.what, mismatch.expected, mismatch.found
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn end_json(end: Option<&LayerEnd>) -> Value {
    end.map_or(Value::Null, |end| {
        json!({ "seconds": end.at.seconds(), "at": since_start(end.at), "by": end.by, "rule": end.rule })
    })
}

pub fn as_json(script: &Script, report: &Report, mismatches: &[Mismatch]) -> Value {
    let events = script.events.iter().zip(&report.outcomes);
    let events = events.map(|(step, (at, outcome))| {
        json!({
            "line": step.line, "seconds": at.seconds(), "at": since_start(*at), "event": step.words,
            "outcome": outcome.word, "reason": outcome.reason.map(|reason| reason.name()),
            "note": outcome.note,
        })
    });
    let layers = report.layers.iter().map(|layer| {
        json!({
            "layer": layer.kind.name(), "client": layer.client, "connection": layer.connection,
            "browser": layer.browser, "from": since_start(layer.since),
            "activities": layer.activities.iter().map(|at| since_start(*at)).collect::<Vec<_>>(),
            "ends": end_json(layer.end.as_ref()), "refused_from": end_json(layer.refused_from.as_ref()),
        })
    });
    let mismatches: Vec<Value> = mismatches
        .iter()
        .map(|m| json!({"line": m.line, "what": m.what, "expected": m.expected, "found": m.found}))
        .collect();
    json!({
        "title": script.title,
        "events": events.collect::<Vec<_>>(),
        "layers": layers.collect::<Vec<_>>(),
        "mismatches": mismatches,
    })
}
