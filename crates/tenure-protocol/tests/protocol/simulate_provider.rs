//! The simulator's providers: asked whether a person is still welcome, and what their word reaches.

use crate::common::{START, at};
use crate::simulate::{ask, settings};
use tenure_protocol::model::{
    Connection, ConnectionOptions, UpstreamLogoutPolicy as Policy, UpstreamPolicy,
};
use tenure_protocol::simulate::{
    Action, Ask, Event, LayerKind, Outcome, Provider, Report, Settings, Upstream, simulate,
};

/// One that is asked every ten minutes, with five of grace.
fn asked(scope: &str) -> Connection {
    connection(
        scope,
        UpstreamPolicy {
            confirm_after_minutes: Some(10),
            confirm_grace_minutes: 5,
            ..UpstreamPolicy::default()
        },
    )
}

fn connection(scope: &str, upstream: UpstreamPolicy) -> Connection {
    Connection {
        name: "corp".to_owned(),
        options: ConnectionOptions {
            scope: Some(scope.to_owned()),
            ..ConnectionOptions::default()
        },
        upstream,
        ..Connection::default()
    }
}

fn reaching(backchannel_logout: Policy) -> Connection {
    connection(
        "",
        UpstreamPolicy {
            backchannel_logout,
            ..UpstreamPolicy::default()
        },
    )
}

fn with(connection: Connection) -> Settings {
    Settings {
        connections: [(connection.name.clone(), connection)].into(),
        ..settings(60.0, 480.0)
    }
}

fn login() -> Action {
    Action::Login(Ask {
        upstream: Some(Upstream {
            connection: Some("corp".to_owned()),
            session_expiry: None,
        }),
        ..ask("desk", "openid offline_access")
    })
}

fn password() -> Action {
    Action::Login(ask("desk", "openid offline_access"))
}

fn visible() -> Action {
    Action::Authorize {
        ask: ask("desk", "openid"),
        silent: false,
    }
}

fn silent() -> Action {
    Action::Authorize {
        ask: ask("desk", "openid"),
        silent: true,
    }
}

const fn does(does: Provider) -> Action {
    Action::Provider {
        connection: None,
        does,
    }
}

const fn upstream_logout(everywhere: bool, told: bool) -> Action {
    Action::UpstreamLogout { everywhere, told }
}

/// Seconds, browser, action.
fn run(connection: Connection, events: Vec<(i64, &str, Action)>) -> Report {
    let events = events.into_iter().map(|(seconds, browser, action)| Event {
        browser: browser.to_owned(),
        ..Event::new(at(seconds), action)
    });
    simulate(with(connection), &events.collect::<Vec<_>>())
}

type End<'r> = (i64, &'r str, &'r str);

/// (seconds, by, rule) of every layer of a kind.
fn ends(report: &Report, kind: LayerKind) -> Vec<Option<End<'_>>> {
    let layers = report.layers.iter().filter(|layer| layer.kind == kind);
    let seconds = |at: tenure_protocol::Timestamp| at.millis_since(START) / 1000;
    layers
        .map(|layer| {
            let end = layer.end.as_ref()?;
            Some((seconds(end.at), end.by, end.rule.as_str()))
        })
        .collect()
}

fn outcome(report: &Report, event: usize) -> &Outcome {
    &report.outcomes[event].1
}

#[test]
fn one_that_says_yes_keeps_nobody_alive_and_ends_nobody() {
    for (scope, wanted) in [
        // By refreshes, also where nobody comes by.
        ("offline_access", (3_600, "idle", "stored_idle")),
        // Only a person who comes by can be sent there: ten minutes and five.
        ("", (900, "upstream_expired", "upstream_unconfirmed")),
    ] {
        let report = run(asked(scope), vec![(0, "", login())]);
        assert_eq!(ends(&report, LayerKind::Session), [Some(wanted)], "{scope}");
    }
    // What was confirmed before the last event is drawn, what comes after it is not.
    let report = run(
        asked("offline_access"),
        vec![(0, "", login()), (1_250, "", Action::Extend)],
    );
    let drawn = &report.layers[0].activities;
    assert_eq!(*drawn, [at(0), at(600), at(1_200)]);
}

