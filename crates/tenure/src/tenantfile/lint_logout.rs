//! What is wrong with a client's settings of back-channel logout, and what will surprise.

use super::Findings;
use super::read::Object;
use tenure_protocol::delivery::INITIATORS;
use tenure_protocol::model::Client;
use url::{Host, Url};

pub fn check(client: &Client, object: &Object, findings: &mut Findings) {
    let line = object.line_of("oidc_logout");
    let urls = &client.oidc_logout.backchannel_logout_urls;
    for url in urls {
        check_url(client, url, line, findings);
    }
    if urls.len() > 1 {
        findings.error(
            line,
            format!(
                "client {}: oidc_logout.backchannel_logout_urls: a client has one URL, not {}",
                client.name,
                urls.len()
            ),
        );
    }
    let Some(initiators) = &client.oidc_logout.backchannel_logout_initiators else {
        return;
    };
    if !matches!(initiators.mode.as_str(), "all" | "custom") {
        findings.error(
            line,
            format!(
                "client {}: backchannel_logout_initiators.mode: {:?} must be all or custom",
                client.name, initiators.mode
            ),
        );
    }
    for name in &initiators.selected_initiators {
        if !INITIATORS.contains(&name.as_str()) {
            findings.warn(
                line,
                format!(
                    "client {}: backchannel_logout_initiators: nothing begins a logout by the name {name:?}",
                    client.name
                ),
            );
        }
    }
    let selected = |name: &str| initiators.selected_initiators.iter().any(|one| one == name);
    if initiators.mode == "custom" && !urls.is_empty() && !INITIATORS.iter().all(|n| selected(n)) {
        findings.warn(
            line,
            format!(
                "client {}: backchannel_logout_initiators is a list of its own: it is not told of other \
                 ends (mode: all tells of every end)",
                client.name
            ),
        );
    }
}

/// Back-Channel Logout 1.0 section 2.2: absolute, no fragment, and http only where a confidential
/// client takes the risk.
fn check_url(client: &Client, text: &str, line: usize, findings: &mut Findings) {
    let said = |problem: &str| {
        format!(
            "client {}: oidc_logout.backchannel_logout_urls: {text:?} {problem}",
            client.name
        )
    };
    let Ok(url) = Url::parse(text) else {
        findings.error(
            line,
            said("is not a URL such as https://app.example.com/backchannel-logout"),
        );
        return;
    };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        findings.error(line, said("must start with https://"));
    } else if text.contains('#') {
        findings.error(line, said("must not have a fragment (#)"));
    } else if !url.username().is_empty() || url.password().is_some() {
        findings.error(line, said("must not have a user name or a password"));
    } else if text.contains(['*', '{', '}']) {
        // Nothing is ever put into a logout URL (lesson CVE-2026-4874).
        findings.error(line, said("must not have a wildcard or a placeholder"));
    } else if url.scheme() == "http" && !is_loopback(&url) {
        if client.is_public() {
            findings.error(line, said("must be https for a public client"));
        } else {
            findings.warn(
                line,
                said("is http: who listens on the way reads logout tokens"),
            );
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
