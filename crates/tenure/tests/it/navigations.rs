//! Which requests a browser makes by itself, and where its forms may go.

use crate::world::{Browser, World, authorize, form, silent, spa};
use http::{Method, StatusCode};

const OWN_SCHEME: &str = "
clients:
  - client_id: native
    name: Native
    app_type: native
    callbacks: ['com.acme.app:/cb']
    allowed_logout_urls: ['com.acme.app:/bye']
";

#[tokio::test]
async fn forms_may_go_to_an_applications_own_scheme() {
    let world = World::new().await;
    world.apply(OWN_SCHEME).await;
    let mut browser = world.browser();
    let posted = authorize(
        "native",
        "com.acme.app:/cb",
        &[("response_mode", "form_post")],
    );
    let page = browser.get(&posted).await;
    assert!(allows(&page, "form-action 'self' com.acme.app:;"));
    let answer = browser.submit_login(&page, "ada", "correct horse").await;
    assert!(answer.body.contains("action=\"com.acme.app:/cb\""));
    assert!(allows(&answer, "form-action com.acme.app:;"), "{answer:?}");
    let question = format!(
        "/oidc/logout?{}",
        form(&[
            ("client_id", "native"),
            ("post_logout_redirect_uri", "com.acme.app:/bye")
        ])
    );
    let question = browser.get(&question).await;
    assert!(question.body.contains("Do you want to sign out?"));
    assert!(allows(&question, "form-action 'self' com.acme.app:;"));
}

fn allows(answer: &crate::world::Answer, source: &str) -> bool {
    answer.header("content-security-policy").contains(source)
}

/// Requests that change what is stored when a person makes them.
fn consequential() -> [String; 5] {
    [
        spa(&[]),
        silent(&[]),
        spa(&[("prompt", "none")]),
        "/v2/logout".to_owned(),
        "/oidc/logout".to_owned(),
    ]
}

async fn state(browser: &Browser<'_>) -> String {
    let filter = tenure_store::SessionFilter {
        limit: 100,
        ..Default::default()
    };
    let sessions = browser.world.app.store.read(move |tx| tx.sessions(&filter));
    format!("{:?}", sessions.await.unwrap())
}

#[tokio::test]
async fn a_head_request_does_nothing() {
    let world = World::new().await;
    world
        .apply("tenant: {sessions: {oidc_logout_prompt_enabled: false}}")
        .await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let before = state(&browser).await;
    world.clock.advance(60);
    for path in consequential() {
        let answer = browser.request(Method::HEAD, &path, &[], &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.location(), "", "{path}");
        assert!(answer.header("allow").contains("GET"), "{path}");
    }
    assert_eq!(state(&browser).await, before);
}

#[tokio::test]
async fn what_a_browser_fetches_in_advance_does_nothing() {
    let world = World::new().await;
    world
        .apply("tenant: {sessions: {oidc_logout_prompt_enabled: false}}")
        .await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let before = state(&browser).await;
    world.clock.advance(60);
    let signs = [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "prefetch;anonymous-client-ip"),
        ("purpose", "prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", "prefetch"),
    ];
    for path in consequential() {
        for sign in signs {
            let answer = browser.request(Method::GET, &path, &[], &[sign]).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert!(browser.has_session_cookie());
        }
    }
    assert_eq!(state(&browser).await, before);
    let answer = browser.get(&spa(&[("prompt", "none")])).await;
    assert!(!answer.code().is_empty(), "the request itself is answered");
}
