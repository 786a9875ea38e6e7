//! The simulator: tables of small stories, and properties of random ones.

use crate::common::{DAY, HOUR, START, at, properties};
use proptest::prelude::*;
use tenure_protocol::Timestamp;
use tenure_protocol::limits::{Caps, Limits};
use tenure_protocol::model::{
    Api, AppType, Client, ExpirationType, JwtConfiguration, RefreshTokenPolicy, Tenant,
};
use tenure_protocol::session::EndReason;
use tenure_protocol::simulate::{Action, Ask, Event, Layer, LayerKind, Report, Settings, simulate};

const AUDIENCE: &str = "https://api.example.com";

fn settings(idle_minutes: f64, absolute_minutes: f64) -> Settings {
    let client = |id: &str, app_type| Client {
        client_id: id.to_owned(),
        app_type,
        jwt_configuration: JwtConfiguration {
            lifetime_in_seconds: HOUR,
            ..JwtConfiguration::default()
        },
        refresh_token: RefreshTokenPolicy {
            expiration_type: Some(ExpirationType::Expiring),
            idle_token_lifetime: 2 * HOUR,
            token_lifetime: DAY,
            ..RefreshTokenPolicy::default()
        },
        ..Client::default()
    };
    let clients = [
        client("shop", AppType::Spa),
        client("desk", AppType::RegularWeb),
    ];
    Settings {
        tenant: Tenant {
            idle_session_lifetime_in_minutes: Some(idle_minutes),
            session_lifetime_in_minutes: Some(absolute_minutes),
            ..Tenant::default()
        },
        clients: clients.map(|c| (c.client_id.clone(), c)).into(),
        apis: [(
            AUDIENCE.to_owned(),
            Api {
                identifier: AUDIENCE.to_owned(),
                allow_online_access: true,
                token_lifetime: 600,
                ..Api::default()
            },
        )]
        .into(),
        caps: Caps::default(),
    }
}

fn ask(client: &str, scope: &str) -> Ask {
    Ask {
        client: client.to_owned(),
        scope: scope.to_owned(),
        ..Ask::default()
    }
}

fn login(scope: &str) -> Action {
    Action::Login(ask("shop", scope))
}

fn silent() -> Action {
    Action::Authorize {
        ask: ask("shop", "openid"),
        silent: true,
    }
}

fn refresh() -> Action {
    Action::Refresh {
        client: "shop".to_owned(),
        generation: None,
        elsewhere: false,
    }
}

fn run(settings: Settings, events: Vec<(i64, Action)>) -> Report {
    let events: Vec<Event> = events
        .into_iter()
        .map(|(seconds, action)| Event {
            at: at(seconds),
            action,
        })
        .collect();
    simulate(settings, &events)
}

fn words(report: &Report) -> Vec<&'static str> {
    report
        .outcomes
        .iter()
        .map(|(_, outcome)| outcome.word)
        .collect()
}

/// (seconds, by, rule) of the last layer of a kind.
fn end(report: &Report, kind: LayerKind) -> Option<(i64, &'static str, String)> {
    let layer = report.layers.iter().rfind(|layer| layer.kind == kind)?;
    let end = layer.end.clone()?;
    Some((end.at.millis_since(START) / 1000, end.by, end.rule))
}

fn ends(at: i64, by: &'static str, rule: &str) -> Option<(i64, &'static str, String)> {
    Some((at, by, rule.to_owned()))
}

#[test]
fn activity_renews_idle_and_the_first_deadline_wins() {
    let report = run(
        settings(60.0, 480.0),
        vec![
            (0, login("openid")),
            (3_000, silent()),
            (6_000, Action::Extend),
        ],
    );
    assert_eq!(words(&report), ["ok", "ok", "ok"]);
    assert_eq!(
        end(&report, LayerKind::Session),
        ends(9_600, "idle", "stored_idle")
    );
    let late = run(
        settings(60.0, 90.0),
        vec![(0, login("openid")), (3_000, silent()), (5_400, silent())],
    );
    assert_eq!(words(&late), ["ok", "ok", "login_required"]);
    assert_eq!(late.outcomes[2].1.reason, Some(EndReason::Absolute));
    assert_eq!(
        end(&late, LayerKind::Session),
        ends(5_400, "absolute", "stored_absolute")
    );
}

