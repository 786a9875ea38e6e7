//! `tenure connection`: the built binary asks a provider that answers on a socket.

use crate::upstream_world::{PROVIDER, Served, tenant_with};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// Exit code, standard output, standard error.
async fn tenure(folder: &Path, arguments: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenure"));
    command
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

async fn applied(tenant: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.yaml"), tenant).unwrap();
    let (code, out, err) = tenure(folder.path(), "apply t.yaml").await;
    assert_eq!(code, 0, "{out}{err}");
    folder
}

const TEST: &str = "connection test corp --base-url http://localhost:7100";

#[tokio::test]
async fn a_connection_is_tested_before_anybody_signs_in_with_it() {
    let up = Served::start(PROVIDER).await;
    let more = "    upstream: { amr_values: [mfa] }\n  - { name: old, strategy: samlp }\n";
    let folder = applied(&tenant_with(&up, more)).await;
    let (code, out, err) = tenure(folder.path(), TEST).await;
    assert_eq!(code, 0, "{out}{err}");
    for words in [
        "connection corp (Corp Ltd)".to_owned(),
        format!("issuer                    {}", up.issuer()),
        format!("end_session_endpoint      {}/oidc/logout", up.base),
        "  key                     RS256 ".to_owned(),
        "redirect URI              http://localhost:7100/login/callback".to_owned(),
        "post-logout redirect URI  http://localhost:7100/logout/callback".to_owned(),
        "http://localhost:7100/connections/corp/backchannel-logout".to_owned(),
        "global token revocation   http://localhost:7100/oauth/global-token-revocation/connection/corp".to_owned(),
    ] {
        assert!(out.contains(&words), "{words}: {out}");
    }
    let (_, json, _) = tenure(folder.path(), &format!("{TEST} --json")).await;
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["wrong"], serde_json::json!([]));
    assert_eq!(report["found"]["has_client_secret"], true);
    // What else there is to see; a secret never is.
    let (_, list, _) = tenure(folder.path(), "connection list").await;
    assert!(
        list.contains("corp  Corp Ltd") && list.contains("old  (kept, and not used)"),
        "{list}"
    );
    let (_, show, _) = tenure(folder.path(), "connection show corp").await;
    assert!(show.contains("client secret             stored"), "{show}");
    assert!(show.contains("amr that counts           mfa"), "{show}");
    assert!(show.contains("takes revocations         yes"), "{show}");
    assert!(show.contains("asked                     never"), "{show}");
    let (_, shown, _) = tenure(folder.path(), "connection show corp --json").await;
    let (_, listed, _) = tenure(folder.path(), "connection list --json").await;
    assert_eq!(
        serde_json::from_str::<Value>(&listed).unwrap()[0]["name"],
        "corp"
    );
    for text in [out, json, list, show, shown, listed] {
        assert!(
            !text.contains("down-secret") && !text.contains("sealed_secret"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_or_missing_is_said() {
    let poor = Served::altered(PROVIDER, |path, json| {
        if path == "/.well-known/openid-configuration" {
            let members = json.as_object_mut().unwrap();
            members.remove("end_session_endpoint");
            members.remove("code_challenge_methods_supported");
            json["token_endpoint_auth_methods_supported"] = serde_json::json!(["private_key_jwt"]);
            json["scopes_supported"] = serde_json::json!(["openid", "email"]);
        }
    });
    let up = poor.await;
    // One that takes no revocations has no address for them.
    let closed = "    upstream: { global_token_revocation: false }\n";
    let folder = applied(&tenant_with(&up, closed)).await;
    let (code, out, err) = tenure(folder.path(), TEST).await;
    assert!(!out.contains("global-token-revocation"), "{out}");
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("end_session_endpoint: a federated logout cannot"),
        "{out}"
    );
    assert!(out.contains("PKCE is sent all the same"), "{out}");
    assert!(err.contains("the provider takes private_key_jwt"), "{err}");
    assert!(err.contains("does not list the scope profile"), "{err}");
    // Nobody answers: what to register is said all the same.
    drop(up);
    let (code, out, err) = tenure(folder.path(), TEST).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("/login/callback") && err.contains("connection corp:"),
        "{out}{err}"
    );
    for (arguments, words) in [
        ("connection show nobody", "there is no connection nobody"),
        ("connection test corp", "say --base-url"),
    ] {
        let (code, _, err) = tenure(folder.path(), arguments).await;
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(words), "{err}");
    }
}
