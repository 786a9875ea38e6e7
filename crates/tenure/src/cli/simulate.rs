//! `tenure simulate`.

use super::apply::{fail_on_error, located, read_node};
use super::{say, wrong};
use crate::config::Plan;
use crate::simulation::{Script, expect, read, svg, text};
use crate::tenantfile::Findings;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use tenure_protocol::simulate::{Event, simulate};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The format is described in docs/simulate.md; examples/simulate has examples. \
    Exit code 1: something that the file expects is not so."
)]
pub struct Args {
    /// Settings, events and what is expected of them (YAML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Draw the layers on an axis of time
    #[arg(long, value_name = "OUT.svg")]
    svg: Option<PathBuf>,
    /// The system caps that session lifetimes must keep to, as `serve` will have them
    #[arg(long, default_value = "enterprise")]
    plan: Plan,
    /// Print the outcomes and layers as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let script = read_script(&args)?;
    let events: Vec<Event> = script
        .events
        .iter()
        .map(|step| step.event.clone())
        .collect();
    let report = simulate(script.settings.clone(), &events);
    let mismatches = expect::compare(&script, &report);
    if let Some(path) = &args.svg {
        std::fs::write(path, svg::draw(&script, &report))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        say(text::as_json(&script, &report, &mismatches));
    } else {
        say(text::report(&script, &report));
    }
    if !mismatches.is_empty() {
        let file = args.file.display().to_string();
        bail!(
            "{} of the expectations do not hold:\n{}",
            mismatches.len(),
            text::differences(&file, &mismatches)
        );
    }
    Ok(())
}

fn read_script(args: &Args) -> anyhow::Result<Script> {
    let root = read_node(&args.file)?;
    let mut findings = Findings::default();
    let other = match root.text("settings") {
        Some(name) => {
            let folder = args.file.parent().unwrap_or(Path::new("."));
            let path = folder.join(name);
            Some((read_node(&path)?, path))
        }
        None => None,
    };
    if let Some((node, path)) = &other {
        // Its errors have lines of their own file.
        let mut own = Findings::default();
        read::check_settings(node, &args.plan.caps(), &mut own);
        fail_on_error(path, &own)?;
    }
    let node = other.as_ref().map(|(node, _)| node);
    let script = read::read(&root, node, &args.plan.caps(), &mut findings);
    fail_on_error(&args.file, &findings)?;
    // A name that nobody knows would make a policy seem tested that is not.
    if let Some(finding) = findings.0.first() {
        return wrong(Err(anyhow::anyhow!(
            "{}",
            located(&args.file, finding.line, &finding.message)
        )));
    }
    Ok(script)
}
