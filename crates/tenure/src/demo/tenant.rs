//! The demo's two tenants, and changes of limits: tenant files, planned and applied as everybody's are.

use super::{Addresses, Demo, Secrets};
use crate::app::App;
use crate::passwords::Hasher;
use crate::tenant_log::{Entry, kind};
use crate::tenantfile::Findings;
use crate::tenantfile::change::{Change, Kind};
use crate::tenantfile::plan::{Planner, Present};
use crate::tenantfile::read::read;
use crate::tenantfile::yaml::Node;
use anyhow::bail;
use std::sync::Arc;

const TENANT: &str = include_str!("tenant.yaml");
const COMPANY: &str = include_str!("company.yaml");

/// The tenant file of the demo.
pub fn file(at: &Addresses, secrets: &Secrets) -> String {
    filled(TENANT, at, secrets)
}

/// The tenant file of the other identity provider.
pub fn company(at: &Addresses, secrets: &Secrets) -> String {
    filled(COMPANY, at, secrets)
}

fn filled(file: &str, at: &Addresses, secrets: &Secrets) -> String {
    file.replace("{server}", &at.server)
        .replace("{shop}", &at.shop)
        .replace("{forum}", &at.forum)
        .replace("{api}", &at.api)
        .replace("{company}", &at.company)
        .replace("{password}", &secrets.password)
        .replace("{secret}", &secrets.client)
}

/// A file that changes nothing but limits: a named profile for everything that has limits.
pub fn profile(demo: &Demo, name: &str) -> String {
    let api = demo.at.audience();
    format!(
        "tenant: {{profile: {name}}}\n\
         clients: [{{client_id: shop, profile: {name}}}, {{client_id: forum, profile: {name}}}]\n\
         resourceServers: [{{identifier: \"{api}\", profile: {name}}}]\n"
    )
}

/// A file that changes the session's two limits. Both are seconds.
pub fn limits(idle_timeout: u32, absolute_lifetime: u32) -> String {
    let minutes = |seconds: u32| f64::from(seconds) / 60.0;
    format!(
        "tenant:\n  idle_session_lifetime_in_minutes: {}\n  session_lifetime_in_minutes: {}\n",
        minutes(idle_timeout),
        minutes(absolute_lifetime)
    )
}

/// Plans a tenant file against what is there, and applies it.
///
/// # Errors
/// Everything that is wrong with the file, as `tenure apply` would say it; then nothing has changed.
pub fn apply(app: &Arc<App>, text: &str) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    let wanted = Arc::new(read(&Node::parse(text, "demo")?, &mut findings));
    let asked = Arc::clone(&wanted);
    let present = app
        .store
        .read_blocking(move |tx| Present::load(tx, &asked))?;
    let planner = Planner {
        present: &present,
        macs: &app.macs,
        caps: &app.config.caps,
        entropy: &app.entropy,
        delete: false,
    };
    let mut changes: Vec<Change> = planner.plan(&wanted, &mut findings);
    let errors = findings.errors();
    if !errors.is_empty() {
        let lines: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
        bail!("{}", lines.join("; "));
    }
    for change in &mut changes {
        if let Some(password) = change.takes_password() {
            change.password_hash = Some(Hasher::default().hash(&password, &app.entropy)?);
        }
    }
    let count = changes.iter().filter(|c| c.kind != Kind::Unchanged).count();
    let (now, tail) = (app.clock.now(), app.entropy.token(9));
    app.store.write_blocking(move |tx| {
        changes
            .iter()
            .try_for_each(|change| change.apply(tx, now))?;
        if count == 0 {
            return Ok(());
        }
        let entry = Entry::new(kind::CONFIGURATION)
            .describe("demo")
            .detail("changes", count);
        entry.write(tx, now, &tail)
    })?;
    Ok(())
}
