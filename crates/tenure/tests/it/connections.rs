//! Connections that say nothing, or not enough: over real sockets, since the accept loop is what is tested.

use crate::world::World;
use std::net::SocketAddr;
use std::time::Duration;
use tenure::listen::{Limits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// So long that a test which waited for it would be seen to hang.
const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(50);

fn patient() -> Limits {
    Limits {
        header_timeout: NEVER,
        body_timeout: NEVER,
        write_timeout: NEVER,
        stop_grace: SOON,
        drain_timeout: NEVER,
        ..Limits::default()
    }
}

struct Listening {
    at: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
    _world: World,
}

async fn listening(limits: Limits) -> Listening {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let router = world.router.clone();
    let done = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        serve(listener, None, router, limits, stopped).await;
    });
    Listening {
        at,
        stop,
        done,
        _world: world,
    }
}

/// Sends and reads to the end of the connection.
async fn say(at: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

/// What the server still says until it closes; a reset is an end as well.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const STALLED: &str = "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
    Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\n";

#[tokio::test]
async fn whoever_sends_no_request_is_closed() {
    let server = listening(Limits {
        header_timeout: SOON,
        ..patient()
    })
    .await;
    for text in ["", "PRI", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost:"] {
        let answer = say(server.at, text).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{text}: {answer}"
        );
    }
    let mut kept = TcpStream::connect(server.at).await.unwrap();
    let request = HEALTH.replace("Connection: close\r\n", "");
    kept.write_all(request.as_bytes()).await.unwrap();
    assert!(
        rest(&mut kept).await.ends_with("ok\n"),
        "an idle connection too"
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let server = listening(Limits {
        body_timeout: SOON,
        ..patient()
    })
    .await;
    let answer = say(server.at, STALLED).await;
    assert!(answer.contains("HTTP/1.1 408 Request Timeout"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn whoever_reads_no_answers_is_closed() {
    let server = listening(Limits {
        write_timeout: SOON,
        ..patient()
    })
    .await;
    let mut stream = TcpStream::connect(server.at).await.unwrap();
    let request = "GET /assets/tenure.css HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Until the server gives up, since nobody takes what it says.
    while stream.write_all(request.as_bytes()).await.is_ok() {}
    assert!(say(server.at, HEALTH).await.ends_with("ok\n"));
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let server = listening(Limits {
        connections: 4,
        connections_per_address: 2,
        ..patient()
    })
    .await;
    let first = TcpStream::connect(server.at).await.unwrap();
    let _second = TcpStream::connect(server.at).await.unwrap();
    for _ in 0..5 {
        assert_eq!(say_or_nothing(server.at, HEALTH).await, "");
    }
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(server.at).await.unwrap();
    other.write_all(HEALTH.as_bytes()).await.unwrap();
    assert!(rest(&mut other).await.ends_with("ok\n"));
    drop(first);
    // The place is free as soon as the server has noticed.
    while !say_or_nothing(server.at, HEALTH).await.ends_with("ok\n") {}
}

/// As [`say`], for a connection that may be closed before anything is sent.
async fn say_or_nothing(at: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    drop(stream.write_all(text.as_bytes()).await);
    rest(&mut stream).await
}

#[tokio::test]
async fn a_listed_proxy_stands_for_many() {
    let server = listening(Limits {
        connections_per_address: 1,
        proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..patient()
    })
    .await;
    let _first = TcpStream::connect(server.at).await.unwrap();
    assert!(say(server.at, HEALTH).await.ends_with("ok\n"));
}

#[tokio::test]
async fn stopping_waits_for_nobody_who_stalls() {
    let server = listening(patient()).await;
    let _silent = TcpStream::connect(server.at).await.unwrap();
    let mut half = TcpStream::connect(server.at).await.unwrap();
    half.write_all(b"GET / HTTP").await.unwrap();
    let mut stalled = TcpStream::connect(server.at).await.unwrap();
    stalled.write_all(STALLED.as_bytes()).await.unwrap();
    // The server asks for the body: it is in the middle of the request.
    let mut asked = [0; 25];
    stalled.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 Continue"));
    server.stop.send(()).unwrap();
    server.done.await.unwrap();
    assert!(
        rest(&mut stalled).await.contains("408"),
        "and is answered in words"
    );
}
