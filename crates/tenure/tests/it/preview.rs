//! `tenure preview`: what it counts comes true when the change is made; and the simulator against the
//! application itself.

use crate::world::{OFFLINE, TENANT, World, silent};
use serde_json::Value;
use std::sync::Arc;
use tenure::preview::{Preview, Settling, run};
use tenure::settings::Settings;
use tenure::simulation::{START, read, since_start};
use tenure::tenantfile::Findings;
use tenure::tenantfile::yaml::Node;
use tenure_protocol::limits::Caps;
use tenure_protocol::simulate::simulate;

async fn preview(world: &World, set: &[&str]) -> Preview {
    let settings = world.app.store.read(Settings::load).await.unwrap();
    let set: Vec<String> = set.iter().map(|&text| text.to_owned()).collect();
    let settling = Arc::new(Settling::new(settings, &set, Caps::default()).unwrap());
    let (store, now) = (world.app.store.clone(), world.clock.now());
    tokio::task::spawn_blocking(move || run(&store, &settling, now, |_| {}))
        .await
        .unwrap()
        .unwrap()
}

async fn refuses(world: &World, set: &str) -> String {
    let settings = world.app.store.read(Settings::load).await.unwrap();
    let refused = Settling::new(settings, &[set.to_owned()], Caps::default());
    refused.unwrap_err().to_string()
}

#[tokio::test]
async fn what_a_preview_counts_comes_true() {
    let world = World::new().await;
    // Three browsers of known ages: 40, 20 and 0 minutes since their last activity.
    let mut browsers = Vec::new();
    let mut tokens: Vec<Value> = Vec::new();
    for wait in [20 * 60, 20 * 60, 0] {
        let mut browser = world.browser();
        tokens.push(browser.tokens(&OFFLINE).await);
        browsers.push(browser);
        world.clock.advance(wait);
    }
    let set = [
        "idle_session_lifetime_in_minutes=30",
        "client:spa.refresh_token.idle_token_lifetime=1200",
    ];
    let told = preview(&world, &set).await;
    let sessions = told.sessions;
    assert_eq!((sessions.live, sessions.now), (3, 0));
    assert_eq!(
        (sessions.at_next_activity, sessions.earlier, sessions.never),
        (1, 2, 0)
    );
    let families = told.offline_families;
    assert_eq!((families.live, families.now), (3, 0));
    assert_eq!(
        (families.at_next_activity, families.earlier, families.never),
        (2, 1, 0)
    );
    assert_eq!(told.session_bound_families.live, 0);
    // It changed nothing.
    assert_eq!(preview(&world, &set).await, told);
    assert_eq!(
        preview(&world, &["session_lifetime=9"])
            .await
            .sessions
            .never,
        3
    );

    world
        .apply(
            "tenant: {idle_session_lifetime_in_minutes: 30}\n\
             clients: [{client_id: spa, name: Shop, refresh_token: {idle_token_lifetime: 1200}}]",
        )
        .await;
    let mut ended = 0;
    for browser in &mut browsers {
        let answer = browser.get(&silent(&[])).await.message().0;
        ended += u64::from(answer["error"] == "login_required");
    }
    assert_eq!(ended, sessions.at_next_activity);
    let mut refused = 0;
    for (browser, tokens) in browsers.iter().zip(&tokens) {
        let text = tokens["refresh_token"].as_str().unwrap();
        refused += u64::from(browser.refresh("spa", text).await.error() == "invalid_grant");
    }
    assert_eq!(refused, families.at_next_activity);
    // What went on has the earlier end that was told.
    let left = world
        .app
        .store
        .read({
            let now = world.clock.now();
            move |tx| tx.live_sessions((None, None), now, 10)
        })
        .await
        .unwrap();
    assert_eq!(left.len(), 2);
    for (session, _) in left {
        assert_eq!(session.limits.idle_timeout, 1_800);
    }
}

#[tokio::test]
async fn session_bound_families_are_counted_with_their_sessions() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.tokens(&[("scope", "openid online_access")]).await;
    world.clock.advance(1_200);
    let told = preview(&world, &["idle_session_lifetime_in_minutes=10"]).await;
    assert_eq!(told.sessions.at_next_activity, 1);
    assert_eq!(told.session_bound_families.at_next_activity, 1);
    // Who is blocked is over already, and no change ends them.
    let user = world.app.store.read(|tx| tx.users("", 10)).await.unwrap();
    let ada = user
        .into_iter()
        .find(|user| user.user.user_id == "auth0|ada")
        .unwrap();
    let mut blocked = ada.clone();
    blocked.user.blocked = true;
    world
        .app
        .store
        .write(move |tx| tx.put_user(&blocked))
        .await
        .unwrap();
    let told = preview(&world, &["idle_session_lifetime_in_minutes=10"]).await;
    assert_eq!(told, Preview::default());
}

