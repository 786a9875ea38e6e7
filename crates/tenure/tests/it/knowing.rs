//! What an application can know of a session and how it extends it (design 1.5).

use crate::world::{Answer, Browser, OFFLINE, World, authorize, silent, spa};
use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use tenure_protocol::Sid;
use tenure_protocol::session::{End, EndReason};

pub const SPA: &str = "http://localhost:3000";
pub const JSON: (&str, &str) = ("content-type", "application/json");

pub fn text<'v>(tokens: &'v Value, name: &str) -> &'v str {
    tokens[name].as_str().unwrap()
}

pub fn sid(browser: &Browser<'_>) -> Sid {
    let cookie = &browser.cookies["tenure_7100"];
    cookie.split('.').next().unwrap().parse().unwrap()
}

/// A request with an access token and an origin, as a page makes it; an empty origin is none.
async fn ask(world: &World, method: Method, path: &str, token: &str, origin: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"));
    if !origin.is_empty() {
        request = request
            .header("origin", origin)
            .header("sec-fetch-site", "cross-site");
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

async fn status(world: &World, token: &str) -> Answer {
    ask(world, Method::GET, "/session/status", token, SPA).await
}

async fn extend(world: &World, token: &str) -> Answer {
    ask(world, Method::POST, "/session/extend", token, SPA).await
}

/// A request with the cookie alone.
async fn with_cookie(
    browser: &mut Browser<'_>,
    method: Method,
    headers: &[(&str, &str)],
) -> Answer {
    let path = if method == Method::GET {
        "/session/status"
    } else {
        "/session/extend"
    };
    // The helper sends a form's media type first; a browser sends one.
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in &browser.cookies {
        request = request.header("cookie", format!("{name}={value}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    browser
        .world
        .send(request.body(Body::from("{}")).unwrap())
        .await
}

#[tokio::test]
async fn a_status_counts_down_to_the_exact_instants_and_is_no_activity() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let token = text(&tokens, "access_token");
    let start = world.clock.now().seconds();
    let first = status(&world, token).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert_eq!(first.header("access-control-allow-origin"), SPA);
    assert_eq!(first.header("access-control-allow-credentials"), "true");
    assert_eq!(first.header("cache-control"), "no-store");
    assert_eq!(first.header("vary"), "Origin");
    let told = first.json();
    assert_eq!(told["active"], true);
    assert_eq!(told["sid"], sid(&browser).to_string());
    assert_eq!(
        (&told["now"], &told["auth_time"]),
        (&start.into(), &start.into())
    );
    assert_eq!(told["idle_expires_at"], start + 3_600);
    assert_eq!(told["absolute_expires_at"], start + 8 * 3_600);
    assert_eq!(told["expires_at"], start + 3_600);
    assert_eq!(told["will_end"]["rule"], "stored_idle");
    assert_eq!(told["limits"]["idle_timeout"]["today"]["source"], "setting");
    // However often somebody looks, the deadline stays, and holds at its very instant.
    for _ in 0..6 {
        world.clock.advance(599);
        let told = status(&world, token).await.json();
        assert_eq!(told["expires_at"], start + 3_600);
    }
    world.clock.advance(5);
    assert_eq!(status(&world, token).await.json()["active"], true);
    world.clock.advance(1);
    let over = status(&world, token).await;
    assert_eq!(over.status, StatusCode::OK);
    let over = over.json();
    assert_eq!(over["active"], false);
    assert_eq!(
        (&over["reason"], &over["rule"]),
        (&"idle".into(), &"stored_idle".into())
    );
    assert_eq!(over["ended_at"], start + 3_600);
    // Reading wrote nothing, not even the end.
    let sid = sid(&browser);
    let row = world.app.store.read(move |tx| tx.session(&sid)).await;
    assert_eq!(row.unwrap().unwrap().end, None);
    assert!(world.log("session_revoked").await.is_empty());
}

#[tokio::test]
async fn an_expired_token_tells_of_its_session_until_a_day_after_the_absolute_deadline() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let token = text(&tokens, "access_token");
    world.clock.advance(8 * 3_600);
    assert_eq!(world.userinfo(token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&world, token).await.json()["reason"], "idle");
    world.clock.advance(86_399);
    assert_eq!(status(&world, token).await.status, StatusCode::OK);
    world.clock.advance(1);
    let forgotten = status(&world, token).await;
    assert_eq!(forgotten.status, StatusCode::UNAUTHORIZED);
    // The page can read that, too.
    assert_eq!(forgotten.header("access-control-allow-origin"), SPA);
}

/// Lesson CVE-2024-39683: nothing without an owner, and nobody else's.
#[tokio::test]
async fn cve_2024_39683_nobody_learns_of_anothers_session() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&OFFLINE).await;
    let token = text(&tokens, "access_token");
    // Not for an ID token, a refresh token, a machine's token, or none.
    let machine = world
        .post(
            "/oauth/token",
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "machine"),
                ("client_secret", "machine-secret"),
                ("audience", "https://api.example.com"),
            ],
        )
        .await
        .json();
    for wrong in [
        text(&tokens, "id_token"),
        text(&tokens, "refresh_token"),
        text(&machine, "access_token"),
        "",
        "x",
    ] {
        let answer = status(&world, wrong).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert_eq!(extend(&world, wrong).await.status, StatusCode::UNAUTHORIZED);
    }
    // A cookie with the public id and another secret.
    let mut thief = world.browser();
    let stolen = format!("{}.{}", sid(&browser), "A".repeat(43));
    thief.cookies.insert("tenure_7100".to_owned(), stolen);
    let answer = with_cookie(&mut thief, Method::GET, &[]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    // A token of somebody else tells of their own session only.
    let mut other = world.browser();
    let answer = other.sign_in_as(&spa(&[]), "bob@example.com").await;
    let theirs = other
        .exchange("spa", "http://localhost:3000/cb", &answer.code())
        .await
        .json();
    let told = status(&world, text(&theirs, "access_token")).await.json();
    assert_eq!(told["sid"], sid(&other).to_string());
    // A token that was revoked with its family is worth nothing while the session lives.
    let revocation = [
        ("client_id", "spa"),
        ("token", text(&tokens, "refresh_token")),
    ];
    assert_eq!(
        world.post("/oauth/revoke", &revocation).await.status,
        StatusCode::OK
    );
    assert_eq!(status(&world, token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn only_registered_origins_of_participants_read_anything() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let token = text(&tokens, "access_token");
    // The forum is registered, and takes no part yet.
    for foreign in ["http://localhost:3002", "http://evil.example", "null"] {
        for (method, path) in [
            (Method::GET, "/session/status"),
            (Method::POST, "/session/extend"),
            (Method::GET, "/session/events"),
        ] {
            let answer = ask(&world, method, path, token, foreign).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{foreign} {path}");
            assert_eq!(answer.header("access-control-allow-origin"), "");
            assert_eq!(answer.header("vary"), "Origin");
        }
    }
    let forum = authorize("forum", "http://localhost:3002/cb", &[]);
    assert!(!browser.get(&forum).await.code().is_empty());
    let origin = "http://localhost:3002";
    let answer = ask(&world, Method::GET, "/session/status", token, origin).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), origin);
    // Without an origin no page is asking: a server may read, and not extend.
    let answer = ask(&world, Method::GET, "/session/status", token, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = ask(&world, Method::POST, "/session/extend", token, "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn preflights_are_answered_to_registered_origins_with_the_cookie() {
    let world = World::new().await;
    let preflight = |origin: &str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/session/extend")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .unwrap()
    };
    let answer = world.send(preflight(SPA)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-origin"), SPA);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    let allowed = answer.header("access-control-allow-headers");
    for name in ["authorization", "content-type", "last-event-id"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    let answer = world.send(preflight("http://evil.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

/// Lesson CVE-2025-53895: every change of a session needs proof of possession.
#[tokio::test]
async fn cve_2025_53895_an_extension_needs_a_proof_an_origin_and_json() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let start = world.clock.now().seconds();
    let same_site = ("sec-fetch-site", "same-site");
    let refused: &[(&[(&str, &str)], StatusCode)] = &[
        (&[JSON, same_site], StatusCode::FORBIDDEN),
        (&[JSON], StatusCode::FORBIDDEN),
        (
            &[JSON, ("origin", "http://evil.example"), same_site],
            StatusCode::FORBIDDEN,
        ),
        (
            &[JSON, ("origin", SPA), ("sec-fetch-site", "cross-site")],
            StatusCode::FORBIDDEN,
        ),
        (&[("origin", SPA), same_site], StatusCode::BAD_REQUEST),
        (
            &[("origin", SPA), same_site, ("content-type", "text/plain")],
            StatusCode::BAD_REQUEST,
        ),
    ];
    world.clock.advance(600);
    for (headers, expected) in refused {
        let answer = with_cookie(&mut browser, Method::POST, headers).await;
        assert_eq!(answer.status, *expected, "{headers:?} {answer:?}");
    }
    let read = [("origin", SPA), same_site];
    let told = with_cookie(&mut browser, Method::GET, &read).await.json();
    assert_eq!(told["expires_at"], start + 3_600, "nothing moved");
    let cross = [("origin", SPA), ("sec-fetch-site", "cross-site")];
    let answer = with_cookie(&mut browser, Method::GET, &cross).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let good = [JSON, ("origin", SPA), same_site];
    let told = with_cookie(&mut browser, Method::POST, &good).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    assert_eq!(told.json()["expires_at"], start + 600 + 3_600);
    let history = world.log("session_extended").await;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["client_id"], "spa");
    assert_eq!(history[0]["user_id"], "auth0|ada");
    assert_eq!(history[0]["session_id"], sid(&browser).to_string());
    assert_eq!(history[0]["details"]["proof"], "cookie");
}

#[tokio::test]
async fn an_extension_keeps_a_session_alive_up_to_its_absolute_deadline() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in(&spa(&[])).await;
    let page = [JSON, ("origin", SPA), ("sec-fetch-site", "same-site")];
    let start = world.clock.now().seconds();
    for _ in 0..15 {
        world.clock.advance(1_800);
        let fresh = browser.get(&silent(&[])).await;
        assert!(fresh.body.contains("code"), "{fresh:?}");
    }
    world.clock.advance(1_700);
    let extended = with_cookie(&mut browser, Method::POST, &page).await;
    assert_eq!(extended.status, StatusCode::OK, "{extended:?}");
    let told = extended.json();
    assert_eq!(told["expires_at"], start + 8 * 3_600, "cut off");
    assert_eq!(told["will_end"]["reason"], "absolute");
    world.clock.advance(100);
    let over = with_cookie(&mut browser, Method::POST, &page).await;
    let over = over.json();
    assert_eq!(
        (&over["active"], &over["reason"]),
        (&false.into(), &"absolute".into())
    );
    assert_eq!(world.log("session_extended").await.len(), 1);
    // Noticed by an activity, the end is stored.
    assert_eq!(world.log("session_revoked").await.len(), 1);
}

#[tokio::test]
async fn a_lowered_setting_bites_at_an_extension_and_shows_before() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let token = text(&tokens, "access_token");
    let start = world.clock.now().seconds();
    world
        .apply("tenant: {idle_session_lifetime_in_minutes: 10, session_lifetime: 8}")
        .await;
    let told = status(&world, token).await.json();
    assert_eq!(told["expires_at"], start + 3_600);
    assert_eq!(told["extend_before"], start + 600);
    world.clock.advance(600);
    assert_eq!(status(&world, token).await.json()["active"], true);
    let over = extend(&world, token).await.json();
    assert_eq!(
        (&over["reason"], &over["rule"]),
        (&"idle".into(), &"setting_idle".into())
    );
    let told = status(&world, token).await.json();
    assert_eq!(
        (&told["reason"], &told["rule"]),
        (&"idle".into(), &"setting_idle".into())
    );
}

#[tokio::test]
async fn an_expired_token_and_a_third_party_extend_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser
        .tokens(&[("audience", "https://api.example.com")])
        .await;
    let token = text(&tokens, "access_token");
    let lifetime = u32::try_from(tokens["expires_in"].as_i64().unwrap()).unwrap();
    let mut spent = 0;
    while spent < lifetime {
        let step = 1_800.min(lifetime - spent);
        world.clock.advance(step);
        spent += step;
        browser.get(&silent(&[])).await;
    }
    let answer = extend(&world, token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    assert_eq!(status(&world, token).await.json()["active"], true);
    // A third party reads, and does not extend.
    let third = authorize("third", "http://localhost:3003/cb", &[]);
    let page = browser.get(&third).await;
    let (action, csrf) = page.form("value=\"accept\"");
    let answer = browser
        .post(&action, &[("csrf", &csrf), ("action", "accept")])
        .await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "third"),
        ("client_secret", "third-secret"),
        ("code", &answer.code()),
        ("code_verifier", crate::world::VERIFIER),
        ("redirect_uri", "http://localhost:3003/cb"),
    ];
    let tokens = world.post("/oauth/token", &pairs).await.json();
    let token = text(&tokens, "access_token");
    let origin = "http://localhost:3003";
    let read = ask(&world, Method::GET, "/session/status", token, origin).await;
    assert_eq!(read.status, StatusCode::OK);
    let answer = ask(&world, Method::POST, "/session/extend", token, origin).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.header("access-control-allow-origin"), origin);
}

