//! `GET /session/events`: what a page hears of its session, and when.

use crate::knowing::{SPA, sid, text};
use crate::world::{Browser, World, silent, spa};
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::time::Duration;

/// Only for a test that would never end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream as a page reads it.
struct Stream {
    body: Body,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Stream {
    async fn open(world: &World, token: &str, last: &str) -> Self {
        let mut request = Request::get("/session/events")
            .header("authorization", format!("Bearer {token}"))
            .header("origin", SPA);
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        let response = world.stream(request.body(Body::empty()).unwrap()).await;
        let (parts, body) = response.into_parts();
        assert_eq!(parts.status, StatusCode::OK);
        assert_eq!(parts.headers["content-type"], "text/event-stream");
        assert_eq!(parts.headers["cache-control"], "no-store");
        assert_eq!(parts.headers["access-control-allow-origin"], SPA);
        let text = String::new();
        Self { body, text }
    }

    /// What comes next, a comment or an event; `None` when the stream ends.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame());
            let frame = frame.await.unwrap()?;
            let data = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim().to_owned())
            };
            let Some(name) = field("event:") else {
                continue;
            };
            return Some(Event {
                id: field("id:").unwrap(),
                name,
                data: serde_json::from_str(&field("data:").unwrap()).unwrap(),
            });
        }
    }

    async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.unwrap();
        assert_eq!(event.name, name, "{event:?}");
        event
    }
}

/// A world whose listeners are told.
async fn world() -> World {
    let world = World::new().await;
    tokio::spawn(tenure::work::streams::run(world.app.clone()));
    world
}

async fn signed_in(browser: &mut Browser<'_>) -> String {
    let tokens = browser.tokens(&[]).await;
    text(&tokens, "access_token").to_owned()
}

#[tokio::test]
async fn a_stream_tells_of_activity_lowered_limits_and_the_end() {
    let world = world().await;
    let mut browser = world.browser();
    let token = signed_in(&mut browser).await;
    let start = world.clock.now().seconds();
    let mut stream = Stream::open(&world, &token, "").await;
    let first = stream.expect("status").await;
    assert_eq!(first.data["expires_at"], start + 3_600);
    world.clock.advance(60);
    browser.get(&silent(&[])).await;
    let extended = stream.expect("extended").await;
    assert_eq!(extended.data["expires_at"], start + 3_660);
    assert_ne!(extended.id, first.id);
    // A setting that is lowered is told, and again when an activity lowers the copy.
    world
        .apply("tenant: {idle_session_lifetime_in_minutes: 10, session_lifetime: 8}")
        .await;
    let lowered = stream.expect("limits_changed").await;
    assert_eq!(lowered.data["extend_before"], start + 660);
    assert_eq!(lowered.data["expires_at"], start + 3_660);
    world.clock.advance(60);
    browser.get(&silent(&[])).await;
    let lowered = stream.expect("limits_changed").await;
    assert_eq!(lowered.data["expires_at"], start + 720);
    // A logout in another application.
    browser.get("/v2/logout?client_id=forum").await;
    let ended = stream.expect("ended").await;
    assert_eq!(ended.data["active"], false);
    assert_eq!(ended.data["reason"], "user_logout");
    assert!(stream.next().await.is_none(), "the stream ends");
    assert_eq!(world.app.streams.count(), 0);
}

