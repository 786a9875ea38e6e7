//! What `check` and `apply` say of connections.

use crate::tenant_file::plan;
use crate::world::World;
use tenure::tenantfile::Severity;
use tenure::tenantfile::change::Kind;

fn connection(members: &str) -> String {
    format!("connections:\n  - name: corp\n    strategy: oidc\n{members}")
}

#[tokio::test]
async fn what_cannot_work_is_an_error_with_its_line() {
    let table = [
        (
            "    options: {client_id: a}",
            4,
            "options.issuer is missing",
        ),
        (
            "    options: {issuer: 'https://a.example'}",
            4,
            "options.client_id is missing",
        ),
        (
            "    preset: okta\n    options: {client_id: a}",
            5,
            "preset okta needs options.domain",
        ),
        (
            "    preset: keycloak\n    options: {client_id: a, domain: k.example}",
            5,
            "needs options.domain and options.realm",
        ),
        (
            "    preset: entra\n    options: {client_id: a, realm: common}",
            5,
            "must be one tenant's id",
        ),
        (
            "    options: {client_id: a, discovery_url: 'https://a.example/elsewhere'}",
            4,
            "options.issuer must say whose tokens count",
        ),
        (
            "    options: {client_id: a, issuer: x, client_secret: 7}",
            4,
            "must be text",
        ),
        ("    preset: yahoo", 4, "preset"),
        (
            "    options: {client_id: a, issuer: x}\n    upstream: {session_expiry: maybe}",
            5,
            "write one of require, honour, ignore",
        ),
        (
            "    options: {client_id: a, issuer: x}\n    upstream: {confirm_after_minutes: 0}",
            5,
            "confirm_after_minutes must be 1 or more",
        ),
    ];
    for (members, line, words) in table {
        let (_, findings) = plan(None, &connection(members), false).await;
        let found = findings
            .errors()
            .iter()
            .any(|f| f.line == line && f.message.contains(words));
        assert!(found, "{members}: {findings:?}");
    }
    let name =
        "connections:\n  - name: 'a b'\n    strategy: oidc\n    options: {client_id: a, issuer: x}";
    let (_, findings) = plan(None, name, false).await;
    assert!(
        findings.errors()[0].message.contains("letters, digits"),
        "{findings:?}"
    );
    let twice = "connections:\n  - {name: a, preset: google, options: {client_id: a, domain_aliases: [x.example]}}\n  \
         - {name: b, preset: google, options: {client_id: b, domain_aliases: [X.example]}}";
    let (_, findings) = plan(None, twice, false).await;
    let error = findings.errors()[0];
    assert_eq!(error.line, 3);
    assert!(
        error.message.contains("assigned to connection a already"),
        "{error:?}"
    );
}

#[tokio::test]
async fn surprises_of_connections_are_named() {
    for (text, line, words) in [
        (
            "connections:\n  - name: a\n    strategy: samlp",
            3,
            "nobody can sign in with the strategy",
        ),
        (
            "connections:\n  - name: a\n    strategy: waad",
            3,
            "write strategy: oidc and preset: entra",
        ),
        (
            &connection(
                "    options: {client_id: a, issuer: x, token_endpoint_auth_method: client_secret_basic}",
            ),
            4,
            "without options.client_secret",
        ),
        (
            &connection("    options: {client_id: a, issuer: x, domain_alias: [a]}"),
            4,
            "options.domain_alias is not known and does nothing",
        ),
        (
            &connection(
                "    options: {client_id: a, issuer: x}\n    upstream: {confirm_after_minutes: 10}",
            ),
            5,
            "without offline_access in options.scope",
        ),
        (
            &connection(
                "    options: {client_id: a, scope: offline_access}\n    preset: google\n    \
                 upstream: {confirm_after_minutes: 10, confirm_grace_minutes: 5}",
            ),
            6,
            "a session without a visible request ends after 15 minutes",
        ),
        (
            &connection(
                "    options: {client_id: a, issuer: x, scope: offline_access}\n    \
                 upstream: {confirm_after_minutes: 10, confirm_grace_minutes: 0}",
            ),
            5,
            "ends every session",
        ),
        (
            &connection(
                "    options: {client_id: a}\n    preset: google\n    \
                 upstream: {backchannel_logout: all_sessions}",
            ),
            6,
            "Google sends no logout tokens",
        ),
    ] {
        let (_, findings) = plan(None, text, false).await;
        let found = findings.0.iter().any(|f| {
            f.severity == Severity::Warning && f.line == line && f.message.contains(words)
        });
        assert!(found, "{text}: {findings:?}");
    }
}

/// A secret is stored sealed, kept where the file does not speak of it, and changed where it does.
#[tokio::test]
async fn a_secret_is_recognised_without_being_readable() {
    let world = World::new().await;
    let with = |secret: &str| {
        connection(&format!(
            "    options: {{client_id: a, issuer: 'https://a.example', client_secret: {secret}}}"
        ))
    };
    let kind = async |text: &str| plan(Some(&world), text, false).await.0[0].1.clone();
    assert_eq!(kind(&with("one")).await, Kind::Create);
    world.apply(&with("one")).await;
    assert_eq!(kind(&with("one")).await, Kind::Unchanged);
    assert_eq!(
        kind(&with("two")).await,
        Kind::Change(vec!["client_secret".to_owned()])
    );
    let silent = connection("    options: {client_id: a, issuer: 'https://a.example'}");
    assert_eq!(kind(&silent).await, Kind::Unchanged);
    let sealed = async || {
        world.app.reload_if_changed().await.unwrap();
        let settings = world.app.settings.current();
        settings.connections["corp"].sealed_secret.clone().unwrap()
    };
    let first = sealed().await;
    world.apply(&silent).await;
    assert_eq!(sealed().await, first);
    world.apply(&with("two")).await;
    assert_ne!(sealed().await, first);
    let body = world
        .app
        .store
        .read(|tx| tx.documents(tenure_store::DocumentKind::Connection));
    let body = body.await.unwrap().remove(0).body;
    assert!(!body.contains("two") && !body.contains("one"), "{body}");
}
