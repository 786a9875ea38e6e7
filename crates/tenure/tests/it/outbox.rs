//! An end reaches every relying party (Back-Channel Logout 1.0; design 1.6, invariant 4).

use crate::outbox_receiver::Receiver;
use crate::world::{BASE, Browser, ISSUER, TENANT, World, authorize, claims, header_of, spa};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tenure::config::OutboundConfig;
use tenure::outbound::Names;
use tenure::work::outbox;
use tenure_protocol::Sid;
use tenure_store::{Delivery, DeliveryState};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A relying party for each URL, named `rp-0`, `rp-1`, …; more of its settings in `extra`.
pub fn tenant(urls: &[String], extra: &str) -> String {
    let clients: String = urls
        .iter()
        .enumerate()
        .map(|(i, url)| {
            format!(
                "  - client_id: rp-{i}\n    name: RP {i}\n    client_secret: secret-{i}\n    \
                 callbacks: [\"http://localhost:4000/{i}\"]\n    \
                 oidc_logout: {{ backchannel_logout_urls: [\"{url}\"]{extra} }}\n"
            )
        })
        .collect();
    TENANT.replace(
        "resourceServers:\n",
        &format!("{clients}resourceServers:\n"),
    )
}

/// A world whose outbox runs.
pub struct Running {
    pub world: World,
    stop: watch::Sender<bool>,
    worker: JoinHandle<()>,
}

impl Running {
    pub async fn new(tenant: &str) -> Self {
        Self::with(tenant, Names::System).await
    }

    async fn with(tenant: &str, names: Names) -> Self {
        let outbound = OutboundConfig {
            connect_timeout_ms: 1_000,
            timeout_ms: 1_000,
            ..OutboundConfig::default()
        };
        let world = World::outward(BASE, tenant, outbound, names).await;
        let (stop, worker) = start(&world);
        Self {
            world,
            stop,
            worker,
        }
    }

    /// Signs in to the first `count` relying parties, in one session.
    pub async fn sign_in(&self, count: usize) -> (Browser<'_>, Sid) {
        let mut browser = self.world.browser();
        browser.sign_in(&request(0)).await;
        for i in 1..count {
            let answer = browser.get(&request(i)).await;
            assert!(answer.status.is_redirection(), "{answer:?}");
        }
        let cookie = &browser.cookies["tenure_7100"];
        let sid = cookie.split('.').next().unwrap().parse().unwrap();
        (browser, sid)
    }

    async fn deliveries(&self, sid: Sid) -> Vec<Delivery> {
        let rows = self
            .world
            .app
            .store
            .read(move |tx| tx.deliveries_of_session(&sid));
        rows.await.unwrap()
    }

    /// Waits until the deliveries of a session are as `fits` says.
    pub async fn until(&self, sid: Sid, fits: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
        let looking = async {
            loop {
                let rows = self.deliveries(sid).await;
                if fits(&rows) {
                    return rows;
                }
                tokio::task::yield_now().await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(60), looking).await;
        match found {
            Ok(rows) => rows,
            Err(_) => panic!("never came to it: {:?}", self.deliveries(sid).await),
        }
    }

    /// The states by client, once nothing has to be tried any more.
    pub async fn settled(&self, sid: Sid) -> BTreeMap<String, DeliveryState> {
        let rows = self
            .until(sid, |rows| {
                rows.iter().all(|row| row.state != DeliveryState::Pending)
            })
            .await;
        rows.into_iter()
            .map(|row| (row.client_id, row.state))
            .collect()
    }

    async fn stop(self) -> World {
        self.stop.send_replace(true);
        self.worker.await.unwrap();
        self.world
    }
}

fn start(world: &World) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, stopping) = watch::channel(false);
    let worker = tokio::spawn(outbox::run(world.app.clone(), stopping));
    (stop, worker)
}

pub fn request(i: usize) -> String {
    authorize(
        &format!("rp-{i}"),
        &format!("http://localhost:4000/{i}"),
        &[],
    )
}

pub fn tried(rows: &[Delivery]) -> bool {
    rows.iter()
        .all(|row| row.last_at.is_some() || row.state == DeliveryState::NotAsked)
}

