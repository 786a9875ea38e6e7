//! A link that anybody can make must not sign people out at their company: the second half of a federated
//! logout, after the session here has ended (decision 160).

use crate::upstream_world::{Pair, Person};
use crate::world::{Answer, silent, spa};
use http::{Method, StatusCode};

const V2: &str = "/v2/logout?client_id=spa&returnTo=http%3A%2F%2Flocalhost%3A3000&federated";

async fn open(person: &mut Person<'_>, path: &str, headers: &[(&str, &str)]) -> Answer {
    let browser = &mut person.down;
    browser.request(Method::GET, path, &[], headers).await
}

/// Whether it leads to the provider at once; if not, it must be the page that asks.
fn leads_there(answer: &Answer) -> bool {
    if answer.status == StatusCode::FOUND {
        assert!(answer.location().contains("/oidc/logout"), "{answer:?}");
        return true;
    }
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(answer.body.contains("Sign out of Corp Ltd"), "{answer:?}");
    assert!(answer.body.contains("name=\"farewell\""), "{answer:?}");
    false
}

/// What a browser says of where a link is, and whether that shows that it is meant.
const LINKS: [(&[(&str, &str)], bool); 9] = [
    // The address bar, a bookmark, the window that a native application opens.
    (&[("sec-fetch-site", "none")], true),
    (&[("sec-fetch-site", "same-origin")], true),
    (&[("sec-fetch-site", "same-site")], true),
    // The application's own page, on another site.
    (
        &[
            ("sec-fetch-site", "cross-site"),
            ("referer", "http://localhost:3000/"),
        ],
        true,
    ),
    (&[("referer", "http://localhost:3000/some/page?x")], true),
    // Another client's page is not this one's.
    (
        &[
            ("sec-fetch-site", "cross-site"),
            ("referer", "http://localhost:3000.evil.example/"),
        ],
        false,
    ),
    (
        &[
            ("sec-fetch-site", "cross-site"),
            ("referer", "https://evil.example/?http://localhost:3000/"),
        ],
        false,
    ),
    // A page can hide where it is.
    (&[("sec-fetch-site", "cross-site")], false),
    (&[], false),
];

#[tokio::test]
async fn after_a_logout_a_link_of_another_site_is_asked_about() {
    let pair = Pair::start().await;
    for (headers, meant) in LINKS {
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
        person.down.get("/v2/logout").await;
        let answer = open(&mut person, V2, headers).await;
        assert_eq!(leads_there(&answer), meant, "{headers:?}");
        // Where the application wanted the person to be is one click away.
        let link = answer.body.contains("href=\"http://localhost:3000\"");
        assert_eq!(link, !meant);
    }
}

#[tokio::test]
async fn so_it_is_after_a_session_that_time_has_ended() {
    let pair = Pair::start().await;
    for (headers, meant) in LINKS {
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
        pair.advance(3_700);
        let answer = open(&mut person, V2, headers).await;
        assert_eq!(leads_there(&answer), meant, "{headers:?}");
    }
}

/// As every SDK expects (row E3): the logout that ends the session goes on to the provider unasked.
#[tokio::test]
async fn the_logout_that_ends_the_session_goes_on_unasked() {
    let pair = Pair::start().await;
    for (headers, _) in LINKS {
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
        let answer = open(&mut person, V2, headers).await;
        assert!(leads_there(&answer), "{headers:?}");
    }
}

/// The session that a link ends here is another than the one that the provider stood behind.
#[tokio::test]
async fn a_later_session_with_a_password_is_no_proof_for_the_former_one() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    person.down.get("/v2/logout").await;
    person.down.sign_in(&spa(&[])).await;
    let sid = person.down.sid();
    let answer = open(&mut person, V2, &[("sec-fetch-site", "cross-site")]).await;
    assert!(!leads_there(&answer));
    assert!(pair.down.session(sid).await.end.is_some());
}

/// Tenants that ask nobody before a logout here still have no say at the company.
#[tokio::test]
async fn a_tenant_without_the_question_is_asked_for_the_provider() {
    let pair = Pair::start().await;
    let settings = "tenant: {sessions: {oidc_logout_prompt_enabled: false}}";
    pair.down.apply(settings).await;
    let path = "/oidc/logout?client_id=spa&post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A3000&federated";
    for (headers, meant) in LINKS {
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
        let over = person.down.get("/oidc/logout?client_id=spa").await;
        assert_eq!(over.status, StatusCode::FOUND, "{over:?}");
        let answer = open(&mut person, path, headers).await;
        assert_eq!(leads_there(&answer), meant, "{headers:?}");
    }
    let none = pair.person().down.get(&silent(&[])).await;
    assert!(none.body.contains("login_required"), "{none:?}");
}

/// Without `client_id` any registered application's page may be meant.
#[tokio::test]
async fn without_a_client_the_page_of_any_of_them_counts() {
    let pair = Pair::start().await;
    for (referer, meant) in [
        ("http://localhost:3000/", true),
        ("https://evil.example/", false),
    ] {
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
        person.down.get("/v2/logout").await;
        let headers = [("sec-fetch-site", "cross-site"), ("referer", referer)];
        let answer = open(&mut person, "/v2/logout?federated", &headers).await;
        assert_eq!(leads_there(&answer), meant, "{referer}");
    }
}
