//! Which scopes are granted, and why others are dropped (design 1.4).

use crate::common::{client, strings};
use tenure_protocol::RefusalReason;
use tenure_protocol::model::{Api, ApiScope, AppType, Client};
use tenure_protocol::scope::{Granted, Ground, check, grant, missing_consent, to_be_had};

fn api(offline: bool, online: bool) -> Api {
    Api {
        identifier: "https://api/".to_owned(),
        scopes: ["read", "write"]
            .map(|value| ApiScope {
                value: value.to_owned(),
                ..ApiScope::default()
            })
            .to_vec(),
        allow_offline_access: offline,
        allow_online_access: online,
        ..Api::default()
    }
}

fn without_refresh() -> Client {
    Client {
        grant_types: Some(strings(&["authorization_code"])),
        ..client(AppType::Spa)
    }
}

fn dropped(granted: &Granted) -> Vec<(&str, &str)> {
    granted
        .dropped
        .iter()
        .map(|(scope, why)| (scope.as_str(), *why))
        .collect()
}

#[test]
fn the_standard_scopes_need_no_api() {
    let asked = "openid profile email address phone";
    let granted = grant(asked, &client(AppType::Spa), None, Ground::FirstParty, None);
    assert_eq!(granted.text(), asked);
    assert!(granted.openid && !granted.offline && !granted.online);
    assert_eq!(granted.dropped, []);
}

#[test]
fn what_cannot_be_had_is_not_asked_about() {
    let own = client(AppType::Spa);
    let asked = "openid email read delete email offline_access";
    let table = [
        (None, "openid email offline_access"),
        (Some(api(false, false)), "openid email read"),
        (Some(api(true, false)), "openid email read offline_access"),
    ];
    for (api, expected) in table {
        assert_eq!(to_be_had(asked, &own, api.as_ref()).join(" "), expected);
    }
    let bare = without_refresh();
    assert_eq!(to_be_had("openid offline_access", &bare, None), ["openid"]);
}

#[test]
fn scopes_keep_their_order_and_are_named_once() {
    let granted = grant(
        " email  openid email ",
        &client(AppType::Spa),
        None,
        Ground::FirstParty,
        None,
    );
    assert_eq!(granted.text(), "email openid");
    let nothing = grant("", &client(AppType::Spa), None, Ground::FirstParty, None);
    assert_eq!((nothing.text().as_str(), nothing.openid), ("", false));
}

/// Scope asked, client, API; granted, or why not.
#[test]
fn offline_and_online_access() {
    let spa = client(AppType::Spa);
    let machine = client(AppType::NonInteractive);
    let bare = without_refresh();
    let (none, offline, online) = (api(false, false), api(true, false), api(false, true));
    let lack = "the client's grant_types lack refresh_token";
    let no_offline = "the API's allow_offline_access is off";
    let no_online = "the API's allow_online_access is off";
    let rows = [
        ("offline_access", &spa, None, None),
        ("online_access", &spa, None, None),
        ("offline_access", &spa, Some(&offline), None),
        ("offline_access", &spa, Some(&none), Some(no_offline)),
        ("offline_access", &spa, Some(&online), Some(no_offline)),
        ("online_access", &spa, Some(&online), None),
        ("online_access", &spa, Some(&offline), Some(no_online)),
        ("offline_access", &bare, Some(&offline), Some(lack)),
        ("online_access", &bare, None, Some(lack)),
        ("offline_access", &machine, Some(&offline), Some(lack)),
    ];
    for (scope, client, api, why) in rows {
        let granted = grant(scope, client, api, Ground::FirstParty, None);
        assert_eq!(
            granted.offline,
            why.is_none() && scope == "offline_access",
            "{scope} {why:?}"
        );
        assert_eq!(
            granted.online,
            why.is_none() && scope == "online_access",
            "{scope} {why:?}"
        );
        let expected: Vec<_> = why.iter().map(|why| (scope, *why)).collect();
        assert_eq!(dropped(&granted), expected, "{scope}");
        assert_eq!(granted.text().is_empty(), why.is_some());
    }
}

/// Lesson CVE-2025-12110: the same question, asked again after a setting changed, has the new answer.
#[test]
fn cve_2025_12110_a_removed_scope_is_dropped_at_the_next_use() {
    let spa = client(AppType::Spa);
    let before = grant(
        "read write",
        &spa,
        Some(&api(true, true)),
        Ground::FirstParty,
        None,
    );
    assert_eq!(before.text(), "read write");
    let mut smaller = api(true, true);
    smaller.scopes.pop();
    let after = grant("read write", &spa, Some(&smaller), Ground::FirstParty, None);
    assert_eq!(after.text(), "read");
    assert_eq!(dropped(&after), [("write", "the API does not define it")]);
}

#[test]
fn an_apis_scopes_need_the_api_and_the_permission() {
    let spa = client(AppType::Spa);
    let api = api(true, true);
    let grant_to = |api, held| {
        grant(
            "openid read write admin",
            &spa,
            api,
            Ground::FirstParty,
            held,
        )
    };
    let no_api = grant_to(None, None);
    assert_eq!(no_api.text(), "openid");
    assert!(
        no_api
            .dropped
            .iter()
            .all(|(_, why)| *why == "no API was asked for that defines it")
    );
    let held = strings(&["read"]);
    let enforced = grant_to(Some(&api), Some(held.as_slice()));
    assert_eq!(enforced.text(), "openid read");
    let expected = [
        ("write", "the user does not hold this permission"),
        ("admin", "the API does not define it"),
    ];
    assert_eq!(dropped(&enforced), expected);
    let offline = grant(
        "offline_access email",
        &spa,
        Some(&api),
        Ground::FirstParty,
        Some(&[]),
    );
    assert_eq!(
        offline.text(),
        "offline_access email",
        "permissions are the API's scopes only"
    );
}

#[test]
fn a_third_party_gets_what_was_consented_to() {
    let spa = client(AppType::Spa);
    let given = strings(&["email", "read"]);
    let ground = Ground::Consent(&given);
    let granted = grant(
        "openid email read write offline_access",
        &spa,
        Some(&api(true, true)),
        ground,
        None,
    );
    assert_eq!(granted.text(), "openid email read");
    assert!(
        !granted.offline,
        "consent is the ground of offline_access too"
    );
    let no = "the user did not consent to it";
    assert_eq!(dropped(&granted), [("write", no), ("offline_access", no)]);
}

#[test]
fn consent_is_asked_only_for_what_can_be_had() {
    let third = Client {
        is_first_party: false,
        ..client(AppType::Spa)
    };
    let asked = "openid email read nonsense offline_access read";
    let missing = |client: &Client, api: Option<&Api>, given: &[&str]| {
        missing_consent(asked, client, api, &strings(given)).join(" ")
    };
    assert_eq!(
        missing(&client(AppType::Spa), Some(&api(true, true)), &[]),
        ""
    );
    assert_eq!(
        missing(&third, Some(&api(true, true)), &[]),
        "openid email read offline_access"
    );
    assert_eq!(
        missing(&third, Some(&api(false, true)), &["openid", "email"]),
        "read"
    );
    assert_eq!(
        missing(&third, None, &["openid", "email", "offline_access"]),
        ""
    );
}

#[test]
fn offline_and_online_exclude_each_other() {
    let conflict = Err(RefusalReason::ScopeConflict);
    assert_eq!(check("openid offline_access"), Ok(()));
    assert_eq!(check("online_access"), Ok(()));
    assert_eq!(check("online_access openid offline_access"), conflict);
    assert_eq!(
        check("my_offline_access online_access"),
        Ok(()),
        "whole words"
    );
}
