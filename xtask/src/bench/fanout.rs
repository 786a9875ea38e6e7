//! Telling relying parties of an end: receivers in this process answer every logout token at once.

use super::limits::{Needs, Rates};
use super::load::{Connection, percentile};
use super::operations::get_with_cookie;
use super::server::{Seed, Seeded, Server};
use crate::run::say;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Relying parties of each session.
const PARTICIPANTS: usize = 1_000;
/// Their hosts: so many ports of loopback.
const HOSTS: usize = 50;
/// Sessions that end one after the other, each when the one before was told of.
const ALONE: usize = 7;
/// Sessions that end at once.
const AT_ONCE: usize = 20;

/// What telling of ends takes.
#[derive(Clone, Debug)]
pub struct Fanout {
    pub participants: usize,
    /// From the request that ends a session until its last relying party knows: median and worst.
    pub median: Duration,
    pub worst: Duration,
    /// Logout tokens received a second while many sessions end.
    pub per_second: f64,
    /// What the machine could sign in the same seconds, with the receivers beside it.
    pub bound: f64,
}

pub async fn measure(bench: &super::Bench<'_>) -> anyhow::Result<Fanout> {
    say(&format!("telling {PARTICIPANTS} relying parties …"));
    let heard = Arc::new(AtomicUsize::new(0));
    let mut ports = Vec::new();
    for _ in 0..HOSTS {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ports.push(listener.local_addr()?.port());
        tokio::spawn(receive(listener, Arc::clone(&heard)));
    }
    let client = |(number, port): (usize, &u16)| {
        format!(
            "  - client_id: rp-{number}\n    name: Relying party {number}\n    app_type: regular_web\n    \
             callbacks: [\"http://localhost:3000/cb\"]\n    \
             oidc_logout: {{backchannel_logout_urls: [\"http://127.0.0.1:{port}/bcl/{number}\"]}}\n"
        )
    };
    let server = Server::start(
        bench.engine,
        &Seed {
            relying_parties: (0..PARTICIPANTS)
                .zip(ports.iter().cycle())
                .map(client)
                .collect(),
            ..Seed::sessions(ALONE + AT_ONCE + 1)
        },
    )?;
    let (first, rest) = server.sample.split_first().context("no session")?;
    let (alone, at_once) = rest.split_at(ALONE);
    // The first one finds neither connections nor caches.
    end(&server, first, &heard).await?;
    let mut times = Vec::new();
    for session in alone {
        times.push(end(&server, session, &heard).await?);
    }
    times.sort_unstable();
    let needs = Needs::rsa(1.0);
    let mut rates = Rates::default();
    tokio::task::block_in_place(|| bench.machine.sample(&needs, SLICE, &mut rates))?;
    let (before, began) = (heard.load(Ordering::Relaxed), Instant::now());
    let processor = super::load::processor_seconds()?;
    for session in at_once {
        logout(&server, session).await?;
    }
    let expected = AT_ONCE * PARTICIPANTS;
    wait_for(&heard, before + expected).await?;
    let took = began.elapsed().as_secs_f64();
    let processor = super::load::processor_seconds()? - processor;
    tokio::task::block_in_place(|| bench.machine.sample(&needs, SLICE, &mut rates))?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let expected = expected as f64;
    Ok(Fanout {
        participants: PARTICIPANTS,
        median: percentile(&times, 50),
        worst: times.last().copied().unwrap_or_default(),
        per_second: expected / took,
        bound: rates.bound(&needs, processor / expected, bench.machine.cores),
    })
}

const SLICE: Duration = Duration::from_secs(1);

/// Ends a session, and tells how long it took until all of its relying parties knew.
async fn end(server: &Server, session: &Seeded, heard: &AtomicUsize) -> anyhow::Result<Duration> {
    let (before, began) = (heard.load(Ordering::Relaxed), Instant::now());
    let logout = logout(server, session);
    let all = wait_for(heard, before + PARTICIPANTS);
    let (logout, took) = tokio::join!(logout, async { all.await.map(|()| began.elapsed()) });
    logout?;
    took
}

async fn logout(server: &Server, session: &Seeded) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address()).await?;
    let path = "/v2/logout?client_id=bench-spa&returnTo=http%3A%2F%2Flocalhost%3A3000%2F";
    let request = get_with_cookie(path, server.address().port(), &session.cookie);
    let answer = connection.ask(&request).await?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 302"), "logout: {answer}");
    Ok(())
}

async fn wait_for(heard: &AtomicUsize, all: usize) -> anyhow::Result<()> {
    let waiting = async {
        while heard.load(Ordering::Relaxed) < all {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waiting)
        .await
        .context("not every relying party was told")
}

async fn receive(listener: TcpListener, heard: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            // A connection that breaks is the sender's to tell: what it said is not counted.
            drop(answer(stream, &heard).await);
        });
    }
}

/// Answers 200 to every request of a connection.
async fn answer(mut stream: TcpStream, heard: &AtomicUsize) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(4 * 1024);
    loop {
        let head = loop {
            if let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break head + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(buffer.get(..head).unwrap_or_default());
        let text = text.to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).context("no length")?;
        let length: usize = length.lines().next().unwrap_or_default().trim().parse()?;
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..head + length);
        heard.fetch_add(1, Ordering::Relaxed);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await?;
    }
}
