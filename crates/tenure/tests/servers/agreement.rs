//! What servers on one database agree on.

use crate::fleet::{Fleet, TENANT, eventually};
use crate::http::{self, Browser, authorize, get};
use crate::is_full;
use crate::key::Key;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Barrier;
use tenure::clock::Clock;

#[test]
fn ten_servers_start_at_once_on_an_empty_database() {
    let fleet = Fleet::empty(&tenure_cluster::Options::default());
    let mut servers: Vec<_> = (0..10).map(|_| fleet.spawn(&fleet.url, &[])).collect();
    servers
        .iter_mut()
        .for_each(|server| server.wait_until_ready());
    let current =
        fleet.sql("SELECT key_usage || ' ' || alg FROM keys WHERE state = 'current' ORDER BY 1");
    assert_eq!(
        current.lines().collect::<Vec<_>>(),
        ["refresh HS256", "sig ES256", "sig EdDSA", "sig RS256"],
        "one of each, whoever was first"
    );
    let sets: BTreeSet<String> = servers
        .iter()
        .map(|server| get(server.port, "/.well-known/jwks.json").unwrap().body)
        .collect();
    assert_eq!(sets.len(), 1, "they publish the same keys: {sets:?}");
}

#[test]
fn a_person_may_be_served_by_any_server_at_every_step() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    let mut browser = Browser::default();
    let code = browser.code(a.port, b.port);
    let tokens = http::redeem(a.port, &code).unwrap();
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let bearer = format!("Bearer {}", tokens.text("access_token"));
    let userinfo = |port| {
        http::send(port, "GET", "/userinfo", &[("authorization", &bearer)], "")
            .unwrap()
            .status
    };
    assert_eq!((userinfo(a.port), userinfo(b.port)), (200, 200));
    let silent = browser.get(b.port, &authorize(&[("prompt", "none")]));
    assert!(silent.answered("code").is_some(), "{silent:?}");
    // Signed out at one is signed out at the other, at once.
    let out = browser.get(a.port, "/v2/logout");
    assert_eq!(out.status, 200, "{out:?}");
    assert_eq!(userinfo(b.port), 401);
    let refused = http::refresh(b.port, &tokens.text("refresh_token")).unwrap();
    assert_eq!(refused.text("error"), "invalid_grant");
}

/// What counts once counts once, whichever server it comes to, and at both at once.
#[test]
fn a_proof_of_possession_counts_once_for_all_servers() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    let key = Key::new();
    let now = Clock::system(0).now().seconds();
    let proof = |jti: &str| {
        let htu = format!("{}/oauth/token", fleet.base_url);
        key.sign(&json!({"jti": jti, "htm": "POST", "htu": htu, "iat": now}))
    };
    let ask = |port: u16, jti: &str, pairs: &[(&str, &str)]| {
        let media = ("content-type", "application/x-www-form-urlencoded");
        let headers = [media, ("dpop", &proof(jti))];
        http::send(port, "POST", "/oauth/token", &headers, &http::form(pairs)).unwrap()
    };
    let code = Browser::default().code(a.port, a.port);
    let code_grant = [
        ("grant_type", "authorization_code"),
        ("client_id", "spa"),
        ("code", &code),
        ("code_verifier", http::VERIFIER),
        ("redirect_uri", "http://localhost:3000/cb"),
    ];
    let tokens = ask(a.port, "first", &code_grant);
    assert_eq!(tokens.text("token_type"), "DPoP", "{tokens:?}");
    let token = tokens.text("refresh_token");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", "spa"),
        ("refresh_token", &token),
    ];
    let replayed = ask(b.port, "first", &refresh);
    assert_eq!(replayed.text("error"), "invalid_dpop_proof", "{replayed:?}");
    // One request that is sent again because its answer was lost, to whichever server: one rotation.
    let barrier = Barrier::new(8);
    let answers: BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let port = if n % 2 == 0 { a.port } else { b.port };
                let (barrier, ask, refresh) = (&barrier, &ask, &refresh);
                scope.spawn(move || {
                    barrier.wait();
                    ask(port, "second", refresh).text("refresh_token")
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(!answers.contains(&token));
}

/// What happens at one server is heard by whoever listens at the other.
#[test]
fn a_stream_at_one_server_hears_what_happens_at_another() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    let mut browser = Browser::default();
    let code = browser.code(a.port, a.port);
    let token = http::redeem(a.port, &code).unwrap().text("access_token");
    let mut stream = http::Events::open(b.port, &token, None);
    let (first, name) = stream.next().unwrap();
    assert_eq!(name, "status");
    let silent = browser.get(a.port, &authorize(&[("prompt", "none")]));
    assert!(silent.answered("code").is_some(), "{silent:?}");
    let (id, name) = stream.next().unwrap();
    assert_eq!(name, "extended");
    assert_ne!(first, id);
    // It comes again at the other server, and has missed nothing.
    drop(stream);
    let mut stream = http::Events::open(a.port, &token, Some(&id));
    assert_eq!(browser.get(b.port, "/v2/logout").status, 200);
    let (_, name) = stream.next().unwrap();
    assert_eq!(name, "ended");
    assert_eq!(stream.next(), None, "the stream ends");
}

