//! Signing in at another identity provider, which is another Tenure.

use crate::upstream_world::{PROVIDER, Pair, Served};
use crate::world::{START, TENANT, World, claims, form, silent, spa};
use http::StatusCode;
use tenure::graph::{Graph, Rows};
use tenure_protocol::Timestamp;
use tenure_protocol::limits::Caps;
use tenure_protocol::session::EndReason;

#[tokio::test]
async fn a_person_signs_in_by_way_of_a_button() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    let page = person.down.get(&spa(&[])).await;
    assert!(page.body.contains("Continue with Corp Ltd"), "{page:?}");
    let href = page.body.split("provider\" href=\"").nth(1).unwrap();
    let href = href.split('"').next().unwrap().replace("&#38;", "&");
    let sent = person.down.get(&href).await;
    assert_eq!(sent.status, StatusCode::FOUND, "{sent:?}");
    for (name, value) in [
        ("client_id", "down"),
        ("response_type", "code"),
        ("redirect_uri", "http://localhost:7100/login/callback"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(sent.answered(name).as_deref(), Some(value));
    }
    let answer = person.through(&sent, "ada@example.com").await;
    let tokens = person
        .down
        .exchange("spa", "http://localhost:3000/cb", &answer.code())
        .await
        .json();
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    // The address is verified on both sides, and its domain assigned: it is the account that was there.
    assert_eq!(id_token["sub"], "auth0|ada");
    assert_eq!(id_token["name"], "Ada Lovelace");
    assert_eq!(id_token["nonce"], "n-1");
    assert_eq!(id_token["connection"], "corp");
    // The provider's session lasts 4 hours, ours 8: the earlier one counts, and is passed on.
    assert_eq!(id_token["session_expiry"], START + 4 * 3600);
    let session = pair.down.session(person.down.sid()).await;
    assert_eq!(session.amr(), ["federated"]);
    let four_hours = Timestamp::from_seconds(START + 4 * 3600);
    assert_eq!(session.upstream_deadline, Some(four_hours));
    assert_eq!(session.absolute_deadline, four_hours);
}

#[tokio::test]
async fn an_unknown_person_gets_an_account_and_keeps_it() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("new@corp.example").await.code();
    let first = pair.down.session(person.down.sid()).await;
    assert_eq!(first.user_id, "oidc|corp|auth0|new-up");
    assert_eq!(
        user(&pair, &first.user_id).await.name.as_deref(),
        Some("New Person")
    );
    // Later: another name and another address at the provider are still the same person.
    let renamed = "users:\n  - { user_id: new-up, email: other@corp.example, name: Renamed }";
    pair.up.world.apply(renamed).await;
    let mut again = pair.person();
    again.sign_in("other@corp.example").await.code();
    let second = pair.down.session(again.down.sid()).await;
    assert_eq!(second.user_id, first.user_id);
    assert_ne!(second.sid, first.sid);
    let now = user(&pair, &first.user_id).await;
    assert_eq!(now.name.as_deref(), Some("Renamed"));
    assert_eq!(
        now.email.as_deref(),
        Some("new@corp.example"),
        "an address is no name"
    );
}

async fn user(pair: &Pair, user_id: &str) -> tenure_protocol::model::User {
    let user_id = user_id.to_owned();
    let read = pair.down.app.store.read(move |tx| tx.user(&user_id));
    read.await.unwrap().unwrap().user
}

/// The provider is told who we are in each of the ways that there are.
#[tokio::test]
async fn every_way_of_client_authentication() {
    for (registered, ours) in [
        (
            "client_secret: s, token_endpoint_auth_method: client_secret_post",
            "client_secret: s",
        ),
        (
            "client_secret: 's:% +', token_endpoint_auth_method: client_secret_basic",
            "client_secret: 's:% +', token_endpoint_auth_method: client_secret_basic",
        ),
        ("app_type: spa", "token_endpoint_auth_method: none"),
        (
            "token_endpoint_auth_method: private_key_jwt",
            "scope: email",
        ),
    ] {
        let up = Served::start(PROVIDER).await;
        let connection = format!(
            "{TENANT}\nconnections:\n  - name: corp\n    strategy: oidc\n    options: {{ issuer: '{}', \
             client_id: proof, domain_aliases: [example.com], {ours} }}",
            up.issuer()
        );
        let down = World::with(&connection).await;
        let keys = down.app.ring().jwks().to_string();
        let jwks = match registered.contains("jwt") {
            true => format!(", jwks: {keys}"),
            false => String::new(),
        };
        up.world
            .apply(&format!(
                "clients:\n  - {{ client_id: proof, name: Proof, {registered}{jwks}, \
                 callbacks: [\"http://localhost:7100/login/callback\"] }}"
            ))
            .await;
        let pair = Pair { up, down };
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
    }
}

