//! A provider says that everything of a person is over (Global Token Revocation).

use crate::upstream_told::{
    REVOCATION, Teller, deliveries, stand_behind, upstream_of, with_another_signature,
};
use crate::world::{Answer, OFFLINE, TENANT, World, authorize, spa};
use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tenure::work::lanes::{self, Lane};
use tenure::work::user_ends;
use tenure_protocol::session::EndReason;

const TYPE: &str = "global-token-revocation+jwt";

async fn world(teller: &Teller, upstream: &str) -> World {
    World::with(&format!("{TENANT}\n{}", teller.connection(upstream))).await
}

async fn revoke(world: &World, token: &str, body: &str) -> Answer {
    let mut request = Request::post(REVOCATION).header(header::CONTENT_TYPE, "application/json");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let answer = world
        .send(request.body(Body::from(body.to_owned())).unwrap())
        .await;
    assert_eq!(answer.header("cache-control"), "no-store");
    answer
}

/// The three ways to name the person, and the older name of the member.
#[tokio::test]
async fn everything_of_the_person_is_over_at_once() {
    for way in ["iss_sub", "email", "opaque", "subject"] {
        let teller = Teller::start().await;
        let world = world(&teller, "backchannel_logout: ignore").await;
        let mut ada = world.browser();
        let tokens = ada.tokens(&OFFLINE).await;
        stand_behind(&world, &teller, ada.sid(), ("up-1", "ada-there")).await;
        let mut elsewhere = world.browser();
        let forum = authorize("forum", "http://localhost:3002/cb", &[]);
        elsewhere.sign_in(&forum).await;
        let mut bob = world.browser();
        bob.sign_in_as(&spa(&[]), "bob@example.com").await;
        world.clock.advance(1);
        let iss_sub = json!({ "format": "iss_sub", "iss": teller.issuer, "sub": "ada-there" });
        let body = match way {
            "iss_sub" => json!({ "sub_id": iss_sub }),
            "subject" => json!({ "subject": iss_sub }),
            "email" => json!({ "sub_id": { "format": "email", "email": "Ada@Example.com" } }),
            _ => json!({ "sub_id": { "format": "opaque", "id": "ada-there" } }),
        };
        let token = teller.sign_as(TYPE, &teller.assertion(&world, &[]));
        let answer = revoke(&world, &token, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{way} {answer:?}");
        // Before any worker came by.
        let refresh = tokens["refresh_token"].as_str().unwrap();
        assert_eq!(
            ada.refresh("spa", refresh).await.error(),
            "invalid_grant",
            "{way}"
        );
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(
            world.userinfo(access).await.status,
            StatusCode::UNAUTHORIZED
        );
        if way == "email" {
            // Who comes before the worker is told the truth all the same.
            let page = elsewhere.get(&forum).await;
            assert!(page.body.contains("provider"), "{page:?}");
        }
        user_ends::round(&world.app).await.unwrap();
        for sid in [ada.sid(), elsewhere.sid()] {
            let end = world.session(sid).await.end.unwrap();
            assert_eq!(end.reason, EndReason::UpstreamLogout, "{way}");
            assert_eq!(end.by, "connection:corp");
            assert_eq!(deliveries(&world, sid).await.len(), 1);
        }
        assert_eq!(world.session(bob.sid()).await.end, None);
        let behind = upstream_of(&world, ada.sid()).await;
        assert_eq!(behind.ended_by.as_deref(), Some("revocation"));
        let entries = world.log("universal_logout_succeeded").await;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0]["user_id"], "auth0|ada");
        // A new login is a new beginning; the same assertion is none.
        let mut again = world.browser();
        again.tokens(&[]).await;
        let answer = revoke(&world, &token, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
        assert_eq!(world.session(again.sid()).await.end, None);
    }
}

