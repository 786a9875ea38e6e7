//! A provider made by hand, which says what it likes, also with nobody's keys, and can be away.

use crate::world::{Answer, BASE, World};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenure::crypto::jwt::{Pair, Signer, TokenKind};
use tenure::listen::{Limits, serve};
use tenure_protocol::model::SigningAlg;
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{Delivery, UpstreamSession};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
pub const PATH: &str = "/connections/corp/backchannel-logout";
pub const REVOCATION: &str = "/oauth/global-token-revocation/connection/corp";

pub struct Teller {
    pub issuer: String,
    signer: Signer,
    /// One whose key it does not publish.
    pub stranger: Signer,
    jwk: Value,
    pkcs8: Vec<u8>,
    away: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

pub fn signer(kid: &str) -> Signer {
    key(kid).0
}

fn key(kid: &str) -> (Signer, Value, Vec<u8>) {
    let alg = SigningAlg::ES256;
    let pkcs8 = Pair::generate(alg).unwrap();
    let pair = Pair::parse(alg, &pkcs8).unwrap();
    let mut jwk = pair.public_jwk();
    jwk.insert("kid".to_owned(), kid.into());
    (Signer::new(kid, alg, pair), Value::Object(jwk), pkcs8)
}

impl Teller {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let (signer, jwk, pkcs8) = key("k-1");
        let away = Arc::new(AtomicBool::new(false));
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
        });
        let answer = |document: Value| {
            let away = away.clone();
            get(move || async move {
                match away.load(Ordering::SeqCst) {
                    true => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
                    false => (StatusCode::OK, document.to_string()),
                }
            })
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", answer(metadata))
            .route("/jwks", answer(json!({ "keys": [jwk.clone()] })));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let forever = std::future::pending();
            serve(listener, None, router, Limits::default(), forever).await;
        });
        Self {
            issuer,
            signer,
            stranger: self::signer("k-2"),
            jwk,
            pkcs8,
            away,
            _tasks: tasks,
        }
    }

    pub fn be_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// The connection of a tenant file; `upstream` are settings of its policy.
    pub fn connection(&self, upstream: &str) -> String {
        format!(
            "connections:\n  - name: corp\n    strategy: oidc\n    options: {{ issuer: \"{}\", \
             client_id: us, client_secret: s }}\n    upstream: {{ {upstream} }}\n",
            self.issuer
        )
    }

    /// A logout token for a session and a person, with changes; what is set to null is left out.
    pub fn claims(&self, world: &World, change: &[(&str, Value)]) -> Map<String, Value> {
        let now = world.clock.now().seconds();
        let claims = json!({
            "iss": self.issuer, "aud": "us", "iat": now, "exp": now + 120,
            "jti": world.app.entropy.token(12), "events": { EVENT: {} }, "sid": "up-1", "sub": "ada",
        });
        let Value::Object(mut claims) = claims else {
            panic!()
        };
        for (name, value) in change {
            match value {
                Value::Null => claims.remove(*name),
                value => claims.insert((*name).to_owned(), value.clone()),
            };
        }
        claims
    }

    pub fn token(&self, world: &World, change: &[(&str, Value)]) -> String {
        let claims = self.claims(world, change);
        self.signer.sign(TokenKind::Logout, &claims).unwrap()
    }

    /// What proves a Global Token Revocation, with changes.
    pub fn assertion(&self, world: &World, change: &[(&str, Value)]) -> Map<String, Value> {
        let now = world.clock.now().seconds();
        let mut claims = self.claims(world, &[("events", Value::Null), ("sid", Value::Null)]);
        let endpoint = format!("{BASE}{REVOCATION}");
        claims.extend([
            ("aud".to_owned(), endpoint.into()),
            ("sub".to_owned(), "us".into()),
            ("nbf".to_owned(), (now - 300).into()),
            ("exp".to_owned(), (now + 300).into()),
        ]);
        for (name, value) in change {
            match value {
                Value::Null => claims.remove(*name),
                value => claims.insert((*name).to_owned(), value.clone()),
            };
        }
        claims
    }

    /// As any JOSE library does, with a type of our choice.
    pub fn sign_as(&self, typ: &str, claims: &Map<String, Value>) -> String {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": "k-1" });
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let text = format!(
            "{}.{}",
            part(header.to_string()),
            part(Value::Object(claims.clone()).to_string())
        );
        let key = jsonwebtoken::EncodingKey::from_ec_der(&self.pkcs8);
        let algorithm = jsonwebtoken::Algorithm::ES256;
        let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, algorithm).unwrap();
        format!("{text}.{signature}")
    }

    /// Signed in other ways than the provider does.
    pub fn forged(&self, world: &World, header: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = Value::Object(self.claims(world, &[]));
        let text = format!("{}.{}", part(header), part(&claims));
        let secret = jsonwebtoken::EncodingKey::from_secret(self.jwk.to_string().as_bytes());
        let algorithm = jsonwebtoken::Algorithm::HS256;
        let mac = jsonwebtoken::crypto::sign(text.as_bytes(), &secret, algorithm).unwrap();
        match header["alg"] == "none" {
            true => format!("{text}."),
            false => format!("{text}.{mac}"),
        }
    }
}

/// Puts a session of the provider behind one of ours.
pub async fn stand_behind(world: &World, teller: &Teller, sid: Sid, (up, sub): (&str, &str)) {
    let session = world.session(sid).await;
    let now = world.clock.now();
    let row = UpstreamSession {
        sid,
        connection: "corp".to_owned(),
        user_id: session.user_id.clone(),
        issuer: teller.issuer.clone(),
        subject: sub.to_owned(),
        upstream_sid: Some(up.to_owned()),
        auth_time: None,
        session_expiry: None,
        began_at: now,
        confirmed_at: now,
        confirm_due_at: None,
        confirm_failures: 0,
        confirm_error: None,
        acr: None,
        amr: Vec::new(),
        sealed: Some(vec![1]),
        ended_at: None,
        ended_by: None,
    };
    let identity = identity(teller, &session.user_id, sub, now);
    let stored = world.app.store.write(move |tx| {
        tx.put_identity(&identity)?;
        tx.put_upstream_session(&row)
    });
    stored.await.unwrap();
}

fn identity(teller: &Teller, user_id: &str, sub: &str, now: Timestamp) -> tenure_store::Identity {
    tenure_store::Identity {
        connection: "corp".to_owned(),
        issuer: teller.issuer.clone(),
        subject: sub.to_owned(),
        user_id: user_id.to_owned(),
        body: "{}".to_owned(),
        linked_at: now,
        last_login_at: now,
    }
}

pub async fn upstream_of(world: &World, sid: Sid) -> UpstreamSession {
    let read = world.app.store.read(move |tx| tx.upstream_sessions(&sid));
    read.await.unwrap().pop().unwrap()
}

/// Whom the outbox tells of an end.
pub async fn deliveries(world: &World, sid: Sid) -> Vec<Delivery> {
    let read = world
        .app
        .store
        .read(move |tx| tx.deliveries_of_session(&sid));
    read.await.unwrap()
}

pub async fn tell(world: &World, token: &str) -> Answer {
    world.post(PATH, &[("logout_token", token)]).await
}

/// The same token, of whose signature one character is surely another.
pub fn with_another_signature(token: &str) -> String {
    let at = token.len() - 6;
    let other = if token[at..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}
