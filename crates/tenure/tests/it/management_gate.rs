//! Who gets a token for the management API, and what it lets them do.

use crate::holder::{Holder, present};
use crate::operator::{ALL, AUDIENCE, refusal};
use crate::tenant_file::plan;
use crate::world::{ISSUER, World, claims, spa};
use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tenure::tenantfile::Severity;
use tenure_protocol::dpop::hash_of_token;

fn says(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn i1_a_granted_client_gets_a_token_for_the_management_api() {
    let world = World::new().await;
    assert_eq!(world.machine_token(&[]).await.error(), "access_denied");
    // What is granted and not served is not issued.
    world
        .grant(&["read:sessions", "delete:sessions", "read:users"])
        .await;
    let answer = world.machine_token(&[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let tokens = answer.json();
    assert_eq!(
        (
            &tokens["scope"],
            &tokens["token_type"],
            &tokens["expires_in"]
        ),
        (
            &json!("read:sessions delete:sessions"),
            &json!("Bearer"),
            &json!(900)
        )
    );
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(
        (&access["iss"], &access["aud"], &access["sub"]),
        (&json!(ISSUER), &json!(AUDIENCE), &json!("machine@clients"))
    );
    let less = world.machine_token(&[("scope", "read:sessions delete:refresh_tokens")]);
    assert_eq!(less.await.json()["scope"], "read:sessions");
}

#[tokio::test]
async fn only_a_machine_that_holds_the_scope_now_is_let_in() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&[]).await;
    let path = format!("/sessions/{}", browser.sid());
    let ask = async |authorization: Option<String>| {
        let mut request = Request::get(format!("/api/v2{path}"));
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert!(!answer.header("www-authenticate").is_empty(), "{answer:?}");
        refusal(&answer)
    };
    assert_eq!(ask(None).await, says(401, "invalid_token"));
    world.grant(&["read:sessions"]).await;
    let other = [("audience", "https://api.example.com")];
    let elsewhere = world
        .post(
            "/oauth/token",
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "machine"),
                ("client_secret", "machine-secret"),
                other[0],
            ],
        )
        .await
        .json();
    let text = |value: &Value| format!("Bearer {}", value.as_str().unwrap());
    for wrong in [
        text(&tokens["access_token"]),
        text(&tokens["id_token"]),
        text(&elsewhere["access_token"]),
        "Bearer x".to_owned(),
        "Basic bWFjaGluZTptYWNoaW5lLXNlY3JldA==".to_owned(),
    ] {
        assert_eq!(ask(Some(wrong)).await, says(401, "invalid_token"));
    }
    let operator = world.operator_with(&["read:sessions"]).await;
    assert_eq!(operator.get(&path).await.status, StatusCode::OK);
    // In the token, and granted no more.
    world.grant(&["read:refresh_tokens"]).await;
    let refused = operator.get(&path).await;
    assert_eq!(refusal(&refused), says(403, "insufficient_scope"));
    assert!(
        refused
            .header("www-authenticate")
            .contains("scope=\"read:sessions\"")
    );
    // Granted, and not in the token.
    world.grant(&["read:sessions"]).await;
    assert_eq!(operator.get(&path).await.status, StatusCode::OK);
    let few = world.machine_token(&[("scope", "other")]).await;
    let bare = ask(Some(text(&few.json()["access_token"]))).await;
    assert_eq!(bare, says(403, "insufficient_scope"));
    // A client that may have no such tokens any more.
    world
        .apply("clients: [{client_id: machine, name: Machine, grant_types: [refresh_token]}]")
        .await;
    assert_eq!(
        refusal(&operator.get(&path).await),
        says(401, "invalid_token")
    );
    world
        .apply("clients: [{client_id: machine, name: Machine, grant_types: [client_credentials]}]")
        .await;
    assert_eq!(operator.get(&path).await.status, StatusCode::OK);
    // A token that was revoked, and one whose time is over.
    let pairs = [
        ("client_id", "machine"),
        ("client_secret", "machine-secret"),
        ("token", operator.token.as_str()),
    ];
    assert_eq!(
        world.post("/oauth/revoke", &pairs).await.status,
        StatusCode::OK
    );
    assert_eq!(
        refusal(&operator.get(&path).await),
        says(401, "invalid_token")
    );
    let again = world.operator_with(&["read:sessions"]).await;
    world.clock.advance(899);
    assert_eq!(again.get(&path).await.status, StatusCode::OK);
    world.clock.advance(1);
    assert_eq!(refusal(&again.get(&path).await), says(401, "invalid_token"));
}

#[tokio::test]
async fn nobody_signs_in_for_the_management_api_however_it_is_declared() {
    let world = World::new().await;
    let silent = spa(&[("audience", AUDIENCE)]);
    let page = world.browser().get(&silent).await;
    assert_ne!(page.status, StatusCode::OK, "{page:?}");
    assert_eq!(page.answered("error").as_deref(), Some("invalid_request"));
    // Stored before it was known where the server is reached: it means nothing.
    let body = json!({"identifier": AUDIENCE, "token_lifetime": 86_400, "scopes": [{"value": "read:everything"}]});
    let document = tenure_store::Document {
        id: AUDIENCE.to_owned(),
        body: body.to_string(),
        secret_mac: None,
        updated_at: world.clock.now(),
    };
    let put = move |tx: &tenure_store::Tx<'_>| {
        tx.put_document(tenure_store::DocumentKind::Api, &document)
    };
    world.app.store.write(put).await.unwrap();
    world
        .apply(&format!("tenant: {{default_audience: '{AUDIENCE}'}}"))
        .await;
    world.grant(&ALL).await;
    let page = world.browser().get(&silent).await;
    assert_eq!(page.answered("error").as_deref(), Some("invalid_request"));
    let tokens = world
        .browser()
        .tokens(&[("scope", "openid read:everything read:sessions")])
        .await;
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(access["aud"], format!("{ISSUER}userinfo"));
    let machine = world.machine_token(&[]).await.json();
    assert_eq!(
        (&machine["expires_in"], &machine["scope"]),
        (&json!(900), &json!(ALL.join(" ")))
    );
}

