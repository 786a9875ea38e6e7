//! Which requests a browser makes by itself, and where its forms may go.

use crate::world::{Browser, PASSWORD, World, authorize, form, silent, spa};
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
    assert!(!allows(&answer, "form-action"), "{answer:?}");
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

/// A browser applies the `form-action` of our page to every redirect after its form, and an application may
/// send people on to wherever it likes: the way ends at a page (decision 171).
#[tokio::test]
async fn after_a_form_of_ours_a_browser_is_taken_on_by_a_page() {
    let world = World::new().await;
    world.apply(OWN_SCHEME).await;
    let ours = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
    ];
    let native = authorize("native", "com.acme.app:/cb", &[]);
    let rows = [
        (spa(&[]), &ours[..], StatusCode::OK),
        // A program, and another site's form, which is that site's affair.
        (spa(&[]), &[], StatusCode::SEE_OTHER),
        (spa(&[]), &ours[..1], StatusCode::SEE_OTHER),
        // What a browser hands over to an application on the device.
        (native, &ours[..], StatusCode::SEE_OTHER),
    ];
    for (request, headers, expected) in rows {
        let mut browser = world.browser();
        let page = browser.get(&request).await;
        let (action, _) = page.form("name=\"password\"");
        let hidden = page.hidden("name=\"password\"");
        let mut fields: Vec<_> = hidden
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        fields.extend([("username", "ada"), ("password", PASSWORD)]);
        let answer = browser
            .request(Method::POST, &action, &fields, headers)
            .await;
        assert_eq!(answer.status, expected, "{request} {headers:?}");
        assert!(browser.has_session_cookie());
        if expected == StatusCode::OK {
            let onward = "content=\"0;url=http://localhost:3000/cb?code=";
            assert!(answer.body.contains(onward), "{answer:?}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer");
        }
    }
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let question = browser.get("/oidc/logout?client_id=spa").await;
    let hidden = question.hidden("value=\"logout\"");
    let mut fields: Vec<_> = hidden
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    fields.push(("action", "logout"));
    let answer = browser
        .request(Method::POST, "/oidc/logout", &fields, &ours)
        .await;
    let onward = "content=\"0;url=http://localhost:3000";
    assert!(answer.body.contains(onward), "{answer:?}");
    assert!(!browser.has_session_cookie());
}
