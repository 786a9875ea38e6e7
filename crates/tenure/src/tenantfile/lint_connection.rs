//! What is wrong with a connection, in words.

use super::Findings;
use super::connection::is_oidc;
use super::read::{Object, Wanted};
use std::collections::BTreeMap;
use tenure_protocol::model::{Connection, Preset, UpstreamAuthMethod};

/// A connection that is interpreted.
pub(super) fn oidc(connection: &Connection, object: &Object, findings: &mut Findings) {
    let (title, options) = (object.title("connection"), object.line_of("options"));
    if !is_name(&connection.name) {
        findings.error(
            object.line_of("name"),
            format!(
                "{title}: a name has letters, digits and single dashes: it is part of addresses"
            ),
        );
    }
    if connection.issuer().is_none() {
        findings.error(options, format!("{title}: {}", what_is_missing(connection)));
    }
    if connection.options.client_id.is_empty() {
        findings.error(
            options,
            format!("{title}: options.client_id is missing: what the provider knows us by"),
        );
    }
    let realm = connection.options.realm.as_deref().unwrap_or_default();
    if connection.preset == Some(Preset::Entra)
        && matches!(realm, "common" | "organizations" | "consumers")
    {
        findings.error(
            options,
            format!("{title}: options.realm must be one tenant's id, not {realm:?}: everybody could sign in"),
        );
    }
    let by_secret = matches!(
        connection.auth_method(),
        UpstreamAuthMethod::ClientSecretBasic | UpstreamAuthMethod::ClientSecretPost
    );
    if by_secret && connection.sealed_secret.is_none() {
        findings.warn(
            options,
            format!("{title}: without options.client_secret it cannot authenticate"),
        );
    }
    check_policy(connection, object, findings);
}

fn check_policy(connection: &Connection, object: &Object, findings: &mut Findings) {
    let (title, line) = (object.title("connection"), object.line_of("upstream"));
    let policy = &connection.upstream;
    if policy
        .confirm_after_minutes
        .is_some_and(|minutes| minutes < 1)
    {
        findings.error(
            line,
            format!("{title}: upstream.confirm_after_minutes must be 1 or more, or left out"),
        );
    }
    if policy.confirm_after_minutes.is_some() {
        confirmation(connection, object, findings);
    }
    let tells = object.body.get("upstream");
    let tells = tells.and_then(|upstream| upstream.get("backchannel_logout"));
    if let (Some(preset @ (Preset::Google | Preset::Entra)), Some(_)) = (connection.preset, tells) {
        findings.warn(
            line,
            format!(
                "{title}: upstream.backchannel_logout does nothing: {preset:?} sends no logout tokens"
            ),
        );
    }
    if policy.confirm_grace_minutes < 0 {
        findings.error(
            line,
            format!("{title}: upstream.confirm_grace_minutes must be 0 or more"),
        );
    }
}

/// A provider is asked with a refresh token.
fn confirmation(connection: &Connection, object: &Object, findings: &mut Findings) {
    let (title, policy) = (object.title("connection"), &connection.upstream);
    let line = object.line_of("upstream");
    let asks = connection.scope().split(' ').any(|s| s == "offline_access");
    let minutes = policy
        .confirm_after_minutes
        .unwrap_or(0)
        .saturating_add(policy.confirm_grace_minutes);
    if connection.preset == Some(Preset::Google) {
        findings.warn(
            line,
            format!(
                "{title}: Google gives no refresh token for the scope offline_access, so that a session \
                 without a visible request ends after {minutes} minutes"
            ),
        );
    } else if !asks {
        findings.warn(
            line,
            format!(
                "{title}: without offline_access in options.scope the provider gives no refresh token \
                 to ask with, and a session without a visible request ends after {minutes} minutes"
            ),
        );
    }
    if policy.confirm_grace_minutes == 0 {
        findings.warn(
            line,
            format!(
                "{title}: with upstream.confirm_grace_minutes: 0 a provider that does not answer at once \
                 ends every session"
            ),
        );
    }
}

/// Auth0's rule for names.
fn is_name(name: &str) -> bool {
    let parts = || name.split('-');
    name.len() <= 128
        && parts().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn what_is_missing(connection: &Connection) -> &'static str {
    match connection.preset {
        Some(Preset::Entra) => "preset entra needs options.realm: the id of the tenant",
        Some(Preset::Okta) => "preset okta needs options.domain, such as acme.okta.com",
        Some(Preset::Auth0) => "preset auth0 needs options.domain, such as acme.eu.auth0.com",
        Some(Preset::Tenure) => "preset tenure needs options.domain, such as id.example.com",
        Some(Preset::Keycloak) => "preset keycloak needs options.domain and options.realm",
        Some(Preset::Google) | None if connection.options.discovery_url.is_some() => {
            "options.discovery_url does not end in /.well-known/openid-configuration, so \
             options.issuer must say whose tokens count"
        }
        Some(Preset::Google) | None => {
            "options.issuer is missing: the iss of the provider's tokens"
        }
    }
}

/// A connection that is only kept.
pub(super) fn other(object: &Object, findings: &mut Findings) {
    let Some(strategy) = object.text("strategy") else {
        return;
    };
    let instead = match strategy {
        // The users of the file.
        "auth0" => return,
        "google-oauth2" | "google-apps" => ": write strategy: oidc and preset: google",
        "waad" | "windowslive" => ": write strategy: oidc and preset: entra",
        "okta" => ": write strategy: oidc and preset: okta",
        _ => "",
    };
    findings.warn(
        object.line_of("strategy"),
        format!(
            "{}: nobody can sign in with the strategy {strategy:?} here{instead}",
            object.title("connection")
        ),
    );
}

/// A domain belongs to one connection: two that may link its accounts could each take the other's.
pub(super) fn together(wanted: &Wanted, findings: &mut Findings) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for object in wanted.connections.iter().filter(|object| is_oidc(object)) {
        let domains = object
            .body
            .get("options")
            .and_then(|options| options.get("domain_aliases"))
            .and_then(serde_json::Value::as_array);
        for domain in domains.into_iter().flatten().filter_map(|d| d.as_str()) {
            let title = object.title("connection");
            if let Some(other) = seen.insert(domain.to_lowercase(), title.clone()) {
                findings.error(
                    object.line_of("options"),
                    format!("{title}: the domain {domain} is assigned to {other} already"),
                );
            }
        }
    }
}
