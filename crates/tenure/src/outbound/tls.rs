//! TLS towards others: the system's authorities, and those of the operator's file.

use super::{Failure, Target, no_answer};
use crate::outbound::send::Stream;
use anyhow::{Context, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The certificates of a PEM file.
pub fn authorities(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<_, _>>)
        .with_context(|| format!("[outbound] ca_file {}", file.display()))?;
    if found.is_empty() {
        bail!("[outbound] ca_file {} has no certificate", file.display());
    }
    Ok(found)
}

pub fn config(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in ca_file.map(authorities).transpose()?.unwrap_or_default() {
        roots.add(certificate).context("[outbound] ca_file")?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

pub async fn handshake(
    config: Arc<ClientConfig>,
    target: &Target,
    stream: TcpStream,
) -> Result<Stream, Failure> {
    let name = match target.literal {
        Some(ip) => ServerName::from(ip),
        None => ServerName::try_from(target.host.clone())
            .map_err(|error| Failure::Impossible(format!("{}: {error}", target.host)))?,
    };
    let stream = TlsConnector::from(config).connect(name, stream).await;
    stream
        .map(|stream| Stream::Tls(Box::new(stream)))
        .map_err(|error| no_answer(format!("TLS with {}: {error}", target.host)))
}
