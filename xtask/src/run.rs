//! Running other programs.

use anyhow::{Context, bail};
use std::path::PathBuf;
use std::process::Command;

/// The repository's root.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command and fails when it does.
pub fn check(command: &mut Command) -> anyhow::Result<()> {
    say(&format!("$ {command:?}"));
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a tool's voice")]
pub fn say(text: &str) {
    println!("{text}");
}

/// What a command prints on its standard output; fails when it does.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let done = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !done.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(String::from_utf8(done.stdout)?)
}
