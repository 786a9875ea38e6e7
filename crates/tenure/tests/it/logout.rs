//! Both logouts: rows E1, E2, E4, G4-G6, H2 and what a logout ends.

use crate::world::{Browser, OFFLINE, World, authorize, form, silent, spa};
use http::{Method, StatusCode};

fn path(wire: &str, pairs: &[(&str, &str)]) -> String {
    format!("{wire}?{}", form(pairs))
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    browser.get(&silent(&[])).await.message().0["code"].is_string()
}

#[tokio::test]
async fn e1_v2_logout_ends_the_session_for_all_applications() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    browser
        .get(&authorize("forum", "http://localhost:3002/cb", &[]))
        .await;
    let copy = browser.cookies.clone();
    let request = format!(
        "{}&federated",
        path(
            "/v2/logout",
            &[
                ("client_id", "spa"),
                ("returnTo", "http://localhost:3000"),
                ("auth0Client", "e30=")
            ]
        )
    );
    let answer = browser.get(&request).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::FOUND, "http://localhost:3000")
    );
    assert!(!browser.has_session_cookie());
    // Server-side: the cookie is worthless also where it was kept (ASVS 7.4.1).
    let mut thief = world.browser();
    thief.cookies = copy;
    assert!(!is_signed_in(&mut thief).await);
    let entries = world.log("slo").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["details"]["reason"], "user_logout");
}