#[tokio::test]
async fn a_logout_reaches_every_relying_party_with_a_token_as_the_specification_says() {
    let receiver = Receiver::start().await;
    let urls = [receiver.url("ok/0"), receiver.url("ok/1?tenant=a")];
    let running = Running::new(&tenant(&urls, "")).await;
    let (mut browser, sid) = running.sign_in(2).await;
    browser.get(&spa(&[])).await;
    let answer = browser.get("/v2/logout?client_id=spa").await;
    assert_eq!(answer.location(), "http://localhost:3000");
    // Who is asked heard before the person was sent on.
    assert_eq!(receiver.count(), 2);
    let states = running.settled(sid).await;
    assert_eq!(states["rp-0"], DeliveryState::Delivered);
    assert_eq!(states["rp-1"], DeliveryState::Delivered);
    assert_eq!(states["spa"], DeliveryState::NotAsked);
    let token = &receiver.tokens("ok/0")[0];
    let header = header_of(token);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("logout+jwt"), &json!("RS256"))
    );
    let now = running.world.clock.now().seconds();
    let mut said = claims(token);
    assert!(said["jti"].as_str().unwrap().len() >= 20);
    said["jti"] = Value::Null;
    assert_eq!(
        said,
        json!({
            "iss": ISSUER, "aud": "rp-0", "iat": now, "exp": now + 120, "jti": null,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            "sid": sid.to_string(), "reason": "user_logout",
        })
    );
    assert_eq!(receiver.tokens("ok/1?tenant=a").len(), 1);
    let entry = &running.world.log("oidc_backchannel_logout_succeeded").await[0];
    assert_eq!(entry["details"]["initiator"], "rp-logout");
    assert_eq!(entry["details"]["reason"], "user_logout");
    assert_eq!(entry["details"]["status"], 204);
    assert_eq!(entry["details"]["attempt"], 1);
    assert_eq!(entry["session_id"], sid.to_string());
    let metrics = running.world.app.metrics.render();
    for line in [
        "tenure_logout_attempts_total{outcome=\"delivered\"} 2",
        "tenure_logout_attempts_total{outcome=\"not_asked\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

/// What each behaviour comes to, and after how many attempts, when the clock has moved on.
#[tokio::test]
async fn hostile_receivers_end_in_the_right_state() {
    use DeliveryState::{Dead, Delivered, Rejected};
    let receiver = Receiver::start().await;
    let table = [
        ("ok", Delivered, "", 1),
        ("bad", Rejected, "answered 400: invalid_request", 1),
        ("flaky", Delivered, "", 2),
        ("busy", Delivered, "", 2),
        ("slow", Delivered, "", 1),
        (
            "redirect",
            Rejected,
            "answered 307, a redirect, which is never followed",
            1,
        ),
        ("hang", Dead, "no answer within 1000 ms", 2),
        ("close", Dead, "the connection broke", 2),
        ("down", Dead, "answered 503", 2),
    ];
    let mut urls: Vec<String> = table.iter().map(|(path, ..)| receiver.url(path)).collect();
    // Nobody listens; a name whose address is private; a name without one; a server of ours.
    urls.push("http://localhost:1/".to_owned());
    urls.push("https://inside.example.com/".to_owned());
    urls.push("https://nowhere.example.com/".to_owned());
    urls.push(format!("{BASE}/oidc/logout"));
    let names = Names::Fixed(HashMap::from([
        ("localhost".to_owned(), vec!["127.0.0.1".parse().unwrap()]),
        (
            "inside.example.com".to_owned(),
            vec!["10.0.0.7".parse().unwrap()],
        ),
    ]));
    let running = Running::with(&tenant(&urls, ""), names).await;
    let (mut browser, sid) = running.sign_in(urls.len()).await;
    browser.get("/v2/logout?client_id=spa").await;
    running.until(sid, tried).await;
    // A day later whoever is left gets the last attempt.
    running.world.clock.advance(86_400);
    running.settled(sid).await;
    let rows = running.deliveries(sid).await;
    let row = |i: usize| {
        rows.iter()
            .find(|row| row.client_id == format!("rp-{i}"))
            .unwrap()
    };
    for (i, (path, state, why, attempts)) in table.iter().enumerate() {
        let row = row(i);
        assert_eq!(row.state, *state, "{path}: {row:?}");
        let said = row.last_error.as_deref().unwrap_or_default();
        assert!(said.starts_with(why), "{path}: {row:?}");
        assert_eq!(row.attempts, *attempts, "{path}: {row:?}");
    }
    for (i, why) in [
        (table.len(), "connecting to 127.0.0.1:1"),
        (
            table.len() + 1,
            "inside.example.com resolves to no address that may be reached",
        ),
        (table.len() + 2, "nowhere.example.com has no address"),
        (
            table.len() + 3,
            "localhost resolves to no address that may be reached",
        ),
    ] {
        assert_eq!(row(i).state, Dead, "{:?}", row(i));
        let said = row(i).last_error.as_deref().unwrap_or_default();
        assert!(said.starts_with(why), "{:?}", row(i));
    }
    assert_eq!(receiver.tokens("ok").len(), 1, "no redirect was followed");
    // A token is made anew for each attempt.
    let ids: BTreeSet<String> = receiver
        .tokens("flaky")
        .iter()
        .map(|token| claims(token)["jti"].to_string())
        .collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn retries_follow_the_schedule_and_what_was_given_up_can_be_tried_again() {
    let receiver = Receiver::start().await;
    let running = Running::new(&tenant(&[receiver.url("down"), receiver.url("busy")], "")).await;
    let (mut browser, sid) = running.sign_in(2).await;
    browser.get("/v2/logout?client_id=spa").await;
    running.until(sid, tried).await;
    for (attempts, wait) in [(2, 1), (3, 5), (4, 15), (5, 30), (6, 60)] {
        running.world.clock.advance(wait);
        let rows = running
            .until(sid, |rows| {
                rows[0].attempts == attempts && is_put_off(&rows[0])
            })
            .await;
        assert_eq!(rows[0].state, DeliveryState::Pending);
        // `Retry-After: 300` is honoured.
        assert_eq!(rows[1].attempts, 1);
    }
    running.world.clock.advance(300);
    running
        .until(sid, |rows| rows[1].state == DeliveryState::Delivered)
        .await;
    running.world.clock.advance(90_000);
    let rows = running
        .until(sid, |rows| rows[0].state == DeliveryState::Dead)
        .await;
    let attempts = rows[0].attempts;
    let dead = running
        .world
        .app
        .store
        .read(|tx| tx.dead_deliveries(10))
        .await
        .unwrap();
    assert_eq!(dead, rows[..1]);
    let failed = running.world.log("oidc_backchannel_logout_failed").await;
    assert_eq!(failed.last().unwrap()["details"]["state"], "dead");
    let now = running.world.clock.now();
    let retried = running
        .world
        .app
        .store
        .write(move |tx| tx.retry_deliveries(&sid, now));
    assert_eq!(retried.await.unwrap(), 1);
    let rows = running.until(sid, |rows| is_put_off(&rows[0])).await;
    assert_eq!(
        (rows[0].state, rows[0].attempts),
        (DeliveryState::Pending, 1)
    );
    assert!(attempts > 6);
}

/// Tried, and not claimed again: what is due next follows from the last attempt.
fn is_put_off(row: &Delivery) -> bool {
    row.last_at
        .is_some_and(|at| row.due_at > at && row.due_at <= at.plus(60))
        && row.state == DeliveryState::Pending
}

#[tokio::test]
async fn a_client_hears_only_of_what_it_asked_for_and_one_that_is_gone_of_nothing() {
    let receiver = Receiver::start().await;
    let expired = ", backchannel_logout_include_sub: true, backchannel_logout_initiators: \
                   { mode: custom, selected_initiators: [rp-logout, idp-logout, session-expired] }";
    let running = Running::new(&tenant(&[receiver.url("ok")], expired)).await;
    let (_, revoked) = running.sign_in(1).await;
    end(&running.world, revoked, "admin_revoked").await;
    assert_eq!(
        running.settled(revoked).await["rp-0"],
        DeliveryState::NotAsked
    );
    let (_, idle) = running.sign_in(1).await;
    end(&running.world, idle, "idle").await;
    assert_eq!(
        running.settled(idle).await["rp-0"],
        DeliveryState::Delivered
    );
    let said = claims(&receiver.tokens("ok")[0]);
    assert_eq!(
        (&said["reason"], &said["sub"]),
        (&json!("idle"), &json!("auth0|ada"))
    );
    let (_, orphan) = running.sign_in(1).await;
    let gone = running.world.app.store.write(|tx| {
        tx.delete_document(tenure_store::DocumentKind::Client, "rp-0")
            .map(drop)
    });
    gone.await.unwrap();
    running.world.app.reload_if_changed().await.unwrap();
    end(&running.world, orphan, "idle").await;
    assert_eq!(
        running.settled(orphan).await["rp-0"],
        DeliveryState::NotAsked
    );
    assert_eq!(receiver.count(), 1);
}

/// Ends a session as another process does: nobody here is asked to do anything.
async fn end(world: &World, sid: Sid, reason: &str) {
    use tenure::oidc::sessions::{Judge, end_session};
    use tenure_protocol::session::{End, EndReason};
    let (app, reason) = (world.app.clone(), EndReason::from_name(reason).unwrap());
    let now = world.clock.now();
    let ended = world.app.store.write(move |tx| {
        let settings = app.settings.current();
        let judge = Judge {
            settings: &settings,
            caps: &app.config.caps,
            entropy: &app.entropy,
            metrics: None,
            now,
        };
        let end = End {
            at: now,
            reason,
            by: "cli".to_owned(),
            from: String::new(),
            rule: "test".to_owned(),
        };
        end_session(tx, &tx.session(&sid)?.unwrap(), end, judge)
    });
    ended.await.unwrap();
}

#[tokio::test]
async fn a_person_never_waits_for_a_relying_party_that_hangs() {
    let receiver = Receiver::start().await;
    let outbound = OutboundConfig::default();
    let text = tenant(&[receiver.url("hang")], "");
    let world = World::outward(BASE, &text, outbound, Names::System).await;
    let (stop, worker) = start(&world);
    let running = Running {
        world,
        stop,
        worker,
    };
    let (mut browser, sid) = running.sign_in(1).await;
    // The answer is here although the attempt, which may take five seconds, has not come to an end.
    let answer = browser.get("/v2/logout?client_id=spa").await;
    assert_eq!(answer.location(), "http://localhost:3000");
    assert_eq!(receiver.tokens("hang").len(), 1);
    let row = &running.deliveries(sid).await[0];
    assert_eq!((row.state, row.last_at), (DeliveryState::Pending, None));
}

#[tokio::test]
async fn a_worker_that_stops_finishes_what_it_sent_and_what_it_held_is_not_lost() {
    let receiver = Receiver::start().await;
    let urls = [receiver.url("hang"), receiver.url("ok")];
    let running = Running::new(&tenant(&urls, "")).await;
    let (mut browser, sid) = running.sign_in(2).await;
    browser.get("/v2/logout?client_id=spa").await;
    let world = running.stop().await;
    let rows = world
        .app
        .store
        .read(move |tx| tx.deliveries_of_session(&sid))
        .await
        .unwrap();
    assert!(tried(&rows), "{rows:?}");
    assert_eq!(rows[0].attempts, 1);
    // Nobody runs: the next end stays pending, and the next worker takes it up.
    let mut browser = world.browser();
    browser.sign_in(&request(1)).await;
    browser.get("/v2/logout?client_id=spa").await;
    let (stop, worker) = start(&world);
    let running = Running {
        world,
        stop,
        worker,
    };
    world_heard(&receiver, 2).await;
    drop(running);
}

async fn world_heard(receiver: &Receiver, count: usize) {
    let hearing = async {
        while receiver.tokens("ok").len() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), hearing)
        .await
        .unwrap();
}

/// A process that died with a claim in its hands: the claim runs out.
#[tokio::test]
async fn a_lost_claim_comes_back() {
    let receiver = Receiver::start().await;
    let world = World::with(&tenant(&[receiver.url("ok")], "")).await;
    let mut browser = world.browser();
    browser.sign_in(&request(0)).await;
    browser.get("/v2/logout?client_id=spa").await;
    let now = world.clock.now();
    let claimed = world
        .app
        .store
        .write(move |tx| tx.claim_deliveries(now, now.plus(120), 10));
    assert_eq!(claimed.await.unwrap().len(), 1);
    let (_stop, _worker) = start(&world);
    world.clock.advance(119);
    assert_eq!(receiver.count(), 0);
    world.clock.advance(1);
    world_heard(&receiver, 1).await;
}