/// The deadline itself is heard, whether or not anybody stored the end.
#[tokio::test]
async fn an_idle_end_and_an_absolute_one_are_heard_at_their_instants() {
    let world = world().await;
    let mut browser = world.browser();
    let token = signed_in(&mut browser).await;
    let mut stream = Stream::open(&world, &token, "").await;
    stream.expect("status").await;
    world.clock.advance(3_600);
    assert_eq!(stream.expect("ended").await.data["reason"], "idle");
    assert!(stream.next().await.is_none());

    let mut browser = world.browser();
    let token = signed_in(&mut browser).await;
    let mut stream = Stream::open(&world, &token, "").await;
    stream.expect("status").await;
    for _ in 0..15 {
        world.clock.advance(1_800);
        browser.get(&silent(&[])).await;
        stream.expect("extended").await;
    }
    world.clock.advance(1_800);
    assert_eq!(stream.expect("ended").await.data["reason"], "absolute");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_re_authentication_and_an_online_refresh_are_heard() {
    let world = world().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[("scope", "openid online_access")]).await;
    let token = text(&tokens, "access_token");
    let mut stream = Stream::open(&world, token, "").await;
    stream.expect("status").await;
    world.clock.advance(5);
    let refreshed = browser.refresh("spa", text(&tokens, "refresh_token")).await;
    assert_eq!(refreshed.status, StatusCode::OK);
    stream.expect("extended").await;
    world.clock.advance(5);
    browser.sign_in(&spa(&[("prompt", "login")])).await;
    let again = stream.expect("limits_changed").await;
    assert_eq!(again.data["auth_time"], world.clock.now().seconds());
}

#[tokio::test]
async fn a_stream_that_comes_again_hears_what_it_missed_and_nothing_twice() {
    let world = world().await;
    let mut browser = world.browser();
    let token = signed_in(&mut browser).await;
    let mut stream = Stream::open(&world, &token, "").await;
    let first = stream.expect("status").await;
    drop(stream);
    assert_eq!(world.app.streams.count(), 0, "whoever leaves is forgotten");
    let mut stream = Stream::open(&world, &token, &first.id).await;
    assert_eq!(stream.block().await.unwrap(), ": nothing was missed");
    world.clock.advance(60);
    browser.get(&silent(&[])).await;
    let extended = stream.expect("extended").await;
    drop(stream);
    let mut stream = Stream::open(&world, &token, &first.id).await;
    let present = stream.expect("status").await;
    assert_eq!(
        (&present.id, &present.data["expires_at"]),
        (&extended.id, &extended.data["expires_at"])
    );
    drop(stream);
    browser.get("/v2/logout?client_id=spa").await;
    let mut stream = Stream::open(&world, &token, &extended.id).await;
    assert_eq!(stream.expect("ended").await.data["reason"], "user_logout");
    assert!(stream.next().await.is_none());
}

/// What another process changed in the database is seen without a notice.
#[tokio::test]
async fn an_end_that_nobody_told_of_is_seen_all_the_same() {
    let world = world().await;
    let mut browser = world.browser();
    let token = signed_in(&mut browser).await;
    let mut stream = Stream::open(&world, &token, "").await;
    stream.expect("status").await;
    let (sid, at) = (sid(&browser), world.clock.now());
    // `update_session` by itself gives no notice, as another process gives none.
    let ended = world.app.store.write(move |tx| {
        let session = tx.session(&sid)?.unwrap();
        tx.update_session(&session.ended(tenure_protocol::session::End {
            at,
            reason: tenure_protocol::session::EndReason::AdminRevoked,
            by: "cli".to_owned(),
            from: String::new(),
            rule: "command line".to_owned(),
        }))
    });
    ended.await.unwrap();
    let told = stream.expect("ended").await;
    assert_eq!(told.data["reason"], "admin_revoked");
    assert_eq!(told.data["rule"], "command line");
}

#[tokio::test]
async fn streams_are_bounded_and_end_when_the_server_stops() {
    let world = world().await;
    let mut browser = world.browser();
    let token = signed_in(&mut browser).await;
    let mut streams = Vec::new();
    for _ in 0..tenure::streams::MOST_OF_A_SESSION {
        streams.push(Stream::open(&world, &token, "").await);
    }
    let one_more = || {
        Request::get("/session/events")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap()
    };
    let refused = world.send(one_more()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), "60");
    let mut last = streams.pop().unwrap();
    last.expect("status").await;
    world.app.streams.close();
    assert!(last.next().await.is_none());
    let refused = world.send(one_more()).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
}
