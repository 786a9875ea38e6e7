//! The built binary: exit codes, messages, and the files that it makes and refuses.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use tenure::clock::Clock;
use tenure::entropy::Entropy;
use tenure_protocol::limits::{Caps, Limits};
use tenure_protocol::model::Tenant;
use tenure_protocol::session::{Device, EndReason, Login, Session};
use tenure_store::{Options, SessionFilter, Store};

/// A folder in which commands run.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    /// (exit code, standard output, standard error)
    fn run(&self, arguments: &str) -> (i32, String, String) {
        told(&self.command(arguments).output().unwrap())
    }

    fn succeeds(&self, arguments: &str) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "tenure {arguments}: {out}{err}");
        out
    }

    /// Fails with this code, and says all of these words.
    fn fails(&self, arguments: &str, code: i32, words: &[&str]) {
        let (got, out, err) = self.run(arguments);
        assert_eq!(got, code, "tenure {arguments}: {out}{err}");
        for word in words {
            assert!(err.contains(word), "tenure {arguments}: no {word:?}: {err}");
        }
    }

    fn store(&self, name: &str) -> Store {
        Store::open(&Options::new(self.path(name)).not_durable()).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const TENANT: &str =
    "clients: [{client_id: a, name: A, app_type: spa}]\nusers: [{email: ada@example.com}]";

/// An installation with one session, copied to `backup.db`.
fn backed_up() -> Place {
    let place = Place::new();
    place.write("t.yaml", TENANT);
    place.succeeds("apply t.yaml");
    let store = place.store("tenure.db");
    let user = store.read_blocking(|tx| tx.users("", 1)).unwrap().remove(0);
    let login = Login {
        user_id: user.user.user_id,
        secret_hash: [0; 32],
        limits: Limits::of(&Tenant::default(), true, &Caps::default()),
        upstream_deadline: None,
        persistent: true,
        factors: Vec::new(),
        device: Device::default(),
    };
    let sid = Entropy::system().sid();
    let session = Session::start(sid, login, Clock::system(0).now());
    store
        .write_blocking(move |tx| {
            tx.set_meta("clock_offset_ms", "86400000")?;
            tx.insert_session(&session)
        })
        .unwrap();
    store.close();
    place.succeeds("backup backup.db");
    place
}

#[test]
fn a_restore_refuses_what_an_old_database_left_behind() {
    let place = backed_up();
    for leftover in [
        "tenure.db",
        "tenure.db-wal",
        "tenure.db-shm",
        "tenure.db.part",
    ] {
        for file in ["tenure.db", "tenure.db-wal", "tenure.db-shm"] {
            drop(std::fs::remove_file(place.path(file)));
        }
        place.write(leftover, "precious");
        place.fails("restore backup.db", 2, &[leftover, "move"]);
        assert_eq!(std::fs::read(place.path(leftover)).unwrap(), b"precious");
        std::fs::remove_file(place.path(leftover)).unwrap();
    }
    place.write("tenure.db-wal", "x");
    place.write("tenure.db-shm", "x");
    place.fails("restore backup.db", 2, &["tenure.db-wal", "tenure.db-shm"]);
}

/// Who comes late ends nothing: the log and the graph keep the limit that did, and when.
#[test]
fn a_session_whose_time_is_over_keeps_the_end_that_time_brought() {
    let place = backed_up();
    let store = place.store("tenure.db");
    let sid = store.write_blocking(|tx| {
        tx.set_meta("clock_offset_ms", "31536000000")?;
        let all = tx.sessions(&SessionFilter {
            limit: 1,
            ..SessionFilter::default()
        });
        Ok(all?.remove(0).sid)
    });
    let sid = sid.unwrap();
    store.close();
    let said = place.succeeds(&format!("session end {sid}"));
    assert_eq!(said, format!("{sid} had ended already\n"));
    let store = place.store("tenure.db");
    let session = store.read_blocking(move |tx| tx.session(&sid)).unwrap();
    let session = session.unwrap();
    let end = session.end.unwrap();
    assert_eq!(end.reason, EndReason::Idle);
    assert_eq!(end.at, session.idle_deadline);
}

#[test]
fn a_restore_ends_sessions_by_the_installations_clock() {
    let place = backed_up();
    place.succeeds("restore backup.db --database sqlite:new.db --key-file tenure.db.key");
    assert_eq!(mode(&place.path("new.db")), 0o600);
    assert!(!place.files().iter().any(|name| name.contains(".part")));
    let store = place.store("new.db");
    let filter = SessionFilter {
        limit: 10,
        ..SessionFilter::default()
    };
    let sessions = store.read_blocking(move |tx| tx.sessions(&filter)).unwrap();
    let end = sessions[0].end.clone().unwrap();
    assert_eq!(end.reason, EndReason::PolicyChange);
    let ahead = end.at.millis_since(Clock::system(0).now());
    assert!((80_000_000..=86_400_000).contains(&ahead), "{ahead}");
}

#[test]
fn a_restore_that_fails_leaves_nothing_behind() {
    let place = backed_up();
    place.write("text", &"not a database ".repeat(1000));
    let mut bytes = std::fs::read(place.path("backup.db")).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[4096..middle].fill(0x55);
    std::fs::write(place.path("damaged"), bytes).unwrap();
    for file in ["text", "damaged"] {
        let before = place.files();
        place.fails(
            &format!("restore {file} --database sqlite:new.db"),
            1,
            &[file],
        );
        assert_eq!(place.files(), before, "{file}");
    }
    place.fails(
        "restore nowhere.db --database sqlite:new.db",
        2,
        &["nowhere.db"],
    );
}

#[test]
fn new_files_are_their_owners_alone() {
    let place = backed_up();
    for file in ["tenure.db", "tenure.db.key", "backup.db"] {
        assert_eq!(mode(&place.path(file)), 0o600, "{file}");
    }
}

const SERVE: &str = "serve --listen 127.0.0.1:0 --base-url http://localhost:7100";

/// A server that is killed with the test.
struct Server(std::process::Child);

impl Server {
    fn start(place: &Place) -> Self {
        let mut child = place
            .command(SERVE)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("Tenure serves "), "{line}");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn one_file_has_one_server_and_commands_work_beside_it() {
    let place = backed_up();
    let store = place.store("tenure.db");
    store
        .write_blocking(|tx| tx.set_meta("clock_offset_ms", "0"))
        .unwrap();
    store.close();
    let server = Server::start(&place);
    place.fails(SERVE, 1, &["another server", "tenure.db", "PostgreSQL"]);
    assert!(place.succeeds("user list").contains("ada@example.com"));
    // Moved away under its server: the name is not free yet.
    for file in ["tenure.db", "tenure.db-wal", "tenure.db-shm"] {
        std::fs::rename(place.path(file), place.path(&format!("old-{file}"))).unwrap();
    }
    place.fails("restore backup.db", 1, &["another server"]);
    // The system lets go of the lock of a server that was killed.
    drop(server);
    place.succeeds("restore backup.db");
}

#[test]
fn a_database_that_others_can_read_is_named_at_start() {
    let place = backed_up();
    std::fs::set_permissions(place.path("tenure.db"), Permissions::from_mode(0o644)).unwrap();
    // It has travelled in time, so it does not start; the warning comes before.
    place.fails(SERVE, 1, &["chmod 600", "tenure.db"]);
}

#[test]
fn wrong_input_exits_with_2_and_says_where_it_is_wrong() {
    let place = backed_up();
    place.write(
        "bad.yaml",
        "clients:\n  - name: A\n    callbacks: [x]\ntenant:\n  session_lifetime: abc\n",
    );
    place.write("odd.yaml", "clients: [");
    std::fs::write(
        place.path("latin.yaml"),
        b"tenant:\n  friendly_name: Caf\xe9\n",
    )
    .unwrap();
    place.write(
        "url.toml",
        "listen = \"127.0.0.1:0\"\nbase_url = \"http://id.example.com\"\n",
    );
    place.write("proxy.toml", "\n\ntrusted_proxies = [\"10.0.0.0/99\"]\n");
    place.write("key.toml", "base_ulr = \"x\"\n");
    place.write("users.json", "[{\"email\": 7}, {\"name\": \"nobody\"}]");
    place.write("broken.json", "{}");
    let table: [(&str, &[&str]); 24] = [
        ("apply nowhere.yaml", &["nowhere.yaml"]),
        (
            "apply bad.yaml",
            &[
                "bad.yaml, line 3: ",
                "bad.yaml, line 5: session_lifetime",
                "write a number",
            ],
        ),
        (
            "check bad.yaml",
            &["bad.yaml, line 3: ", "bad.yaml, line 5: "],
        ),
        ("check bad.yaml --json", &["bad.yaml, line 3: "]),
        ("check odd.yaml", &["odd.yaml, line "]),
        ("check latin.yaml", &["latin.yaml, line 2: not UTF-8"]),
        (
            "check url.toml",
            &["url.toml, line 2: base_url", "must be https"],
        ),
        (
            "check proxy.toml",
            &["proxy.toml, line 3: trusted_proxies", "10.0.0.0/99"],
        ),
        ("check key.toml", &["key.toml, line 1: ", "base_ulr"]),
        ("serve --config url.toml", &["url.toml, line 2: base_url"]),
        ("serve", &["--base-url"]),
        ("serve --base-url http://id.example.com", &["must be https"]),
        (
            "serve --base-url https://id.example.com --database mysql:x",
            &["sqlite:PATH"],
        ),
        ("serve --bse-url x", &["--bse-url"]),
        ("user list --database sqlite:nowhere.db", &["nowhere.db"]),
        ("user block nobody", &["nobody"]),
        ("user import users.json", &["users.json", "no user of it"]),
        (
            "user import broken.json",
            &["broken.json", "array of users"],
        ),
        ("session show x", &["not a session id"]),
        ("session end AAAAAAAAAAAAAAAAAAAAAA", &["no session"]),
        // One in 64 begins with a hyphen.
        ("session end -AAAAAAAAAAAAAAAAAAAAA", &["no session"]),
        (
            "session show -hVAAAAAAAAAAAAAAAAAAA --json",
            &["no session"],
        ),
        ("backup backup.db", &["backup.db exists"]),
        ("demo --port 65535", &["65535"]),
    ];
    for (arguments, words) in table {
        place.fails(arguments, 2, words);
    }
    for email in ["", "not an email", "ada"] {
        let output = place
            .command("user add --no-password")
            .arg(email)
            .output()
            .unwrap();
        let (code, out, err) = told(&output);
        assert_eq!(code, 2, "{email:?}: {out}{err}");
        assert!(err.contains("ada@example.com"), "{err}");
    }
}

#[test]
fn what_fails_otherwise_exits_with_1_and_names_the_file() {
    let place = backed_up();
    place.write("text.db", &"not a database ".repeat(1000));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    let fresh = "--base-url http://localhost:7100 --database sqlite:fresh.db";
    let table: [(&str, &[&str]); 5] = [
        (
            "user list --database sqlite:text.db",
            &["text.db", "not a database"],
        ),
        (
            "apply t.yaml --database sqlite:missing/t.db",
            &["missing/t.db"],
        ),
        ("backup missing/backup.db", &["missing/backup.db"]),
        ("user list --key-file missing.key", &["missing.key"]),
        (
            &format!("serve --listen {port} {fresh}"),
            &[&port.to_string()],
        ),
    ];
    for (arguments, words) in table {
        place.fails(arguments, 1, words);
    }
}

#[test]
fn a_dry_run_makes_nothing() {
    let place = Place::new();
    place.write("t.yaml", TENANT);
    let out = place.succeeds("apply t.yaml --dry-run");
    assert!(out.contains("planned: 2 to create"), "{out}");
    assert_eq!(place.files(), ["t.yaml"]);
    place.succeeds("apply t.yaml");
    let out = place.succeeds("apply t.yaml --dry-run --json");
    let plan: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(plan["dry_run"], true);
    assert_eq!(plan["changes"][0]["action"], "unchanged");
}

#[test]
fn the_documented_tenants_have_no_warnings() {
    let place = Place::new();
    let readme = include_str!("../../../../README.md");
    let in_readme = readme.split("```yaml\n").nth(1).unwrap();
    place.write("readme.yaml", in_readme.split("```").next().unwrap());
    place.write(
        "example.yaml",
        include_str!("../../../../examples/tenant.yaml"),
    );
    for file in ["readme.yaml", "example.yaml"] {
        let out = place.succeeds(&format!("check {file}"));
        assert!(out.contains(" 0 warnings"), "{out}");
    }
}

/// Whoever asks for help may have a password in the environment.
#[test]
fn help_does_not_print_the_environment() {
    let place = Place::new();
    for arguments in ["serve --help", "user list --help"] {
        let output = place
            .command(arguments)
            .env("TENURE_DATABASE", "postgres://tenure:s3cret@db/tenure")
            .output()
            .unwrap();
        let (code, out, err) = told(&output);
        assert!(code == 0 && out.contains("TENURE_DATABASE"));
        assert!(!out.contains("s3cret") && !err.contains("s3cret"));
    }
}
