//! Machines: client credentials, introspection, private_key_jwt.

use crate::world::{ISSUER, START, World, claims};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};
use tenure_store::DocumentKind;

const MACHINE: [(&str, &str); 3] = [
    ("grant_type", "client_credentials"),
    ("client_id", "machine"),
    ("client_secret", "machine-secret"),
];

fn and<'a>(base: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    base.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn client_credentials_give_what_the_grant_allows_and_never_a_refresh_token() {
    let world = World::new().await;
    let answer = world
        .post(
            "/oauth/token",
            &and(
                &MACHINE,
                &[
                    ("audience", "https://api.example.com"),
                    ("scope", "read:x write:x offline_access"),
                ],
            ),
        )
        .await;
    let tokens = answer.json();
    assert_eq!(tokens["scope"], "read:x");
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(access["sub"], "machine@clients");
    assert!(access.get("sid").is_none());
    assert_eq!(
        world
            .userinfo(tokens["access_token"].as_str().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED,
        "no user, no userinfo"
    );
    let not_granted = world
        .post(
            "/oauth/token",
            &and(&MACHINE, &[("audience", "https://rbac.example.com")]),
        )
        .await;
    assert_eq!(not_granted.error(), "access_denied");
    let public = world
        .post(
            "/oauth/token",
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "spa"),
                ("audience", "https://api.example.com"),
            ],
        )
        .await;
    assert_eq!(public.error(), "unauthorized_client");
}

/// What a client or a machine's grant was removed for ends with it, and not when its tokens do.
#[tokio::test]
async fn tokens_of_a_client_that_is_gone_are_worth_nothing() {
    let world = World::new().await;
    world.apply("clients: [{client_id: reader, client_secret: reader-secret, name: Reader, app_type: non_interactive}]
clientGrants: [{client_id: Reader, audience: 'https://api.example.com', scope: ['read:x']}]").await;
    let mut browser = world.browser();
    let asked = [
        ("scope", "openid read:x"),
        ("audience", "https://api.example.com"),
    ];
    let of_person = browser.tokens(&asked).await["access_token"].clone();
    let machine = and(&MACHINE, &[("audience", "https://api.example.com")]);
    let of_machine = world.post("/oauth/token", &machine).await.json()["access_token"].clone();
    let ask = async || {
        let mut told = Vec::new();
        for token in [&of_person, &of_machine] {
            let pairs = [
                ("client_id", "reader"),
                ("client_secret", "reader-secret"),
                ("token", token.as_str().unwrap()),
            ];
            let answer = world.post("/oauth/introspect", &pairs).await.json();
            told.push(answer["active"].as_bool().unwrap());
        }
        for path in ["/userinfo", "/session/status"] {
            let bearer = format!("Bearer {}", of_person.as_str().unwrap());
            let answer = crate::holder::present(&world, ("GET", path), &bearer, &[]).await;
            told.push(answer.status == StatusCode::OK);
        }
        told
    };
    let remove = async |kind, id: String| {
        let gone = world
            .app
            .store
            .write(move |tx| tx.delete_document(kind, &id));
        assert!(gone.await.unwrap());
        world.app.reload_if_changed().await.unwrap();
    };
    assert_eq!(ask().await, [true, true, true, true]);
    let grants = world
        .app
        .store
        .read(|tx| tx.documents(DocumentKind::ClientGrant))
        .await
        .unwrap();
    let mut grants = grants.into_iter();
    let grant = grants.find(|grant| grant.body.contains("\"machine\""));
    remove(DocumentKind::ClientGrant, grant.unwrap().id).await;
    assert_eq!(ask().await, [true, false, true, true]);
    remove(DocumentKind::Client, "spa".to_owned()).await;
    assert_eq!(ask().await, [false; 4]);
}

#[tokio::test]
async fn introspection_knows_at_once_and_tells_only_those_concerned() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser
        .tokens(&[
            ("scope", "openid read:x offline_access"),
            ("audience", "https://api.example.com"),
        ])
        .await;
    let ask = async |client: &str, secret: &str, token: &str| {
        world
            .post(
                "/oauth/introspect",
                &[
                    ("client_id", client),
                    ("client_secret", secret),
                    ("token", token),
                ],
            )
            .await
    };
    let access = tokens["access_token"].as_str().unwrap();
    let answer = ask("machine", "machine-secret", access).await.json();
    assert_eq!(
        (
            answer["active"].as_bool(),
            answer["sub"].as_str(),
            answer["client_id"].as_str()
        ),
        (Some(true), Some("auth0|ada"), Some("spa"))
    );
    assert_eq!(answer["iss"], ISSUER);
    // CVE-2024-47077: a client without a grant for the audience hears nothing.
    assert_eq!(
        ask("third", "third-secret", access).await.json(),
        json!({"active": false})
    );
    assert_eq!(
        ask("machine", "wrong", access).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        ask("machine", "machine-secret", "nonsense").await.json(),
        json!({"active": false})
    );
    assert_eq!(
        ask(
            "machine",
            "machine-secret",
            tokens["refresh_token"].as_str().unwrap()
        )
        .await
        .json(),
        json!({"active": false}),
        "another client's refresh token"
    );
    assert_eq!(
        ask(
            "machine",
            "machine-secret",
            tokens["id_token"].as_str().unwrap()
        )
        .await
        .json(),
        json!({"active": false})
    );
    browser.get("/v2/logout").await;
    assert_eq!(
        ask("machine", "machine-secret", access).await.json(),
        json!({"active": false})
    );
}

