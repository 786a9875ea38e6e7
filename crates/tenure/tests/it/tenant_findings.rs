//! What `tenure apply` and `check` find in a tenant file: mistakes, keys that nobody knows, surprises.

use crate::tenant_file::plan;
use crate::world::World;
use tenure::tenantfile::Severity;

/// A number, a boolean or a list in the place of text does not vanish, and a secret is not repeated.
#[tokio::test]
async fn text_without_quotes_is_named() {
    for (section, name) in [
        ("clients", "client_id"),
        ("clients", "client_secret"),
        ("clients", "name"),
        ("resourceServers", "identifier"),
        ("clientGrants", "audience"),
        ("users", "user_id"),
        ("users", "email"),
        ("users", "username"),
        ("users", "password"),
        ("users", "password_hash"),
    ] {
        for value in ["12345", "1.5", "true", "[a]"] {
            let needed = match section {
                "clients" => "name: A",
                "resourceServers" => "identifier: A",
                "clientGrants" => "client_id: A",
                _ => "email: a@example.com",
            };
            let needed = if needed.starts_with(&format!("{name}:")) {
                "profile: native"
            } else {
                needed
            };
            let text = format!("{section}:\n  - {needed}\n    {name}: {value}");
            let (_, findings) = plan(None, &text, false).await;
            let error = findings.first_error().unwrap();
            assert_eq!(
                (error.line, error.message.as_str()),
                (3, format!("{name} must be text: put it in quotes").as_str()),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn every_error_of_a_file_is_found() {
    let text = "tenant: {session_lifetime: abc, idle_session_lifetime: x}\nclients:\n  - name: A\n    app_type: x\n    callbacks: [nonsense]\n  - name: B\n    is_first_party: 7\nusers:\n  - email: 7";
    let (_, findings) = plan(None, text, false).await;
    let lines: Vec<usize> = findings.errors().iter().map(|error| error.line).collect();
    assert_eq!(lines, [1, 1, 4, 5, 7, 9], "{findings:?}");
}

#[tokio::test]
async fn keys_that_nobody_knows_are_named() {
    let table = [
        (
            "tenant:\n  sesion_lifetime: 3",
            2,
            "tenant: sesion_lifetime is not known and does nothing; is session_lifetime meant?",
        ),
        (
            "tenant:\n  session_cookie: {modes: x}",
            2,
            "session_cookie.modes is not known",
        ),
        (
            "tenant:\n  sessions:\n    prompt: x",
            3,
            "sessions.prompt is not known",
        ),
        (
            "clients:\n  - name: A\n    callback: [\"https://a.example\"]",
            3,
            "client A: callback is not known and does nothing; is callbacks meant?",
        ),
        (
            "clients:\n  - name: A\n    refresh_token:\n      lifetime: 3",
            4,
            "client A: refresh_token.lifetime is not known and does nothing",
        ),
        (
            "clients:\n  - name: A\n    oidc_logout:\n      backchannel_logout_initiators: {modus: all}",
            4,
            "backchannel_logout_initiators.modus",
        ),
        (
            "resourceServers:\n  - identifier: a\n    allow_ofline_access: true",
            3,
            "API a: allow_ofline_access",
        ),
        (
            "resourceServers:\n  - identifier: a\n    scopes:\n      - {value: a}\n      - value: b\n        descripton: B",
            6,
            "API a: scopes.descripton is not known and does nothing; is description meant?",
        ),
        (
            "clientGrants:\n  - {client_id: a, audience: b, scopes: []}",
            2,
            "client grant: scopes",
        ),
        (
            "users:\n  - email: a@example.com\n    mail_verified: true",
            3,
            "user a@example.com: mail_verified",
        ),
        (
            "roles:\n  - name: r\n    permission: []",
            3,
            "role r: permission",
        ),
        (
            "connections:\n  - name: c\n    strategi: x",
            3,
            "connection c: strategi",
        ),
    ];
    for (text, line, words) in table {
        let (_, findings) = plan(None, text, false).await;
        let found = findings.0.iter().any(|f| {
            f.severity == Severity::Warning && f.line == line && f.message.contains(words)
        });
        assert!(found, "{text}: {findings:?}");
    }
    // What members hold is their own affair.
    let free = "clients:\n  - name: A\n    app_type: native\n    client_metadata: {a: b}\n    custom_claims: {c: d}\nusers:\n  - {email: a@example.com, user_metadata: {x: y}}";
    let (_, findings) = plan(None, free, false).await;
    assert_eq!(findings.0, []);
}

#[tokio::test]
async fn surprises_are_named() {
    let table = [
        (
            "clients:\n  - name: A\n    callbacks: [\"http://shop.example/cb\"]",
            3,
            "travel in clear",
        ),
        (
            "clientGrants:\n  - client_id: nobody\n    audience: https://nowhere.example\n    scope: []",
            2,
            "there is no client nobody",
        ),
        (
            "clientGrants:\n  - client_id: nobody\n    audience: https://nowhere.example\n    scope: []",
            3,
            "there is no API https://nowhere.example",
        ),
    ];
    for (text, line, words) in table {
        let (_, findings) = plan(None, text, false).await;
        let found = findings.0.iter().any(|f| {
            f.severity == Severity::Warning && f.line == line && f.message.contains(words)
        });
        assert!(found, "{text}: {findings:?}");
    }
    // By name or by id, in the file or in the installation.
    let world = World::new().await;
    let grants = "clientGrants:\n  - {client_id: machine, audience: \"https://api.example.com\", scope: []}\n  - {client_id: Web, audience: \"https://api.example.com\", scope: []}";
    let (_, findings) = plan(Some(&world), grants, false).await;
    assert_eq!(findings.0, []);
}

/// Back-Channel Logout 1.0 section 2.2, and CVE-2026-4874: nothing is ever put into a logout URL.
#[tokio::test]
async fn logout_urls_and_initiators_are_checked() {
    let check = async |client: &str, logout: &str| {
        let text =
            format!("clients:\n  - name: A\n    app_type: {client}\n    oidc_logout: {{{logout}}}");
        plan(None, &text, false).await.1
    };
    let errors = [
        (
            "regular_web",
            "backchannel_logout_urls: [nonsense]",
            "is not a URL",
        ),
        (
            "regular_web",
            "backchannel_logout_urls: [/bcl]",
            "is not a URL",
        ),
        (
            "regular_web",
            "backchannel_logout_urls: ['ftp://a.example/b']",
            "must start with https://",
        ),
        (
            "regular_web",
            "backchannel_logout_urls: ['https://a.example/b#c']",
            "fragment",
        ),
        (
            "regular_web",
            "backchannel_logout_urls: ['https://u:p@a.example/b']",
            "user name",
        ),
        (
            "regular_web",
            "backchannel_logout_urls: ['https://*.example/b']",
            "wildcard",
        ),
        (
            "regular_web",
            "backchannel_logout_urls: ['https://a.example/{host}']",
            "placeholder",
        ),
        (
            "spa",
            "backchannel_logout_urls: ['http://a.example/b']",
            "must be https",
        ),
        (
            "regular_web",
            "backchannel_logout_urls: ['https://a.example/', 'https://b.example/']",
            "one URL",
        ),
        (
            "regular_web",
            "backchannel_logout_initiators: {mode: some}",
            "must be all or custom",
        ),
    ];
    for (client, logout, words) in errors {
        let findings = check(client, logout).await;
        let error = findings.first_error().unwrap_or_else(|| panic!("{logout}"));
        assert!(error.message.contains(words), "{logout}: {error:?}");
        assert_eq!(error.line, 4, "{logout}");
    }
    let warnings = [
        ("backchannel_logout_urls: ['http://a.example/b']", "is http"),
        (
            "backchannel_logout_urls: ['https://a.example/b'], backchannel_logout_initiators: \
             {mode: custom, selected_initiators: [rp-logout, idp-logout]}",
            "not told of other ends",
        ),
        (
            "backchannel_logout_initiators: {mode: custom, selected_initiators: [logout]}",
            "by the name \"logout\"",
        ),
    ];
    for (logout, words) in warnings {
        let findings = check("regular_web", logout).await;
        assert_eq!(findings.first_error(), None, "{logout}");
        let said = findings
            .0
            .iter()
            .any(|finding| finding.message.contains(words));
        assert!(said, "{logout}: {findings:?}");
    }
    for url in [
        "http://localhost:3000/bcl",
        "http://127.0.0.1/b",
        "http://[::1]:1/b",
        "https://a.example/b?x=1",
    ] {
        let findings = check(
            "regular_web",
            &format!("backchannel_logout_urls: ['{url}']"),
        )
        .await;
        let said: Vec<_> = findings
            .0
            .iter()
            .filter(|f| f.message.contains("backchannel"))
            .collect();
        assert!(said.is_empty(), "{url}: {said:?}");
    }
}

/// An API that an imported tenant protects by certificates must not be left open in silence.
#[tokio::test]
async fn only_dpop_is_taken_as_a_proof_of_possession() {
    let file = |possession: &str| {
        format!(
            "resourceServers:\n  - identifier: https://api.example.com\n    name: API\n    proof_of_possession: {possession}"
        )
    };
    let table = [
        ("{mechanism: dpop, required: true}", None),
        (
            "{mechanism: dpop, required: true, required_for: public_clients}",
            None,
        ),
        ("{mechanism: mtls, required: false}", None),
        (
            "{mechanism: mtls, required: true}",
            Some(
                "proof_of_possession.mechanism: \"mtls\" is not supported: write dpop, or required: false",
            ),
        ),
    ];
    for (possession, expected) in table {
        let (_, findings) = plan(None, &file(possession), false).await;
        let error = findings.first_error();
        let found = error.map(|error| (error.line, error.message.as_str()));
        assert_eq!(
            found,
            expected.map(|message| (4, message)),
            "{possession} {findings:?}"
        );
    }
}
