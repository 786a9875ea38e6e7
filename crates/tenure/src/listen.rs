//! The accept loop: plain or TLS, bounded in number and in time, and graceful at its end.

mod impatient;
mod limits;

pub use limits::Limits;

use crate::http::{BodyPatience, Peer};
use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use impatient::Impatient;
use limits::ByAddress;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Reads the certificate chain and its key.
///
/// # Errors
/// A file is missing or malformed, or they do not belong together.
pub fn tls_acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("the certificate file {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("the key file {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and the key do not fit")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `stop` resolves, then lets running requests finish, but not for ever.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let (stopping, stopped) = watch::channel(false);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let places = Arc::new(Semaphore::new(limits.connections));
    let drain_timeout = limits.drain_timeout;
    let edge = Arc::new(Edge {
        tls,
        router,
        limits,
        stopped,
    });
    tokio::select! {
        () = accept_for_ever(&listener, &edge, &places) => {}
        () = stop => {}
    }
    drop(listener);
    stopping.send_replace(true);
    if timeout(drain_timeout, places.acquire_many(all))
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time");
    }
}

/// What every connection of a listener shares.
struct Edge {
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    /// Becomes true when the server is asked to stop.
    stopped: watch::Receiver<bool>,
}

async fn accept_for_ever(listener: &TcpListener, edge: &Arc<Edge>, places: &Arc<Semaphore>) {
    let by_address = ByAddress::default();
    let mut refusals = Refusals::default();
    while let Ok(place) = Arc::clone(places).acquire_owned().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, or a peer that left at once: neither may spin this loop.
                refusals.log(&error.to_string());
                sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let counted = if edge.is_proxy(peer.ip()) {
            None
        } else {
            let counted = by_address.take(peer.ip(), edge.limits.connections_per_address);
            if counted.is_none() {
                refusals.log(&format!("too many connections from {}", peer.ip()));
                continue;
            }
            counted
        };
        let edge = Arc::clone(edge);
        tokio::spawn(async move {
            edge.secure(stream, peer).await;
            drop((place, counted));
        });
    }
}

/// Refused connections: whoever makes many of them must not fill the log as well.
#[derive(Default)]
struct Refusals {
    unsaid: u64,
    said_at: Option<Instant>,
}

impl Refusals {
    fn log(&mut self, why: &str) {
        self.unsaid += 1;
        let quiet = Duration::from_secs(60);
        if self.said_at.is_some_and(|at| at.elapsed() < quiet) {
            return;
        }
        tracing::warn!(why, connections = self.unsaid, "connections were refused");
        *self = Self {
            unsaid: 0,
            said_at: Some(Instant::now()),
        };
    }
}

impl Edge {
    fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.limits.proxies.iter().any(|net| net.contains(&address))
    }

    async fn secure(&self, stream: TcpStream, peer: SocketAddr) {
        // Answers are small and complete: waiting to fill a packet only costs time.
        drop(stream.set_nodelay(true));
        let Some(tls) = &self.tls else {
            return self.connection(stream, peer).await;
        };
        let handshake = timeout(self.limits.header_timeout, tls.accept(stream));
        let mut stopped = self.stopped.clone();
        let stream = tokio::select! {
            stream = handshake => stream,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        if let Ok(Ok(stream)) = stream {
            self.connection(stream, peer).await;
        }
    }

    async fn connection(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
    ) {
        let patience = BodyPatience {
            timeout: self.limits.body_timeout,
            stop_grace: self.limits.stop_grace,
            stopped: self.stopped.clone(),
        };
        let (busy, mut is_busy) = watch::channel(0_u32);
        let router = self.router.clone();
        let service = tower::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(patience.clone());
            let (router, busy) = (router.clone(), busy.clone());
            async move {
                busy.send_modify(|running| *running += 1);
                let response = router.oneshot(request).await;
                busy.send_modify(|running| *running -= 1);
                response
            }
        });
        // Only HTTP/1.1: a server that first looks which version comes does not count that time, and
        // whoever sends nothing would stay.
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(32 * 1024);
        let stream = TokioIo::new(Impatient::new(stream, self.limits.write_timeout));
        let serving = builder.serve_connection(stream, TowerToHyperService::new(service));
        let mut serving = std::pin::pin!(serving);
        let mut stopped = self.stopped.clone();
        tokio::select! {
            // A connection that breaks is the peer's affair.
            _ = serving.as_mut() => return,
            _ = stopped.wait_for(|stopped| *stopped) => serving.as_mut().graceful_shutdown(),
        }
        let idle = async {
            sleep(self.limits.stop_grace).await;
            drop(is_busy.wait_for(|running| *running == 0).await);
            sleep(self.limits.stop_grace).await;
        };
        tokio::select! {
            _ = serving => {}
            // Half a request, or an answer that nobody takes: the server does not wait for either.
            () = idle => {}
        }
    }
}
