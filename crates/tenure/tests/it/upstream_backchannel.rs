//! A provider says that somebody signed out there.

use crate::upstream_told::{
    EVENT, PATH, Teller, deliveries, signer, stand_behind, tell, upstream_of,
    with_another_signature,
};
use crate::upstream_world::Pair;
use crate::world::{Answer, Browser, OFFLINE, TENANT, World, authorize, claims, silent, spa};
use http::StatusCode;
use serde_json::{Value, json};
use tenure::crypto::jwt::TokenKind;
use tenure::work::lanes::{self, Lane};
use tenure::work::user_ends;
use tenure_protocol::Sid;
use tenure_protocol::model::SigningAlg;
use tenure_protocol::session::EndReason;

const FORUM: &str = "http://localhost:3002/cb";

async fn world(teller: &Teller, upstream: &str) -> World {
    World::with(&format!("{TENANT}\n{}", teller.connection(upstream))).await
}

/// Ada signed in, by way of the provider's session `up-1`.
async fn ada<'w>(world: &'w World, teller: &Teller) -> (Browser<'w>, Value) {
    let mut ada = world.browser();
    let tokens = ada.tokens(&OFFLINE).await;
    stand_behind(world, teller, ada.sid(), ("up-1", "ada")).await;
    (ada, tokens)
}

fn refused(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.error(), "invalid_request");
    answer.json()["error_description"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn accepted(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body, "");
}

/// From a real provider: its own session ends, its outbox tells us, and all that stood on it is over.
#[tokio::test]
async fn a_logout_at_the_provider_ends_the_session_here() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    let upstream_sid = person.sid_there();
    assert_eq!(
        upstream_of(&pair.down, sid).await.upstream_sid.as_ref(),
        Some(&upstream_sid)
    );
    let app = &pair.up.world.app;
    let now = pair.down.clock.now().seconds();
    let body = json!({
        "iss": pair.up.issuer(), "aud": "down", "iat": now, "exp": now + 120, "jti": "1",
        "sid": upstream_sid, "events": { EVENT: {} },
    });
    let token = app
        .ring()
        .sign(SigningAlg::RS256, TokenKind::Logout, &body)
        .unwrap();
    accepted(&tell(&pair.down, &token).await);
    let end = pair.down.session(sid).await.end.unwrap();
    assert_eq!(end.reason, EndReason::UpstreamLogout);
    assert_eq!(
        (end.by.as_str(), end.rule.as_str()),
        ("connection:corp", "logout_token")
    );
    let row = upstream_of(&pair.down, sid).await;
    assert_eq!(row.ended_by.as_deref(), Some("logout_token"));
    assert_eq!(row.sealed, None, "tokens of a session that is over");
    // Whoever relied on it is told, and a silent request learns why.
    let told = deliveries(&pair.down, sid).await;
    let clients: Vec<_> = told.iter().map(|row| row.client_id.as_str()).collect();
    assert_eq!(clients, ["spa"]);
    let (answer, _) = person.down.get(&silent(&[])).await.message();
    assert_eq!(answer["error"], "login_required");
    let entries = pair.down.log("upstream_logout_succeeded").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["details"]["connection"], "corp");
    assert_eq!(entries[0]["details"]["sessions_ended"], 1);
    let metrics = pair.down.app.metrics.render();
    let counted = "tenure_upstream_signals_total{kind=\"logout\",outcome=\"accepted\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

/// An ID token of a session that the provider has ended meanwhile starts nothing.
#[tokio::test]
async fn a_login_that_was_under_way_at_the_logout_starts_nothing() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    let sent = person.sent(&[]).await;
    let path = pair.up.path(sent.location()).to_owned();
    let page = person.up.get(&path).await;
    let back = person
        .up
        .submit_login(&page, "ada@example.com", "correct horse")
        .await;
    let now = pair.down.clock.now().seconds();
    let body = json!({
        "iss": pair.up.issuer(), "aud": "down", "iat": now, "exp": now + 120, "jti": "1",
        "sid": person.sid_there(), "events": { EVENT: {} },
    });
    let ring = pair.up.world.app.ring();
    let token = ring
        .sign(SigningAlg::RS256, TokenKind::Logout, &body)
        .unwrap();
    accepted(&tell(&pair.down, &token).await);
    let location = back.location().to_owned();
    let page = person.come_back(&location).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{page:?}");
    assert!(!person.down.has_session_cookie());
}

