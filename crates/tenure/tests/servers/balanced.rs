//! Two servers behind the proxy of `deploy/`, which sends each request to whichever it likes.

use crate::fleet::{Fleet, Server, free_port};
use crate::http::{self, Browser, Events, authorize};
use crate::is_full;
use crate::load::{Person, is_try_again, under_load};
use crate::nginx::{Entry, Nginx};
use std::time::Duration;

struct Deployed {
    nginx: Nginx,
    servers: [Server; 2],
    metrics: [u16; 2],
    /// Stops last.
    fleet: Fleet,
}

fn deployed() -> Deployed {
    let mut fleet = Fleet::new();
    let entry = Entry::new();
    fleet.base_url = entry.base_url();
    let metrics = [free_port(), free_port()];
    let servers = metrics.map(|port| {
        let listen = format!("127.0.0.1:{port}");
        let more = ["--trusted-proxy", "127.0.0.1", "--metrics-listen", &listen];
        let mut server = fleet.spawn(&fleet.url, &more);
        server.wait_until_ready();
        server
    });
    let nginx = entry.open([servers[0].port, servers[1].port]);
    Deployed {
        nginx,
        servers,
        metrics,
        fleet,
    }
}

impl Deployed {
    /// How many each server counted.
    fn refreshes(&self) -> [u64; 2] {
        self.metrics.map(|port| {
            let text = http::get(port, "/metrics").unwrap().body;
            let lines = text
                .lines()
                .filter(|line| line.starts_with("tenure_refreshes_total"));
            lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
                .sum()
        })
    }
}

#[test]
fn no_request_needs_the_server_that_had_the_one_before() {
    let deployed = deployed();
    let port = deployed.nginx.port;
    for _ in 0..6 {
        let mut browser = Browser::default();
        let code = browser.code(port, port);
        let answer = http::redeem(port, &code).unwrap();
        assert_eq!(
            answer.header("strict-transport-security"),
            "max-age=31536000"
        );
        let mut token = answer.text("refresh_token");
        for _ in 0..4 {
            token = http::refresh(port, &token).unwrap().text("refresh_token");
        }
        let silent = browser.get(port, &authorize(&[("prompt", "none")]));
        assert!(silent.answered("code").is_some(), "{silent:?}");
    }
    let [one, other] = deployed.refreshes();
    assert!(one > 0 && other > 0, "{one} and {other}");
    assert_eq!(one + other, 24);
}

/// Throttling counts by address, so nobody may choose theirs.
#[test]
fn the_address_of_a_person_is_the_one_that_the_proxy_saw() {
    let deployed = deployed();
    let port = deployed.nginx.port;
    let mut liar = Browser::default();
    liar.headers.push(("x-forwarded-for", "203.0.113.7"));
    liar.code(port, port);
    let address = "SELECT body::jsonb #>> '{device,initial_ip}' FROM sessions";
    assert_eq!(deployed.fleet.sql(address), "127.0.0.1");
}

#[test]
fn what_goes_nowhere_else_goes_nowhere_here() {
    let deployed = deployed();
    let port = deployed.nginx.port;
    assert_eq!(http::get(port, "/metrics").unwrap().status, 404);
    let moved = http::get(deployed.nginx.plain, "/authorize?a=b").unwrap();
    assert_eq!(moved.status, 301);
    assert_eq!(moved.header("location"), "https://localhost/authorize?a=b");
}

/// As much as a server itself takes, and answers.
#[test]
fn long_requests_and_long_answers_come_through() {
    let deployed = deployed();
    let port = deployed.nginx.port;
    let mut browser = Browser::default();
    browser.code(port, port);
    let state = "x".repeat(15_000);
    let pairs = [("prompt", "none"), ("max_age", "3600"), ("nonce", &state)];
    let answer = browser.get(port, &authorize(&pairs));
    assert!(answer.answered("code").is_some(), "{answer:?}");
    let long = authorize(&[("prompt", "none")]).replace("state=s", &format!("state={state}"));
    let answer = browser.get(port, &long);
    assert_eq!(answer.answered("state"), Some(state), "{}", answer.status);
}

#[test]
fn a_server_killed_behind_the_proxy_harms_nobody() {
    let mut deployed = deployed();
    let port = deployed.nginx.port;
    let people = (0..6).map(|_| Person::sign_in(port)).collect();
    let [first, _] = &mut deployed.servers;
    let people = under_load(people, &[port], || first.kill());
    for person in &people {
        assert_eq!(person.lost, 0, "the proxy answers for whoever is gone");
        person.assert_unharmed(port);
    }
}

#[test]
fn without_any_server_clients_are_told_to_try_again() {
    let mut deployed = deployed();
    let port = deployed.nginx.port;
    let code = Browser::default().code(port, port);
    let token = http::redeem(port, &code).unwrap().text("refresh_token");
    deployed.servers.iter_mut().for_each(Server::kill);
    let refused = http::refresh(port, &token).unwrap();
    assert!(is_try_again(&refused), "{refused:?}");
    assert_eq!(refused.header("cache-control"), "no-store");
    let page = http::get(port, &authorize(&[])).unwrap();
    assert!(is_try_again(&page), "{page:?}");
}

#[test]
fn a_stream_of_events_is_neither_held_back_nor_cut() {
    let deployed = deployed();
    let port = deployed.nginx.port;
    let mut browser = Browser::default();
    let code = browser.code(port, port);
    let token = http::redeem(port, &code).unwrap().text("access_token");
    let mut events = Events::open(port, &token, None);
    let (_, name) = events.next().unwrap();
    assert_eq!(name, "status");
    if is_full() {
        // Longer than any other answer may take.
        std::thread::sleep(Duration::from_secs(40));
    }
    assert_eq!(browser.get(port, "/v2/logout").status, 200);
    let (_, name) = events.next().unwrap();
    assert_eq!(name, "ended");
}
