//! A relying party's logout endpoint on loopback, whose path says how it behaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What was received: (path, logout token), in order.
type Heard = Arc<Mutex<Vec<(String, String)>>>;

pub struct Receiver {
    pub port: u16,
    heard: Heard,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Heard::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, heard.clone()));
        Self {
            port,
            heard,
            _tasks: tasks,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.port)
    }

    /// The tokens that came to a path, in order.
    pub fn tokens(&self, path: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let path = format!("/{path}");
        let of_path = heard.iter().filter(|(to, _)| *to == path);
        of_path.map(|(_, token)| token.clone()).collect()
    }

    pub fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

async fn accept(listener: TcpListener, heard: Heard) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, heard.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, heard: Heard) {
    let Some((path, form)) = read(&mut stream).await else {
        return;
    };
    let token = form.get("logout_token").cloned().unwrap_or_default();
    let before = {
        let mut heard = heard.lock().unwrap();
        heard.push((path.clone(), token));
        heard.iter().filter(|(to, _)| *to == path).count()
    };
    let behaviour = path.trim_start_matches('/').split('/').next().unwrap_or("");
    let text = match (behaviour, before) {
        ("hang", _) => return std::future::pending().await,
        ("close", _) => return,
        ("bad", _) => {
            let body = r#"{"error":"invalid_request"}"#;
            format!(
                "HTTP/1.1 400 Bad\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        ("flaky", 1) => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ("down", _) => "HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ("busy", 1) => {
            "HTTP/1.1 429 Busy\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n".to_owned()
        }
        ("redirect", _) => {
            "HTTP/1.1 307 Elsewhere\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n".to_owned()
        }
        // A promise of a body that never comes.
        ("slow", _) => "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx".to_owned(),
        _ => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    };
    drop(stream.write_all(text.as_bytes()).await);
    if behaviour == "slow" {
        std::future::pending::<()>().await;
    }
}

async fn read(stream: &mut TcpStream) -> Option<(String, HashMap<String, String>)> {
    let mut text = Vec::new();
    let (head, body) = loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        text.extend_from_slice(&buffer[..count]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        }
    };
    let path = head.split(' ').nth(1)?.to_owned();
    let form = form_urlencoded::parse(body.as_bytes());
    Some((path, form.into_owned().collect()))
}