/// How far it reaches is the connection's policy.
#[tokio::test]
async fn each_policy_reaches_as_far_as_it_says() {
    // Ends this session, another of the person elsewhere; refresh tokens of the first and the other.
    let table = [
        ("", [true, false], [false, true]),
        ("ignore", [false, false], [true, true]),
        ("browser", [true, false], [false, true]),
        ("all_sessions", [true, true], [false, true]),
        (
            "all_sessions_and_refresh_tokens",
            [true, true],
            [false, false],
        ),
    ];
    for (policy, over, refreshes) in table {
        for whom in ["both", "sid"] {
            let teller = Teller::start().await;
            let setting = match policy {
                "" => String::new(),
                policy => format!("backchannel_logout: {policy}"),
            };
            let world = world(&teller, &setting).await;
            let (first, tokens) = ada(&world, &teller).await;
            let mut other = world.browser();
            let page = other.sign_in(&authorize("forum", FORUM, &OFFLINE)).await;
            let offline = other.exchange("forum", FORUM, &page.code()).await.json();
            let mut eve = world.browser();
            eve.sign_in_as(&spa(&[]), "bob@example.com").await;
            stand_behind(&world, &teller, eve.sid(), ("up-9", "bob")).await;
            world.clock.advance(1);
            let change: &[_] = match whom {
                "sid" => &[("sub", Value::Null)],
                _ => &[],
            };
            accepted(&tell(&world, &teller.token(&world, change)).await);
            user_ends::round(&world.app).await.unwrap();
            let mut found = Vec::new();
            for sid in [first.sid(), other.sid()] {
                let end = world.session(sid).await.end;
                let reason = end.as_ref().map(|end| end.reason);
                assert!(reason.is_none_or(|reason| reason == EndReason::UpstreamLogout));
                found.push(end.is_some());
            }
            assert_eq!(found, over, "{policy} {whom}");
            assert_eq!(world.session(eve.sid()).await.end, None, "{policy} {whom}");
            for ((browser, client, tokens), alive) in
                [(&first, "spa", &tokens), (&other, "forum", &offline)]
                    .into_iter()
                    .zip(refreshes)
            {
                let token = tokens["refresh_token"].as_str().unwrap();
                let answer = browser.refresh(client, token).await;
                assert_eq!(
                    answer.status.is_success(),
                    alive,
                    "{policy} {whom} {client} {answer:?}"
                );
            }
            let behind = upstream_of(&world, first.sid()).await;
            assert_eq!(
                behind.ended_at.is_some(),
                policy != "ignore",
                "{policy} {whom}"
            );
        }
    }
}

/// Without a session's name it is every session behind which the person stands there.
#[tokio::test]
async fn a_person_named_alone_is_meant_in_every_browser() {
    let teller = Teller::start().await;
    let world = world(&teller, "").await;
    let (first, _) = ada(&world, &teller).await;
    let mut second = world.browser();
    second.sign_in(&spa(&[])).await;
    stand_behind(&world, &teller, second.sid(), ("up-2", "ada")).await;
    let mut third = world.browser();
    third.sign_in(&spa(&[])).await;
    // A name and a person that do not belong together are nobody.
    accepted(&tell(&world, &teller.token(&world, &[("sub", json!("eve"))])).await);
    assert_eq!(world.session(first.sid()).await.end, None);
    accepted(&tell(&world, &teller.token(&world, &[("sid", Value::Null)])).await);
    for (sid, over) in [
        (first.sid(), true),
        (second.sid(), true),
        (third.sid(), false),
    ] {
        assert_eq!(world.session(sid).await.end.is_some(), over);
    }
}

