//! What was answered as done is still done, whatever goes away; and everything recovers by itself.

use crate::fleet::{Fleet, eventually};
use crate::http::{self, Browser, authorize, get};
use crate::is_full;
use crate::load::{Person, is_try_again, under_load};
use crate::proxy::Proxy;

/// A logout, a revocation and a used code, answered before the fault.
struct Done {
    signed_out: Browser,
    revoked: String,
    used_code: String,
    access_token: String,
}

impl Done {
    fn at(port: u16) -> Self {
        let mut signed_out = Browser::default();
        let used_code = signed_out.code(port, port);
        let tokens = http::redeem(port, &used_code).unwrap();
        let code = Browser::default().code(port, port);
        let revoked = http::redeem(port, &code).unwrap().text("refresh_token");
        let pairs = [("client_id", "spa"), ("token", revoked.as_str())];
        assert_eq!(
            http::post(port, "/oauth/revoke", &pairs).unwrap().status,
            200
        );
        assert_eq!(signed_out.clone().get(port, "/v2/logout").status, 200);
        Self {
            signed_out,
            revoked,
            used_code,
            access_token: tokens.text("access_token"),
        }
    }

    fn assert_holds(&mut self, port: u16) {
        let silent = self.signed_out.get(port, &authorize(&[("prompt", "none")]));
        assert_eq!(
            silent.answered("error").as_deref(),
            Some("login_required"),
            "the logout holds"
        );
        let refused = http::refresh(port, &self.revoked).unwrap();
        assert_eq!(
            refused.text("error"),
            "invalid_grant",
            "the revocation holds"
        );
        let refused = http::redeem(port, &self.used_code).unwrap();
        assert_eq!(
            refused.text("error"),
            "invalid_grant",
            "no code is redeemed twice"
        );
        let bearer = format!("Bearer {}", self.access_token);
        let gone = http::send(port, "GET", "/userinfo", &[("authorization", &bearer)], "").unwrap();
        assert_eq!(gone.status, 401, "no token lives past its end");
    }
}

fn people(port: u16) -> Vec<Person> {
    (0..6).map(|_| Person::sign_in(port)).collect()
}

#[test]
fn a_server_killed_under_load_takes_nothing_with_it() {
    let fleet = Fleet::new();
    let a = fleet.server();
    for _ in 0..if is_full() { 10 } else { 2 } {
        let mut b = fleet.server();
        let mut done = Done::at(b.port);
        let people = under_load(people(b.port), &[a.port, b.port], || b.kill());
        assert!(
            people.iter().any(|person| person.lost > 0),
            "nobody noticed the kill"
        );
        people
            .iter()
            .for_each(|person| person.assert_unharmed(a.port));
        done.assert_holds(a.port);
    }
}

#[test]
fn a_database_restarted_under_load_is_found_again() {
    let mut fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    let mut done = Done::at(a.port);
    let ports = [a.port, b.port];
    let cluster = &mut fleet.cluster;
    let people = under_load(people(a.port), &ports, || {
        // As a crash would end it: nothing is flushed, nobody is told.
        cluster.halt(true).unwrap();
        for port in ports {
            eventually("clients are told to try again", || {
                http::refresh(port, "x".repeat(140).as_str()).is_ok()
                    && get(port, "/readyz").is_ok_and(|answer| answer.status == 503)
            });
        }
        cluster.resume().unwrap();
    });
    assert!(people.iter().any(|person| person.unavailable > 0));
    assert!(
        people.iter().all(|person| person.lost == 0),
        "no request was left without an answer"
    );
    for port in ports {
        people
            .iter()
            .for_each(|person| person.assert_unharmed(port));
        done.assert_holds(port);
        assert_eq!(get(port, "/readyz").unwrap().status, 200);
    }
}

/// A silent request gets its answer at the application also while the database is away (design 1.8).
#[test]
fn without_a_database_everybody_still_gets_an_answer() {
    let mut fleet = Fleet::new();
    let a = fleet.server();
    let mut browser = Browser::default();
    let code = browser.code(a.port, a.port);
    let tokens = http::redeem(a.port, &code).unwrap();
    fleet.cluster.halt(false).unwrap();
    let silent = browser.get(a.port, &authorize(&[("prompt", "none")]));
    assert_eq!(
        silent.answered("error").as_deref(),
        Some("server_error"),
        "{silent:?}"
    );
    let message = browser.get(
        a.port,
        &authorize(&[("prompt", "none"), ("response_mode", "web_message")]),
    );
    assert!(message.body.contains("server_error"), "{message:?}");
    let refresh = http::refresh(a.port, &tokens.text("refresh_token")).unwrap();
    assert!(is_try_again(&refresh), "{refresh:?}");
    // A page for the person, who may try again.
    let page = browser.get(a.port, "/v2/logout");
    assert_eq!(page.status, 503, "{page:?}");
    assert!(page.header("content-type").starts_with("text/html"));
    // What needs no database goes on.
    assert_eq!(get(a.port, "/.well-known/jwks.json").unwrap().status, 200);
    assert_eq!(get(a.port, "/healthz").unwrap().status, 200);
    fleet.cluster.resume().unwrap();
    let refresh = || http::refresh(a.port, &tokens.text("refresh_token")).unwrap();
    eventually("it is found again", || refresh().status == 200);
}

#[test]
fn a_database_that_hangs_trips_a_deadline() {
    let fleet = Fleet::new();
    let proxy = Proxy::to(fleet.cluster.port());
    let through = fleet
        .url
        .replace(&fleet.cluster.port().to_string(), &proxy.port.to_string());
    let mut a = fleet.spawn(&through, &["--database-timeout-ms", "2000"]);
    a.wait_until_ready();
    let code = Browser::default().code(a.port, a.port);
    let token = http::redeem(a.port, &code).unwrap().text("refresh_token");
    proxy.hang();
    // More requests than connections: those that wait are answered as well as those that hang.
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| http::refresh(a.port, &token).unwrap()))
            .collect();
        for thread in asking {
            let answer = thread.join().unwrap();
            assert!(is_try_again(&answer), "{answer:?}");
        }
    });
    proxy.go_on();
    eventually("it is found again", || {
        http::refresh(a.port, &token).unwrap().status == 200
    });
}

/// The primary dies under load, its synchronous standby takes over: what was answered is there.
#[test]
fn a_standby_that_takes_over_has_everything_that_was_answered() {
    if !is_full() {
        // Under `cargo xtask test --full`: two clusters and a base copy take their time.
        return;
    }
    let mut fleet = Fleet::new();
    let standby = fleet.cluster.synchronous_standby().unwrap();
    let url = format!(
        "postgres://tenure@127.0.0.1:{},127.0.0.1:{}/{}?target_session_attrs=read-write",
        fleet.cluster.port(),
        standby.port(),
        fleet.name()
    );
    let mut servers = [fleet.spawn(&url, &[]), fleet.spawn(&url, &[])];
    servers
        .iter_mut()
        .for_each(|server| server.wait_until_ready());
    let ports = [servers[0].port, servers[1].port];
    let mut done = Done::at(ports[0]);
    let cluster = &mut fleet.cluster;
    let people = under_load(people(ports[1]), &ports, || {
        cluster.halt(true).unwrap();
        standby.promote().unwrap();
    });
    for port in ports {
        people
            .iter()
            .for_each(|person| person.assert_unharmed(port));
        done.assert_holds(port);
    }
}
