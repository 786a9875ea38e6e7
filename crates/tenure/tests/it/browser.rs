//! A browser with its cookies, and the requests that applications make it send.

use crate::world::{Answer, BASE, PASSWORD, VERIFIER, World, form};
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::Value;
use std::collections::BTreeMap;

/// A browser with its cookies.
pub struct Browser<'w> {
    pub world: &'w World,
    pub cookies: BTreeMap<String, String>,
    pub user_agent: String,
}

impl<'w> Browser<'w> {
    pub fn of(world: &'w World) -> Self {
        Self {
            world,
            cookies: BTreeMap::new(),
            user_agent: "Firefox".to_owned(),
        }
    }

    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        pairs: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let path = path.strip_prefix(BASE).unwrap_or(path);
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::USER_AGENT, &self.user_agent)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self
            .world
            .send(request.body(Body::from(form(pairs))).unwrap())
            .await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            assert_eq!(
                answer.header("cache-control"),
                "no-store",
                "CVE-2025-48947: a cookie in a cache: {text}"
            );
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.request(Method::GET, path, &[], &[]).await
    }

    pub async fn post(&mut self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.request(Method::POST, path, pairs, &[]).await
    }

    /// Fills in the login page.
    pub async fn submit_login(&mut self, page: &Answer, username: &str, password: &str) -> Answer {
        let (action, _) = page.form("name=\"password\"");
        let hidden = page.hidden("name=\"password\"");
        let mut fields: Vec<_> = hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        fields.extend([
            ("username", username),
            ("password", password),
            ("action", "login"),
        ]);
        self.post(&action, &fields).await
    }

    /// Opens an authorization request and signs in as ada.
    pub async fn sign_in(&mut self, request: &str) -> Answer {
        self.sign_in_as(request, "ada@example.com").await
    }

    pub async fn sign_in_as(&mut self, request: &str, user: &str) -> Answer {
        let page = self.get(request).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let answer = self.submit_login(&page, user, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        answer
    }

    pub async fn exchange(&self, client: &str, redirect_uri: &str, code: &str) -> Answer {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", redirect_uri),
        ];
        self.world
            .post_from("/oauth/token", &pairs, &[("user-agent", &self.user_agent)])
            .await
    }

    /// Signs in to the single-page application and exchanges its code.
    pub async fn tokens(&mut self, extra: &[(&str, &str)]) -> Value {
        let answer = self.sign_in(&spa(extra)).await;
        let tokens = self
            .exchange("spa", "http://localhost:3000/cb", &answer.code())
            .await;
        assert_eq!(tokens.status, StatusCode::OK, "{tokens:?}");
        tokens.json()
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        let pairs = [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
        ];
        self.world
            .post_from("/oauth/token", &pairs, &[("user-agent", &self.user_agent)])
            .await
    }

    pub fn sid(&self) -> tenure_protocol::Sid {
        let cookie = &self.cookies["tenure_7100"];
        cookie.split('.').next().unwrap().parse().unwrap()
    }

    pub fn has_session_cookie(&self) -> bool {
        self.cookies.contains_key("tenure_7100")
    }
}

/// An authorization request of a public client; `extra` adds or (with an empty value) removes parameters.
pub fn authorize(client: &str, redirect_uri: &str, extra: &[(&str, &str)]) -> String {
    let mut parameters = BTreeMap::from([
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", "openid profile email"),
        ("state", "a=="),
        ("nonce", "n-1"),
        (
            "code_challenge",
            "I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY",
        ),
        ("code_challenge_method", "S256"),
    ]);
    parameters.extend(extra.iter().copied());
    parameters.retain(|_, value| !value.is_empty());
    let pairs: Vec<_> = parameters.into_iter().collect();
    format!("/authorize?{}", form(&pairs))
}

pub fn spa(extra: &[(&str, &str)]) -> String {
    authorize("spa", "http://localhost:3000/cb", extra)
}

pub fn silent(extra: &[(&str, &str)]) -> String {
    let mut all = vec![("prompt", "none"), ("response_mode", "web_message")];
    all.extend(extra);
    spa(&all)
}
