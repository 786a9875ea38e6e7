//! The whole graph of one session: limits and their sources, who took part, what happened, how it ended.

use crate::world::{OFFLINE, World, authorize, spa};
use serde_json::{Value, json};
use tenure::graph::{Graph, Rows};
use tenure_protocol::Sid;
use tenure_protocol::limits::Caps;

const FORUM: &str = "http://localhost:3002/cb";

impl World {
    pub async fn graph(&self, sid: Sid) -> Value {
        let rows = self.app.store.read(move |tx| Rows::load(tx, &sid)).await;
        let settings = self.app.settings.current();
        let rows = rows.unwrap().unwrap();
        let graph = Graph::of(&rows, &settings, &Caps::default(), self.clock.now());
        serde_json::to_value(graph).unwrap()
    }
}

#[tokio::test]
async fn each_limit_names_its_source_and_what_ends_the_session_first() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.tokens(&OFFLINE).await;
    let graph = world.graph(browser.sid()).await;
    let limits: Vec<_> = graph["limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| {
            (
                l["name"].as_str().unwrap(),
                l["source"].as_str().unwrap(),
                l["seconds"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        limits,
        [
            ("idle_timeout", "stored copy", 3_600),
            ("absolute_lifetime", "stored copy", 28_800),
            ("idle_timeout", "setting", 3_600),
            ("absolute_lifetime", "setting", 28_800),
        ]
    );
    assert_eq!(graph["ends_first"]["rule"], "stored_idle");
    assert_eq!(graph["ends_first"]["at"], "2026-01-01T01:00:00.000Z");
    assert_eq!(graph["at_next_activity"], Value::Null);
    assert_eq!(graph["end"], Value::Null);
    let family = &graph["applications"][0]["refresh_tokens"][0];
    assert_eq!(family["kind"], "offline");
    assert_eq!(family["limits"][0]["source"], "client");
    // A lowered setting ends it at the next activity, before what is stored does.
    world
        .apply("tenant: {idle_session_lifetime_in_minutes: 10, session_lifetime: 8}")
        .await;
    let graph = world.graph(browser.sid()).await;
    assert_eq!(graph["ends_first"]["rule"], "stored_idle");
    assert_eq!(graph["at_next_activity"]["rule"], "setting_idle");
    assert_eq!(graph["at_next_activity"]["at"], "2026-01-01T00:10:00.000Z");
}

#[tokio::test]
async fn an_ended_session_says_why_and_how_far_its_applications_were_told() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    world.clock.advance(60);
    browser.get(&authorize("forum", FORUM, &[])).await.code();
    let sid = browser.sid();
    world.clock.advance(3_600);
    // Judged, though nobody has noticed yet.
    let expected =
        json!({"at": "2026-01-01T01:01:00.000Z", "reason": "idle", "rule": "stored_idle"});
    assert_eq!(world.graph(sid).await["end"], expected);
    tenure::work::expiry::round(&world.app).await.unwrap();
    let graph = world.graph(sid).await;
    assert_eq!(graph["end"], expected);
    assert_eq!(graph["ends_first"], Value::Null);
    let applications = graph["applications"].as_array().unwrap();
    assert_eq!(applications.len(), 2);
    assert_eq!(applications[0]["client_id"], "spa");
    assert_eq!(applications[1]["name"], "Forum");
    assert_eq!(applications[1]["first_seen_at"], "2026-01-01T00:01:00.000Z");
    for application in applications {
        assert_eq!(application["delivery"]["state"], "pending");
    }
    let last = graph["activities"].as_array().unwrap().last().unwrap();
    assert_eq!(last["type"], "session_revoked");
    assert_eq!(last["details"]["reason"], "idle");
}

/// A sign-in to one more application by the session alone is an activity, and is in the log.
#[tokio::test]
async fn single_sign_on_is_logged_and_a_login_is_logged_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    browser.get(&authorize("forum", FORUM, &[])).await.code();
    let entries = loop {
        // Successes are written in batches, a moment later.
        let entries = world.log("s").await;
        if entries.len() >= 2 {
            break entries;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(entries.len(), 2);
    let sso = entries.iter().find(|entry| entry["details"]["sso"] == true);
    let sso = sso.unwrap();
    assert_eq!(sso["client_id"], "forum");
    assert_eq!(sso["session_id"], browser.sid().to_string());
}

/// What nobody has noticed yet is over all the same: a family by its deadline, a session-bound one with
/// its session.
#[tokio::test]
async fn a_family_whose_time_has_passed_is_called_over() {
    let world = World::new().await;
    let lifetime = async |idle: u32| {
        let text = format!(
            "clients:\n  - client_id: spa\n    refresh_token: {{ expiration_type: expiring, \
             idle_token_lifetime: {idle}, token_lifetime: 72000 }}"
        );
        world.apply(&text).await;
    };
    lifetime(600).await;
    let mut browser = world.browser();
    browser.tokens(&OFFLINE).await;
    let family = async || {
        let graph = world.graph(browser.sid()).await;
        graph["applications"][0]["refresh_tokens"][0].clone()
    };
    assert_eq!(family().await["end"], Value::Null);
    world.clock.advance(600);
    let end = family().await["end"].clone();
    assert_eq!(
        (&end["reason"], &end["rule"]),
        (&json!("idle"), &json!("stored_idle"))
    );
    assert_eq!(end["at"], family().await["limits"][0]["at"]);
    lifetime(36_000).await;
    let mut bound = world.browser();
    bound.tokens(&[("scope", "openid online_access")]).await;
    world.clock.advance(3_600);
    let graph = world.graph(bound.sid()).await;
    let family = &graph["applications"][0]["refresh_tokens"][0];
    assert_eq!(family["kind"], "online");
    assert_eq!(family["end"], graph["end"]);
    assert_eq!(family["end"]["reason"], "idle");
}
