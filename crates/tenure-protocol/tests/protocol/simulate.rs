//! The simulator: tables of small stories.

use crate::common::{DAY, HOUR, START, at};
use std::collections::BTreeMap;
use tenure_protocol::limits::Caps;
use tenure_protocol::model::{
    Api, AppType, Client, ExpirationType, JwtConfiguration, RefreshTokenPolicy, Tenant,
};
use tenure_protocol::session::EndReason;
use tenure_protocol::simulate::{Action, Ask, Event, LayerKind, Report, Settings, simulate};

pub const AUDIENCE: &str = "https://api.example.com";

pub fn settings(idle_minutes: f64, absolute_minutes: f64) -> Settings {
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
        connections: BTreeMap::new(),
        caps: Caps::default(),
    }
}

pub fn ask(client: &str, scope: &str) -> Ask {
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
        .map(|(seconds, action)| Event::new(at(seconds), action))
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
            Action::Logout {
                client: None,
                federated: false,
            },
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

#[test]
fn settings_that_are_stricter_than_what_was_copied_refuse_from_then_on() {
    let report = run(
        settings(60.0, 480.0),
        vec![
            (0, login("openid")),
            (900, Action::Settings(Box::new(settings(10.0, 480.0)))),
        ],
    );
    assert_eq!(
        end(&report, LayerKind::Session),
        ends(3_600, "idle", "stored_idle")
    );
    let refused = report.layers[0].refused_from.as_ref().unwrap();
    assert_eq!((refused.at, refused.by), (at(900), "idle"));
    assert_eq!(refused.rule, "setting_idle");
}