/// Lessons CVE-2026-18569 and the like: whatever is not the provider's word changes nothing.
#[tokio::test]
async fn cve_2026_18569_no_other_token_is_a_logout_token() {
    let teller = Teller::start().await;
    let world = world(&teller, "").await;
    let (ada, _) = ada(&world, &teller).await;
    let sign = |change: &[(&str, Value)]| teller.token(&world, change);
    let now = world.clock.now().seconds();
    let stolen = signer("k-1");
    let all = teller.claims(&world, &[]);
    let with_kind = |kind| stolen.sign(kind, &all).unwrap();
    let altered = with_another_signature(&sign(&[]));
    let table = [
        ("iss", sign(&[("iss", json!("https://evil.example/"))])),
        ("aud", sign(&[("aud", json!("others"))])),
        ("algorithm", teller.forged(&world, &json!({"alg": "none"}))),
        (
            "algorithm",
            teller.forged(&world, &json!({"alg": "HS256", "kid": "k-1"})),
        ),
        ("signature", with_kind(TokenKind::Logout)),
        ("signature", altered),
        ("typ", with_kind(TokenKind::Access)),
        ("nonce", sign(&[("nonce", json!("n"))])),
        ("events", sign(&[("events", Value::Null)])),
        ("exp", sign(&[("exp", json!(now - 61))])),
        (
            "iat",
            sign(&[("iat", json!(now - 601)), ("exp", json!(now + 9))]),
        ),
        ("iat", sign(&[("iat", json!(now + 61))])),
        ("jti", sign(&[("jti", Value::Null)])),
        ("sid", sign(&[("sid", Value::Null), ("sub", Value::Null)])),
        ("too long", sign(&[("more", json!("x".repeat(8_192)))])),
        ("no JWT", "x".to_owned()),
        ("no logout_token", String::new()),
    ];
    for (word, token) in table {
        let why = refused(&tell(&world, &token).await);
        assert!(why.contains(word), "{word}: {why}");
    }
    let twice = [("logout_token", "a"), ("logout_token", "b")];
    assert!(!refused(&world.post(PATH, &twice).await).is_empty());
    assert!(refused(&world.post(PATH, &[]).await).contains("no logout_token"));
    let nowhere = "/connections/other/backchannel-logout";
    let answer = world.post(nowhere, &[("logout_token", &sign(&[]))]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let huge = "x".repeat(3 << 20);
    let answer = tell(&world, &huge).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.get(PATH).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(world.session(ada.sid()).await.end, None);
    assert_eq!(
        world.app.store.read(|tx| tx.signals_due()).await.unwrap(),
        []
    );
    // After all that, the right one works, once.
    let token = sign(&[]);
    accepted(&tell(&world, &token).await);
    assert!(world.session(ada.sid()).await.end.is_some());
    assert!(refused(&tell(&world, &token).await).contains("used before"));
    assert_eq!(world.log("upstream_logout_succeeded").await.len(), 1);
}

/// A key that nobody knows may be new: it is looked for, and until that may be done again the word waits.
#[tokio::test]
async fn a_key_that_nobody_knows_is_looked_for_before_it_is_refused() {
    let teller = Teller::start().await;
    let world = world(&teller, "").await;
    let (ada, _) = ada(&world, &teller).await;
    let all = teller.claims(&world, &[]);
    let token = teller.stranger.sign(TokenKind::Logout, &all).unwrap();
    accepted(&tell(&world, &token).await);
    let waiting = || world.app.store.read(|tx| tx.count_signals("corp", 9));
    assert_eq!(waiting().await.unwrap(), 1);
    world.clock.advance(2);
    lanes::round(&world.app, Lane::Signals).await.unwrap();
    assert_eq!(
        waiting().await.unwrap(),
        1,
        "its keys were fetched a moment ago"
    );
    assert_eq!(world.session(ada.sid()).await.end, None);
}

/// Carries out what waits, until nothing does: the provider is left alone for two seconds of the
/// process' own time after it did not answer.
async fn until_nothing_waits(world: &World) {
    let waits = async {
        loop {
            world.clock.advance(60);
            // Two servers at once.
            let (a, b) = tokio::join!(
                lanes::round(&world.app, Lane::Signals),
                lanes::round(&world.app, Lane::Signals)
            );
            a.and(b).unwrap();
            if world
                .app
                .store
                .read(|tx| tx.signals_due())
                .await
                .unwrap()
                .is_empty()
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, waits).await.unwrap();
}

#[tokio::test]
async fn what_comes_while_the_keys_cannot_be_had_is_kept_and_handled_once() {
    let teller = Teller::start().await;
    let world = world(&teller, "").await;
    let (ada, _) = ada(&world, &teller).await;
    teller.be_away(true);
    // What is not meant for us is refused all the same.
    for change in [
        ("iss", json!("https://evil.example/")),
        ("aud", json!("others")),
    ] {
        refused(&tell(&world, &teller.token(&world, &[change])).await);
    }
    let token = teller.token(&world, &[]);
    for _ in 0..3 {
        accepted(&tell(&world, &token).await);
    }
    let all = teller.claims(&world, &[("sub", json!("bob")), ("sid", json!("up-2"))]);
    let forged = teller.stranger.sign(TokenKind::Logout, &all).unwrap();
    let mut bob = world.browser();
    bob.sign_in_as(&spa(&[]), "bob@example.com").await;
    stand_behind(&world, &teller, bob.sid(), ("up-2", "bob")).await;
    accepted(&tell(&world, &forged).await);
    let count = world.app.store.read(|tx| tx.count_signals("corp", 9));
    assert_eq!(count.await.unwrap(), 2, "a repeat is no second row");
    world.clock.advance(5);
    lanes::round(&world.app, Lane::Signals).await.unwrap();
    assert_eq!(world.session(ada.sid()).await.end, None);
    // Somebody who signs in again meanwhile means it.
    let mut again = world.browser();
    again.sign_in(&spa(&[])).await;
    stand_behind(&world, &teller, again.sid(), ("up-1", "ada")).await;
    // Far beyond the token's own exp: that was judged when it came.
    teller.be_away(false);
    let first = async {
        loop {
            world.clock.advance(60);
            let (a, b) = tokio::join!(
                lanes::round(&world.app, Lane::Signals),
                lanes::round(&world.app, Lane::Signals)
            );
            a.and(b).unwrap();
            if world.session(ada.sid()).await.end.is_some() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, first).await.unwrap();
    let end = world.session(ada.sid()).await.end.unwrap();
    assert_eq!(end.reason, EndReason::UpstreamLogout);
    assert_eq!(world.session(again.sid()).await.end, None);
    assert_eq!(world.session(bob.sid()).await.end, None, "a forged word");
    assert_eq!(world.log("upstream_logout_succeeded").await.len(), 1);
    assert_eq!(deliveries(&world, ada.sid()).await.len(), 1);
}

#[tokio::test]
async fn a_thousand_wait_for_each_connection_and_no_more() {
    let teller = Teller::start().await;
    let world = world(&teller, "").await;
    teller.be_away(true);
    accepted(&tell(&world, &teller.token(&world, &[])).await);
    // The others are stored as the first was.
    let first = world.app.store.write(|tx| {
        let now = tenure_protocol::Timestamp::from_seconds(4_000_000_000);
        let row = tx.claim_signals("corp", (now, now), 1)?.pop().unwrap();
        for n in 1..1_000 {
            let id = format!("{n}");
            tx.put_signal(&tenure_store::UpstreamSignal { id, ..row.clone() })?;
        }
        Ok(())
    });
    first.await.unwrap();
    let answer = tell(&world, &teller.token(&world, &[])).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "it may come again"
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.header("retry-after").is_empty());
    let count = world.app.store.read(|tx| tx.count_signals("corp", 2_000));
    assert_eq!(count.await.unwrap(), 1_000);
}

/// More than fit into one transaction: the request ends some, and the worker the rest.
#[tokio::test]
async fn many_sessions_end_in_batches() {
    let teller = Teller::start().await;
    let world = world(&teller, "backchannel_logout: all_sessions").await;
    let (ada, _) = ada(&world, &teller).await;
    let template = world.session(ada.sid()).await;
    let inserted = world.app.store.write(move |tx| {
        for n in 0..120_u8 {
            tx.insert_session(&tenure_protocol::session::Session {
                sid: Sid::from_bytes([n; 16]),
                ..template.clone()
            })?;
        }
        Ok(())
    });
    inserted.await.unwrap();
    let alive = || async {
        let read = world
            .app
            .store
            .read(|tx| tx.unended_sessions("auth0|ada", None, 500));
        read.await.unwrap().len()
    };
    assert_eq!(alive().await, 121);
    accepted(&tell(&world, &teller.token(&world, &[("sub", Value::Null)])).await);
    assert_eq!(alive().await, 71);
    until_nothing_waits(&world).await;
    assert_eq!(alive().await, 0);
    let entries = world.log("upstream_logout_succeeded").await;
    let ended: i64 = entries
        .iter()
        .map(|entry| entry["details"]["sessions_ended"].as_i64().unwrap())
        .sum();
    assert_eq!(ended, 121, "{entries:?}");
    assert_eq!(world.log("session_revoked").await.len(), 121, "each once");
    let token = claims(&teller.token(&world, &[]));
    assert_eq!(token["aud"], "us");
}
