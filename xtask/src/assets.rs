//! `cargo xtask assets`: builds what the binary embeds for `tenure demo`, and tells when it is stale.

use crate::run::{check, root, say};
use anyhow::{Context, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

type Files = BTreeMap<String, Vec<u8>>;

/// What the binary embeds.
const COMMITTED: &str = "crates/tenure/assets/demo";

/// In the order in which they need each other.
const PACKAGES: [&str; 2] = ["@tenure/browser", "@tenure/react"];

pub fn run() -> anyhow::Result<()> {
    install()?;
    packages()?;
    build(&root().join(COMMITTED))
}

/// Exactly what the lock file names; it downloads no browser.
pub fn install() -> anyhow::Result<()> {
    check(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(root()),
    )
}

/// The packages that are published.
pub fn packages() -> anyhow::Result<()> {
    for package in PACKAGES {
        check(
            Command::new("npm")
                .args(["run", "--silent", "build", "--workspace", package])
                .current_dir(root()),
        )?;
    }
    Ok(())
}

/// Fails when what is committed is not what the sources give.
pub fn check_fresh() -> anyhow::Result<()> {
    let elsewhere = root().join("target/demo-assets");
    if elsewhere.exists() {
        std::fs::remove_dir_all(&elsewhere)?;
    }
    build(&elsewhere)?;
    let (fresh, committed) = (read(&elsewhere)?, read(&root().join(COMMITTED))?);
    let stale = differing(&fresh, &committed);
    if !stale.is_empty() {
        bail!(
            "{COMMITTED} is stale ({}): run cargo xtask assets, and commit what it changes",
            stale.join(", ")
        );
    }
    say("the demo's assets are what their sources give");
    Ok(())
}

/// Files that are in one folder alone, or not the same in both.
fn differing<'f>(one: &'f Files, other: &'f Files) -> Vec<&'f str> {
    let names: BTreeSet<&str> = one.keys().chain(other.keys()).map(String::as_str).collect();
    let differs = |name: &&str| one.get(*name) != other.get(*name);
    names.into_iter().filter(differs).collect()
}

fn build(folder: &Path) -> anyhow::Result<()> {
    check(
        Command::new("node")
            .arg("packages/demo/build.mjs")
            .arg(folder)
            .current_dir(root()),
    )
}

fn read(folder: &Path) -> anyhow::Result<Files> {
    let listed =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    listed
        .map(|entry| {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            Ok((name, std::fs::read(entry.path())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Files, differing};

    #[test]
    fn a_changed_a_missing_and_a_left_over_file_are_stale() {
        let files = |all: &[(&str, &str)]| -> Files {
            let owned =
                |(name, text): &(&str, &str)| ((*name).to_owned(), text.as_bytes().to_vec());
            all.iter().map(owned).collect()
        };
        let fresh = files(&[("a.js", "1"), ("b.js", "2"), ("c.js", "3")]);
        let committed = files(&[("a.js", "1"), ("b.js", "x"), ("old.js", "4")]);
        assert_eq!(differing(&fresh, &committed), ["b.js", "c.js", "old.js"]);
        assert!(differing(&fresh, &fresh).is_empty());
    }
}
