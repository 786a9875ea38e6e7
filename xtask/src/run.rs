//! Running other programs.

use anyhow::{Context, bail};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

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

/// A command that takes longer hangs. On two cores and from an empty cache all that a change must pass takes twenty
/// minutes.
pub const LIMIT: Duration = Duration::from_secs(40 * 60);

/// Runs a command and fails when it does.
pub fn check(command: &mut Command) -> anyhow::Result<()> {
    check_within(LIMIT, command)
}

/// Runs a command, and fails when it does or when it takes longer than `limit`; then nothing that it started and that
/// is still its own runs on.
pub fn check_within(limit: Duration, command: &mut Command) -> anyhow::Result<()> {
    say(&format!("$ {command:?}"));
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    match end_of(&mut child, limit)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("{command:?} failed: {status}"),
        None => {
            let still = with_descendants(child.id());
            kill(&still)?;
            child.wait()?;
            bail!("{command:?} did not end within {limit:?}; still there: {still:?}")
        }
    }
}

/// Nothing when it does not end within `limit`.
fn end_of(child: &mut Child, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        let status = child.try_wait()?;
        if status.is_some() || begin.elapsed() > limit {
            return Ok(status);
        }
        sleep(pause);
        pause = (2 * pause).min(Duration::from_millis(100));
    }
}

/// A process and all that it started, each with its name.
fn with_descendants(first: u32) -> Vec<(u32, String)> {
    let mut found = vec![first];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        let tasks = format!("/proc/{parent}/task");
        let threads = std::fs::read_dir(tasks).into_iter().flatten().flatten();
        let children: Vec<u32> = threads
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
            .flat_map(|list| {
                list.split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        found.extend(children);
        next += 1;
    }
    let name = |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    found
        .into_iter()
        .map(|pid| (pid, name(pid).trim().to_owned()))
        .collect()
}

fn kill(processes: &[(u32, String)]) -> anyhow::Result<()> {
    let pids: Vec<String> = processes.iter().map(|(pid, _)| pid.to_string()).collect();
    let script = format!("kill -KILL {}", pids.join(" "));
    // Some may have ended meanwhile, which is no failure.
    Command::new("sh").args(["-c", &script]).status()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_all_that_it_started_and_named() {
        let mut hangs = shell("sleep 60417 & sleep 60418; true");
        let error = check_within(Duration::from_secs(3), &mut hangs).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("did not end within 3s"), "{told}");
        assert_eq!(told.matches("\"sleep\"").count(), 2, "{told}");
        // A signal takes its way.
        let tries = (0..1_000).take_while(|_| is_running(b"sleep\x006041"));
        tries.for_each(|_| sleep(Duration::from_millis(10)));
        assert!(!is_running(b"sleep\x006041"));
    }

    fn is_running(arguments: &[u8]) -> bool {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut all = processes.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
        all.any(|text| text.starts_with(arguments))
    }

    #[test]
    fn a_command_that_ends_in_time_is_judged_by_its_status() {
        let limit = Duration::from_secs(60);
        assert!(check_within(limit, &mut shell("exit 0")).is_ok());
        let error = check_within(limit, &mut shell("exit 3")).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
