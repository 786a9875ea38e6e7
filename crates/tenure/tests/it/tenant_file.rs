//! `tenure apply`, `check` and `user import`: what is read, refused and kept.

use crate::world::{START, TENANT, World, spa};
use serde_json::Value;
use std::sync::Arc;
use tenure::app::Macs;
use tenure::clock::Clock;
use tenure::crypto::master::Master;
use tenure::entropy::Entropy;
use tenure::import;
use tenure::tenantfile::change::Kind;
use tenure::tenantfile::plan::{Planner, Present};
use tenure::tenantfile::read::read;
use tenure::tenantfile::yaml::Node;
use tenure::tenantfile::{Findings, Severity};
use tenure_protocol::Timestamp;
use tenure_protocol::limits::Caps;

/// Plans a text against an installation (or an empty one).
pub async fn plan(
    world: Option<&World>,
    text: &str,
    delete: bool,
) -> (Vec<(String, Kind)>, Findings) {
    let mut findings = Findings::default();
    let wanted = Arc::new(read(&Node::parse(text, "t.yaml").unwrap(), &mut findings));
    let present = match world {
        Some(world) => {
            let inner = wanted.clone();
            world
                .app
                .store
                .read(move |tx| Present::load(tx, &inner))
                .await
                .unwrap()
        }
        None => Present::default(),
    };
    let macs = Macs::derive(&Master::from_bytes([0; 32]));
    let macs = world.map_or(&macs, |world| &world.app.macs);
    let planner = Planner {
        present: &present,
        macs,
        caps: &Caps::default(),
        entropy: &Entropy::system(),
        delete,
    };
    let changes = planner.plan(&wanted, &mut findings);
    (
        changes
            .into_iter()
            .map(|c| (format!("{} {}", c.noun, c.title()), c.kind))
            .collect(),
        findings,
    )
}

#[tokio::test]
async fn applying_twice_changes_nothing() {
    let world = World::new().await;
    let (changes, _) = plan(Some(&world), TENANT, false).await;
    assert!(
        changes.iter().all(|(_, kind)| *kind == Kind::Unchanged),
        "{changes:?}"
    );
    let (changes, _) = plan(
        Some(&world),
        "clients: [{client_id: spa, name: Renamed}]",
        false,
    )
    .await;
    assert_eq!(
        changes,
        [(
            "client Renamed".to_owned(),
            Kind::Change(vec!["name".to_owned()])
        )]
    );
}

#[tokio::test]
async fn a_password_counts_at_creation_only() {
    let world = World::new().await;
    world
        .apply("users: [{user_id: ada, email: ada@example.com, password: another one}]")
        .await;
    world.browser().sign_in(&spa(&[])).await;
}

#[tokio::test]
async fn nothing_is_deleted_without_being_asked() {
    let world = World::new().await;
    let file = "clients: [{client_id: spa, name: Shop}]";
    let (changes, _) = plan(Some(&world), file, false).await;
    assert!(!changes.iter().any(|(_, kind)| *kind == Kind::Delete));
    let (changes, _) = plan(Some(&world), file, true).await;
    let deleted = changes
        .iter()
        .filter(|(_, kind)| *kind == Kind::Delete)
        .count();
    assert_eq!(
        deleted, 5,
        "the other clients, and of other kinds nothing: {changes:?}"
    );
}

#[tokio::test]
async fn wrong_input_names_its_line_and_what_to_write() {
    let table = [
        (
            "clients:\n  - name: A\n    callbacks: [\"https://*.example.com/cb\"]",
            3,
            "allow_wildcard_subdomains",
        ),
        (
            "clients:\n  - name: A\n    callbacks: [nonsense]",
            3,
            "is not a URL",
        ),
        (
            "clients:\n  - name: A\n    jwt_configuration: {alg: HS256}",
            3,
            "write RS256",
        ),
        ("clients:\n  - name: A\n    app_type: 7", 3, "app_type"),
        (
            "clients:\n  - name: A\n    refresh_token: {leeway: -1}",
            3,
            "leeway",
        ),
        (
            "clients:\n  - name: A\n    client_secret: \"##SECRET##\"",
            3,
            "placeholder",
        ),
        ("clients:\n  - description: nameless", 2, "needs a name"),
        ("clients: 7", 1, "must be a list"),
        ("resourceServers:\n  - name: x", 2, "needs an identifier"),
        (
            "resourceServers:\n  - identifier: x\n    token_lifetime: 0",
            3,
            "token_lifetime",
        ),
        (
            "tenant:\n  session_lifetime: 100000",
            2,
            "above the system limit",
        ),
        ("tenant:\n  profile: eternal", 2, "short-lived"),
        ("users:\n  - name: x", 2, "needs an email"),
        (
            "users:\n  - email: x@y\n    password_hash: $2b$20$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
            3,
            "seconds",
        ),
        (
            "clientGrants:\n  - client_id: x",
            2,
            "needs client_id and audience",
        ),
        ("- a", 1, "expected sections"),
        (
            "clients:\n  - name: A\n    app_type: spaa",
            3,
            "write spa, native, regular_web or non_interactive",
        ),
        (
            "clients:\n  - name: A\n    jwt_configuration: {lifetime_in_seconds: 2592001}",
            3,
            "between 1 and 2592000",
        ),
        (
            "clients:\n  - name: A\n    refresh_token:\n      leeway: soon",
            4,
            "refresh_token.leeway: \"soon\" cannot be used: write a whole number",
        ),
        (
            "tenant:\n  session_lifetime: abc",
            2,
            "write a number, without quotes",
        ),
        (
            "users:\n  - email: a@b.example\n    email_verified: maybe",
            3,
            "email_verified: \"maybe\" cannot be used: write true or false",
        ),
        (
            "clients:\n  - client_id: a\n  - name: B\n    client_id: a",
            3,
            "stands twice in the file, first on line 2",
        ),
        (
            "users:\n  - email: ada@example.com\n  - email: Ada@Example.com",
            3,
            "two users have the email Ada@Example.com: the other is on line 2",
        ),
        (
            "users:\n  - {username: ada, email: a@example.com}\n  - username: ADA",
            3,
            "the other is on line 2",
        ),
    ];
    for (text, line, words) in table {
        let (_, findings) = plan(None, text, false).await;
        let error = findings
            .first_error()
            .unwrap_or_else(|| panic!("no error for {text}"));
        assert!(
            error.line == line && error.message.contains(words),
            "{text}: {error:?}"
        );
    }
    let broken = Node::parse("clients:\n  - name: \"unclosed\n", "t.yaml")
        .unwrap_err()
        .to_string();
    assert!(broken.starts_with("t.yaml, line "), "{broken}");
    let (_, findings) = plan(None, "clints: []", false).await;
    assert_eq!(findings.0[0].severity, Severity::Warning);
    assert!(findings.0[0].message.contains("clints"));
}

