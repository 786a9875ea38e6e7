//! `tenure check`: validates and lints a file without an installation.

use super::apply::{fail_on_error, located, plan_for_nobody, read_file};
use super::{say, wrong};
use crate::config::{ConfigFile, Plan};
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A tenant file (YAML) or a server configuration (tenure.toml)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The system caps that session lifetimes must keep to, as `serve` will have them
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
    let changes = plan_for_nobody(&wanted, args.plan, &mut findings);
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
            "! {}",
            located(&args.file, finding.line, &finding.message)
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
    let config = wrong(ConfigFile::read(file))?;
    if let Some(tls) = &config.tls {
        let acceptor = crate::listen::tls_acceptor(&tls.certificate, &tls.key);
        wrong(acceptor.with_context(|| format!("{}: [tls]", file.display())))?;
    }
    say(format_args!("{}: fine", file.display()));
    Ok(())
}
