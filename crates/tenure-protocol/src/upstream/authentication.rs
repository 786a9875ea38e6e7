//! How the person proved themselves at the provider, as far as that counts here.

use super::id_token::Proven;
use crate::Timestamp;
use crate::authorize::AuthorizeRequest;
use crate::model::Connection;
use crate::session::Factor;

/// The factors of a session that a login there starts: `federated`, with the class that `acr_mapping`
/// makes of the provider's `acr`, and those of its `amr` that `amr_values` accepts. What a provider says
/// and nobody accepted counts for nothing: an application that demands `mfa` must not get a stranger's word.
pub fn factors(connection: &Connection, proven: &Proven, now: Timestamp) -> Vec<Factor> {
    let policy = &connection.upstream;
    let acr = proven.acr.as_ref();
    let federated = Factor {
        name: "federated".to_owned(),
        at: now,
        connection: Some(connection.name.clone()),
        acr: acr.and_then(|acr| policy.acr_mapping.get(acr)).cloned(),
    };
    let accepted = proven
        .amr
        .iter()
        .filter(|value| policy.amr_values.contains(value));
    let others = accepted.map(|value| Factor {
        name: value.clone(),
        at: now,
        ..Factor::default()
    });
    std::iter::once(federated).chain(others).collect()
}

/// The `acr_values` that the provider is asked for: ours in its words, where the mapping has any, and
/// those that the request makes essential as well, in the order of the request.
pub fn acr_values(connection: &Connection, request: &AuthorizeRequest) -> Option<String> {
    let mapping = &connection.upstream.acr_mapping;
    let voluntary = request.acr_values.as_deref().unwrap_or_default();
    let mut asked: Vec<&str> = Vec::new();
    for ours in request
        .essential_acr()
        .into_iter()
        .chain(voluntary.split_whitespace())
    {
        let mut theirs: Vec<&str> = mapping
            .iter()
            .filter(|(_, value)| *value == ours)
            .map(|(name, _)| name.as_str())
            .collect();
        if theirs.is_empty() {
            theirs.push(ours);
        }
        for value in theirs {
            if !asked.contains(&value) {
                asked.push(value);
            }
        }
    }
    (!asked.is_empty()).then(|| asked.join(" "))
}

/// Whether a login through the connection may reach one of these classes.
pub fn reaches(connection: &Connection, wanted: &[&str]) -> bool {
    let policy = &connection.upstream;
    let mut mapped = policy.acr_mapping.values();
    let multi_factor = policy.amr_values.iter().any(|value| value == "mfa");
    mapped.any(|ours| wanted.contains(&ours.as_str()))
        || (multi_factor && wanted.contains(&crate::session::MULTI_FACTOR))
}