#[tokio::test]
async fn e2_a_return_url_that_is_not_allowed_changes_nothing_and_offers_a_way_out() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    for url in [
        "https://evil.example",
        "http://localhost:3000.evil.example",
        "http://localhost:3000@evil.example",
        "javascript:alert(1)",
        "http://localhost:3000/%0d%0a/../x",
        "http://localhost:3000\\evil",
    ] {
        let answer = browser
            .get(&path(
                "/v2/logout",
                &[("client_id", "spa"), ("returnTo", url)],
            ))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{url}");
        assert!(
            !answer.body.contains("evil"),
            "CVE-2025-67495: the page reflects nothing"
        );
        assert!(is_signed_in(&mut browser).await, "{url}");
    }
    let refused = browser
        .get(&path(
            "/v2/logout",
            &[("client_id", "spa"), ("returnTo", "https://evil.example")],
        ))
        .await;
    let (action, csrf) = refused.form("value=\"logout\"");
    let bare = browser.post(&action, &[("action", "logout")]).await;
    assert_eq!(
        bare.status,
        StatusCode::BAD_REQUEST,
        "not without its token"
    );
    assert!(is_signed_in(&mut browser).await);
    browser
        .post(&action, &[("csrf", &csrf), ("action", "logout")])
        .await;
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_return_url_that_is_sent_twice_is_refused() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let base = path(
        "/v2/logout",
        &[("client_id", "spa"), ("returnTo", "http://localhost:3000")],
    );
    for more in ["returnTo=https://evil.example", "client_id=web"] {
        let answer = browser.get(&format!("{base}&{more}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{more}");
        assert_eq!(answer.location(), "", "{more}");
    }
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn e4_without_a_client_the_tenants_list_counts() {
    let world = World::new().await;
    let allowed = world
        .get(&path(
            "/v2/logout",
            &[("returnTo", "http://localhost:3009/tenant-bye?x=1")],
        ))
        .await;
    assert_eq!(
        allowed.status,
        StatusCode::FOUND,
        "query and fragment do not count"
    );
    assert_eq!(
        world
            .get(&path(
                "/v2/logout",
                &[("returnTo", "http://localhost:3000")]
            ))
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    let page = world.get("/v2/logout").await;
    assert!(
        page.body.contains("You are signed out") && !page.body.contains("still be signed in there")
    );
    let first = world.get("/v2/logout?client_id=forum").await;
    assert_eq!(first.location(), "http://localhost:3002/bye");
}

#[tokio::test]
async fn g4_g5_h2_oidc_logout_with_proof_does_not_ask() {
    let world = World::new().await;
    let mut browser = world.browser();
    let id_token = browser.tokens(&[]).await["id_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let sid = browser.cookies["tenure_7100"]
        .split('.')
        .next()
        .unwrap()
        .to_owned();
    // Days later the hint has expired and the session of then is over; a new one is proven by the same hint, as the user is the same.
    world.clock.advance(86_400 * 3);
    browser.sign_in(&spa(&[])).await;
    let request = [
        ("client_id", "spa"),
        ("id_token_hint", &id_token),
        ("post_logout_redirect_uri", "http://localhost:3000"),
        ("state", "x y"),
    ];
    let answer = browser.get(&path("/oidc/logout", &request)).await;
    assert_eq!(answer.location(), "http://localhost:3000/?state=x+y");
    assert!(!is_signed_in(&mut browser).await);
    // logout_hint: the cookie's session id is proof, a hint of another session contradicts.
    browser.sign_in(&spa(&[])).await;
    let new_sid = browser.cookies["tenure_7100"]
        .split('.')
        .next()
        .unwrap()
        .to_owned();
    let contradiction = [
        ("client_id", "spa"),
        ("id_token_hint", id_token.as_str()),
        ("logout_hint", &new_sid),
    ];
    assert_eq!(
        browser
            .get(&path("/oidc/logout", &contradiction))
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    let old = browser
        .get(&path(
            "/oidc/logout",
            &[("client_id", "spa"), ("logout_hint", &sid)],
        ))
        .await;
    assert_eq!(old.status, StatusCode::OK, "asks: {old:?}");
    let new = browser
        .get(&path(
            "/oidc/logout",
            &[("client_id", "spa"), ("logout_hint", &new_sid)],
        ))
        .await;
    assert_eq!(new.location(), "http://localhost:3000");
    assert!(!is_signed_in(&mut browser).await);
    // Idempotent: no session is a success, too.
    assert_eq!(
        browser
            .get(&path("/oidc/logout", &request[..3]))
            .await
            .status,
        StatusCode::FOUND
    );
}

#[tokio::test]
async fn cve_2020_10734_without_proof_a_person_is_asked() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let request = path(
        "/oidc/logout",
        &[
            ("client_id", "spa"),
            ("post_logout_redirect_uri", "http://localhost:3000"),
            ("state", "s"),
        ],
    );
    let page = browser.get(&request).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(is_signed_in(&mut browser).await, "asking changes nothing");
    let (action, csrf) = page.form("value=\"logout\"");
    let sealed = page
        .body
        .split("name=\"confirm\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let forged = browser
        .post(
            &action,
            &[("csrf", "AAAA"), ("confirm", &sealed), ("action", "logout")],
        )
        .await;
    assert_eq!(forged.status, StatusCode::OK, "asked again");
    assert!(is_signed_in(&mut browser).await);
    let stay = browser
        .post(
            &action,
            &[("csrf", &csrf), ("confirm", &sealed), ("action", "stay")],
        )
        .await;
    assert!(stay.body.contains("still signed in"));
    assert!(is_signed_in(&mut browser).await);
    let out = browser
        .post(
            &action,
            &[("csrf", &csrf), ("confirm", &sealed), ("action", "logout")],
        )
        .await;
    assert_eq!(out.location(), "http://localhost:3000/?state=s");
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn g5_the_question_can_be_switched_off() {
    let world = World::new().await;
    world
        .apply("tenant: {sessions: {oidc_logout_prompt_enabled: false}}")
        .await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let answer = browser
        .get(&path("/oidc/logout", &[("client_id", "spa")]))
        .await;
    assert_eq!(answer.location(), "http://localhost:3000");
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_logout_is_a_navigation_and_never_an_image_or_a_frame() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    for dest in ["image", "iframe", "empty", "script"] {
        for wire in ["/v2/logout", "/oidc/logout"] {
            let answer = browser
                .request(Method::GET, wire, &[], &[("sec-fetch-dest", dest)])
                .await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wire} {dest}");
        }
    }
    assert!(is_signed_in(&mut browser).await);
    browser
        .request(
            Method::GET,
            "/v2/logout",
            &[],
            &[("sec-fetch-dest", "document")],
        )
        .await;
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn post_logout_urls_are_exact_with_their_query() {
    let world = World::new().await;
    let table = [
        ("http://localhost:3001", StatusCode::FOUND),
        ("http://localhost:3001/", StatusCode::FOUND),
        ("http://localhost:3001/bye?x=1", StatusCode::FOUND),
        ("http://localhost:3001/bye", StatusCode::BAD_REQUEST),
        ("http://localhost:3001/?x=1", StatusCode::BAD_REQUEST),
        ("http://LOCALHOST:3001/BYE?x=1", StatusCode::BAD_REQUEST),
    ];
    for (url, expected) in table {
        let answer = world
            .get(&path(
                "/oidc/logout",
                &[("client_id", "web"), ("post_logout_redirect_uri", url)],
            ))
            .await;
        assert_eq!(answer.status, expected, "{url}");
    }
    let unknown = world
        .get(&path("/oidc/logout", &[("client_id", "nobody")]))
        .await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let modified = world
        .get(&path("/oidc/logout", &[("id_token_hint", "a.b.c")]))
        .await;
    assert_eq!(modified.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_logout_ends_the_families_of_spas_and_spares_other_offline_ones() {
    let world = World::new().await;
    let mut browser = world.browser();
    let shop = browser.tokens(&OFFLINE).await;
    let code = browser
        .get(&authorize("forum", "http://localhost:3002/cb", &OFFLINE))
        .await
        .code();
    let forum = browser
        .exchange("forum", "http://localhost:3002/cb", &code)
        .await
        .json();
    let code = browser.get(&spa(&[])).await.code();
    let session_bound = browser
        .exchange("spa", "http://localhost:3000/cb", &code)
        .await
        .json();
    browser.get("/v2/logout").await;
    let refused = browser
        .refresh("spa", shop["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refused.json()["reason"], "user_logout");
    assert_eq!(
        refused.json()["error_description"],
        "Unknown or invalid refresh token."
    );
    assert_eq!(
        world
            .userinfo(shop["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        world
            .userinfo(session_bound["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let alive = browser
        .refresh("forum", forum["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(
        alive.status,
        StatusCode::OK,
        "its client said that it outlives a logout"
    );
    assert_eq!(
        world
            .userinfo(forum["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn expiry_spares_offline_families() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    world.clock.advance(3600);
    assert!(!is_signed_in(&mut browser).await);
    assert_eq!(
        browser
            .refresh("spa", tokens["refresh_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::OK
    );
}