/// A client with a key of its own.
struct Prover {
    pair: aws_lc_rs::signature::Ed25519KeyPair,
}

impl Prover {
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        format!(
            "{message}.{}",
            URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()))
        )
    }
}

#[tokio::test]
async fn private_key_jwt_is_checked_and_counts_once() {
    // GHSA-3p3g-vpw6-4w66: the unique key decides who was first.
    let world = World::new().await;
    let prover = Prover {
        pair: aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap(),
    };
    let x = URL_SAFE_NO_PAD.encode(prover.pair.public_key().as_ref());
    world.apply(&format!("
clients: [{{client_id: prover, name: Prover, app_type: non_interactive, token_endpoint_auth_method: private_key_jwt, jwks: {{keys: [{{kty: OKP, crv: Ed25519, x: '{x}', kid: k1}}]}}}}]
clientGrants: [{{client_id: prover, audience: 'https://api.example.com', scope: ['read:x']}}]")).await;
    let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": "k1"});
    let good =
        json!({"iss": "prover", "sub": "prover", "aud": ISSUER, "exp": START + 60, "jti": "1"});
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let post = async |assertion: &str| {
        let pairs = [
            ("grant_type", "client_credentials"),
            ("audience", "https://api.example.com"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
        ];
        world.post("/oauth/token", &pairs).await
    };
    let bad = [
        prover.sign(&header, &with("aud", "https://elsewhere.example/".into())),
        prover.sign(&header, &with("iss", "machine".into())),
        prover.sign(&header, &with("exp", (START - 1).into())),
        prover.sign(&header, &with("exp", (START + 86_400).into())),
        prover.sign(&header, &with("jti", Value::Null)),
        prover.sign(&json!({"alg": "none"}), &good),
        prover.sign(&json!({"alg": "HS256", "kid": "k1"}), &good),
        format!("{}x", prover.sign(&header, &good)),
        "nonsense".to_owned(),
    ];
    for assertion in bad {
        let refused = post(&assertion).await;
        assert_eq!(
            (refused.status.as_u16(), refused.error().as_str()),
            (401, "invalid_client"),
            "{assertion}"
        );
    }
    let assertion = prover.sign(&header, &good);
    assert_eq!(post(&assertion).await.status, StatusCode::OK);
    assert_eq!(post(&assertion).await.error(), "invalid_client", "a replay");
    let other = prover.sign(&header, &json!({"iss": "prover", "sub": "prover", "aud": ["x", format!("{ISSUER}oauth/token")], "exp": START + 60, "jti": "2"}));
    assert_eq!(post(&other).await.status, StatusCode::OK);
    let by_secret = world
        .post(
            "/oauth/token",
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "prover"),
                ("client_secret", "x"),
            ],
        )
        .await;
    assert_eq!(by_secret.error(), "invalid_client");
}
