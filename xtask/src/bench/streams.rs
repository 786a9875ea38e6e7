//! What listeners cost that hear nothing: connections that read `/session/events`, one for each session.

use super::operations::get_with_cookie;
use super::server::Server;
use anyhow::{Context, bail};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Listeners from one address: a quarter of all connections is what a server takes from one.
const OF_AN_ADDRESS: usize = 2_000;

/// How long the listeners stay after the last has come, so that a keep-alive is part of the figure.
const STAY: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Streams {
    pub listeners: usize,
    /// Resident bytes before and with them.
    pub before: u64,
    pub with: u64,
    /// Seconds of processor time in a second while they listen.
    pub processor: f64,
}

impl Streams {
    /// Bytes for one listener.
    pub fn each(&self) -> u64 {
        let listeners = u64::try_from(self.listeners).unwrap_or(u64::MAX).max(1);
        self.with.saturating_sub(self.before) / listeners
    }
}

pub async fn measure(server: &Server, most: usize) -> anyhow::Result<Streams> {
    let before = server.memory()?;
    let mut open = Vec::with_capacity(most);
    for (number, seeded) in server.sample.iter().take(most).enumerate() {
        let Some(stream) = listen(server.address(), number, &seeded.cookie).await? else {
            break;
        };
        open.push(stream);
    }
    let (busy, began) = (server.processor_seconds()?, Instant::now());
    tokio::time::sleep(STAY).await;
    let busy = server.processor_seconds()? - busy;
    Ok(Streams {
        listeners: open.len(),
        before,
        with: server.memory()?,
        processor: busy / began.elapsed().as_secs_f64(),
    })
}

/// `None`: the server takes no more.
async fn listen(
    server: SocketAddr,
    number: usize,
    cookie: &str,
) -> anyhow::Result<Option<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    let address = 1 + u8::try_from(number / OF_AN_ADDRESS).unwrap_or(u8::MAX - 1);
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, address), 0)))?;
    let mut stream = socket.connect(server).await?;
    let request = get_with_cookie("/session/events", server.port(), cookie);
    stream.write_all(&request).await?;
    let mut answer = vec![0; 2_048];
    let read = stream.read(&mut answer).await?;
    let status = answer.get(9..12).context("no answer")?;
    match status {
        b"200" => Ok(Some(stream)),
        b"503" => Ok(None),
        _ => {
            let text = String::from_utf8_lossy(answer.get(..read).unwrap_or_default());
            bail!("listening was answered: {text}")
        }
    }
}
