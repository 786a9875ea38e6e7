//! The demo's API and sites: which tokens they take, and what their pages allow.

use crate::demo::{FORUM, SHOP, Stage, send};
use crate::world::claims;
use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tenure::crypto::jwt::TokenKind;
use tenure::demo::site;
use tenure_protocol::model::SigningAlg;

#[tokio::test]
async fn the_api_judges_tokens_by_the_published_keys() {
    let stage = Stage::set().await;
    let (token, sid) = stage.token(&[]).await;
    let (narrow, _) = stage.token(&[("scope", "openid")]).await;
    let (elsewhere, _) = stage.token(&[("audience", "")]).await;
    let bearer = |token: &str| format!("Bearer {token}");
    let bound = {
        let mut claims = claims(&token);
        claims["cnf"] = json!({ "jkt": "x" });
        let ring = stage.world.app.ring();
        ring.sign(SigningAlg::RS256, TokenKind::Access, &claims)
            .unwrap()
    };
    let forged = format!("{}x", &token[..token.len() - 1]);
    for (what, authorization, status, challenge) in [
        ("no token", None, 401, "Bearer"),
        ("rubbish", Some(bearer("x.y.z")), 401, "invalid_token"),
        ("forged", Some(bearer(&forged)), 401, "invalid_token"),
        (
            "another audience",
            Some(bearer(&elsewhere)),
            401,
            "invalid_token",
        ),
        ("bound to a key", Some(bearer(&bound)), 401, "invalid_token"),
        (
            "another scheme",
            Some(format!("DPoP {token}")),
            401,
            "Bearer",
        ),
        (
            "too narrow",
            Some(bearer(&narrow)),
            403,
            "insufficient_scope",
        ),
        ("a good one", Some(bearer(&token)), 200, ""),
    ] {
        let answer = stage.ask("/orders", authorization.as_deref()).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
        assert!(
            answer.header("www-authenticate").contains(challenge),
            "{what}: {answer:?}"
        );
        assert_eq!(
            answer.header("access-control-allow-origin"),
            FORUM,
            "{what}"
        );
    }
    // It does not ask the server: what the session became shows when the token expires.
    let end = json!({ "by": "administrator", "sid": sid.to_string() });
    stage.panel("end", end).await;
    let answer = stage.ask("/orders", Some(&bearer(&token))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    stage.world.clock.advance(151);
    let answer = stage.ask("/orders", Some(&bearer(&token))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
}

#[tokio::test]
async fn a_sites_own_server_takes_authentic_logout_tokens_for_it() {
    let stage = Stage::set().await;
    let shop = site::router(&stage.demo, site::Which::Shop);
    let now = stage.world.clock.now().seconds();
    let (_, sid) = stage.token(&[]).await;
    let made = |audience: &str, expires_in: i64, events: Value| {
        json!({ "iss": stage.world.app.issuer, "aud": audience, "iat": now, "exp": now + expires_in,
                "jti": "j", "sid": sid.to_string(), "reason": "idle", "events": events })
    };
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let table = [
        (
            "another site's",
            made("forum", 120, event.clone()),
            TokenKind::Logout,
            400,
        ),
        (
            "expired",
            made("shop", 0, event.clone()),
            TokenKind::Logout,
            400,
        ),
        (
            "of another event",
            made("shop", 120, json!({ "x": {} })),
            TokenKind::Logout,
            400,
        ),
        (
            "an ID token",
            made("shop", 120, event.clone()),
            TokenKind::Id,
            400,
        ),
        (
            "a good one",
            made("shop", 120, event),
            TokenKind::Logout,
            200,
        ),
    ];
    let post = |body: String| {
        Request::post("/backchannel-logout")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap()
    };
    for (what, claims, kind, status) in table {
        let ring = stage.world.app.ring();
        let token = ring.sign(SigningAlg::RS256, kind, &claims).unwrap();
        let answer = send(&shop, post(format!("logout_token={token}"))).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
    }
    assert_eq!(
        send(&shop, post(String::new())).await.status,
        StatusCode::BAD_REQUEST
    );
    let look = stage
        .panel("look", json!({ "sid": sid.to_string() }))
        .await
        .json();
    let told = look["session"]["told"].as_array().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["site"], &told[0]["reason"]),
        (&json!("shop"), &json!("idle"))
    );
}

#[tokio::test]
async fn a_sites_page_names_its_places_and_lets_no_foreign_script_in() {
    let stage = Stage::set().await;
    for (which, client, other) in [
        (site::Which::Shop, "shop", FORUM),
        (site::Which::Forum, "forum", SHOP),
    ] {
        let router = site::router(&stage.demo, which);
        let page = send(&router, Request::get("/").body(Body::empty()).unwrap()).await;
        for part in [
            format!("data-client=\"{client}\""),
            format!("data-other=\"{other}\""),
        ] {
            assert!(page.body.contains(&part), "{}", page.body);
        }
        assert!(
            !page.body.contains('{'),
            "nothing is left to fill in: {}",
            page.body
        );
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        for path in ["/site.js", "/site.css"] {
            let file = send(&router, Request::get(path).body(Body::empty()).unwrap()).await;
            assert_eq!(file.status, StatusCode::OK);
            assert!(file.body.len() > 1_000, "{path}");
        }
    }
}