#[test]
fn a_lowered_setting_bites_at_the_next_activity_and_a_raised_one_waits_for_a_login() {
    let lowered = |last| {
        run(
            settings(60.0, 480.0),
            vec![
                (0, login("openid")),
                (60, Action::Settings(Box::new(settings(10.0, 480.0)))),
                (last, silent()),
            ],
        )
    };
    assert_eq!(
        end(&lowered(599), LayerKind::Session),
        ends(1_199, "idle", "stored_idle")
    );
    assert_eq!(
        end(&lowered(1_800), LayerKind::Session),
        ends(600, "idle", "setting_idle")
    );
    let raised = run(
        settings(10.0, 60.0),
        vec![
            (0, login("openid")),
            (60, Action::Settings(Box::new(settings(60.0, 480.0)))),
            (300, silent()),
            (400, login("openid")),
        ],
    );
    assert_eq!(raised.layers[0].deadlines[1].idle, Some(at(900)));
    assert_eq!(
        end(&raised, LayerKind::Session),
        ends(4_000, "idle", "stored_idle")
    );
}

#[test]
fn an_offline_family_outlives_the_session_and_a_session_bound_one_does_not() {
    let offline = run(
        settings(60.0, 480.0),
        vec![(0, login("openid offline_access")), (5_000, refresh())],
    );
    assert_eq!(words(&offline), ["ok", "ok"]);
    assert_eq!(
        end(&offline, LayerKind::Session),
        ends(3_600, "idle", "stored_idle")
    );
    assert_eq!(
        end(&offline, LayerKind::OfflineFamily),
        ends(12_200, "idle", "stored_idle")
    );
    let online = run(
        settings(60.0, 480.0),
        vec![
            (0, login("openid online_access")),
            (3_000, refresh()),
            (6_600, refresh()),
        ],
    );
    // The first refresh is the session's activity; the second comes at its deadline.
    assert_eq!(words(&online), ["ok", "ok", "invalid_grant"]);
    assert_eq!(online.outcomes[2].1.reason, Some(EndReason::Idle));
    assert_eq!(
        end(&online, LayerKind::OnlineFamily),
        ends(6_600, "idle", "stored_idle")
    );
}

#[test]
fn what_a_logout_and_a_reset_take_along() {
    let story = |action: Action| {
        run(
            settings(60.0, 480.0),
            vec![
                (0, login("openid offline_access")),
                (
                    1,
                    Action::Authorize {
                        ask: ask("desk", "openid offline_access"),
                        silent: false,
                    },
                ),
                (60, action),
                (61, refresh()),
                (
                    62,
                    Action::Refresh {
                        client: "desk".to_owned(),
                        generation: None,
                        elsewhere: false,
                    },
                ),
            ],
        )
    };
    let table = [
        (
            Action::Logout { client: None },
            "user_logout",
            "invalid_grant",
            "ok",
        ),
        (
            Action::End(EndReason::AdminRevoked),
            "admin_revoked",
            "invalid_grant",
            "ok",
        ),
        (
            Action::Password,
            "credential_change",
            "invalid_grant",
            "invalid_grant",
        ),
        (
            Action::Block,
            "account_disabled",
            "access_denied",
            "access_denied",
        ),
    ];
    for (action, reason, shop, desk) in table {
        let report = story(action.clone());
        assert_eq!(words(&report)[3..], [shop, desk], "{action:?}");
        let (when, by, _) = end(&report, LayerKind::Session).unwrap();
        assert_eq!((when, by), (60, reason), "{action:?}");
    }
}

