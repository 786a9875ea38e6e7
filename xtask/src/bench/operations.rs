//! What the load consists of: requests, and operations of several requests.

use super::load::{Connection, Operation};
use anyhow::{Context, bail};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// A request with the session cookie of the server at this port.
pub fn get_with_cookie(path: &str, port: u16, cookie: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ncookie: tenure_{port}={cookie}\r\n\r\n")
        .into_bytes()
}

pub fn form(path: &str, pairs: &[(&str, &str)]) -> Vec<u8> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The same request every time; anything but 200 is a failure.
#[derive(Clone)]
pub struct Fixed(Arc<Vec<u8>>);

pub fn fixed(request: Vec<u8>) -> Fixed {
    Fixed(Arc::new(request))
}

impl Operation for Fixed {
    async fn run(&self, connection: &mut Connection) -> anyhow::Result<()> {
        expect_ok(connection.ask(&self.0).await?)
    }
}

fn expect_ok(answer: &str) -> anyhow::Result<()> {
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("unexpected answer: {answer}");
    }
    Ok(())
}

/// Takes a token from the pool, refreshes it, puts the successor back: never two at once with one token.
#[derive(Clone)]
pub struct Refresh {
    pool: Arc<Mutex<VecDeque<String>>>,
    client_id: &'static str,
}

pub fn refresh(tokens: &Arc<Mutex<VecDeque<String>>>, client_id: &'static str) -> Refresh {
    Refresh {
        pool: Arc::clone(tokens),
        client_id,
    }
}

impl Refresh {
    fn pool(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operation for Refresh {
    async fn run(&self, connection: &mut Connection) -> anyhow::Result<()> {
        let token = self.pool().pop_front().context("no token left")?;
        let request = form(
            "/oauth/token",
            &[
                ("grant_type", "refresh_token"),
                ("client_id", self.client_id),
                ("refresh_token", &token),
            ],
        );
        let answer = connection.ask(&request).await?;
        expect_ok(answer)?;
        let next = member(answer, "refresh_token")?;
        self.pool().push_back(next);
        Ok(())
    }
}

fn member(answer: &str, name: &str) -> anyhow::Result<String> {
    let body = answer.split_once("\r\n\r\n").context("no body")?.1;
    let json: serde_json::Value = serde_json::from_str(body)?;
    let text = json
        .get(name)
        .and_then(|value| value.as_str())
        .context("a member is missing")?;
    Ok(text.to_owned())
}

/// The verifier and challenge that every request of the benchmark uses.
const VERIFIER: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
const CHALLENGE: &str = "I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY";

pub fn silent_path() -> String {
    format!(
        "/authorize?client_id=bench-spa&response_type=code&response_mode=web_message&prompt=none&scope=openid&state=s&nonce=n\
         &redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fcb&code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

/// A silent authorization with a live session, and the exchange of its code.
#[derive(Clone)]
pub struct Silent(Arc<Mutex<VecDeque<String>>>);

pub fn silent(cookies: VecDeque<String>) -> Silent {
    Silent(Arc::new(Mutex::new(cookies)))
}

impl Operation for Silent {
    async fn run(&self, connection: &mut Connection) -> anyhow::Result<()> {
        let cookie = {
            let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let cookie = pool.pop_front().context("no cookie")?;
            pool.push_back(cookie.clone());
            cookie
        };
        let request = get_with_cookie(&silent_path(), connection.port()?, &cookie);
        let answer = connection.ask(&request).await?;
        let code = answer
            .split("\"code\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let code = code
            .with_context(|| format!("no code: {answer}"))?
            .to_owned();
        let request = form(
            "/oauth/token",
            &[
                ("grant_type", "authorization_code"),
                ("client_id", "bench-spa"),
                ("code", &code),
                ("code_verifier", VERIFIER),
                ("redirect_uri", "http://localhost:3000/cb"),
            ],
        );
        expect_ok(connection.ask(&request).await?)
    }
}

/// An access token of the machine client, for introspection.
pub async fn access_token(address: SocketAddr) -> anyhow::Result<String> {
    let request = form(
        "/oauth/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "bench-machine"),
            ("client_secret", "bench-secret"),
            ("audience", "https://bench.example"),
        ],
    );
    let mut connection = Connection::open(address).await?;
    let answer = connection.ask(&request).await?;
    expect_ok(answer)?;
    member(answer, "access_token")
}
