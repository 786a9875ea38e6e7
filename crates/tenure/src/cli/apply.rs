//! `tenure apply`.

use super::installation::{Installation, Opened};
use super::{open_named, say, wrong};
use crate::app::Macs;
use crate::config::Plan;
use crate::crypto::master::Master;
use crate::entropy::Entropy;
use crate::passwords::Hasher;
use crate::tenant_log::{Entry, kind};
use crate::tenantfile::change::{Change, Kind};
use crate::tenantfile::plan::{Planner, Present};
use crate::tenantfile::read::{Wanted, read};
use crate::tenantfile::yaml::Node;
use crate::tenantfile::{Finding, Findings, Severity};
use anyhow::{Context, anyhow};
use serde_json::json;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The tenant file, as Auth0's Deploy CLI exports it (YAML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    installation: Installation,
    /// Show the plan and change nothing; a database that is not there is taken as empty
    #[arg(long)]
    dry_run: bool,
    /// Also delete clients, APIs, client grants, connections and roles that the file does not name:
    /// of those kinds that it has entries of
    #[arg(long)]
    delete: bool,
    /// The system caps that session lifetimes must keep to, as `serve` will have them
    #[arg(long, default_value = "enterprise")]
    plan: Plan,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let (wanted, mut findings) = read_file(&args.file)?;
    if findings.first_error().is_some() {
        // What else is wrong shows without an installation, so that nobody mends one line at a time.
        plan_for_nobody(&wanted, args.plan, &mut findings);
    }
    fail_on_error(&args.file, &findings)?;
    let outcome = if args.dry_run && !args.installation.is_there()? {
        let changes = plan_for_nobody(&wanted, args.plan, &mut findings);
        fail_on_error(&args.file, &findings)?;
        changes
    } else {
        let opened = args.installation.open(true)?;
        let changes = plan_and_apply(&opened, wanted, &args, &mut findings)?;
        opened.store.close();
        changes
    };
    if args.json {
        say(json!({
            "dry_run": args.dry_run,
            "changes": outcome.iter().map(as_json).collect::<Vec<_>>(),
            "warnings": warnings(&findings)
                .map(|f| json!({"line": f.line, "message": f.message}))
                .collect::<Vec<_>>(),
        }));
    } else {
        report(&args.file, &outcome, &findings, args.dry_run);
    }
    Ok(())
}

/// Reads a YAML file.
pub(super) fn read_node(file: &Path) -> anyhow::Result<Node> {
    let mut bytes = Vec::new();
    open_named(file)?
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let name = file.display().to_string();
    wrong(utf8(&bytes, &name).and_then(|text| Node::parse(text, &name)))
}

/// Reads a tenant file; a file that others may read earns a warning.
pub(super) fn read_file(file: &Path) -> anyhow::Result<(Wanted, Findings)> {
    let root = read_node(file)?;
    let mut findings = Findings::default();
    let wanted = read(&root, &mut findings);
    let mode = std::fs::metadata(file)
        .map(|m| m.permissions().mode())
        .unwrap_or(0);
    let has_secrets = wanted
        .clients
        .iter()
        .any(|c| c.text("client_secret").is_some())
        || wanted.connections.iter().any(|c| {
            let secret = c.body.get("options").and_then(|o| o.get("client_secret"));
            secret.is_some_and(serde_json::Value::is_string)
        })
        || wanted
            .users
            .iter()
            .any(|u| u.text("password").is_some() || u.text("password_hash").is_some());
    if has_secrets && mode & 0o004 != 0 {
        findings.warn(
            0,
            format!(
                "everybody on this machine can read {}, and it holds secrets: chmod 600 it",
                file.display()
            ),
        );
    }
    Ok((wanted, findings))
}

fn utf8<'a>(bytes: &'a [u8], name: &str) -> anyhow::Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        anyhow!("{name}, line {line}: not UTF-8: save the file as UTF-8")
    })
}

/// The plan for an empty installation, where every object is new and so every one is looked at.
pub(super) fn plan_for_nobody(wanted: &Wanted, plan: Plan, findings: &mut Findings) -> Vec<Change> {
    let planner = Planner {
        present: &Present::default(),
        macs: &Macs::derive(&Master::from_bytes([0; 32])),
        caps: &plan.caps(),
        entropy: &Entropy::system(),
        delete: false,
    };
    planner.plan(wanted, findings)
}