#[tokio::test]
async fn wrong_names_and_values_are_answered_with_what_to_write() {
    let world = World::new().await;
    for (set, words) in [
        (
            "idle_lifetime_in_minutes=3",
            "idle_session_lifetime_in_minutes",
        ),
        ("session_lifetime", "NAME=VALUE"),
        ("session_lifetime=soon", "write a number"),
        ("session_lifetime=9000", "above the system limit"),
        ("client:nobody.refresh_token.leeway=1", "spa"),
        ("client:spa.refresh_token.liway=1", "refresh_token.leeway"),
        ("client:spa.leeway=1", "refresh_token.leeway"),
        ("client:spa.refresh_token.leeway=x", "write a whole number"),
    ] {
        let told = refuses(&world, set).await;
        assert!(told.contains(words), "{set}: {told}");
    }
}

/// A story as the simulator tells it, lived in the application: the same answers at the same instants.
#[tokio::test]
async fn the_simulator_tells_what_the_application_does() {
    let events = "
events:
  - { at: 0s, login: spa, scope: openid profile email offline_access }
  - { at: 50m, silent: spa }
  - { at: 1h40m, silent: spa }
  - { at: 1h45m, refresh: spa }
  - { at: 2h45m, silent: spa }
  - { at: 3h, refresh: spa }
  - { at: 5h, refresh: spa }
  - { at: 5h1m, login: spa, scope: openid profile email offline_access }
  - { at: 13h, silent: spa }
  - { at: 13h1m, login: spa, scope: openid profile email offline_access }
  - { at: 13h2m, refresh: spa }
";
    let mut findings = Findings::default();
    let text = format!("{TENANT}{events}");
    let node = Node::parse(&text, "story").unwrap();
    let script = read::read(&node, None, &Caps::default(), &mut findings);
    assert_eq!(findings.first_error(), None);
    let steps: Vec<_> = script
        .events
        .iter()
        .map(|step| step.event.clone())
        .collect();
    let report = simulate(script.settings.clone(), &steps);

    let world = World::new().await;
    let mut browser = world.browser();
    let mut refresh_token = String::new();
    let mut now = START;
    for (step, (at, outcome)) in script.events.iter().zip(&report.outcomes) {
        let gap = at.millis_since(now) / 1000;
        world.clock.advance(u32::try_from(gap).unwrap());
        now = *at;
        let word = match step.words.split_once(' ').unwrap().0 {
            "login" => {
                let tokens = browser.tokens(&OFFLINE).await;
                refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();
                "ok".to_owned()
            }
            "silent" => {
                let message = browser.get(&silent(&[])).await.message().0;
                message["error"].as_str().unwrap_or("ok").to_owned()
            }
            _ => {
                let answer = browser.refresh("spa", &refresh_token).await;
                if answer.error().is_empty() {
                    refresh_token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
                    "ok".to_owned()
                } else {
                    answer.error()
                }
            }
        };
        assert_eq!(word, outcome.word, "{} at {}", step.words, since_start(*at));
    }
    let words: Vec<&str> = report.outcomes.iter().map(|(_, o)| o.word).collect();
    assert!(words.contains(&"login_required") && words.contains(&"invalid_grant"));
    // And the sessions ended when and by what the simulator says.
    let mut stored = world
        .app
        .store
        .read(|tx| {
            tx.sessions(&tenure_store::SessionFilter {
                limit: 10,
                ..Default::default()
            })
        })
        .await
        .unwrap();
    stored.sort_by_key(|session| session.created_at);
    let told: Vec<_> = report
        .layers
        .iter()
        .filter(|layer| layer.client.is_none())
        .collect();
    assert_eq!(stored.len(), told.len());
    let begin = stored[0].created_at;
    for (session, layer) in stored.iter().zip(told) {
        let end = layer.end.as_ref().unwrap();
        let (at, reason) = match &session.end {
            Some(end) => (end.at, end.reason),
            None => session.expires_at(),
        };
        assert_eq!(at.millis_since(begin), end.at.millis_since(START));
        assert_eq!(reason.name(), end.by);
    }
}
