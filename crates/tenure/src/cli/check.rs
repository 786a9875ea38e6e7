//! `tenure check`: validates and lints a file without an installation.

use super::apply::{fail_on_error, read_file};
use super::say;
use crate::app::Macs;
use crate::config::{ConfigFile, Plan, parse_networks};
use crate::crypto::master::Master;
use crate::entropy::Entropy;
use crate::tenantfile::plan::{Planner, Present};
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A tenant file (YAML) or a server configuration (tenure.toml)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The system caps for session lifetimes
    #[arg(long, default_value = "enterprise")]
    plan: Plan,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if args
        .file
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        return check_configuration(&args.file);
    }
    let (wanted, mut findings) = read_file(&args.file)?;
    // Against an empty installation: every object is new, so every one is looked at.
    let planner = Planner {
        present: &Present::default(),
        macs: &Macs::derive(&Master::from_bytes([0; 32])),
        caps: &args.plan.caps(),
        entropy: &Entropy::system(),
        delete: false,
    };
    let changes = planner.plan(&wanted, &mut findings);
    if args.json {
        let list: Vec<_> = findings
            .0
            .iter()
            .map(|f| json!({"severity": format!("{:?}", f.severity).to_lowercase(), "line": f.line, "message": f.message}))
            .collect();
        say(json!({ "objects": changes.len(), "findings": list }));
        return fail_on_error(&args.file, &findings);
    }
    fail_on_error(&args.file, &findings)?;
    for finding in &findings.0 {
        say(format_args!(
            "! {}, line {}: {}",
            args.file.display(),
            finding.line.max(1),
            finding.message
        ));
    }
    say(format_args!(
        "{}: {} objects, {} warnings",
        args.file.display(),
        changes.len(),
        findings.0.len()
    ));
    Ok(())
}

fn check_configuration(file: &Path) -> anyhow::Result<()> {
    let config = ConfigFile::read(file)?;
    if let Some(url) = &config.base_url {
        crate::config::BaseUrl::parse(url)?;
    }
    if let Some(url) = &config.database {
        crate::config::DatabaseUrl::parse(url)?;
    }
    parse_networks(&config.trusted_proxies).context("trusted_proxies")?;
    if let Some(tls) = &config.tls {
        crate::listen::tls_acceptor(&tls.certificate, &tls.key)?;
    }
    say(format_args!("{}: fine", file.display()));
    Ok(())
}