#[test]
fn through_the_browser_a_request_that_may_show_a_page_confirms() {
    let report = run(
        asked(""),
        vec![
            (0, "", login()),
            // Not due yet, and a silent one cannot ask.
            (300, "", visible()),
            (700, "", silent()),
            (800, "", visible()),
            (1_500, "", visible()),
            (2_500, "", silent()),
        ],
    );
    for event in 0..5 {
        assert_eq!(outcome(&report, event).word, "ok", "{event}");
    }
    let over = outcome(&report, 5);
    assert_eq!(over.reason.unwrap().name(), "upstream_expired");
    // Asked at 800 and 1500; due at 2100, over at 2400.
    let wanted = (2_400, "upstream_expired", "upstream_unconfirmed");
    assert_eq!(ends(&report, LayerKind::Session), [Some(wanted)]);
}

#[test]
fn a_no_ends_the_session_when_it_is_asked() {
    for (scope, no) in [
        ("offline_access", does(Provider::Refuses)),
        // It ended its session and told nobody.
        ("offline_access", upstream_logout(false, false)),
        ("", does(Provider::Refuses)),
        ("", upstream_logout(false, false)),
    ] {
        let events = vec![(0, "", login()), (100, "", no), (650, "", visible())];
        let report = run(asked(scope), events);
        let at = if scope.is_empty() { 650 } else { 600 };
        assert_eq!(
            ends(&report, LayerKind::Session),
            [Some((at, "upstream_expired", "confirmation"))],
            "{scope}"
        );
        assert_eq!(outcome(&report, 2).word, "login_page");
        // Offline families outlive a session that time, or a provider's no, has ended.
        let family = ends(&report, LayerKind::OfflineFamily);
        assert_eq!(family, [Some((7_200, "idle", "stored_idle"))]);
    }
}

#[test]
fn one_that_does_not_answer_has_its_grace() {
    for (answers_again, wanted) in [
        (None, (900, "upstream_expired", "upstream_unconfirmed")),
        // Attempts at 600, 601, 606, 621, 651, 711, 771, 831, 891, 951.
        (Some(750), (3_600, "idle", "stored_idle")),
        (Some(892), (900, "upstream_expired", "upstream_unconfirmed")),
    ] {
        let mut events = vec![(0, "", login()), (100, "", does(Provider::Silent))];
        events.extend(answers_again.map(|at| (at, "", does(Provider::Answers))));
        let report = run(asked("offline_access"), events);
        assert_eq!(
            ends(&report, LayerKind::Session),
            [Some(wanted)],
            "{answers_again:?}"
        );
    }
}

#[test]
fn whom_a_password_vouches_for_is_not_asked_about() {
    let events = vec![
        (0, "", login()),
        (300, "", password()),
        (400, "", does(Provider::Refuses)),
    ];
    let report = run(asked("offline_access"), events);
    let idle = (3_900, "idle", "stored_idle");
    assert_eq!(ends(&report, LayerKind::Session), [Some(idle)]);
}

#[test]
fn a_policy_counts_at_the_next_time_it_is_asked() {
    let never = Action::Settings(Box::new(with(reaching(Policy::Browser))));
    let events = vec![
        (0, "", login()),
        (100, "", does(Provider::Refuses)),
        (200, "", never),
    ];
    let report = run(asked("offline_access"), events);
    let idle = (3_600, "idle", "stored_idle");
    assert_eq!(ends(&report, LayerKind::Session), [Some(idle)]);
}

