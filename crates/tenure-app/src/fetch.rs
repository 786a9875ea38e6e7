//! Requests to the provider: bounded in time and size, no redirects, no proxy, and plain http to
//! loopback alone.

use crate::config::is_loopback;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use openidconnect::{HttpRequest, HttpResponse};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::{Position, Url};

/// Bytes of an answer that are read at most: discovery documents and key sets are smaller by far.
const MOST: usize = 1024 * 1024;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct FetchError(String);

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FetchError {}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> FetchError {
    move |error| FetchError(format!("{what}: {error}"))
}

#[derive(Debug)]
pub struct Fetch {
    timeout: Duration,
    ca_file: Option<PathBuf>,
    /// Made at the first https request: reading the system's authorities takes a while.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Fetch {
    pub fn new(timeout_ms: u64, ca_file: Option<PathBuf>) -> Self {
        Self {
            timeout: Duration::from_millis(timeout_ms),
            ca_file,
            tls: OnceLock::new(),
        }
    }

    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let url = Url::parse(&request.uri().to_string()).map_err(failed("the URL"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        tokio::time::timeout(self.timeout, self.exchange(&url, request))
            .await
            .unwrap_or_else(|_| Err(FetchError("no answer in time".to_owned())))
            .map_err(|error| FetchError(format!("{host}: {error}")))
    }

    async fn exchange(&self, url: &Url, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(FetchError("the URL has no host".to_owned()));
        };
        let secure = url.scheme() == "https";
        let local = url.scheme() == "http" && is_loopback(url);
        if !(secure || local) {
            return Err(FetchError("plain http is for loopback alone".to_owned()));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port))
            .await
            .map_err(failed("connecting"))?;
        drop(stream.set_nodelay(true));
        let request = prepare(url, request)?;
        if !secure {
            return talk(stream, request).await;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(failed("the host's name"))?;
        let stream = tokio_rustls::TlsConnector::from(self.tls()?)
            .connect(name, stream)
            .await
            .map_err(failed("TLS"))?;
        talk(stream, request).await
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, FetchError> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let mut config = tls(self.ca_file.as_deref())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let made = Arc::new(config);
        Ok(Arc::clone(self.tls.get_or_init(|| made)))
    }
}

/// Origin-form and a `Host`, as HTTP/1.1 wants them.
fn prepare(url: &Url, request: HttpRequest) -> Result<Request<Full<Bytes>>, FetchError> {
    let (mut parts, body) = request.into_parts();
    parts.uri = url[Position::BeforePath..Position::AfterQuery]
        .parse()
        .map_err(failed("the URL"))?;
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
        .map_err(failed("the host's name"))?;
    parts.headers.insert(header::HOST, host);
    parts
        .headers
        .insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    Ok(Request::from_parts(parts, Full::new(Bytes::from(body))))
}

const USER_AGENT: &str = concat!("tenure-app/", env!("CARGO_PKG_VERSION"));

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<HttpResponse, FetchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed("the connection"))?;
    let talk = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(failed("the request"))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MOST)
            .collect()
            .await
            .map_err(failed("the answer"))?
            .to_bytes();
        Ok(Response::from_parts(parts, body.to_vec()))
    };
    // The connection is driven here and nowhere else: with this future it is gone.
    let mut connection = std::pin::pin!(connection);
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        _ = &mut connection => talk.await,
    }
}

/// TLS that trusts the system's authorities, and those of a file.
pub fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let found = CertificateDer::pem_file_iter(file).map_err(failed("ca_file"))?;
        for certificate in found {
            let certificate = certificate.map_err(failed("ca_file"))?;
            roots.add(certificate).map_err(failed("ca_file"))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed("TLS"))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