#[tokio::test]
async fn who_proves_nothing_and_who_names_nobody_change_nothing() {
    let teller = Teller::start().await;
    let world = world(&teller, "").await;
    let mut ada = world.browser();
    ada.tokens(&[]).await;
    stand_behind(&world, &teller, ada.sid(), ("up-1", "ada-there")).await;
    let iss_sub = |sub: &str| json!({ "format": "iss_sub", "iss": teller.issuer, "sub": sub });
    let right = json!({ "sub_id": iss_sub("ada-there") }).to_string();
    let now = world.clock.now().seconds();
    let sign = |change: &[(&str, Value)]| teller.sign_as(TYPE, &teller.assertion(&world, change));
    let stranger = with_another_signature(&sign(&[]));
    let proofs = [
        String::new(),
        "x".to_owned(),
        teller.forged(&world, &json!({"alg": "none", "typ": TYPE})),
        stranger,
        teller.token(&world, &[]),
        teller.sign_as("JWT", &teller.assertion(&world, &[])),
        teller.sign_as("logout+jwt", &teller.assertion(&world, &[])),
        sign(&[("iss", json!("https://evil.example"))]),
        sign(&[("aud", json!("us"))]),
        sign(&[(
            "aud",
            json!("http://localhost:7100/oauth/global-token-revocation/connection/other"),
        )]),
        sign(&[("jti", Value::Null)]),
        sign(&[("exp", json!(now - 61))]),
        sign(&[("exp", Value::Null)]),
        sign(&[("iat", json!(now - 601))]),
        sign(&[("nbf", json!(now + 61))]),
    ];
    for proof in proofs {
        // Whatever the body says.
        for body in [right.as_str(), "{}"] {
            let answer = revoke(&world, &proof, body).await;
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{proof} {answer:?}"
            );
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            assert_eq!(answer.error(), "invalid_token");
        }
    }
    let mut other_issuer = iss_sub("ada-there");
    other_issuer["iss"] = json!("https://other.example/");
    let bodies = [
        (json!("x"), StatusCode::BAD_REQUEST),
        (json!({}), StatusCode::BAD_REQUEST),
        (json!({ "sub_id": "ada-there" }), StatusCode::BAD_REQUEST),
        (
            json!({ "sub_id": { "format": "iss_sub" } }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "sub_id": iss_sub("ada-there"), "subject": iss_sub("ada-there") }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "sub_id": { "format": "phone_number", "phone_number": "+1" } }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (json!({ "sub_id": other_issuer }), StatusCode::FORBIDDEN),
        (
            json!({ "sub_id": iss_sub("nobody") }),
            StatusCode::NOT_FOUND,
        ),
        // Bob is here, but not by way of this provider.
        (
            json!({ "sub_id": { "format": "email", "email": "bob@example.com" } }),
            StatusCode::NOT_FOUND,
        ),
        (
            json!({ "sub_id": { "format": "email", "email": "x@example.com" } }),
            StatusCode::NOT_FOUND,
        ),
    ];
    for (body, status) in bodies {
        let answer = revoke(&world, &sign(&[]), &body.to_string()).await;
        assert_eq!(answer.status, status, "{body} {answer:?}");
    }
    assert_eq!(world.session(ada.sid()).await.end, None);
    assert!(!world.app.store.read(|tx| tx.has_user_ends()).await.unwrap());
    // Who does not want it has no such endpoint.
    world
        .apply(&teller.connection("global_token_revocation: false"))
        .await;
    let answer = revoke(&world, &sign(&[]), &right).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let discovery = world.get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovery["global_token_revocation_endpoint"], Value::Null);
}

#[tokio::test]
async fn a_revocation_waits_for_keys_as_a_logout_does() {
    let teller = Teller::start().await;
    let world = world(&teller, "").await;
    let discovery = world.get("/.well-known/openid-configuration").await.json();
    let endpoint = discovery["global_token_revocation_endpoint"]
        .as_str()
        .unwrap();
    assert!(endpoint.ends_with("/oauth/global-token-revocation/connection/{connectionName}"));
    let methods = &discovery["global_token_revocation_endpoint_auth_methods_supported"];
    assert_eq!(*methods, json!([TYPE]));
    let mut ada = world.browser();
    ada.tokens(&[]).await;
    stand_behind(&world, &teller, ada.sid(), ("up-1", "ada-there")).await;
    teller.be_away(true);
    world.clock.advance(1);
    let token = teller.sign_as(TYPE, &teller.assertion(&world, &[]));
    let body = json!({ "sub_id": { "format": "email", "email": "ada@example.com" } }).to_string();
    let answer = revoke(&world, &token, &body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    assert_eq!(world.session(ada.sid()).await.end, None);
    teller.be_away(false);
    let ended = async {
        while world.session(ada.sid()).await.end.is_none() {
            world.clock.advance(60);
            lanes::round(&world.app, Lane::Signals).await.unwrap();
            user_ends::round(&world.app).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let limit = std::time::Duration::from_secs(60);
    tokio::time::timeout(limit, ended).await.unwrap();
}