/// All errors of the file, each on a line of its own.
pub(super) fn fail_on_error(file: &Path, findings: &Findings) -> anyhow::Result<()> {
    let errors = findings.errors();
    if errors.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = errors
        .iter()
        .map(|error| located(file, error.line, &error.message))
        .collect();
    wrong(Err(anyhow!("{}", lines.join("\n"))))
}

pub(super) fn located(file: &Path, line: usize, message: &str) -> String {
    match line {
        0 => format!("{}: {message}", file.display()),
        line => format!("{}, line {line}: {message}", file.display()),
    }
}

pub(super) fn warnings(findings: &Findings) -> impl Iterator<Item = &Finding> {
    findings
        .0
        .iter()
        .filter(|finding| finding.severity == Severity::Warning)
}

fn plan_and_apply(
    opened: &Opened,
    wanted: Wanted,
    args: &Args,
    findings: &mut Findings,
) -> anyhow::Result<Vec<Change>> {
    let wanted = Arc::new(wanted);
    let inner = Arc::clone(&wanted);
    let present = opened
        .store
        .read_blocking(move |tx| Present::load(tx, &inner))?;
    let entropy = Entropy::system();
    let planner = Planner {
        present: &present,
        macs: &opened.macs,
        caps: &args.plan.caps(),
        entropy: &entropy,
        delete: args.delete,
    };
    let mut changes = planner.plan(&wanted, findings);
    fail_on_error(&args.file, findings)?;
    if !args.dry_run {
        apply(opened, &mut changes)?;
    }
    Ok(changes)
}

/// Hashes what must be hashed, then writes everything in one transaction.
pub(super) fn apply(opened: &Opened, changes: &mut [Change]) -> anyhow::Result<()> {
    let hasher = Hasher::default();
    let waiting = changes
        .iter()
        .filter(|change| change.password.is_some())
        .count();
    let progress = indicatif::ProgressBar::new(waiting as u64).with_message("hashing passwords");
    for change in changes.iter_mut() {
        if let Some(password) = change.takes_password() {
            change.password_hash = Some(hasher.hash(&password, &Entropy::system())?);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let now = opened.now()?;
    let (work, tail) = (changes.to_vec(), Entropy::system().token(9));
    let count = changes
        .iter()
        .filter(|change| change.kind != Kind::Unchanged)
        .count();
    opened.store.write_blocking(move |tx| {
        work.iter().try_for_each(|change| change.apply(tx, now))?;
        if count == 0 {
            return Ok(());
        }
        let entry = Entry::new(kind::CONFIGURATION)
            .describe("tenure apply")
            .detail("changes", count);
        entry.write(tx, now, &tail)
    })?;
    Ok(())
}

fn as_json(change: &Change) -> serde_json::Value {
    json!({ "kind": change.noun, "id": change.id, "name": change.title(), "action": change.kind })
}

fn report(file: &Path, changes: &[Change], findings: &Findings, dry_run: bool) {
    let mut counts = [0; 4];
    for change in changes {
        let (index, mark, fields) = match &change.kind {
            Kind::Create => (0, "+", String::new()),
            Kind::Change(fields) => (1, "~", format!(": {}", fields.join(", "))),
            Kind::Unchanged => (2, "=", String::new()),
            Kind::Delete => (3, "-", String::new()),
        };
        if let Some(count) = counts.get_mut(index) {
            *count += 1;
        }
        if change.kind != Kind::Unchanged {
            say(format_args!(
                "{mark} {} {}{fields}",
                change.noun,
                change.title()
            ));
        }
    }
    for finding in warnings(findings) {
        say(format_args!(
            "! {}",
            located(file, finding.line, &finding.message)
        ));
    }
    let [create, change, unchanged, delete] = counts;
    let (done, to) = if dry_run {
        ("planned", ["to create", "to change", "to delete"])
    } else {
        ("applied", ["created", "changed", "deleted"])
    };
    let [created, changed, deleted] = to;
    say(format_args!(
        "{done}: {create} {created}, {change} {changed}, {unchanged} unchanged, {delete} {deleted}"
    ));
}