#[tokio::test]
async fn an_export_of_the_deploy_cli_reads_as_it_is() {
    let export = include_str!("deploy-cli-export.yaml");
    let (changes, findings) = plan(None, export, false).await;
    assert_eq!(findings.first_error(), None);
    assert!(
        !findings.0.iter().any(|f| f.message.contains("not known")),
        "{findings:?}"
    );
    for expected in [
        "tenant tenant",
        "client Shop",
        "client Backend",
        "api Orders",
        "connection Username-Password-Authentication",
        "role admin",
    ] {
        assert!(
            changes
                .iter()
                .any(|(name, _)| name == expected || name.ends_with(expected)),
            "{expected}: {changes:?}"
        );
    }
    let warnings: Vec<&str> = findings.0.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "the export has no public key for private_key_jwt: add pem: to the credential, or jwks: to the client",
            "client Backend: without client_secret it cannot authenticate",
            "connection google-oauth2: nobody can sign in with the strategy \"google-oauth2\" here: write \
             strategy: oidc and preset: google",
            "client Shop: an offline refresh token may rest for 1296000 s, a session for 259200 s: the person \
             stays signed in here after the session ended",
        ]
    );
}

#[tokio::test]
async fn profiles_are_applied_by_name() {
    let world = World::new().await;
    world
        .apply("tenant: {profile: short-lived}\nclients: [{client_id: spa, profile: short-lived}]")
        .await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let id = crate::world::claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(
        id["exp"].as_i64().unwrap() - id["iat"].as_i64().unwrap(),
        150
    );
    world.clock.advance(300);
    assert_eq!(
        browser.get(&crate::world::silent(&[])).await.message().0["error"],
        "login_required"
    );
}

#[tokio::test]
async fn users_are_imported_with_their_hashes() {
    let world = World::new().await;
    let bcrypt = bcrypt::hash("imported", 4).unwrap();
    let entries = serde_json::json!([
        {"email": "one@example.com", "email_verified": true, "password_hash": bcrypt, "user_id": "1", "app_metadata": {"plan": "x"}},
        {"email": "two@example.com", "custom_password_hash": {"algorithm": "md5", "hash": {"value": "x"}}},
        {"email": "ada@example.com", "name": "Other Ada"},
        {"given_name": "nobody"},
        {"email": "three@example.com", "blocked": true},
    ]);
    let store = world.app.store.clone();
    let run = tokio::task::spawn_blocking(move || {
        let mut refused = Vec::new();
        let text = entries.to_string();
        let clock = Clock::manual(Timestamp::from_seconds(START));
        let total = import::run(
            &store,
            text.as_bytes(),
            false,
            &clock,
            |n, why| refused.push((n, why.to_owned())),
            |_| {},
        )
        .unwrap();
        let twice = import::run(&store, text.as_bytes(), false, &clock, |_, _| {}, |_| {}).unwrap();
        let broken = import::run(
            &store,
            &b"{\"email\": 1}"[..],
            false,
            &clock,
            |_, _| {},
            |_| {},
        )
        .unwrap_err();
        (total, refused, twice, broken)
    });
    let (total, refused, twice, broken) = run.await.unwrap();
    assert_eq!((total.created, total.skipped, total.refused), (2, 1, 2));
    assert!(
        refused[0].0 == 2
            && refused[0].1.contains("md5")
            && refused[1].1.contains("needs an email")
    );
    assert_eq!((twice.created, twice.skipped), (0, 3));
    assert!(
        format!("{broken:#}").contains("array of users"),
        "{broken:#}"
    );
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    assert!(
        browser
            .submit_login(&page, "one@example.com", "imported")
            .await
            .answered("code")
            .is_some()
    );
    // The foreign hash was replaced by ours while the password was at hand.
    let row = world
        .app
        .store
        .read(|tx| tx.user("auth0|1"))
        .await
        .unwrap()
        .unwrap();
    assert!(row.password_hash.unwrap().starts_with("$argon2id$"));
    assert_eq!(row.user.app_metadata["plan"], Value::from("x"));
}
