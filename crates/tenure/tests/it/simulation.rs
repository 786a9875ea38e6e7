//! `tenure simulate`: the worked examples, what is refused, and the exit code that a test of a policy needs.
//! `tenure check`: what surprises in settings that are each fine alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn tenure(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/simulate")
}

fn simulate(text: &str) -> (i32, String, String) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("s.yaml"), text).unwrap();
    tenure(folder.path(), &["simulate", "s.yaml"])
}

#[test]
fn the_examples_hold_and_are_drawn() {
    let out = TempDir::new().unwrap();
    for name in ["short-lived", "offline", "lowered", "upstream", "provider"] {
        let svg = out.path().join(format!("{name}.svg"));
        let file = format!("{name}.yaml");
        let (code, text, err) = tenure(
            &examples(),
            &["simulate", &file, "--svg", svg.to_str().unwrap()],
        );
        assert_eq!(code, 0, "{name}: {text}{err}");
        let drawn = std::fs::read_to_string(svg).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.contains("prefers-color-scheme"));
        assert!(drawn.contains("session"), "{drawn}");
    }
    let (_, json, _) = tenure(&examples(), &["simulate", "provider.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let phone = &json["layers"][1];
    assert_eq!(
        (&phone["browser"], &phone["connection"]),
        (&"phone".into(), &"corp".into())
    );
    let (_, json, _) = tenure(&examples(), &["simulate", "short-lived.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["layers"][0]["ends"]["seconds"], 780);
    assert_eq!(json["events"][4]["reason"], "idle");
    assert_eq!(json["mismatches"].as_array().unwrap().len(), 0);
}

const STORY: &str = "
tenant: {idle_session_lifetime_in_minutes: 30}
clients: [{client_id: shop, name: Shop, app_type: spa}]
events:
  - {at: 0s, login: shop}
  - {at: 20m, silent: shop, expect: login_required}
";

#[test]
fn an_expectation_that_does_not_hold_is_exit_code_1_with_what_was_found() {
    let text = format!("{STORY}expect: {{session_ends: 1h, by: absolute}}\n");
    let (code, _, err) = simulate(&text);
    assert_eq!(code, 1, "{err}");
    for words in [
        "2 of the expectations",
        "line 6: silent shop at 20m",
        "- expected: login_required",
        "+ found:    ok",
        "- expected: 1h by absolute",
        "+ found:    50m by idle (stored_idle)",
    ] {
        assert!(err.contains(words), "{words}: {err}");
    }
}

#[test]
fn a_script_that_cannot_be_read_is_exit_code_2_with_its_line() {
    for (wrong, line, words) in [
        ("  - {at: 30m, silent: nobody}", 7, "the settings have shop"),
        ("  - {at: soon, silent: shop}", 7, "write 0s, 10m"),
        ("  - {at: 1m, silent: shop}", 7, "order of time"),
        ("  - {at: 30m, dance: shop}", 7, "dance is no event"),
        ("  - {at: 30m}", 7, "one of login"),
        ("  - {at: 30m, login: }", 7, "needs a client"),
        ("  - {at: 30m, end: boredom}", 7, "account_disabled"),
        (
            "  - {at: 30m, silent: shop, audience: x}",
            7,
            "resourceServers",
        ),
        (
            "  - {at: 30m, settings: {tenant: {session_lifetime: x}}}",
            7,
            "write a number",
        ),
        (
            "  - {at: 30m, settings: {tenant: {sesion_lifetime: 1}}}",
            7,
            "session_lifetime",
        ),
        (
            "  - {at: 30m, login: shop, connection: corp}",
            7,
            "there is no connection \"corp\": the settings have none",
        ),
        (
            "  - {at: 30m, upstream_revocation: corp}",
            7,
            "there is no connection",
        ),
        ("  - {at: 30m, provider: }", 7, "answers, silent or refuses"),
        (
            "  - {at: 30m, provider: asleep}",
            7,
            "answers, silent or refuses",
        ),
        (
            "  - {at: 30m, upstream_logout: , told: never}",
            7,
            "write true or false",
        ),
        ("upstream: {idle: 1h}", 7, "belongs to a login"),
        ("expect: {ends: 1h}", 7, "session_ends"),
        ("expect: {browsers: {phone: {ends: 1h}}}", 7, "session_ends"),
        (
            "expect: {browsers: {phone: {browsers: {}}}}",
            7,
            "no browsers of its own",
        ),
        (
            "expect: {clients: {nobody: {family_ends: never}}}",
            7,
            "no client",
        ),
    ] {
        let (code, _, err) = simulate(&format!("{STORY}{wrong}\n"));
        assert_eq!(code, 2, "{wrong}: {err}");
        assert!(err.contains(words), "{wrong}: {err}");
        assert!(err.contains(&format!("line {line}")), "{wrong}: {err}");
    }
    let (code, _, err) = simulate("clients: []");
    assert!(code == 2 && err.contains("expected events"), "{err}");
}

#[test]
fn check_warns_of_what_surprises_together() {
    let folder = TempDir::new().unwrap();
    let text = "
tenant: {idle_session_lifetime_in_minutes: 30, session_lifetime: 1, default_audience: 'https://api'}
clients:
  - client_id: shop
    name: Shop
    app_type: spa
    allowed_logout_urls: ['https://shop.example/']
    jwt_configuration: {lifetime_in_seconds: 7200}
    refresh_token: {idle_token_lifetime: 86400}
resourceServers: [{identifier: 'https://api', token_lifetime: 600, token_lifetime_for_web: 60}]
";
    std::fs::write(folder.path().join("t.yaml"), text).unwrap();
    let (code, out, err) = tenure(folder.path(), &["check", "t.yaml"]);
    assert_eq!(code, 0, "{err}");
    for (line, words) in [
        (2, "offline_access is dropped"),
        (7, "https://shop.example without a slash"),
        (8, "ID tokens of 7200 s would outlive the session of 3600 s"),
        (9, "signed in here after the session ended"),
        (10, "with 60 s they ask for a token at every call"),
    ] {
        let found = out
            .lines()
            .any(|said| said.contains(&format!("line {line}:")) && said.contains(words));
        assert!(found, "{words}: {out}");
    }
}

/// `tenure simulate … | head`: who reads may have seen enough.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
        .arg("simulate")
        .arg(examples().join("offline.yaml"))
        .env_clear()
        .stdout(writer)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
