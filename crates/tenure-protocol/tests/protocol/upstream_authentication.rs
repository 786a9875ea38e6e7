//! How somebody proved themselves at a provider, and what that counts for here.

use crate::common::START as NOW;
use serde_json::json;
use tenure_protocol::authorize::{self, AuthorizeRequest};
use tenure_protocol::model::{Client, Connection};
use tenure_protocol::params::Params;
use tenure_protocol::session::MULTI_FACTOR;
use tenure_protocol::upstream::authentication::{acr_values, factors, reaches};
use tenure_protocol::upstream::id_token::Proven;

fn connection(upstream: serde_json::Value) -> Connection {
    serde_json::from_value(json!({"name": "corp", "upstream": upstream})).unwrap()
}

fn request(pairs: &[(&str, &str)]) -> AuthorizeRequest {
    let mut all = vec![
        ("response_type", "code"),
        (
            "code_challenge",
            "I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY",
        ),
        ("code_challenge_method", "S256"),
    ];
    all.extend(pairs);
    let pairs = all.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
    authorize::parse(&Params::from_pairs(pairs.collect()), &Client::default()).unwrap()
}

#[test]
fn what_nobody_accepted_counts_for_nothing() {
    let proven = Proven {
        acr: Some("urn:corp:strong".to_owned()),
        amr: vec!["pwd".to_owned(), "mfa".to_owned(), "hwk".to_owned()],
        ..Proven::default()
    };
    for (upstream, amr, acr) in [
        (json!({}), vec!["federated"], None),
        (
            json!({"amr_values": ["mfa"]}),
            vec!["federated", "mfa"],
            None,
        ),
        (
            json!({"amr_values": ["otp", "hwk"]}),
            vec!["federated", "hwk"],
            None,
        ),
        (
            json!({"acr_mapping": {"urn:corp:strong": "gold"}}),
            vec!["federated"],
            Some("gold"),
        ),
        (
            json!({"acr_mapping": {"urn:corp:weak": "bronze"}}),
            vec!["federated"],
            None,
        ),
    ] {
        let found = factors(&connection(upstream.clone()), &proven, NOW);
        let names: Vec<_> = found.iter().map(|factor| factor.name.as_str()).collect();
        assert_eq!(names, amr, "{upstream}");
        assert_eq!(found[0].acr.as_deref(), acr, "{upstream}");
        assert_eq!(found[0].connection.as_deref(), Some("corp"));
    }
}

#[test]
fn the_provider_is_asked_for_classes_in_its_own_words() {
    let mapping = json!({"acr_mapping": {"urn:a": "gold", "urn:b": "gold", "urn:c": "silver"}});
    let essential = r#"{"id_token":{"acr":{"essential":true,"values":["gold"]}}}"#;
    let voluntary = r#"{"id_token":{"acr":{"value":"gold"}}}"#;
    for (upstream, pairs, expected) in [
        (json!({}), vec![], None),
        (json!({}), vec![("acr_values", "a b")], Some("a b")),
        (
            mapping.clone(),
            vec![("acr_values", "silver x")],
            Some("urn:c x"),
        ),
        (
            mapping.clone(),
            vec![("claims", essential)],
            Some("urn:a urn:b"),
        ),
        (
            json!({}),
            vec![("claims", essential), ("acr_values", "gold y")],
            Some("gold y"),
        ),
        (mapping, vec![("claims", voluntary)], None),
    ] {
        let asked = acr_values(&connection(upstream), &request(&pairs));
        assert_eq!(asked.as_deref(), expected, "{pairs:?}");
    }
}

#[test]
fn a_class_is_reachable_where_something_is_mapped_to_it() {
    let gold = connection(json!({"acr_mapping": {"urn:a": "gold"}}));
    assert!(reaches(&gold, &["x", "gold"]));
    assert!(!reaches(&gold, &["urn:a"]));
    assert!(!reaches(&gold, &[]));
    let mfa = connection(json!({"amr_values": ["mfa"]}));
    assert!(reaches(&mfa, &[MULTI_FACTOR]));
    assert!(!reaches(
        &connection(json!({"amr_values": ["otp"]})),
        &[MULTI_FACTOR]
    ));
}