#[tokio::test]
async fn cve_2024_49755_the_management_api_needs_the_proof_of_a_bound_token() {
    let world = World::new().await;
    world.grant(&ALL).await;
    let mut browser = world.browser();
    browser.tokens(&[]).await;
    let path = format!("/api/v2/sessions/{}", browser.sid());
    let holder = Holder::new();
    let proof = holder.sign(&holder.claims(&world, "POST", "/oauth/token"));
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", "machine"),
        ("client_secret", "machine-secret"),
        ("audience", AUDIENCE),
    ];
    let tokens = world
        .post_from("/oauth/token", &pairs, &[("dpop", &proof)])
        .await
        .json();
    assert_eq!(tokens["token_type"], "DPoP");
    let token = tokens["access_token"].as_str().unwrap();
    let for_it = |path: &str| {
        let mut claims = holder.claims(&world, "GET", path);
        claims["ath"] = hash_of_token(token).into();
        holder.sign(&claims)
    };
    let at = ("GET", path.as_str());
    let dpop = format!("DPoP {token}");
    let answer = present(&world, at, &dpop, &[&for_it(&path)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let bearer = present(&world, at, &format!("Bearer {token}"), &[]).await;
    assert_eq!(refusal(&bearer), says(401, "invalid_token"));
    assert!(bearer.header("www-authenticate").starts_with("DPoP "));
    // For the path without its prefix, and for another one.
    for wrong in ["/sessions/x", "/api/v2/sessions"] {
        let answer = present(&world, at, &dpop, &[&for_it(wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
}

#[tokio::test]
async fn i7_too_many_calls_are_told_when_to_come_again() {
    let world = World::new().await;
    let operator = world.operator().await;
    for remaining in (0..100).rev() {
        let answer = operator.get("/sessions/x").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.header("x-ratelimit-limit"), "100");
        assert_eq!(
            answer.header("x-ratelimit-remaining"),
            remaining.to_string()
        );
    }
    let refused = operator.get("/sessions/x").await;
    assert_eq!(refusal(&refused), says(429, "too_many_requests"));
    assert_eq!(refused.header("retry-after"), "1");
    let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
    let now = world.clock.now().seconds();
    assert!((now..=now + 11).contains(&reset), "{reset}");
    world.clock.advance(1);
    assert_eq!(
        operator.get("/sessions/x").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_same_shape() {
    let world = World::new().await;
    let operator = world.operator().await;
    for path in ["/session", "/sessions/a/b", "/nothing?x=1", "/sessions/%ff"] {
        assert_eq!(refusal(&operator.get(path).await).0, 404, "{path}");
    }
    let answer = operator.call("PUT", "/sessions/x", None).await;
    assert_eq!(refusal(&answer), says(405, "method_not_allowed"));
}

/// What a tenant file says of it: grants, which are looked at, and nothing else.
#[tokio::test]
async fn a_tenant_file_grants_the_management_api_and_cannot_declare_it() {
    let world = World::new().await;
    let says = async |world: Option<&World>, text: &str| {
        let (_, findings) = plan(world, text, false).await;
        let said = findings
            .0
            .into_iter()
            .map(|f| (f.severity, f.line, f.message));
        said.collect::<Vec<_>>()
    };
    let declared = format!("resourceServers:\n  - identifier: {AUDIENCE}\n    signing_alg: ES256");
    let [(Severity::Error, 2, message)] = &says(Some(&world), &declared).await[..] else {
        panic!("{:?}", says(Some(&world), &declared).await);
    };
    assert!(
        message.contains("built in") && message.contains("clientGrants"),
        "{message}"
    );
    // Where nobody knows yet where the server will be.
    let [(Severity::Warning, 2, message)] = &says(None, &declared).await[..] else {
        panic!("{:?}", says(None, &declared).await);
    };
    assert!(message.contains("built in"), "{message}");
    let grant = |audience: &str, scope: &str| {
        format!(
            "clients: [{{client_id: machine, name: Machine, app_type: non_interactive, client_secret: x}}]\n\
             clientGrants:\n  - client_id: machine\n    audience: {audience}\n    scope: [{scope}]"
        )
    };
    let elsewhere = "https://tenant.eu.auth0.com/api/v2/";
    for (world, audience, scope, expected) in [
        (Some(&world), AUDIENCE, "'read:sessions'", None),
        (None, AUDIENCE, "'read:sessions'", None),
        (
            Some(&world),
            AUDIENCE,
            "'read:sessions', 'read:users'",
            Some((5, "does not serve read:users")),
        ),
        (
            None,
            AUDIENCE,
            "'read:users'",
            Some((5, "does not serve read:users")),
        ),
        (
            Some(&world),
            elsewhere,
            "'read:sessions'",
            Some((4, AUDIENCE)),
        ),
        (
            Some(&world),
            "https://x.example.com",
            "a",
            Some((4, "there is no API")),
        ),
        (
            None,
            "https://x.example.com",
            "a",
            Some((4, "there is no API")),
        ),
    ] {
        let text = grant(audience, scope);
        let said = says(world, &text).await;
        match expected {
            None => assert_eq!(said, [], "{text}"),
            Some((line, part)) => {
                assert_eq!(
                    (said.len(), said[0].0, said[0].1),
                    (1, Severity::Warning, line),
                    "{said:?}"
                );
                assert!(said[0].2.contains(part), "{said:?}");
            }
        }
    }
}
