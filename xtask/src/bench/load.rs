//! The load generator: keep-alive connections that speak just enough HTTP/1.1 to cost little.
//!
//! First as fast as the connections go, for the rate; then open-loop at 70 % of that rate: requests
//! leave on schedule whether or not earlier ones were answered, and latency counts from the
//! schedule, so that a stall is not hidden by waiting for it.

use anyhow::{Context, bail};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a measurement found.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Operations a second, as fast as it goes.
    pub rate: f64,
    /// Of the open-loop run.
    pub p50: Duration,
    pub p99: Duration,
    /// Processor seconds that the generator itself spent on an operation.
    pub generator_seconds: f64,
}

/// One operation on a connection.
pub trait Operation: Clone + Send + 'static {
    fn run(&self, connection: &mut Connection) -> impl Future<Output = anyhow::Result<()>> + Send;
}

pub async fn measure(
    addresses: &[SocketAddr],
    connections: usize,
    duration: Duration,
    operation: impl Operation,
) -> anyhow::Result<Measured> {
    // Warm up: connections, caches, prepared statements.
    closed_loop(addresses, connections, duration / 8, &operation).await?;
    let (wall, processor) = (Instant::now(), processor_seconds()?);
    let count = closed_loop(addresses, connections, duration, &operation).await?;
    let (wall, processor) = (
        wall.elapsed().as_secs_f64(),
        processor_seconds()? - processor,
    );
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = count as f64;
    let rate = count / wall;
    let mut latencies = open_loop(
        addresses,
        connections * 4,
        duration / 2,
        rate * 0.7,
        &operation,
    )
    .await?;
    latencies.sort_unstable();
    let at = |share: usize| {
        latencies
            .get(latencies.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    Ok(Measured {
        rate,
        p50: at(50),
        p99: at(99),
        generator_seconds: processor / count,
    })
}

async fn closed_loop(
    addresses: &[SocketAddr],
    connections: usize,
    duration: Duration,
    operation: &impl Operation,
) -> anyhow::Result<u64> {
    let until = Instant::now() + duration;
    let mut tasks = tokio::task::JoinSet::new();
    for address in addresses.iter().copied().cycle().take(connections) {
        let operation = operation.clone();
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut count = 0_u64;
            while Instant::now() < until {
                operation.run(&mut connection).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut total = 0;
    while let Some(done) = tasks.join_next().await {
        total += done??;
    }
    Ok(total)
}

async fn open_loop(
    addresses: &[SocketAddr],
    connections: usize,
    duration: Duration,
    rate: f64,
    operation: &impl Operation,
) -> anyhow::Result<Vec<Duration>> {
    let began = Instant::now();
    let next = Arc::new(Mutex::new(0_u32));
    let mut tasks = tokio::task::JoinSet::new();
    for address in addresses.iter().copied().cycle().take(connections) {
        let (operation, next) = (operation.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut latencies = Vec::new();
            loop {
                let number = {
                    let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                    *next += 1;
                    *next
                };
                let due = Duration::from_secs_f64(f64::from(number) / rate);
                if due > duration {
                    return anyhow::Ok(latencies);
                }
                tokio::time::sleep_until((began + due).into()).await;
                operation.run(&mut connection).await?;
                latencies.push(began.elapsed().saturating_sub(due));
            }
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    Ok(all)
}

/// User and system time of this process.
fn processor_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit_once(") ").context("reading /proc/self/stat")?.1;
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    Ok((ticks(11) + ticks(12)) / 100.0)
}

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and answers status line, headers and body as one text.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<&str> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(head) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(self.buffer.get(..head).unwrap_or_default())
                    .to_ascii_lowercase();
                let length = text
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|rest| rest.lines().next());
                let length: usize = length.context("no content-length")?.trim().parse()?;
                while self.buffer.len() < head + 4 + length {
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        bail!("the server closed the connection");
                    }
                }
                return Ok(std::str::from_utf8(&self.buffer)?);
            }
        }
    }
}

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
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
pub struct Refresh(Arc<Mutex<VecDeque<String>>>);

pub fn refresh(tokens: &Arc<Mutex<VecDeque<String>>>) -> Refresh {
    Refresh(Arc::clone(tokens))
}

impl Operation for Refresh {
    async fn run(&self, connection: &mut Connection) -> anyhow::Result<()> {
        let token = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
            .context("no token left")?;
        let request = form(
            "/oauth/token",
            &[
                ("grant_type", "refresh_token"),
                ("client_id", "bench-spa"),
                ("refresh_token", &token),
            ],
        );
        let answer = connection.ask(&request).await?;
        expect_ok(answer)?;
        let next = member(answer, "refresh_token")?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(next);
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
        let port = connection.stream.peer_addr()?.port();
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: localhost\r\ncookie: tenure_{port}={cookie}\r\n\r\n",
            silent_path()
        );
        let answer = connection.ask(request.as_bytes()).await?;
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
