//! `cargo xtask test`: installs what the tests need, then runs everything.

use crate::run::{cargo, check, root, say};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn run(full: bool) -> anyhow::Result<()> {
    let chromium = chromium()?;
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--all-targets"]);
    if full {
        tests.env("TENURE_FULL", "1");
    }
    check(&mut tests)?;
    check(cargo().args(["build", "--package", "tenure"]))?;
    end_to_end(&chromium, full)
}

/// Foreign clients and a real browser against the built server.
fn end_to_end(chromium: &Path, full: bool) -> anyhow::Result<()> {
    let folder = root().join("e2e");
    // `npm ci` installs exactly what the lock file names; it downloads no browser.
    check(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(&folder),
    )?;
    let mut tests = Command::new("node");
    tests
        .args(["--test", "--test-concurrency=1", "test/"])
        .current_dir(&folder)
        .env("TENURE_BINARY", root().join("target/debug/tenure"))
        .env("CHROMIUM", chromium);
    if full {
        tests.env("TENURE_FULL", "1");
    }
    check(&mut tests)
}

/// Debian's Chromium, installed where it is missing and we may.
fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    let path = PathBuf::from("/usr/bin/chromium");
    if path.exists() {
        return Ok(path);
    }
    say("installing Chromium from Debian's packages …");
    check(Command::new("apt-get").args(["update", "-qq"]))
        .and_then(|()| {
            check(
                Command::new("apt-get")
                    .args([
                        "install",
                        "-y",
                        "-qq",
                        "--no-install-recommends",
                        "chromium",
                    ])
                    .env("DEBIAN_FRONTEND", "noninteractive"),
            )
        })
        .context("the browser tests need Chromium: install it, or name it in CHROMIUM")?;
    if !path.exists() {
        bail!("Chromium was installed but is not at {}", path.display());
    }
    Ok(path)
}
