//! The simulator's layer above: sessions at another identity provider.

use crate::common::{START, at};
use crate::simulate::{ask, settings};
use tenure_protocol::simulate::{Action, Ask, Event, LayerKind, Report, Upstream, simulate};

fn through(session_expiry: Option<i64>) -> Action {
    Action::Login(Ask {
        upstream: Some(Upstream {
            connection: None,
            session_expiry,
        }),
        ..ask("shop", "openid offline_access")
    })
}

const TOLD: Action = Action::UpstreamLogout {
    everywhere: false,
    told: true,
};
const LOGOUT: Action = Action::Logout {
    client: None,
    federated: false,
};
const FEDERATED: Action = Action::Logout {
    client: None,
    federated: true,
};

fn run(events: Vec<(i64, Action)>) -> Report {
    let events: Vec<Event> = events
        .into_iter()
        .map(|(seconds, action)| Event::new(at(seconds), action))
        .collect();
    simulate(settings(60.0, 480.0), &events)
}

/// (seconds, by, rule) of every layer of a kind.
fn ends(report: &Report, kind: LayerKind) -> Vec<Option<(i64, &str, &str)>> {
    let layers = report.layers.iter().filter(|layer| layer.kind == kind);
    let end = |end: &tenure_protocol::simulate::LayerEnd| end.at.millis_since(START) / 1000;
    layers
        .map(|layer| layer.end.as_ref().map(|e| (end(e), e.by, e.rule.as_str())))
        .collect()
}

#[test]
fn the_provider_caps_a_session_that_is_used() {
    let report = run(vec![(0, through(Some(4_000))), (3_000, Action::Extend)]);
    let expiry = "session_expiry of the provider";
    assert_eq!(
        ends(&report, LayerKind::Upstream),
        [Some((4_000, "expired", expiry))]
    );
    let capped = Some((4_000, "upstream_expired", "upstream_session_expiry"));
    assert_eq!(ends(&report, LayerKind::Session), [capped]);
    // One that sends none caps nothing, and nobody knows when it ends.
    let report = run(vec![(0, through(None)), (3_000, Action::Extend)]);
    assert_eq!(ends(&report, LayerKind::Upstream), [None]);
    assert_eq!(
        ends(&report, LayerKind::Session),
        [Some((6_600, "idle", "stored_idle"))]
    );
    // Signing in once more through it: its last word counts.
    let report = run(vec![
        (0, through(Some(4_000))),
        (3_000, through(Some(9_000))),
    ]);
    assert_eq!(
        ends(&report, LayerKind::Upstream),
        [Some((12_000, "expired", expiry))]
    );
    assert_eq!(report.layers[0].kind, LayerKind::Upstream);
    assert_eq!(report.layers[0].activities.len(), 2);
}

#[test]
fn a_logout_at_the_provider_reaches_down() {
    let report = run(vec![(0, through(None)), (600, TOLD)]);
    let logout = Some((600, "upstream_logout", "logout at the provider"));
    assert_eq!(ends(&report, LayerKind::Upstream), [logout]);
    assert_eq!(
        ends(&report, LayerKind::Session),
        [Some((600, "upstream_logout", "logout_token"))]
    );
    // Who signed in here has no provider that could.
    let report = run(vec![(0, Action::Login(ask("shop", "openid"))), (600, TOLD)]);
    assert_eq!(
        report.outcomes[1].1.note,
        "there was no session at a provider"
    );
    assert_eq!(
        ends(&report, LayerKind::Session),
        [Some((3_600, "idle", "stored_idle"))]
    );
}

#[test]
fn a_logout_here_reaches_up_where_it_is_federated() {
    let logout = Some((600, "upstream_logout", "federated logout"));
    for (action, upstream) in [(LOGOUT, None), (FEDERATED, logout)] {
        let report = run(vec![(0, through(None)), (600, action)]);
        assert_eq!(ends(&report, LayerKind::Upstream), [upstream]);
        assert_eq!(
            ends(&report, LayerKind::Session),
            [Some((600, "user_logout", "ended"))]
        );
    }
    // Alive above, the next login is one more of the same session there; over, it is another.
    let report = run(vec![
        (0, through(None)),
        (600, LOGOUT),
        (900, through(None)),
    ]);
    assert_eq!(ends(&report, LayerKind::Upstream), [None]);
    let report = run(vec![
        (0, through(None)),
        (600, FEDERATED),
        (900, through(None)),
    ]);
    assert_eq!(ends(&report, LayerKind::Upstream), [logout, None]);
    let report = run(vec![(0, through(Some(500))), (600, through(Some(500)))]);
    assert_eq!(ends(&report, LayerKind::Upstream).len(), 2);
}

/// As the server refuses it.
#[test]
fn a_session_expiry_that_has_passed_signs_nobody_in() {
    let report = run(vec![(0, through(Some(0)))]);
    assert_eq!(report.outcomes[0].1.word, "login_required");
    assert!(report.outcomes[0].1.note.contains("session_expiry"));
    assert!(report.layers.is_empty());
}