/// A server that stops does not wait for those who listen.
#[test]
fn a_stream_ends_when_its_server_stops() {
    let fleet = Fleet::new();
    let mut server = fleet.server();
    let code = Browser::default().code(server.port, server.port);
    let token = http::redeem(server.port, &code).unwrap();
    let mut stream = http::Events::open(server.port, &token.text("access_token"), None);
    assert_eq!(stream.next().unwrap().1, "status");
    server.stop();
    assert_eq!(stream.next(), None);
    assert!(server.ended().success());
}

#[test]
fn a_change_made_anywhere_is_seen_everywhere() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    let knows = |port: u16| {
        let asked = authorize(&[]).replace("client_id=spa", "client_id=late");
        get(port, &asked).unwrap().status == 200
    };
    assert!(!knows(a.port) && !knows(b.port));
    fleet.apply(&TENANT.replace("client_id: spa", "client_id: late"));
    eventually("both know the new client", || {
        knows(a.port) && knows(b.port)
    });
    // Keys too.
    let keys = |port| get(port, "/.well-known/jwks.json").unwrap().body;
    let before = keys(a.port);
    assert!(fleet.command(&["keys", "roll"]).status.success());
    eventually("both publish the successors", || {
        keys(a.port) != before && keys(a.port) == keys(b.port)
    });
}

/// CVE-2026-1035, across servers: the database decides the winner.
#[test]
fn simultaneous_refreshes_across_servers_rotate_once() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    let code = Browser::default().code(a.port, b.port);
    let tokens = http::redeem(a.port, &code).unwrap();
    let mut token = tokens.text("refresh_token");
    for round in 0..if is_full() { 200 } else { 10 } {
        let start = Barrier::new(32);
        let answers: Vec<http::Answer> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..32)
                .map(|n| {
                    let (start, token) = (&start, &token);
                    let port = if n % 2 == 0 { a.port } else { b.port };
                    scope.spawn(move || {
                        start.wait();
                        http::refresh(port, token).unwrap()
                    })
                })
                .collect();
            asking
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let successors: BTreeSet<String> = answers
            .iter()
            .map(|answer| {
                assert_eq!(answer.status, 200, "round {round}: {answer:?}");
                answer.text("refresh_token")
            })
            .collect();
        assert_eq!(successors.len(), 1, "round {round}: one successor for all");
        let next = successors.into_iter().next().unwrap();
        assert_ne!(next, token);
        token = next;
    }
    let rotations = fleet.sql("SELECT generation FROM families");
    let expected = if is_full() { "201" } else { "11" };
    assert_eq!(rotations, expected, "one rotation a round");
}

#[test]
fn a_code_is_redeemed_once_across_servers() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    for _ in 0..5 {
        let code = Browser::default().code(a.port, b.port);
        let start = Barrier::new(8);
        let won: usize = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8)
                .map(|n| {
                    let (start, code) = (&start, &code);
                    let port = if n % 2 == 0 { a.port } else { b.port };
                    scope.spawn(move || {
                        start.wait();
                        usize::from(http::redeem(port, code).unwrap().status == 200)
                    })
                })
                .collect();
            asking
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(won, 1);
    }
}

#[test]
fn failures_count_wherever_they_happen() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    let mut statuses = Vec::new();
    for n in 0..24 {
        let port = if n % 2 == 0 { a.port } else { b.port };
        let answer = Browser::default().sign_in(port, port, "wrong");
        statuses.push(answer.status);
    }
    assert!(
        statuses[..20].iter().all(|status| *status == 401),
        "{statuses:?}"
    );
    assert!(
        statuses[20..].contains(&429),
        "neither server alone saw twenty: {statuses:?}"
    );
}
