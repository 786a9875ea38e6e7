//! `cargo xtask assets`: builds what the binary embeds for `tenure demo`, and tells when it is stale.

use crate::run::{check, root, say};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

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
    let names = fresh.keys().chain(committed.keys());
    let mut stale: Vec<&str> = names
        .filter(|name| fresh.get(*name) != committed.get(*name))
        .map(String::as_str)
        .collect();
    stale.sort_unstable();
    stale.dedup();
    if !stale.is_empty() {
        bail!(
            "{COMMITTED} is stale ({}): run cargo xtask assets, and commit what it changes",
            stale.join(", ")
        );
    }
    say("the demo's assets are what their sources give");
    Ok(())
}

fn build(folder: &Path) -> anyhow::Result<()> {
    check(
        Command::new("node")
            .arg("packages/demo/build.mjs")
            .arg(folder)
            .current_dir(root()),
    )
}

fn read(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
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