#[test]
fn a_copied_token_ends_its_family() {
    let copied = Action::Refresh {
        client: "shop".to_owned(),
        generation: Some(1),
        elsewhere: true,
    };
    let report = run(
        settings(60.0, 480.0),
        vec![
            (0, login("openid offline_access")),
            (100, refresh()),
            (110, copied),
            (120, refresh()),
        ],
    );
    assert_eq!(
        words(&report),
        ["ok", "ok", "invalid_grant", "invalid_grant"]
    );
    assert_eq!(
        end(&report, LayerKind::OfflineFamily),
        ends(110, "reuse_detected", "generation_reused")
    );
}

#[test]
fn tokens_are_bounded_by_what_they_hang_on() {
    let report = run(settings(5.0, 30.0), vec![(0, login("openid"))]);
    let lasting = "absolute deadline of what it hangs on";
    assert_eq!(
        end(&report, LayerKind::IdToken),
        ends(1_800, "expired", lasting)
    );
    assert_eq!(
        end(&report, LayerKind::AccessToken),
        ends(300, "expired", "token lifetime")
    );
    let id = report
        .layers
        .iter()
        .find(|l| l.kind == LayerKind::IdToken)
        .unwrap();
    assert_eq!(id.refused_from.as_ref().map(|end| end.at), Some(at(300)));
}

#[test]
fn what_is_not_granted_is_said() {
    let with_api = Ask {
        audience: Some(AUDIENCE.to_owned()),
        ..ask("shop", "openid offline_access")
    };
    let report = run(
        settings(60.0, 480.0),
        vec![(0, Action::Login(with_api)), (60, refresh())],
    );
    assert!(
        report.outcomes[0].1.note.contains("allow_offline_access"),
        "{report:?}"
    );
    assert_eq!(words(&report), ["ok", "invalid_grant"]);
    let unknown = run(
        settings(60.0, 480.0),
        vec![(0, Action::Login(ask("nobody", "openid")))],
    );
    assert_eq!(words(&unknown), ["invalid_client"]);
    let stale = Ask {
        max_age: Some(60),
        ..ask("shop", "openid")
    };
    let report = run(
        settings(60.0, 480.0),
        vec![
            (0, login("openid")),
            (
                61,
                Action::Authorize {
                    ask: stale,
                    silent: true,
                },
            ),
        ],
    );
    assert_eq!(words(&report), ["ok", "login_required"]);
}

fn action() -> impl Strategy<Value = Action> {
    let scope = prop_oneof![
        Just("openid"),
        Just("openid offline_access"),
        Just("openid online_access"),
    ];
    let client = || prop_oneof![Just("shop"), Just("desk")];
    let asked = (client(), scope, any::<bool>()).prop_map(|(client, scope, api)| Ask {
        audience: api.then(|| AUDIENCE.to_owned()),
        ..ask(client, scope)
    });
    let asked = asked.boxed();
    prop_oneof![
        4 => asked.clone().prop_map(Action::Login),
        8 => (asked, any::<bool>()).prop_map(|(ask, silent)| Action::Authorize { ask, silent }),
        12 => (client(), prop::option::weighted(0.1, 1..4_u32), prop::bool::weighted(0.1)).prop_map(
            |(client, generation, elsewhere)| Action::Refresh {
                client: client.to_owned(), generation, elsewhere,
            }),
        3 => Just(Action::Extend),
        2 => (2..90_i32, 2..300_i32).prop_map(|(idle, absolute)|
            Action::Settings(Box::new(settings(f64::from(idle), f64::from(absolute))))),
        1 => Just(Action::Logout { client: None }),
        1 => Just(Action::End(EndReason::AdminRevoked)),
        1 => Just(Action::Password),
        1 => Just(Action::Block),
        1 => Just(Action::Unblock),
        4 => Just(Action::Wait),
    ]
}

