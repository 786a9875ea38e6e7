//! Bound access tokens at Tenure's own endpoints (RFC 9449 section 7; lesson CVE-2024-49755).

use crate::holder::{Holder, present};
use crate::knowing::text;
use crate::world::{World, spa};
use http::StatusCode;
use serde_json::json;
use tenure_protocol::dpop::hash_of_token;

const RESOURCES: [(&str, &str); 5] = [
    ("GET", "/userinfo"),
    ("POST", "/userinfo"),
    ("GET", "/session/status"),
    ("POST", "/session/extend"),
    ("GET", "/session/events"),
];

async fn bound(world: &World, holder: &Holder) -> String {
    let code = world.browser().sign_in(&spa(&[])).await.code();
    let tokens = holder.exchange(world, &code).await.json();
    text(&tokens, "access_token").to_owned()
}

#[tokio::test]
async fn cve_2024_49755_a_bound_token_is_worth_nothing_without_its_key() {
    let world = World::new().await;
    let (holder, stranger) = (Holder::new(), Holder::new());
    let token = bound(&world, &holder).await;
    let free = world.browser().tokens(&[]).await;
    let free = text(&free, "access_token");
    for (method, path) in RESOURCES {
        let at = (method, path);
        let refused = async |authorization: String, proofs: &[&str]| {
            let answer = present(&world, at, &authorization, proofs).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{at:?} {answer:?}");
            let scheme = answer.header("www-authenticate");
            let scheme = scheme.split(' ').next().unwrap_or_default().to_owned();
            let exposed = answer.header("access-control-expose-headers");
            assert!(exposed.contains("www-authenticate"), "{at:?}");
            (scheme, answer.error())
        };
        let says = |scheme: &str, error: &str| (scheme.to_owned(), error.to_owned());
        let for_it = |holder: &Holder, token: &str| {
            let mut claims = holder.claims(&world, method, path);
            claims["ath"] = hash_of_token(token).into();
            holder.sign(&claims)
        };
        let (dpop, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
        let proof = for_it(&holder, &token);
        let invalid = says("DPoP", "invalid_token");
        // As a bearer, even with a proof beside it.
        assert_eq!(refused(bearer.clone(), &[]).await, invalid);
        assert_eq!(refused(bearer, &[&proof]).await, invalid);
        // By another key, and a token that is not bound.
        assert_eq!(
            refused(dpop.clone(), &[&for_it(&stranger, &token)]).await,
            invalid
        );
        assert_eq!(
            refused(format!("DPoP {free}"), &[&for_it(&holder, free)]).await,
            invalid
        );
        // Without a proof, for another token, twice, for another endpoint.
        let wrong = says("DPoP", "invalid_dpop_proof");
        let elsewhere = holder.sign(&holder.claims(&world, method, "/elsewhere"));
        assert_eq!(refused(dpop.clone(), &[]).await, wrong);
        assert_eq!(
            refused(dpop.clone(), &[&for_it(&holder, free)]).await,
            wrong
        );
        assert_eq!(refused(dpop.clone(), &[&proof, &proof]).await, wrong);
        assert_eq!(refused(dpop, &[&elsewhere]).await, wrong);
    }
}

#[tokio::test]
async fn a_bound_token_with_its_key_is_as_good_as_any() {
    let world = World::new().await;
    let holder = Holder::new();
    let token = bound(&world, &holder).await;
    for (method, path) in &RESOURCES[..4] {
        let answer = holder.ask(&world, method, path, &token).await;
        assert_eq!(answer.status, StatusCode::OK, "{path} {answer:?}");
    }
    let told = holder.ask(&world, "GET", "/userinfo", &token).await.json();
    assert_eq!(told["email"], "Ada@example.com");
    // Reading may be repeated with the same proof, extending may not.
    let mut claims = holder.claims(&world, "POST", "/session/extend");
    claims["ath"] = hash_of_token(&token).into();
    let proof = holder.sign(&claims);
    let extend = async || {
        let at = ("POST", "/session/extend");
        present(&world, at, &format!("DPoP {token}"), &[&proof]).await
    };
    assert_eq!(extend().await.status, StatusCode::OK);
    let replayed = extend().await;
    assert_eq!(
        (replayed.status.as_u16(), replayed.error().as_str()),
        (401, "invalid_dpop_proof")
    );
    // An expired token still tells of its session, to its key.
    world.clock.advance(301);
    let told = holder.ask(&world, "GET", "/session/status", &token).await;
    assert_eq!(told.json()["active"], true, "{told:?}");
    let expired = holder.ask(&world, "GET", "/userinfo", &token).await;
    assert_eq!(
        (expired.status.as_u16(), expired.error().as_str()),
        (401, "invalid_token")
    );
}

#[tokio::test]
async fn the_stream_opens_to_a_bound_token() {
    let world = World::new().await;
    let holder = Holder::new();
    let token = bound(&world, &holder).await;
    let mut claims = holder.claims(&world, "GET", "/session/events");
    claims["ath"] = hash_of_token(&token).into();
    let request = http::Request::get("/session/events")
        .header("authorization", format!("dpop {token}"))
        .header("dpop", holder.sign(&claims));
    let response = world
        .stream(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
}

#[tokio::test]
async fn a_wrong_clock_is_asked_for_a_nonce_in_a_challenge() {
    let world = World::new().await;
    let holder = Holder::new();
    let token = bound(&world, &holder).await;
    let proof = |nonce: Option<&str>| {
        let mut claims = holder.claims(&world, "GET", "/userinfo");
        claims["ath"] = hash_of_token(&token).into();
        claims["iat"] = json!(1.5);
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        holder.sign(&claims)
    };
    let ask = async |nonce: Option<&str>| {
        let authorization = format!("DPoP {token}");
        present(
            &world,
            ("GET", "/userinfo"),
            &authorization,
            &[&proof(nonce)],
        )
        .await
    };
    let asked = ask(None).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    let challenge = asked.header("www-authenticate");
    assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"use_dpop_nonce\""));
    assert!(
        challenge.contains("algs=\"ES256 RS256 EdDSA Ed25519\""),
        "{challenge}"
    );
    assert_eq!(
        ask(Some(asked.header("dpop-nonce"))).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn discovery_names_the_algorithms_of_proofs() {
    let world = World::new().await;
    let told = world.get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        told["dpop_signing_alg_values_supported"],
        json!(["ES256", "RS256", "EdDSA", "Ed25519"])
    );
}
