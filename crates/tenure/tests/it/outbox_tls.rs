//! The way out over TLS: whom it trusts.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tenure::config::{BaseUrl, OutboundConfig};
use tenure::outbound::{Failure, Here, Names, Outbound, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A server with a certificate for `localhost` by an authority of its own, written to `ca_file`.
async fn serve(ca_file: &Path) -> (u16, JoinHandle<()>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(ca_file, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut buffer = [0; 4096];
            drop(stream.read(&mut buffer).await);
            drop(stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await);
            drop(stream.shutdown().await);
        }
    });
    (port, task)
}

async fn post(url: &str, ca_file: Option<&Path>, names: Names) -> Result<Reply, Failure> {
    let settings = OutboundConfig {
        ca_file: ca_file.map(Path::to_path_buf),
        allow: vec!["127.0.0.1".to_owned()],
        ..OutboundConfig::default()
    };
    let here = Here {
        base_url: &BaseUrl::parse("https://id.example.com").unwrap(),
        listen: SocketAddr::from(([0, 0, 0, 0], 443)),
        metrics_listen: None,
    };
    let outbound = Outbound::new(&settings, here, names).unwrap();
    outbound.post_form(url, &[("a", "b")], false).await
}

#[tokio::test]
async fn only_certificates_of_known_authorities_and_for_the_right_name_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let (port, server) = serve(&ca_file).await;
    let url = format!("https://localhost:{port}/");
    let names = || {
        let here = vec!["127.0.0.1".parse().unwrap()];
        Names::Fixed(
            [
                ("localhost".to_owned(), here.clone()),
                ("other.example".to_owned(), here),
            ]
            .into(),
        )
    };
    let reply = post(&url, Some(&ca_file), names()).await.unwrap();
    assert_eq!(reply.status, 204);
    let unknown = post(&url, None, names()).await.unwrap_err();
    assert!(
        matches!(&unknown, Failure::NoAnswer(why) if why.contains("UnknownIssuer")),
        "{unknown:?}"
    );
    let other = format!("https://other.example:{port}/");
    let wrong = post(&other, Some(&ca_file), names()).await.unwrap_err();
    assert!(
        matches!(&wrong, Failure::NoAnswer(why) if why.contains("not valid for name")),
        "{wrong:?}"
    );
    server.abort();
}

#[tokio::test]
async fn what_can_never_be_sent_to_is_told_from_what_fails_today() {
    for url in [
        "nonsense",
        "/path",
        "ftp://a.example/",
        "mailto:a@example.com",
    ] {
        let failure = post(url, None, Names::System).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Impossible(_)),
            "{url}: {failure:?}"
        );
    }
    // Plain http to an address that the operator did not name.
    let public = Names::Fixed([("rp.example".to_owned(), vec!["1.1.1.1".parse().unwrap()])].into());
    let failure = post("http://rp.example/", None, public).await.unwrap_err();
    assert!(matches!(&failure, Failure::Impossible(_)), "{failure:?}");
    let mapped = "https://[::ffff:10.0.0.1]/";
    let failure = post(mapped, None, Names::System).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::NoAnswer(why) if why.contains("no address that may be reached")),
        "{failure:?}"
    );
    // Other spellings of private addresses are no way around.
    for url in [
        "https://0xa9fe0001/",
        "https://2130706434/",
        "https://0177.0.0.2/",
    ] {
        let failure = post(url, None, Names::System).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::NoAnswer(why) if why.contains("no address that may be reached")),
            "{url}: {failure:?}"
        );
    }
    let broken = OutboundConfig {
        ca_file: Some("/nowhere.pem".into()),
        ..OutboundConfig::default()
    };
    let here = Here {
        base_url: &BaseUrl::parse("https://id.example.com").unwrap(),
        listen: SocketAddr::from(([0, 0, 0, 0], 443)),
        metrics_listen: None,
    };
    assert!(Outbound::new(&broken, here, Names::System).is_err());
}
