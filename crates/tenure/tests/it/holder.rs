//! An application that holds a key and proves it (RFC 9449).

use crate::key::Key;
use crate::world::{Answer, BASE, VERIFIER, World};
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use tenure_protocol::dpop::{Proof, hash_of_token};

/// A key, and proofs by it that are all different.
pub struct Holder {
    key: Key,
    count: AtomicU32,
}

impl Holder {
    pub fn new() -> Self {
        Self {
            key: Key::new(),
            count: AtomicU32::new(0),
        }
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.key.sign(claims)
    }

    pub fn claims(&self, world: &World, method: &str, path: &str) -> Value {
        let jti = format!("proof-{}", self.count.fetch_add(1, Ordering::Relaxed));
        let iat = world.clock.now().seconds();
        json!({"jti": jti, "htm": method, "htu": format!("{BASE}{path}"), "iat": iat})
    }

    /// A fresh proof for the token endpoint.
    pub fn proof(&self, world: &World) -> String {
        self.sign(&self.claims(world, "POST", "/oauth/token"))
    }

    pub fn jkt(&self) -> String {
        let claims = json!({"jti": "x", "htm": "x", "htu": "x", "iat": 0});
        Proof::parse(&self.sign(&claims)).unwrap().jkt
    }

    /// A request for a resource with a token and a proof for it.
    pub async fn ask(&self, world: &World, method: &str, path: &str, token: &str) -> Answer {
        let mut claims = self.claims(world, method, path);
        claims["ath"] = hash_of_token(token).into();
        present(
            world,
            (method, path),
            &format!("DPoP {token}"),
            &[&self.sign(&claims)],
        )
        .await
    }

    pub async fn exchange(&self, world: &World, code: &str) -> Answer {
        exchange(world, code, &[&self.proof(world)]).await
    }

    pub async fn refresh(&self, world: &World, token: &str) -> Answer {
        refresh(world, token, &[&self.proof(world)]).await
    }
}

/// A request for a resource, with any authorization and any proofs.
pub async fn present(
    world: &World,
    (method, path): (&str, &str),
    authorization: &str,
    proofs: &[&str],
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("origin", crate::knowing::SPA)
        .header("authorization", authorization);
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

pub async fn exchange(world: &World, code: &str, proofs: &[&str]) -> Answer {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "spa"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", "http://localhost:3000/cb"),
    ];
    post(world, &pairs, proofs).await
}

pub async fn refresh(world: &World, token: &str, proofs: &[&str]) -> Answer {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "spa"),
        ("refresh_token", token),
    ];
    post(world, &pairs, proofs).await
}

pub async fn post(world: &World, pairs: &[(&str, &str)], proofs: &[&str]) -> Answer {
    let mut headers = vec![("origin", crate::knowing::SPA)];
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    world.post_from("/oauth/token", pairs, &headers).await
}
