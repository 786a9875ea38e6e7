//! `cargo xtask test`: installs what the tests need, then runs everything.

use crate::assets;
use crate::run::{LIMIT, cargo, check, check_within, root, say};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A file of end-to-end tests that takes longer hangs; the longest takes a minute.
const FILE: Duration = Duration::from_secs(5 * 60);

pub fn run(full: bool) -> anyhow::Result<()> {
    let chromium = chromium()?;
    postgres()?;
    openssl()?;
    nginx()?;
    let everything = ["test", "--workspace", "--all-targets"];
    step(cargo().args(everything), full)?;
    // The examples of the published crate's documents, which `--all-targets` leaves out.
    step(
        cargo().args(["test", "--package", "tenure-app", "--doc"]),
        full,
    )?;
    // The journeys once more, on the other engine.
    let journeys = ["test", "--package", "tenure", "--test", "it"];
    let mut journeys_there = cargo();
    journeys_there
        .args(journeys)
        .env("TENURE_TEST_ENGINE", "postgres");
    step(&mut journeys_there, full)?;
    let binaries = ["build", "--package", "tenure", "--package", "axum-shop"];
    step(cargo().args(binaries), full)?;
    end_to_end(&chromium, full)
}

/// With the long loops in full, when asked; they take hours.
fn step(command: &mut Command, full: bool) -> anyhow::Result<()> {
    if full {
        command.env("TENURE_FULL", "1");
    }
    check_within(if full { 8 * LIMIT } else { LIMIT }, command)
}

/// Foreign clients and a real browser against the built server.
fn end_to_end(chromium: &Path, full: bool) -> anyhow::Result<()> {
    let folder = root().join("e2e");
    assets::install()?;
    // The pages of the end-to-end tests load the packages as they are published.
    for script in ["build", "test"] {
        let packages = ["run", "--workspaces", "--if-present", script];
        step(Command::new("npm").args(packages).current_dir(root()), full)?;
    }
    assets::check_fresh()?;
    let file = if full { 8 * FILE } else { FILE }.as_millis();
    let mut tests = Command::new("node");
    tests
        .args(["--test", "--test-concurrency=1"])
        .args([&format!("--test-timeout={file}"), "test/"])
        .current_dir(&folder)
        .env("TENURE_BINARY", root().join("target/debug/tenure"))
        .env("SHOP_BINARY", root().join("target/debug/axum-shop"))
        .env("CHROMIUM", chromium);
    step(&mut tests, full)
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
    install("chromium")
        .context("the browser tests need Chromium: install it, or name it in CHROMIUM")?;
    if !path.exists() {
        bail!("Chromium was installed but is not at {}", path.display());
    }
    Ok(path)
}

/// PostgreSQL's programs, for clusters of the tests' own; the machine's is neither used nor touched.
fn postgres() -> anyhow::Result<()> {
    if tenure_cluster::bin_folder().is_err() {
        install("postgresql").context(
            "the tests need PostgreSQL's programs: install them, or name their folder in TENURE_POSTGRES_BIN",
        )?;
        tenure_cluster::bin_folder()?;
    }
    Ok(())
}

/// For a certificate of the end-to-end tests' own.
fn openssl() -> anyhow::Result<()> {
    let is_there = || {
        let version = Command::new("openssl").arg("version").output();
        version.is_ok_and(|output| output.status.success())
    };
    if !is_there() {
        install("openssl").context("the tests over TLS need the program openssl")?;
        if !is_there() {
            bail!("openssl was installed but does not run");
        }
    }
    Ok(())
}

/// The proxy of `deploy/`, unpacked from Debian's package: installed, it would start a server of the machine's.
fn nginx() -> anyhow::Result<()> {
    if let Ok(program) = tenure_cluster::nginx() {
        return check(Command::new(program).arg("-v")).context("nginx does not run");
    }
    unpack_nginx()
        .context("the tests of `deploy/` need nginx: install it, or name it in TENURE_NGINX")
}

fn unpack_nginx() -> anyhow::Result<()> {
    let folder = tenure_cluster::nginx_folder();
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    say("unpacking nginx from Debian's packages …");
    let download = || {
        check(
            Command::new("apt-get")
                .args(["download", "-qq", "nginx"])
                .current_dir(&folder),
        )
    };
    if download().is_err() {
        check(Command::new("apt-get").args(["update", "-qq"]))?;
        download()?;
    }
    let package = std::fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get left no package")?;
    check(
        Command::new("dpkg-deb")
            .arg("--extract")
            .args([&package, &folder]),
    )?;
    let program = tenure_cluster::nginx()?;
    check(Command::new(program).arg("-v"))
}

/// Installs one of Debian's packages, where we may.
fn install(package: &str) -> anyhow::Result<()> {
    say(&format!("installing {package} from Debian's packages …"));
    check(Command::new("apt-get").args(["update", "-qq"]))?;
    check(
        Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends", package])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}
