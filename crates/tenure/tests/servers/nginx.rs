//! nginx as `deploy/` sets it up, in front of two servers of this machine.

use crate::http;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

/// Where browsers come to, kept free until nginx listens there.
pub struct Entry {
    plain: TcpListener,
    tls: TcpListener,
}

pub struct Nginx {
    keeper: Child,
    folder: TempDir,
    /// Answers only where else to go.
    pub plain: u16,
    /// What is sent here reaches nginx over TLS, and its certificate is checked.
    pub port: u16,
}

impl Entry {
    pub fn new() -> Self {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self {
            plain: free(),
            tls: free(),
        }
    }

    pub fn base_url(&self) -> String {
        format!("https://localhost:{}", port_of(&self.tls))
    }

    /// Starts nginx with the configuration of `deploy/`: names and files of that installation are
    /// replaced, and nothing else.
    pub fn open(self, servers: [u16; 2]) -> Nginx {
        let folder = tempfile::tempdir().unwrap();
        let (plain, tls) = (port_of(&self.plain), port_of(&self.tls));
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("fullchain.pem"), cert.pem()).unwrap();
        std::fs::write(path("privkey.pem"), signing_key.serialize_pem()).unwrap();
        let deployed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nginx.conf");
        let mut text = std::fs::read_to_string(deployed).unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {};\n", path(name)))
            .concat();
        let listen = |port| format!("listen 127.0.0.1:{port}");
        for (theirs, ours) in [
            ("http {", format!("http {{\n{temporary}")),
            ("tenure-1:7100", format!("127.0.0.1:{}", servers[0])),
            ("tenure-2:7100", format!("127.0.0.1:{}", servers[1])),
            ("listen 80", listen(plain)),
            ("listen 443", listen(tls)),
            ("/etc/nginx/tls/fullchain.pem", path("fullchain.pem")),
            ("/etc/nginx/tls/privkey.pem", path("privkey.pem")),
        ] {
            assert_eq!(text.matches(theirs).count(), 1, "{theirs}");
            text = text.replace(theirs, &ours);
        }
        std::fs::write(path("nginx.conf"), text).unwrap();
        drop(self);
        let keeper = keep(folder.path());
        let port = tls_to(tls, cert.der().clone());
        let nginx = Nginx {
            keeper,
            folder,
            plain,
            port,
        };
        nginx.wait_until_it_answers();
        nginx
    }
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

/// It ends with this process, however this process ends: a shell waits for the end of its input.
fn keep(folder: &Path) -> Child {
    let settings = format!(
        "daemon off; pid {0}/nginx.pid; lock_file {0}/nginx.lock; user root root;",
        folder.display()
    );
    Command::new("sh")
        .args([
            "-c",
            "\"$@\" & read -r line; kill -TERM $!; wait $!",
            "keeper",
        ])
        .arg(tenure_cluster::nginx().unwrap())
        .args(["-g", &settings, "-e", "stderr", "-p"])
        .arg(folder)
        .args(["-c", "nginx.conf"])
        .stdin(Stdio::piped())
        .stderr(std::fs::File::create(folder.join("said")).unwrap())
        .process_group(0)
        .spawn()
        .unwrap()
}

impl Nginx {
    /// A program that another test is just starting may hold our listeners for a moment, so that a
    /// connection alone says nothing.
    fn wait_until_it_answers(&self) {
        let began = Instant::now();
        while http::get(self.port, "/healthz").is_err() || http::get(self.plain, "/").is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(mut input) = self.keeper.stdin.take() {
            // It may be gone already.
            drop(input.write_all(b"end\n"));
        }
        drop(self.keeper.wait());
    }
}

/// A port that speaks TLS to another one on behalf of clients that do not.
fn tls_to(target: u16, certificate: CertificateDer<'static>) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = port_of(&listener);
    listener.set_nonblocking(true).unwrap();
    let carry = async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((mut near, _)) = listener.accept().await {
            let connector = connector.clone();
            tokio::spawn(async move {
                let far = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
                let name = ServerName::try_from("localhost").unwrap();
                let mut far = connector.connect(name, far).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    };
    // It ends with this process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(carry);
    });
    port
}