/// A logout there in the one browser that came in so, and in both.
#[test]
fn a_logout_token_reaches_as_far_as_the_policy() {
    let told = Some((600, "upstream_logout", "logout_token"));
    let revoked = Some((600, "upstream_logout", "valid_after"));
    let idle = |seconds| Some((seconds, "idle", "stored_idle"));
    for (policy, everywhere, sessions, families) in [
        (
            Policy::Ignore,
            true,
            [idle(3_600), idle(3_610), idle(3_620)],
            idle(7_200),
        ),
        (
            Policy::Browser,
            false,
            [told, idle(3_610), idle(3_620)],
            idle(7_200),
        ),
        (
            Policy::Browser,
            true,
            [told, told, idle(3_620)],
            idle(7_200),
        ),
        (Policy::AllSessions, false, [told; 3], idle(7_200)),
        (
            Policy::AllSessionsAndRefreshTokens,
            false,
            [revoked; 3],
            revoked,
        ),
    ] {
        let report = run(
            reaching(policy),
            vec![
                (0, "", login()),
                (10, "phone", login()),
                (20, "tablet", password()),
                (600, "", upstream_logout(everywhere, true)),
            ],
        );
        let found = ends(&report, LayerKind::Session);
        assert_eq!(found, sessions, "{policy:?} {everywhere}");
        let found = ends(&report, LayerKind::OfflineFamily);
        assert_eq!(found[0], families, "{policy:?} {everywhere}");
        // There, it ended in one browser or in both.
        let there = Some((600, "upstream_logout", "logout at the provider"));
        let other = there.filter(|_| everywhere);
        assert_eq!(ends(&report, LayerKind::Upstream), [there, other]);
    }
}

#[test]
fn layers_say_in_which_browser_and_by_which_connection() {
    let report = run(
        reaching(Policy::Browser),
        vec![(0, "", login()), (10, "phone", login())],
    );
    let names: Vec<_> = report
        .layers
        .iter()
        .map(|layer| {
            (
                layer.kind,
                layer.browser.as_deref(),
                layer.connection.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        names[..4],
        [
            (LayerKind::Upstream, None, Some("corp")),
            (LayerKind::Upstream, Some("phone"), Some("corp")),
            (LayerKind::Session, None, None),
            (LayerKind::Session, Some("phone"), None),
        ]
    );
    // Each browser's client has a family of its own.
    let phone = Some("phone");
    let mine = report
        .layers
        .iter()
        .filter(|l| l.browser.as_deref() == phone);
    assert_eq!(
        mine.filter(|l| l.kind == LayerKind::OfflineFamily).count(),
        1
    );
}

#[test]
fn a_revocation_ends_everything_of_whoever_came_this_way() {
    let revocation = Action::UpstreamRevocation { connection: None };
    let report = run(
        reaching(Policy::Ignore),
        vec![
            (0, "", login()),
            (10, "phone", password()),
            (600, "", revocation.clone()),
            (610, "", visible()),
        ],
    );
    assert_eq!(outcome(&report, 2).word, "ok");
    let over = Some((600, "upstream_logout", "valid_after"));
    assert_eq!(ends(&report, LayerKind::Session), [over, over]);
    assert_eq!(ends(&report, LayerKind::OfflineFamily), [over, over]);
    let revoked = Some((600, "upstream_logout", "revocation"));
    assert_eq!(ends(&report, LayerKind::Upstream), [revoked]);
    // Nobody whom it could mean, and a connection that takes none.
    let stranger = vec![(0, "", password()), (600, "", revocation.clone())];
    let report = run(reaching(Policy::Ignore), stranger);
    assert_eq!(outcome(&report, 1).word, "not_found");
    let mut closed = reaching(Policy::Ignore);
    closed.upstream.global_token_revocation = false;
    let report = run(closed, vec![(0, "", login()), (600, "", revocation)]);
    assert_eq!(outcome(&report, 1).word, "not_found");
    assert!(ends(&report, LayerKind::Session)[0].unwrap().1 == "idle");
}

#[test]
fn one_that_lets_nobody_in_and_a_client_that_may_not_use_it() {
    for state in [Provider::Silent, Provider::Refuses] {
        let report = run(
            reaching(Policy::Browser),
            vec![(0, "", does(state)), (10, "", login())],
        );
        assert_eq!(outcome(&report, 1).word, "login_required");
        assert!(report.layers.is_empty());
    }
    let closed = Connection {
        enabled_clients: Some(vec!["shop".to_owned()]),
        ..reaching(Policy::Browser)
    };
    let report = run(closed, vec![(0, "", login())]);
    assert!(outcome(&report, 0).refusal.is_some());
    assert!(report.layers.is_empty());
}
