//! What a tenant file may say of the management API: it grants it, and declares nothing about it.

use super::Findings;
use super::present::Present;
use super::read::Object;
use serde_json::Value;
use tenure_protocol::management::{SCOPES, looks_like_its_audience, serves};

/// Whether an API may be declared under this identifier. How the tokens of the management API are signed
/// and what its scopes mean is no tenant's choice.
pub fn may_declare(
    identifier: &str,
    object: &Object,
    present: &Present,
    findings: &mut Findings,
) -> bool {
    let line = object.line_of("identifier");
    match present.management_audience() {
        Some(audience) if audience == identifier => {
            findings.error(
                line,
                format!(
                    "{identifier} is the management API, which is built in: leave it out here, and grant it \
                     to a client under clientGrants"
                ),
            );
            false
        }
        None if looks_like_its_audience(identifier) => {
            findings.warn(
                line,
                format!(
                    "{identifier}: where this is the address of the server itself, it is the management API, \
                     which is built in, and what is declared here means nothing"
                ),
            );
            true
        }
        _ => true,
    }
}

/// Whether a grant is for the management API, as far as can be told; then its scopes are looked at.
/// `declared`: there is an API under this audience.
pub fn is_granted(
    audience: &str,
    object: &Object,
    (present, declared): (&Present, bool),
    findings: &mut Findings,
) -> bool {
    let it_is = match present.management_audience() {
        Some(own) => own == audience,
        None => !declared && looks_like_its_audience(audience),
    };
    if !it_is {
        return false;
    }
    let scopes = object.body.get("scope").and_then(Value::as_array);
    let scopes = scopes.into_iter().flatten().filter_map(Value::as_str);
    let unserved: Vec<&str> = scopes.filter(|scope| !serves(scope)).collect();
    if !unserved.is_empty() {
        let served: Vec<&str> = SCOPES.iter().map(|(scope, _)| *scope).collect();
        findings.warn(
            object.line_of("scope"),
            format!(
                "client grant: the management API does not serve {}, so nobody gets it: it serves {}",
                unserved.join(", "),
                served.join(", ")
            ),
        );
    }
    true
}

/// What to say of a grant for an audience that is nobody's.
pub fn nobodys(audience: &str, present: &Present) -> String {
    match present.management_audience() {
        Some(own) if looks_like_its_audience(audience) => format!(
            "client grant: there is no API {audience}, so it does nothing yet; the management API of this \
             installation is {own}"
        ),
        _ => format!("client grant: there is no API {audience}, so it does nothing yet"),
    }
}