#[tokio::test]
async fn a_wrong_secret_signs_nobody_in_and_is_never_shown() {
    let pair = Pair::start().await;
    let other = "clients:\n  - { client_id: down, client_secret: another }";
    pair.up.world.apply(other).await;
    let mut person = pair.person();
    let page = person.sign_in("ada@example.com").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(!page.body.contains("down-secret"), "{page:?}");
    let kind = tenure_store::DocumentKind::Connection;
    let stored = pair.down.app.store.read(move |tx| tx.documents(kind));
    for document in stored.await.unwrap() {
        assert!(!document.body.contains("down-secret"), "{}", document.body);
    }
}

/// Whatever a provider answers that is not for us signs nobody in.
#[tokio::test]
async fn the_way_back_is_checked_before_anything_is_believed() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    let sent = person.sent(&[]).await;
    let state = sent.answered("state").unwrap();
    let table = [
        (
            vec![("error", "access_denied")],
            StatusCode::OK,
            "did not finish",
        ),
        (
            vec![("error", "server_error")],
            StatusCode::BAD_GATEWAY,
            "does not answer",
        ),
        (
            vec![("error", "login_required")],
            StatusCode::UNAUTHORIZED,
            "did not work",
        ),
        (vec![], StatusCode::UNAUTHORIZED, "did not work"),
        (
            vec![("code", "invented")],
            StatusCode::UNAUTHORIZED,
            "did not work",
        ),
        (
            vec![("code", "x"), ("iss", "https://evil.example/")],
            StatusCode::UNAUTHORIZED,
            "did not work",
        ),
        (
            vec![("code", "x"), ("code", "y")],
            StatusCode::UNAUTHORIZED,
            "did not work",
        ),
    ];
    for (answer, status, words) in table {
        let mut pairs = vec![("state", state.as_str())];
        pairs.extend(answer.iter().copied());
        let back = format!("/login/callback?{}", form(&pairs));
        let page = person.down.get(&back).await;
        assert_eq!(page.status, status, "{answer:?} {page:?}");
        assert!(page.body.contains(words), "{answer:?} {page:?}");
        assert!(!person.down.has_session_cookie());
    }
    for lost in ["", "state=", "state=invented&code=x", "code=x"] {
        let page = person.down.get(&format!("/login/callback?{lost}")).await;
        assert!(page.body.contains("Please start again"), "{lost} {page:?}");
    }
    // Whoever was away for long starts over.
    pair.down.clock.advance(3601);
    let late = form(&[("state", state.as_str()), ("code", "x")]);
    let page = person.down.get(&format!("/login/callback?{late}")).await;
    assert!(page.body.contains("Please start again"), "{page:?}");
}

/// `prompt=login` at the application is a login at the provider, which proves that it was one.
#[tokio::test]
async fn a_fresh_login_is_demanded_and_proven() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let first = pair.down.session(person.down.sid()).await;
    pair.advance(600);
    let sent = person
        .sent(&[
            ("prompt", "login"),
            ("acr_values", "silver"),
            ("login_hint", "ada"),
        ])
        .await;
    assert_eq!(sent.answered("prompt").as_deref(), Some("login"));
    assert_eq!(sent.answered("max_age").as_deref(), Some("0"));
    assert_eq!(sent.answered("acr_values").as_deref(), Some("silver"));
    assert_eq!(sent.answered("login_hint").as_deref(), Some("ada"));
    let path = pair.up.path(sent.location()).to_owned();
    let page = person.up.get(&path).await;
    assert_eq!(page.status, StatusCode::OK, "the provider asks again");
    person.through(&sent, "ada@example.com").await.code();
    let renewed = pair.down.session(person.down.sid()).await;
    assert_eq!(renewed.sid, first.sid, "the same session, renewed");
    assert!(renewed.authenticated_at > first.authenticated_at);

    // A provider that takes the demand for nothing: its answer is an old login.
    let sent = person.sent(&[("prompt", "login")]).await;
    let meek = sent
        .location()
        .replace("prompt=login", "prompt=")
        .replace("max_age=0", "max_age=9999");
    pair.advance(600);
    let sent_again = person.sent(&[("prompt", "login")]).await;
    let fresh_state = sent_again.answered("state").unwrap();
    let meek = replaced(&meek, "state", &fresh_state);
    let meek = replaced(&meek, "nonce", &sent_again.answered("nonce").unwrap());
    let meek = replaced(
        &meek,
        "code_challenge",
        &sent_again.answered("code_challenge").unwrap(),
    );
    let back = person.up.get(pair.up.path(&meek)).await;
    let page = person.down.get(back.location()).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{page:?}");
    assert_eq!(pair.down.session(person.down.sid()).await, renewed);
}

