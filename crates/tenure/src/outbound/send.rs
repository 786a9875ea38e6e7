//! One request on one connection.

use super::ask::Ask;
use super::{Failure, Reply, no_answer};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::{Position, Url};

/// Bytes of an answer that are read at most.
pub const MOST: usize = 16 * 1024;

/// Bytes that an answer may have that is read whole: metadata, keys and tokens are smaller.
const MOST_WHOLE: usize = 512 * 1024;

/// Bytes that an answer's header may have.
const MOST_HEADER: usize = 32 * 1024;

#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// The first address that answers.
pub async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut last = String::from("no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Err(error) => last = format!("connecting to {address}: {error}"),
        }
    }
    Err(no_answer(last))
}

/// How much of a body counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// The status is the answer; who did not succeed may say why.
    Words,
    /// All of it, up to [`MOST_WHOLE`].
    Whole,
}

pub async fn post(stream: Stream, url: &Url, form: String) -> Result<Reply, Failure> {
    let request = finish(form_request(url, Method::POST), Some(form))?;
    exchange(stream, request, Body::Words).await
}

/// A request whose answer is read whole.
pub async fn ask(stream: Stream, url: &Url, ask: &Ask<'_>) -> Result<Reply, Failure> {
    let mut request = form_request(url, ask.method.clone());
    if let Some(authorization) = ask.authorization {
        let mut value = HeaderValue::try_from(authorization)
            .map_err(|error| Failure::Impossible(error.to_string()))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let form = ask.form.map(|pairs| {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    });
    exchange(stream, finish(request, form)?, Body::Whole).await
}

async fn exchange(
    stream: Stream,
    request: Request<Full<Bytes>>,
    body: Body,
) -> Result<Reply, Failure> {
    match stream {
        Stream::Plain(stream) => exchange_on(stream, request, body).await,
        Stream::Tls(stream) => exchange_on(*stream, request, body).await,
    }
}

async fn exchange_on(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    wanted: Body,
) -> Result<Reply, Failure> {
    let broke = |error: hyper::Error| no_answer(format!("the connection broke: {error}"));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_HEADER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(broke)?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let body = match wanted {
            Body::Whole => whole(body).await?,
            // Who succeeded has said all that counts; a body that never ends must not unsay it.
            Body::Words if parts.status.is_success() => Bytes::new(),
            Body::Words => beginning(body).await,
        };
        Ok(Reply {
            status,
            headers: parts.headers,
            body,
        })
    };
    // The connection is driven here and nowhere else: with this future it is gone.
    let mut connection = std::pin::pin!(connection);
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        biased;
        reply = &mut talk => reply,
        _ = &mut connection => talk.await,
    }
}

fn form_request(url: &Url, method: Method) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(
            header::HOST,
            &url[Position::BeforeHost..Position::AfterPort],
        )
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))
}

fn finish(
    request: http::request::Builder,
    form: Option<String>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let request = match form {
        Some(_) => request.header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        ),
        None => request,
    };
    request
        .body(Full::new(Bytes::from(form.unwrap_or_default())))
        .map_err(|error| Failure::Impossible(error.to_string()))
}

/// A body to its end. One that is too large is none: half of it would mean something else.
async fn whole(body: Incoming) -> Result<Bytes, Failure> {
    match Limited::new(body, MOST_WHOLE).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(no_answer(format!(
            "the answer broke off or is larger than {MOST_WHOLE} bytes: {error}"
        ))),
    }
}

const USER_AGENT: &str = concat!("Tenure/", env!("CARGO_PKG_VERSION"));

/// What came of a body until it ended, broke, was large enough, or took longer than words are worth.
async fn beginning(mut body: Incoming) -> Bytes {
    let mut read = BytesMut::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Some(data) = frame.data_ref() {
                let room = MOST.saturating_sub(read.len());
                read.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
                if read.len() >= MOST {
                    break;
                }
            }
        }
    };
    drop(tokio::time::timeout(WORDS_TIMEOUT, reading).await);
    read.freeze()
}

/// The status is the answer; for its explanation nobody waits long.
const WORDS_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
