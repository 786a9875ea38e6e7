//! `cargo xtask tidy`: format, lints, and the rules of this repository that no compiler knows.

use crate::run::{cargo, check, output, root, say};
use anyhow::bail;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Lines that a file written by hand may have.
const MOST_LINES: usize = 500;

/// What the protocol crate must never depend on, directly or through others: a runtime, a web
/// framework, a database, a clock or a source of randomness.
const IMPURE: [&str; 16] = [
    "tokio",
    "async-std",
    "smol",
    "futures-executor",
    "axum",
    "hyper",
    "tower",
    "rusqlite",
    "postgres",
    "sqlx",
    "chrono",
    "time",
    "getrandom",
    "rand",
    "rand_core",
    "aws-lc-rs",
];

pub fn run() -> anyhow::Result<()> {
    check(cargo().args(["fmt", "--all", "--check"]))?;
    check(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    crate::published::each_feature_alone()?;
    rules()
}

/// The rules that need no compiler.
pub fn rules() -> anyhow::Result<()> {
    let files = tracked_files()?;
    let mut problems = Vec::new();
    problems.extend(purity()?);
    for file in &files {
        let path = root().join(file);
        // A binary file has no lines to judge; a tracked file that was just deleted has none left.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        problems.extend(length(file, &text));
        problems.extend(words(file, &text));
    }
    problems.extend(architecture(&files)?);
    problems.extend(crate::named_tests::problems(&files)?);
    problems.extend(crate::published::problems()?);
    for problem in &problems {
        say(&format!("tidy: {problem}"));
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("{count} rules are broken"),
    }
}

fn tracked_files() -> anyhow::Result<BTreeSet<String>> {
    let listed = output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root()),
    )?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Invariant 1: the protocol crate is pure, transitively.
fn purity() -> anyhow::Result<Vec<String>> {
    let tree = output(cargo().args([
        "tree",
        "--package",
        "tenure-protocol",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    Ok(IMPURE
        .iter()
        .filter(|name| names.contains(*name))
        .map(|name| format!("tenure-protocol depends on {name}: it must stay pure"))
        .collect())
}

fn is_code(file: &str) -> bool {
    let extension = Path::new(file).extension().and_then(|e| e.to_str());
    matches!(
        extension,
        Some("rs" | "ts" | "tsx" | "js" | "mjs" | "css" | "html" | "sql" | "sh")
    )
}

fn length(file: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (is_code(file) && !file.contains("/assets/built/") && lines > MOST_LINES)
        .then(|| format!("{file} has {lines} lines: split it by idea (at most {MOST_LINES})"))
}

/// Marks of unfinished work, and tests that would be skipped silently.
fn words(file: &str, text: &str) -> Vec<String> {
    // This file names the words it looks for.
    if !is_code(file) || file == "xtask/src/tidy.rs" {
        return Vec::new();
    }
    let forbidden = [
        "TODO",
        "FIXME",
        "todo!(",
        "unimplemented!(",
        "#[ignore",
        "test.skip(",
        "it.skip(",
        "describe.skip(",
        "test.only(",
    ];
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in forbidden.iter().filter(|word| line.contains(**word)) {
            found.push(format!("{file}:{}: {word}", number + 1));
        }
    }
    found
}

/// ARCHITECTURE.md stays short, and every path it names exists.
fn architecture(files: &BTreeSet<String>) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let mut problems = Vec::new();
    if text.lines().count() >= 200 {
        problems.push("ARCHITECTURE.md must stay under 200 lines".to_owned());
    }
    let exists = |path: &str| {
        let folder = format!("{}/", path.trim_end_matches('/'));
        files.contains(path) || files.iter().any(|file| file.starts_with(&folder))
    };
    for path in text.split('`').skip(1).step_by(2) {
        let roots = [
            "crates/",
            "xtask/",
            "e2e/",
            "docs/",
            "packages/",
            "examples/",
            "deploy/",
        ];
        let is_path = roots.iter().any(|top| path.starts_with(top)) && !path.contains(' ');
        if is_path && !exists(path) {
            problems.push(format!(
                "ARCHITECTURE.md names {path}, which does not exist"
            ));
        }
    }
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let named = row.matches(".rs`").count() + row.matches(".mjs`").count();
        if named > 4 {
            problems.push(format!(
                "ARCHITECTURE.md names more than four files in: {row}"
            ));
        }
    }
    Ok(problems)
}