#[tokio::test]
async fn an_ended_session_says_why() {
    let world = World::new().await;
    let signed_in = async || {
        let mut browser = world.browser();
        let tokens = browser.tokens(&OFFLINE).await;
        (browser, text(&tokens, "access_token").to_owned())
    };
    let why = async |token: &str| status(&world, token).await.json();
    let (mut browser, token) = signed_in().await;
    let cookies = browser.cookies.clone();
    browser.get("/v2/logout?client_id=spa").await;
    assert_eq!(why(&token).await["reason"], "user_logout");
    // The cookie that a page still sends tells the same.
    browser.cookies = cookies;
    let read = [("origin", SPA), ("sec-fetch-site", "same-site")];
    let told = with_cookie(&mut browser, Method::GET, &read).await.json();
    assert_eq!(
        (&told["reason"], &told["rule"]),
        (&"user_logout".into(), &"logout".into())
    );

    let (mut browser, token) = signed_in().await;
    browser
        .sign_in_as(&spa(&[("prompt", "login")]), "bob@example.com")
        .await;
    assert_eq!(why(&token).await["reason"], "superseded");

    // Those that an act brings which no request here makes.
    for reason in EndReason::ALL {
        let (browser, token) = signed_in().await;
        let sid = sid(&browser);
        let at = world.clock.now();
        let ended = world.app.store.write(move |tx| {
            let session = tx.session(&sid)?.unwrap();
            tx.update_session(&session.ended(End {
                at,
                reason,
                by: "cli".to_owned(),
                from: String::new(),
                rule: "command line".to_owned(),
            }))
        });
        ended.await.unwrap();
        let told = why(&token).await;
        assert_eq!(told["reason"], reason.name());
        assert_eq!(
            (&told["active"], &told["rule"]),
            (&false.into(), &"command line".into())
        );
    }
    let (_, token) = signed_in().await;
    let now = world.clock.now();
    let changed = world.app.store.write(move |tx| {
        let row = tenure::users::find(tx, "ada")?.unwrap();
        tenure::users::set_blocked(
            tx,
            row,
            true,
            tenure::users::Occasion::command_line(now),
            "tail",
        )
    });
    changed.await.unwrap();
    assert_eq!(why(&token).await["reason"], "account_disabled");
}

#[tokio::test]
async fn discovery_names_the_three_endpoints() {
    let world = World::new().await;
    let document = world.get("/.well-known/openid-configuration").await.json();
    for name in ["status", "extend", "events"] {
        let named = &document[format!("tenure_session_{name}_endpoint")];
        assert_eq!(*named, format!("http://localhost:7100/session/{name}"));
    }
}