fn replaced(url: &str, name: &str, value: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(n, v)| {
            let v = if n == name {
                value.to_owned()
            } else {
                v.into_owned()
            };
            (n.into_owned(), v)
        })
        .collect();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url.into()
}

#[tokio::test]
async fn what_nothing_proves_is_not_linked() {
    let pair = Pair::start().await;
    pair.down
        .apply("users:\n  - { user_id: eve, email: eve@example.com, email_verified: true, password: x }")
        .await;
    let mut person = pair.person();
    let page = person.sign_in("eve@example.com").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{page:?}");
    assert!(
        page.body
            .contains("Signing in with that provider did not work")
    );
    assert!(!person.down.has_session_cookie());
}

#[tokio::test]
async fn the_upstream_session_is_a_lane_of_the_graph() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    let graph = pair.down.graph(sid).await;
    let lane = &graph["upstream"][0];
    for (name, value) in [
        ("connection", "corp"),
        ("issuer", &pair.up.issuer()),
        ("subject", "auth0|ada-up"),
        ("idp_sid", &person.sid_there()),
        ("auth_time", "2026-01-01T00:00:00.000Z"),
        ("idp_expires_at", "2026-01-01T04:00:00.000Z"),
        ("session_expiry", "honour"),
    ] {
        assert_eq!(lane[name], value, "{name}");
    }
    let limit = &graph["limits"][4];
    assert_eq!(limit["name"], "upstream_expiry");
    assert_eq!(limit["source"], "upstream session");
    assert_eq!(limit["at"], "2026-01-01T04:00:00.000Z");
    // Its tokens are kept, and not in the clear.
    let rows = pair
        .down
        .app
        .store
        .read(move |tx| tx.upstream_sessions(&sid));
    let sealed = rows.await.unwrap().remove(0).sealed.unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("eyJ"));
    // An hour short of the end that the provider set, that is what ends it first.
    for _ in 0..4 {
        pair.down.clock.advance(3_500);
        person.down.get(&silent(&[])).await;
    }
    let graph = pair.down.graph(sid).await;
    assert_eq!(graph["ends_first"]["reason"], "upstream_expired");
    assert_eq!(graph["ends_first"]["rule"], "upstream_session_expiry");
    let session = pair.down.session(sid).await;
    let rows = pair.down.app.store.read(move |tx| Rows::load(tx, &sid));
    let rows = rows.await.unwrap().unwrap();
    let settings = pair.down.app.settings.current();
    let graph = Graph::of(&rows, &settings, &Caps::default(), pair.down.clock.now());
    let text = tenure::cli::session_text::text(&session, &graph);
    for line in [
        "upstream session at corp (http://localhost:",
        "  subject             auth0|ada-up",
        "  expires             2026-01-01T04:00:00.000Z",
        "  upstream_expiry                     2026-01-01T04:00:00.000Z  (upstream session; by itself)",
        "by rule upstream_session_expiry",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

/// A provider that sends no `session_expiry` is none that may be required to.
#[tokio::test]
async fn what_becomes_of_session_expiry_is_a_policy() {
    let silent_provider = PROVIDER.replace("name: Down", "name: Down\n    session_expiry: off");
    for (policy, provider, deadline) in [
        ("require", PROVIDER, Some(Some(4))),
        ("ignore", PROVIDER, Some(None)),
        ("honour", silent_provider.as_str(), Some(None)),
        ("require", silent_provider.as_str(), None),
    ] {
        let more = format!("    upstream: {{ session_expiry: {policy} }}\n");
        let pair = Pair::of(provider, &more).await;
        let mut person = pair.person();
        let answer = person.sign_in("ada@example.com").await;
        let Some(hours) = deadline else {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{policy}");
            continue;
        };
        answer.code();
        let session = pair.down.session(person.down.sid()).await;
        let at = hours.map(|hours| Timestamp::from_seconds(START + hours * 3600));
        assert_eq!(session.upstream_deadline, at, "{policy}");
    }
}

#[tokio::test]
async fn the_session_ends_when_the_provider_says_so() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    for _ in 0..4 {
        pair.down.clock.advance(3599);
        let silent = person.down.get(&silent(&[])).await;
        assert!(silent.body.contains("\"code\""), "{silent:?}");
    }
    pair.down.clock.advance(5);
    let silent = person.down.get(&silent(&[])).await;
    assert!(silent.body.contains("login_required"), "{silent:?}");
    let end = pair.down.session(sid).await.end.unwrap();
    assert_eq!(end.reason, EndReason::UpstreamExpired);
    assert_eq!(end.rule, "upstream_session_expiry");
    assert_eq!(end.at, Timestamp::from_seconds(START + 4 * 3600));
}

