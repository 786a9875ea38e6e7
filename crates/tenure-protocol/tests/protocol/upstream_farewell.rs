//! Leaving a provider, and coming again after a logout.

use crate::common::START as NOW;
use serde_json::json;
use tenure_protocol::Timestamp;
use tenure_protocol::model::{Connection, Preset};
use tenure_protocol::session::EndReason;
use tenure_protocol::upstream::again::{chooser, must_choose};
use tenure_protocol::upstream::farewell::{Request, Way, may_be_alive, way};

fn connection(value: serde_json::Value) -> Connection {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_provider_is_named_only_while_its_session_may_be_alive() {
    let at = |seconds: i64| Some(NOW.plus(seconds));
    let table: [(Option<Timestamp>, Option<Timestamp>, bool); 5] = [
        (None, None, true),
        (None, at(1), true),
        (None, at(0), false),
        (None, at(-1), false),
        (at(-5), at(100), false),
    ];
    for (ended, expiry, alive) in table {
        assert_eq!(
            may_be_alive(ended, expiry, NOW),
            alive,
            "{ended:?} {expiry:?}"
        );
    }
}

/// What each preset offers where its metadata name no `end_session_endpoint`.
#[test]
fn presets_without_an_end_session_endpoint() {
    let v2 = Way::V2Logout("https://acme.eu.auth0.com/v2/logout".to_owned());
    let table = [
        (
            json!({"preset": "auth0", "options": {"domain": "acme.eu.auth0.com"}}),
            Some(v2),
        ),
        (json!({"preset": "google"}), None),
        (json!({"preset": "entra", "options": {"realm": "t"}}), None),
        (
            json!({"preset": "okta", "options": {"domain": "acme.okta.com"}}),
            None,
        ),
        (
            json!({"preset": "keycloak", "options": {"domain": "k.example", "realm": "r"}}),
            None,
        ),
        (
            json!({"preset": "tenure", "options": {"domain": "t.example"}}),
            None,
        ),
        (json!({"options": {"issuer": "https://a.example"}}), None),
    ];
    for (value, expected) in table {
        let connection = connection(value.clone());
        assert_eq!(way(&connection, None), expected, "{value}");
        let named = Some(Way::EndSession("https://a.example/end".to_owned()));
        assert_eq!(
            way(&connection, Some("https://a.example/end")),
            named,
            "{value}"
        );
    }
}

#[test]
fn the_provider_is_asked_in_its_own_way() {
    let request = Request {
        client_id: "us & co",
        id_token: Some("a.b.c"),
        return_to: "https://t.example/logout/callback",
        state: "s-1",
    };
    let end = |endpoint: &str| Way::EndSession(endpoint.to_owned());
    let rest = "client_id=us+%26+co&post_logout_redirect_uri=https%3A%2F%2Ft.example%2Flogout%2Fcallback&state=s-1";
    let table = [
        (
            end("https://a.example/end"),
            format!("https://a.example/end?id_token_hint=a.b.c&{rest}"),
        ),
        // An endpoint may have a query of its own.
        (
            end("https://a.example/end?p=policy"),
            format!("https://a.example/end?p=policy&id_token_hint=a.b.c&{rest}"),
        ),
        (
            Way::V2Logout("https://a.example/v2/logout".to_owned()),
            "https://a.example/v2/logout?client_id=us+%26+co&returnTo=\
             https%3A%2F%2Ft.example%2Flogout%2Fcallback%3Fstate%3Ds-1"
                .to_owned(),
        ),
    ];
    for (way, address) in table {
        assert_eq!(way.address(&request), Some(address), "{way:?}");
    }
    assert_eq!(end("no address").address(&request), None);
    // A hint that makes the address too long stays behind.
    let long = "x".repeat(6_000);
    let id_token = Some(long.as_str());
    let without = end("https://a.example/end").address(&Request {
        id_token,
        ..request
    });
    assert_eq!(without, Some(format!("https://a.example/end?{rest}")));
}

#[test]
fn what_somebody_ended_is_not_renewed_in_silence() {
    for reason in EndReason::ALL {
        let asks = [
            EndReason::UserLogout,
            EndReason::AdminRevoked,
            EndReason::CredentialChange,
            EndReason::AccountDisabled,
        ]
        .contains(&reason);
        assert_eq!(must_choose(false, Some(reason)), asks, "{reason:?}");
        assert!(must_choose(true, Some(reason)));
    }
    assert!(must_choose(true, None));
    assert!(!must_choose(false, None));
}

#[test]
fn each_provider_is_asked_to_ask_by_a_word_that_it_knows() {
    let words = |list: &[&str]| {
        list.iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let presets = [
        (None, "login"),
        (Some(Preset::Google), "select_account"),
        (Some(Preset::Entra), "select_account"),
        (Some(Preset::Tenure), "select_account"),
        (Some(Preset::Okta), "login"),
        (Some(Preset::Auth0), "login"),
        (Some(Preset::Keycloak), "login"),
    ];
    for (preset, expected) in presets {
        assert_eq!(chooser(preset, None), expected, "{preset:?}");
        // What the metadata say counts more.
        let knows = words(&["none", "select_account"]);
        assert_eq!(chooser(preset, Some(&knows)), "select_account");
        assert_eq!(chooser(preset, Some(&words(&["login"]))), "login");
    }
}
