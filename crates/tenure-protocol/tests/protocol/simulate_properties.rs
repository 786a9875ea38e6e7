//! Properties of random simulations: nothing outlives its limits.

use crate::common::{DAY, at, properties};
use crate::simulate::{AUDIENCE, ask, settings};
use proptest::prelude::*;
use tenure_protocol::Timestamp;
use tenure_protocol::limits::Limits;
use tenure_protocol::model::{Connection, ConnectionOptions, UpstreamLogoutPolicy, UpstreamPolicy};
use tenure_protocol::session::EndReason;
use tenure_protocol::simulate::{
    Action, Ask, Event, Layer, LayerKind, Provider, Settings, Upstream, simulate,
};

fn browser() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 1 => Just("phone")]
}

fn connection() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        2 => prop::sample::select(&["asked", "lost", "strict"][..]).prop_map(|name| Some(name.to_owned())),
    ]
}

/// With connections whose providers are asked by a refresh, through the browser, and that reach far.
fn connected(idle_minutes: f64, absolute_minutes: f64) -> Settings {
    let connection = |name: &str, scope: &str, upstream| Connection {
        name: name.to_owned(),
        options: ConnectionOptions {
            scope: Some(scope.to_owned()),
            ..ConnectionOptions::default()
        },
        upstream,
        ..Connection::default()
    };
    let policy = |backchannel_logout, minutes| UpstreamPolicy {
        backchannel_logout,
        confirm_after_minutes: minutes,
        confirm_grace_minutes: 5,
        ..UpstreamPolicy::default()
    };
    let connections = [
        connection(
            "asked",
            "offline_access",
            policy(UpstreamLogoutPolicy::Ignore, Some(7)),
        ),
        connection(
            "lost",
            "",
            policy(UpstreamLogoutPolicy::AllSessions, Some(11)),
        ),
        connection(
            "strict",
            "",
            policy(UpstreamLogoutPolicy::AllSessionsAndRefreshTokens, None),
        ),
    ];
    Settings {
        connections: connections.map(|one| (one.name.clone(), one)).into(),
        ..settings(idle_minutes, absolute_minutes)
    }
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
        2 => (asked.clone(), connection(), prop::option::of(1..20_000_i64)).prop_map(
            |(ask, connection, session_expiry)| Action::Login(Ask {
                upstream: Some(Upstream { connection, session_expiry }), ..ask
            })),
        1 => any::<(bool, bool)>().prop_map(|(everywhere, told)|
            Action::UpstreamLogout { everywhere, told }),
        1 => connection().prop_map(|connection| Action::UpstreamRevocation { connection }),
        2 => (connection(), prop_oneof![
            3 => Just(Provider::Answers), 2 => Just(Provider::Silent), 1 => Just(Provider::Refuses),
        ]).prop_map(|(connection, does)| Action::Provider { connection, does }),
        8 => (asked, any::<bool>()).prop_map(|(ask, silent)| Action::Authorize { ask, silent }),
        12 => (client(), prop::option::weighted(0.1, 1..4_u32), prop::bool::weighted(0.1)).prop_map(
            |(client, generation, elsewhere)| Action::Refresh {
                client: client.to_owned(), generation, elsewhere,
            }),
        3 => Just(Action::Extend),
        2 => (2..90_i32, 2..300_i32).prop_map(|(idle, absolute)|
            Action::Settings(Box::new(connected(f64::from(idle), f64::from(absolute))))),
        1 => any::<bool>().prop_map(|federated| Action::Logout { client: None, federated }),
        1 => Just(Action::End(EndReason::AdminRevoked)),
        1 => Just(Action::Password),
        1 => Just(Action::Block),
        1 => Just(Action::Unblock),
        4 => Just(Action::Wait),
    ]
}

fn story() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0..2_400_i64, browser(), action()), 1..40).prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .map(|(gap, browser, action)| {
                now += gap;
                Event {
                    browser: browser.to_owned(),
                    ..Event::new(at(now), action)
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
        let first = connected(30.0, 120.0);
        let most = highest(&events, first.limits(true));
        let report = simulate(first, &events);
        for layer in &report.layers {
            if layer.kind == LayerKind::Upstream {
                // What the provider grants last is its last word; it may never have told any.
                let cap = layer.deadlines.last().unwrap().absolute;
                let end = layer.end.as_ref().map(|end| end.at);
                assert!(cap.is_none() || (end.is_some() && end <= cap), "{layer:?}");
                continue;
            }
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
                LayerKind::Upstream => {}
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
        let report = simulate(connected(30.0, 120.0), &events);
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
                LayerKind::Upstream | LayerKind::Session | LayerKind::OfflineFamily => {}
            }
        }
    }

    #[test]
    fn waiting_changes_nothing(events in story()) {
        let plain = simulate(connected(30.0, 120.0), &events);
        let waits = events.iter().flat_map(|event| {
            let wait = Event::new(event.at, Action::Wait);
            [wait.clone(), event.clone(), wait]
        });
        let waited = simulate(connected(30.0, 120.0), &waits.collect::<Vec<_>>());
        assert_eq!(plain.layers, waited.layers);
    }
}