#[tokio::test]
async fn cve_2025_46815_an_answer_counts_once_and_only_in_its_own_browser() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    let sent = person.sent(&[]).await;
    let path = pair.up.path(sent.location()).to_owned();
    let page = person.up.get(&path).await;
    let back = person
        .up
        .submit_login(&page, "ada@example.com", "correct horse")
        .await;
    let back = back.location().to_owned();
    // CVE-2025-46815, and login CSRF: a stranger's answer signs nobody in.
    let mut stranger = pair.down.browser();
    let page = stranger.get(&back).await;
    assert!(!stranger.has_session_cookie(), "{page:?}");
    stranger.get(&spa(&[])).await;
    stranger.get(&back).await;
    assert!(!stranger.has_session_cookie());
    person.come_back(&back).await.code();
    let first = person.down.cookies.clone();
    let again = person.down.get(&back).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "{again:?}");
    assert_eq!(person.down.cookies, first);
}

#[tokio::test]
async fn a_connection_that_is_not_there_is_an_error_of_the_application() {
    let pair = Pair::with("    enabled_clients: [Forum]\n").await;
    let mut browser = pair.down.browser();
    for (name, description) in [
        ("nobody", "the connection was not found"),
        ("corp", "the connection is not enabled for the client"),
    ] {
        let answer = browser.get(&spa(&[("connection", name)])).await;
        assert_eq!(answer.answered("error").as_deref(), Some("invalid_request"));
        assert_eq!(
            answer.answered("error_description").as_deref(),
            Some(description)
        );
    }
    let page = browser
        .get(&spa(&[("connection", "Username-Password-Authentication")]))
        .await;
    assert!(page.body.contains("name=\"password\""), "{page:?}");
    assert!(!page.body.contains("Corp Ltd"), "{page:?}");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_said_to_be_away() {
    let up = Served::start(crate::upstream_world::PROVIDER).await;
    let tenant = crate::upstream_world::tenant_with(&up, "");
    drop(up);
    let down = World::with(&tenant).await;
    let mut browser = down.browser();
    let page = browser.get(&spa(&[("connection", "corp")])).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(
        page.body.contains("does not answer at the moment"),
        "{page:?}"
    );
    // The other way to sign in is there.
    let answer = browser
        .submit_login(&page, "ada@example.com", crate::world::PASSWORD)
        .await;
    answer.code();
}

/// A provider at the right address that speaks for somebody else (mix-up, RFC 9207).
#[tokio::test]
async fn metadata_of_another_issuer_are_refused() {
    let up = Served::start(PROVIDER).await;
    let base = &up.base;
    let tenant = format!(
        "{TENANT}\nconnections:\n  - name: corp\n    strategy: oidc\n    options: {{ \
         issuer: 'https://idp.example/', client_id: down, client_secret: s, \
         discovery_url: '{base}/.well-known/openid-configuration' }}"
    );
    let down = World::with(&tenant).await;
    let mut browser = down.browser();
    let page = browser.get(&spa(&[("connection", "corp")])).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{page:?}");
}
