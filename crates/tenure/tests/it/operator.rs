//! An operator's program: a machine client with a token for the management API.

use crate::world::{Answer, ISSUER, World, spa};
use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::Value;
use std::collections::BTreeSet;

pub const AUDIENCE: &str = "http://localhost:7100/api/v2/";

pub const ALL: [&str; 8] = [
    "read:tenant_settings",
    "update:tenant_settings",
    "read:sessions",
    "update:sessions",
    "delete:sessions",
    "read:refresh_tokens",
    "update:refresh_tokens",
    "delete:refresh_tokens",
];

pub struct Operator<'w> {
    pub world: &'w World,
    pub token: String,
}

impl World {
    /// Grants the machine client these scopes, as a tenant file does.
    pub async fn grant(&self, scopes: &[&str]) {
        self.apply(&format!(
            "clientGrants: [{{client_id: Machine, audience: '{AUDIENCE}', scope: {}}}]",
            Value::from(scopes)
        ))
        .await;
    }

    pub async fn machine_token(&self, more: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![
            ("grant_type", "client_credentials"),
            ("client_id", "machine"),
            ("client_secret", "machine-secret"),
            ("audience", AUDIENCE),
        ];
        pairs.extend(more);
        self.post("/oauth/token", &pairs).await
    }

    pub async fn operator(&self) -> Operator<'_> {
        self.operator_with(&ALL).await
    }

    pub async fn operator_with(&self, scopes: &[&str]) -> Operator<'_> {
        assert_eq!(AUDIENCE, format!("{ISSUER}api/v2/"));
        self.grant(scopes).await;
        let token = self.machine_token(&[]).await.json()["access_token"].clone();
        Operator {
            world: self,
            token: token.as_str().unwrap().to_owned(),
        }
    }
}

impl Operator<'_> {
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v2{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answer = self.world.send(request.body(body).unwrap()).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }
}

/// (status, errorCode) of a refusal, whose shape is checked.
pub fn refusal(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert_eq!(body["statusCode"], answer.status.as_u16());
    for member in ["error", "message", "errorCode"] {
        assert!(!body[member].as_str().unwrap().is_empty(), "{body}");
    }
    let code = body["errorCode"].as_str().unwrap().to_owned();
    (answer.status.as_u16(), code)
}

impl Operator<'_> {
    /// Every page of a list, and how many there were.
    pub async fn pages(&self, path: &str, name: &str) -> (Vec<Value>, usize) {
        let (mut items, mut count, mut from) = (Vec::new(), 0, String::new());
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let answer = self.get(&format!("{path}{mark}from={from}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            let page = answer.json();
            items.extend(page[name].as_array().unwrap().clone());
            count += 1;
            match page.as_object().unwrap().get("next") {
                Some(next) => next.as_str().unwrap().clone_into(&mut from),
                None => return (items, count),
            }
        }
    }

    pub async fn status(&self, method: &str, path: &str) -> u16 {
        self.call(method, path, None).await.status.as_u16()
    }
}

pub fn ids(items: &[Value]) -> BTreeSet<String> {
    let ids = items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned());
    ids.collect()
}

/// Several people, several browsers.
pub async fn signed_in(world: &World, user: &str, count: usize) -> BTreeSet<String> {
    let mut sids = BTreeSet::new();
    for _ in 0..count {
        let mut browser = world.browser();
        browser.sign_in_as(&spa(&[]), user).await;
        sids.insert(browser.sid().to_string());
    }
    sids
}