fn story() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0..2_400_i64, action()), 1..40).prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .map(|(gap, action)| {
                now += gap;
                Event {
                    at: at(now),
                    action,
                }
            })
            .collect()
    })
}

/// Today's limits at every instant of a story.
fn highest(events: &[Event], first: Limits) -> Limits {
    events
        .iter()
        .fold(first, |most, event| match &event.action {
            Action::Settings(settings) => {
                let today = settings.limits(true);
                Limits {
                    idle_timeout: most.idle_timeout.max(today.idle_timeout),
                    absolute_lifetime: most.absolute_lifetime.max(today.absolute_lifetime),
                }
            }
            _ => most,
        })
}

fn end_at(layer: &Layer) -> Timestamp {
    layer.end.as_ref().unwrap().at
}

proptest! {
    #![proptest_config(properties())]

    #[test]
    fn nothing_outlives_its_limits(events in story()) {
        let first = settings(30.0, 120.0);
        let most = highest(&events, first.limits(true));
        let report = simulate(first, &events);
        for layer in &report.layers {
            let end = end_at(layer);
            assert!(end >= layer.since, "{layer:?}");
            for activity in &layer.activities {
                assert!(*activity <= end, "active after its end: {layer:?}");
            }
            for deadlines in &layer.deadlines {
                assert!(deadlines.idle <= deadlines.absolute);
            }
            // Whatever stands last, it ends by then.
            if let Some(last) = layer.deadlines.last() {
                assert!(last.idle.is_none_or(|idle| end <= idle), "{layer:?}");
                assert!(last.absolute.is_none_or(|absolute| end <= absolute), "{layer:?}");
            }
            match layer.kind {
                LayerKind::Session => {
                    let active = layer.activities.iter().max().unwrap();
                    assert!(end <= active.plus(most.idle_timeout));
                    // A login copies the limits anew, so every one begins a lifetime.
                    let logins = events.iter().filter(|e| matches!(e.action, Action::Login(_)));
                    let begun = logins.map(|e| e.at).filter(|at| *at <= end).max().unwrap();
                    assert!(end <= begun.plus(most.absolute_lifetime));
                }
                LayerKind::OfflineFamily | LayerKind::OnlineFamily => {
                    assert!(end <= layer.since.plus(DAY));
                }
                LayerKind::AccessToken | LayerKind::IdToken => {}
            }
        }
    }

    #[test]
    fn no_token_and_no_session_bound_family_outlives_what_it_hangs_on(events in story()) {
        let report = simulate(settings(30.0, 120.0), &events);
        let latest = |wanted: &[LayerKind]| {
            let layers = report.layers.iter().filter(|l| wanted.contains(&l.kind));
            layers.filter_map(|l| l.deadlines.iter().filter_map(|d| d.absolute).max()).max()
        };
        let sessions = report.layers.iter().filter(|l| l.kind == LayerKind::Session);
        let last_session = sessions.map(end_at).max();
        let any = latest(&[LayerKind::Session, LayerKind::OfflineFamily]);
        for layer in &report.layers {
            match layer.kind {
                LayerKind::OnlineFamily => assert!(Some(end_at(layer)) <= last_session, "{layer:?}"),
                LayerKind::AccessToken | LayerKind::IdToken => assert!(Some(end_at(layer)) <= any),
                LayerKind::Session | LayerKind::OfflineFamily => {}
            }
        }
    }

    #[test]
    fn waiting_changes_nothing(events in story()) {
        let plain = simulate(settings(30.0, 120.0), &events);
        let waits = events.iter().flat_map(|event| {
            let wait = Event { at: event.at, action: Action::Wait };
            [wait.clone(), event.clone(), wait]
        });
        let waited = simulate(settings(30.0, 120.0), &waits.collect::<Vec<_>>());
        assert_eq!(plain.layers, waited.layers);
    }
}
