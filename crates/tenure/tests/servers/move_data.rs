//! `tenure migrate-data`: sessions and families go on living, in one place at a time.

use crate::fleet::{Fleet, eventually};
use crate::http::{self, Browser, authorize};
use std::process::{Command, Output};

impl Fleet {
    fn migrate(&self, from: &str, to: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(["migrate-data", "--from", from, "--to", to, "--key-file"])
            .arg(self.key_file())
            .args(more)
            .output()
            .unwrap()
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// There and back again: from SQLite to PostgreSQL and home.
#[test]
fn an_installation_moves_with_everything_that_lives_in_it() {
    let mut fleet = Fleet::empty(&tenure_cluster::Options::default());
    let postgres = fleet.url.clone();
    let sqlite = fleet.sqlite("first.db");
    let home = fleet.sqlite("home.db");
    fleet.url = sqlite.clone();
    fleet.apply(crate::fleet::TENANT);
    let mut browser = Browser::default();
    let mut token = String::new();
    for (from, to) in [(&sqlite, &postgres), (&postgres, &home)] {
        let mut old = fleet.spawn(from, &[]);
        old.wait_until_ready();
        if token.is_empty() {
            let code = browser.code(old.port, old.port);
            token = http::redeem(old.port, &code).unwrap().text("refresh_token");
        }
        // While the server runs.
        let moved = fleet.migrate(from, to, &[]);
        assert!(moved.status.success(), "{}", words(&moved));
        assert!(words(&moved).contains("families"), "{}", words(&moved));
        // The source answers 503 from now on, for whatever it is asked…
        let refused = http::refresh(old.port, &token).unwrap();
        assert_eq!(refused.status, 503, "{refused:?}");
        eventually("everything is refused", || {
            http::get(old.port, "/.well-known/jwks.json")
                .unwrap()
                .status
                == 503
        });
        let silent = browser.get(old.port, &authorize(&[("prompt", "none")]));
        assert_eq!(silent.status, 503);
        // … and does not start again.
        drop(old);
        let arguments = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--base-url",
            "http://localhost:1",
        ];
        fleet.url.clone_from(from);
        let again = fleet.command(&arguments);
        assert!(!again.status.success());
        assert!(words(&again).contains("moved to"), "{}", words(&again));
        // Nor does it take what nobody would hear of.
        for arguments in [["user", "block", "ada@example.com"], ["keys", "roll", ""]] {
            let arguments: Vec<&str> = arguments.into_iter().filter(|a| !a.is_empty()).collect();
            let refused = fleet.command(&arguments);
            assert!(!refused.status.success(), "{arguments:?}");
            assert!(words(&refused).contains("moved to"), "{}", words(&refused));
        }
        // The target goes on where the source was.
        let mut new = fleet.spawn(to, &[]);
        new.wait_until_ready();
        let silent = browser.get(new.port, &authorize(&[("prompt", "none")]));
        assert!(silent.answered("code").is_some(), "{silent:?}");
        let refreshed = http::refresh(new.port, &token).unwrap();
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        let next = refreshed.text("refresh_token");
        assert_ne!(next, token, "the family goes on");
        token = next;
    }
    // Whoever tries once more is told why not.
    let twice = fleet.migrate(&sqlite, &home, &[]);
    assert!(!twice.status.success());
    assert!(words(&twice).contains("not empty"), "{}", words(&twice));
}

#[test]
fn a_copy_for_staging_has_no_live_sessions_and_leaves_the_source_alone() {
    let fleet = Fleet::new();
    let server = fleet.server();
    let mut browser = Browser::default();
    let code = browser.code(server.port, server.port);
    let token = http::redeem(server.port, &code)
        .unwrap()
        .text("refresh_token");
    let staging = fleet.sqlite("staging.db");
    let copied = fleet.migrate(&fleet.url, &staging, &["--copy", "--json"]);
    assert!(copied.status.success(), "{}", words(&copied));
    let mut copy = fleet.spawn(&staging, &[]);
    copy.wait_until_ready();
    let silent = browser
        .clone()
        .get(copy.port, &authorize(&[("prompt", "none")]));
    assert_eq!(silent.answered("error").as_deref(), Some("login_required"));
    let refused = http::refresh(copy.port, &token).unwrap();
    assert_eq!(refused.text("error"), "invalid_grant");
    let silent = browser.get(server.port, &authorize(&[("prompt", "none")]));
    assert!(silent.answered("code").is_some(), "the source lives on");
    assert_eq!(http::refresh(server.port, &token).unwrap().status, 200);
}

/// A move that was cut off begins anew; one that is under way serves from neither place.
#[test]
fn an_interrupted_move_begins_anew() {
    let fleet = Fleet::new();
    let source = fleet.sqlite("source.db");
    let path = source.strip_prefix("sqlite:").unwrap();
    let file = fleet.folder().join("tenant.yaml");
    let apply = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args([
            "apply",
            file.to_str().unwrap(),
            "--database",
            &source,
            "--key-file",
        ])
        .arg(fleet.key_file())
        .output()
        .unwrap();
    assert!(apply.status.success(), "{}", words(&apply));
    let target = fleet.cluster.database().unwrap();
    let name = target.rsplit_once('/').unwrap().1;
    // As a run that was cut off left it: the schema, the mark, and a part of the rows.
    let mut first = fleet.spawn(&target, &[]);
    first.wait_until_ready();
    drop(first);
    let half = format!("INSERT INTO meta (name, value) VALUES ('arriving_from', '{path}')");
    fleet.cluster.sql(name, &half).unwrap();
    let mut tried = fleet.spawn(&target, &[]);
    assert!(
        !tried.ended().success(),
        "a target that is still arriving serves nobody"
    );
    let moved = fleet.migrate(&source, &target, &[]);
    assert!(moved.status.success(), "{}", words(&moved));
    assert_eq!(
        fleet
            .cluster
            .sql(name, "SELECT count(*) FROM users")
            .unwrap(),
        "1"
    );
    let mut server = fleet.spawn(&target, &[]);
    server.wait_until_ready();
}

/// What was rotated after the backup is forgotten by it, so nothing of it may live on.
#[test]
fn a_database_put_back_by_its_own_tools_is_made_safe() {
    let mut fleet = Fleet::new();
    let server = fleet.server();
    let mut browser = Browser::default();
    let code = browser.code(server.port, server.port);
    let old = http::redeem(server.port, &code)
        .unwrap()
        .text("refresh_token");
    let bin = tenure_cluster::bin_folder().unwrap();
    let dump = fleet.folder().join("dump.sql");
    let dumped = Command::new(bin.join("pg_dump"))
        .arg("--file")
        .arg(&dump)
        .arg(&fleet.url)
        .output()
        .unwrap();
    assert!(dumped.status.success(), "{}", words(&dumped));
    assert_eq!(http::refresh(server.port, &old).unwrap().status, 200);
    drop(server);
    let restored = fleet.cluster.database().unwrap();
    let put_back = Command::new(bin.join("psql"))
        .args(["--quiet", "--set=ON_ERROR_STOP=1", "--file"])
        .arg(&dump)
        .arg(&restored)
        .output()
        .unwrap();
    assert!(put_back.status.success(), "{}", words(&put_back));
    fleet.url = restored;
    let with_a_file = fleet.command(&["restore", dump.to_str().unwrap()]);
    assert!(
        words(&with_a_file).contains("pg_restore"),
        "{}",
        words(&with_a_file)
    );
    let safe = fleet.command(&["restore"]);
    assert!(
        words(&safe).contains("1 sessions ended"),
        "{}",
        words(&safe)
    );
    let server = fleet.server();
    let refused = http::refresh(server.port, &old).unwrap();
    assert_eq!(refused.text("error"), "invalid_grant");
    let silent = browser.get(server.port, &authorize(&[("prompt", "none")]));
    assert_eq!(silent.answered("error").as_deref(), Some("login_required"));
    assert_eq!(
        fleet.sql("SELECT count(*) FROM deliveries"),
        "1",
        "the relying party is told"
    );
}
