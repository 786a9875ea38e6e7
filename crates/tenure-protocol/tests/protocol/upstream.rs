//! What an identity provider's answer proves, and whose account it leads to.

use crate::common::{GOOD, START, START as NOW, limits, login, sid};
use serde_json::{Map, Value, json};
use tenure_protocol::Timestamp;
use tenure_protocol::authorize;
use tenure_protocol::model::{Client, Connection, ExpiryPolicy, LinkPolicy};
use tenure_protocol::params::Params;
use tenure_protocol::session::{EndReason, Login, Rule, Session};
use tenure_protocol::upstream::expiry;
use tenure_protocol::upstream::id_token::{Expected, Fault, check};
use tenure_protocol::upstream::linking::{self, Decision, Facts, decide};
use tenure_protocol::upstream::onward::Onward;

const ISSUER: &str = "https://idp.example/";

fn expected(fresh_since: Option<Timestamp>) -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        client_id: "us",
        nonce: "n-1",
        fresh_since,
    }
}

fn claims(change: &[(&str, Value)]) -> Map<String, Value> {
    let now = NOW.seconds();
    let mut claims = Map::new();
    for (name, value) in [
        ("iss", json!(ISSUER)),
        ("sub", json!("ada")),
        ("aud", json!("us")),
        ("nonce", json!("n-1")),
        ("iat", json!(now)),
        ("exp", json!(now + 300)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    for (name, value) in change {
        if value.is_null() {
            claims.remove(*name);
        } else {
            claims.insert((*name).to_owned(), value.clone());
        }
    }
    claims
}

#[test]
fn an_id_token_is_believed_only_if_every_rule_holds() {
    let now = NOW.seconds();
    let absent = Value::Null;
    let table: &[(&str, Value, Result<(), Fault>)] = &[
        ("iss", json!(ISSUER), Ok(())),
        ("iss", json!("https://idp.example"), Err(Fault::Issuer)),
        ("iss", absent.clone(), Err(Fault::Issuer)),
        ("sub", absent.clone(), Err(Fault::Subject)),
        ("sub", json!(""), Err(Fault::Subject)),
        ("sub", json!(7), Err(Fault::Subject)),
        ("aud", json!(["us"]), Ok(())),
        ("aud", json!("them"), Err(Fault::Audience)),
        ("aud", json!([]), Err(Fault::Audience)),
        ("aud", json!(["us", "them"]), Err(Fault::Audience)),
        ("aud", absent.clone(), Err(Fault::Audience)),
        ("azp", json!("us"), Ok(())),
        ("azp", json!("them"), Err(Fault::AuthorizedParty)),
        ("nonce", json!("n-2"), Err(Fault::Nonce)),
        ("nonce", absent.clone(), Err(Fault::Nonce)),
        ("exp", json!(now - 59), Ok(())),
        ("exp", json!(now - 60), Err(Fault::Expired)),
        ("exp", absent.clone(), Err(Fault::Expired)),
        ("exp", json!("later"), Err(Fault::Expired)),
        ("iat", json!(now + 60), Ok(())),
        ("iat", json!(now + 61), Err(Fault::IssuedAt)),
        ("iat", json!(now - 600), Ok(())),
        ("iat", json!(now - 601), Err(Fault::IssuedAt)),
        ("iat", absent.clone(), Err(Fault::IssuedAt)),
        ("iat", json!(now as f64 + 0.5), Ok(())),
        ("nbf", json!(now + 60), Ok(())),
        ("nbf", json!(now + 61), Err(Fault::NotYetValid)),
        ("auth_time", json!(now + 61), Err(Fault::AuthTimeAhead)),
    ];
    for (name, value, outcome) in table {
        let judged = check(claims(&[(name, value.clone())]), &expected(None), NOW);
        assert_eq!(judged.map(drop), *outcome, "{name} {value}");
    }
}

#[test]
fn a_fresh_login_that_was_demanded_must_be_proven() {
    let now = NOW.seconds();
    let table = [
        (None, Some(now), Err(Fault::AuthTimeMissing)),
        (Some(now), Some(now), Ok(())),
        // Two clocks differ by a minute at most.
        (Some(now - 60), Some(now), Ok(())),
        (Some(now - 61), Some(now), Err(Fault::AuthTimeStale)),
        (Some(now - 360), Some(now - 300), Ok(())),
        (Some(now - 361), Some(now - 300), Err(Fault::AuthTimeStale)),
        (Some(now - 100_000), None, Ok(())),
    ];
    for (auth_time, since, outcome) in table {
        let change = [("auth_time", json!(auth_time))];
        let since = since.map(Timestamp::from_seconds);
        let judged = check(claims(&change), &expected(since), NOW);
        assert_eq!(judged.map(drop), outcome, "{auth_time:?} {since:?}");
    }
}

#[test]
fn what_an_id_token_proves_is_kept() {
    let change = [
        ("sid", json!("up-1")),
        ("auth_time", json!(NOW.seconds() - 9)),
        ("session_expiry", json!(NOW.seconds() + 99)),
        ("acr", json!("silver")),
        ("amr", json!(["pwd", 7, "otp"])),
    ];
    let proven = check(claims(&change), &expected(None), NOW).unwrap();
    assert_eq!(proven.subject, "ada");
    assert_eq!(proven.sid.as_deref(), Some("up-1"));
    assert_eq!(proven.auth_time, Some(NOW.plus(-9)));
    assert_eq!(proven.session_expiry, Some(json!(NOW.seconds() + 99)));
    assert_eq!(proven.acr.as_deref(), Some("silver"));
    assert_eq!(proven.amr, ["pwd", "otp"]);
    let bare = check(claims(&[("sid", json!(""))]), &expected(None), NOW).unwrap();
    assert_eq!((bare.sid, bare.auth_time, bare.acr), (None, None, None));
}

#[test]
fn cve_2026_1190_session_expiry_caps_as_the_policy_says() {
    use ExpiryPolicy::{Honour, Ignore, Require};
    use expiry::Fault::{Missing, Past, Unreadable};
    let now = NOW.seconds();
    let at = |seconds| Ok(Some(Timestamp::from_seconds(seconds)));
    let table = [
        (Some(json!(now + 60)), Honour, at(now + 60)),
        (Some(json!(now + 60)), Require, at(now + 60)),
        (Some(json!(now + 60)), Ignore, Ok(None)),
        (None, Honour, Ok(None)),
        (None, Require, Err(Missing)),
        (Some(Value::Null), Require, Err(Missing)),
        (None, Ignore, Ok(None)),
        (Some(json!(now)), Honour, Err(Past)),
        (Some(json!(now + 1)), Honour, at(now + 1)),
        (Some(json!(0)), Honour, Err(Past)),
        (Some(json!(-5)), Honour, Err(Unreadable)),
        (Some(json!("soon")), Honour, Err(Unreadable)),
        (Some(json!(now as f64 + 0.5)), Honour, Err(Unreadable)),
        // Milliseconds must not pass for "never".
        (Some(json!((now + 60) * 1000)), Honour, Err(Unreadable)),
        (Some(json!("soon")), Ignore, Ok(None)),
    ];
    for (claim, policy, outcome) in table {
        assert_eq!(
            expiry::cap(claim.as_ref(), policy, NOW),
            outcome,
            "{claim:?} {policy:?}"
        );
    }
}

#[test]
fn the_rule_that_won_is_the_upstreams_where_its_end_comes_first() {
    let limits = limits(3600, 7200);
    let table = [
        (None, 7200, EndReason::Absolute, Rule::StoredAbsolute),
        (Some(9000), 7200, EndReason::Absolute, Rule::StoredAbsolute),
        (
            Some(5000),
            5000,
            EndReason::UpstreamExpired,
            Rule::UpstreamExpiry,
        ),
        (
            Some(7200),
            7200,
            EndReason::UpstreamExpired,
            Rule::UpstreamExpiry,
        ),
    ];
    for (upstream, absolute, reason, rule) in table {
        let started = Session::start(
            sid(),
            Login {
                upstream_deadline: upstream.map(|seconds| NOW.plus(seconds)),
                ..login(limits)
            },
            NOW,
        );
        assert_eq!(
            started.absolute_deadline,
            NOW.plus(absolute),
            "{upstream:?}"
        );
        // An activity moves the idle deadline away, but no further than the end that is fixed.
        let touched = started.touch(&limits, GOOD, NOW.plus(3000)).unwrap();
        assert_eq!(touched.absolute_deadline, NOW.plus(absolute));
        let verdict = touched.touch(&limits, GOOD, NOW.plus(4500)).unwrap();
        let verdict = verdict.verdict(None, GOOD, NOW.plus(absolute)).unwrap();
        assert_eq!(
            (verdict.reason, verdict.rule),
            (reason, rule),
            "{upstream:?}"
        );
        assert_eq!(verdict.since, NOW.plus(absolute), "{upstream:?}");
    }
}

#[test]
fn an_account_is_linked_only_by_what_is_proven_on_both_sides() {
    let unknown = Facts {
        identity: None,
        email: Some("ada@corp.example"),
        email_verified: true,
        owns_domain: true,
        foreign_domain: false,
        holder: None,
        linking: LinkPolicy::VerifiedEmail,
        may_sign_up: true,
    };
    let held = Facts {
        holder: Some(("auth0|ada", true)),
        ..unknown
    };
    let taken = Decision::Refuse(linking::Fault::AddressTaken);
    let table = [
        (unknown, Decision::Create),
        (held, Decision::Link("auth0|ada")),
        (
            Facts {
                email_verified: false,
                ..held
            },
            taken,
        ),
        (
            Facts {
                owns_domain: false,
                ..held
            },
            taken,
        ),
        (
            Facts {
                holder: Some(("auth0|ada", false)),
                ..held
            },
            taken,
        ),
        (
            Facts {
                linking: LinkPolicy::Never,
                ..held
            },
            taken,
        ),
        (
            Facts {
                foreign_domain: true,
                owns_domain: false,
                ..unknown
            },
            Decision::Refuse(linking::Fault::ForeignDomain),
        ),
        (
            Facts {
                may_sign_up: false,
                ..unknown
            },
            Decision::Refuse(linking::Fault::SignUpDisabled),
        ),
        // Linking is no sign-up.
        (
            Facts {
                may_sign_up: false,
                ..held
            },
            Decision::Link("auth0|ada"),
        ),
        // A known subject signs in, whatever became of its address.
        (
            Facts {
                identity: Some("auth0|bob"),
                foreign_domain: true,
                ..held
            },
            Decision::SignIn("auth0|bob"),
        ),
        (
            Facts {
                email: None,
                holder: None,
                ..unknown
            },
            Decision::Create,
        ),
    ];
    for (facts, decision) in table {
        assert_eq!(decide(&facts), decision, "{facts:?}");
    }
}

#[test]
fn a_user_id_is_always_a_subject_that_our_tokens_can_name() {
    assert_eq!(linking::user_id("corp", "00u1"), "oidc|corp|00u1");
    assert_eq!(linking::user_id("up", "auth0|ada"), "oidc|up|auth0|ada");
    let long = "x".repeat(300);
    for odd in ["", "ü", "a b", "|b", long.as_str()] {
        let id = linking::user_id("corp", odd);
        assert!(id.starts_with("oidc|corp|") && id.len() <= 255, "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_graphic()), "{id}");
    }
    // No subject can be chosen so that it is another's hash.
    let hashed = linking::user_id("corp", "ü");
    let chosen = hashed.strip_prefix("oidc|corp|").unwrap();
    assert_ne!(linking::user_id("corp", chosen), hashed);
}

#[test]
fn a_connection_says_where_its_provider_is() {
    let parse = |value: Value| serde_json::from_value::<Connection>(value).unwrap();
    let table = [
        (
            json!({"options": {"issuer": "https://a.example"}}),
            Some("https://a.example"),
            Some("https://a.example/.well-known/openid-configuration"),
        ),
        (
            json!({"options": {"issuer": "https://a.example/t/"}}),
            Some("https://a.example/t/"),
            Some("https://a.example/t/.well-known/openid-configuration"),
        ),
        (
            json!({"options": {"discovery_url": "https://a.example/x/.well-known/openid-configuration"}}),
            Some("https://a.example/x"),
            Some("https://a.example/x/.well-known/openid-configuration"),
        ),
        (
            json!({"options": {"discovery_url": "https://a.example/elsewhere"}}),
            None,
            Some("https://a.example/elsewhere"),
        ),
        (
            json!({"preset": "google"}),
            Some("https://accounts.google.com"),
            Some("https://accounts.google.com/.well-known/openid-configuration"),
        ),
        (json!({"preset": "entra"}), None, None),
        (
            json!({"preset": "entra", "options": {"realm": "t-1"}}),
            Some("https://login.microsoftonline.com/t-1/v2.0"),
            Some("https://login.microsoftonline.com/t-1/v2.0/.well-known/openid-configuration"),
        ),
        (
            json!({"preset": "okta", "options": {"domain": "acme.okta.com"}}),
            Some("https://acme.okta.com"),
            Some("https://acme.okta.com/.well-known/openid-configuration"),
        ),
        (
            json!({"preset": "auth0", "options": {"domain": "acme.eu.auth0.com"}}),
            Some("https://acme.eu.auth0.com/"),
            Some("https://acme.eu.auth0.com/.well-known/openid-configuration"),
        ),
        (
            json!({"preset": "tenure", "options": {"domain": "id.example"}}),
            Some("https://id.example/"),
            Some("https://id.example/.well-known/openid-configuration"),
        ),
        (
            json!({"preset": "keycloak", "options": {"domain": "kc.example", "realm": "staff"}}),
            Some("https://kc.example/realms/staff"),
            Some("https://kc.example/realms/staff/.well-known/openid-configuration"),
        ),
        (
            json!({"preset": "keycloak", "options": {"domain": "kc.example"}}),
            None,
            None,
        ),
        (json!({}), None, None),
    ];
    for (value, issuer, metadata) in table {
        let connection = parse(value.clone());
        assert_eq!(connection.issuer().as_deref(), issuer, "{value}");
        assert_eq!(connection.metadata_url().as_deref(), metadata, "{value}");
    }
}

#[test]
fn a_connection_is_for_the_clients_it_names_and_owns_its_domains() {
    let mut connection = Connection::default();
    assert!(connection.is_enabled_for("spa", "Shop"));
    connection.enabled_clients = Some(vec!["Shop".to_owned(), "forum".to_owned(), String::new()]);
    for (id, name, enabled) in [
        ("spa", "Shop", true),
        ("forum", "Forum", true),
        ("web", "Web", false),
        ("web", "", false),
    ] {
        assert_eq!(connection.is_enabled_for(id, name), enabled, "{id}");
    }
    connection.enabled_clients = Some(Vec::new());
    assert!(!connection.is_enabled_for("spa", "Shop"));
    connection.options.domain_aliases = vec![
        "Corp.example".to_owned(),
        "b\u{fc}cher.example".to_owned(),
        String::new(),
    ];
    for (address, owned) in [
        ("ada@corp.EXAMPLE", true),
        ("ada@sub.corp.example", false),
        ("ada@notcorp.example", false),
        ("corp.example", false),
        ("ada@", false),
        ("a@evil.example@corp.example", true),
        // The same domain, written otherwise.
        ("ada@corp.example.", true),
        ("ada@corp\u{3002}example", true),
        ("ada@\u{ff23}orp.example", true),
        ("ada@\u{212a}orp.example", false),
        ("ada@xn--bcher-kva.example", true),
        ("ada@b\u{dc}CHER.example", true),
        ("ada@.", false),
    ] {
        assert_eq!(connection.owns_address(address), owned, "{address}");
    }
    assert_eq!(connection.scope(), "openid profile email");
    connection.options.scope = Some("email  openid offline_access".to_owned());
    assert_eq!(connection.scope(), "openid email offline_access");
}

fn demanding(fresh_auth_time: bool) -> Connection {
    let mut connection = Connection::default();
    connection.upstream.demand_fresh_auth_time = Some(fresh_auth_time);
    connection
}

#[test]
fn what_a_request_demands_is_passed_on() {
    let of = |query: &str| {
        let text = format!(
            "response_type=code&code_challenge=I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY&code_challenge_method=S256&{query}"
        );
        let params = Params::parse(text.as_bytes()).unwrap();
        authorize::parse(&params, &Client::default()).unwrap()
    };
    let table = [
        ("", false, "", None),
        ("prompt=login", true, "prompt=login max_age=0", Some(0)),
        ("prompt=login", false, "prompt=login", None),
        ("prompt=select_account", true, "prompt=select_account", None),
        (
            "prompt=login+select_account",
            false,
            "prompt=login select_account",
            None,
        ),
        ("max_age=0", true, "prompt=login max_age=0", Some(0)),
        ("max_age=90", true, "max_age=90", Some(-90)),
        ("max_age=90", false, "max_age=90", None),
        // Consent is between the person and the application, which the provider does not know.
        ("prompt=consent", true, "", None),
        (
            "acr_values=a+b&login_hint=ada&ui_locales=de",
            true,
            "acr_values=a b login_hint=ada ui_locales=de",
            None,
        ),
    ];
    for (query, demand, passed, since) in table {
        let request = of(query);
        let onward = Onward::of(&request, &demanding(demand), false, "select_account", START);
        let text: Vec<_> = onward
            .parameters
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(text.join(" "), passed, "{query}");
        assert_eq!(onward.fresh_since, since.map(|s| START.plus(s)), "{query}");
    }
    let table = [
        ("", "select_account", "select_account"),
        ("", "login", "login"),
        ("prompt=login", "select_account", "login select_account"),
        ("prompt=login", "login", "login"),
    ];
    for (query, chooser, expected) in table {
        let again = Onward::of(&of(query), &demanding(false), true, chooser, START);
        assert_eq!(again.parameters, [("prompt", expected.to_owned())]);
    }
    // A provider that does not know the word is not asked by it.
    let asked = Onward::of(
        &of("prompt=select_account"),
        &demanding(true),
        false,
        "login",
        START,
    );
    assert_eq!(asked.parameters, [("prompt", "login".to_owned())]);
}
