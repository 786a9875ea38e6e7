//! A database and the servers on it, each a process of the built program.

use crate::http;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tenure_cluster::{Cluster, Options};

pub const TENANT: &str = r#"
tenant: {idle_session_lifetime: 1, session_lifetime: 8}
clients:
  - client_id: spa
    name: Shop
    app_type: spa
    callbacks: ["http://localhost:3000/cb"]
    web_origins: ["http://localhost:3000"]
    refresh_token: {retry_window: 60}
resourceServers:
  - {identifier: "https://api.example.com", name: API, allow_offline_access: true, allow_online_access: true}
users:
  - {email: ada@example.com, password: correct horse}
"#;

pub struct Fleet {
    /// Stops last.
    pub cluster: Cluster,
    pub url: String,
    folder: TempDir,
    /// What browsers are told of; every server serves it.
    pub base_url: String,
}

pub struct Server {
    child: Child,
    pub port: u16,
}

impl Fleet {
    pub fn new() -> Self {
        Self::with(&Options::default())
    }

    /// With the tenant applied.
    pub fn with(options: &Options) -> Self {
        let fleet = Self::empty(options);
        fleet.apply(TENANT);
        fleet
    }

    pub fn empty(options: &Options) -> Self {
        let cluster = Cluster::start(options).unwrap();
        let url = cluster.database().unwrap();
        Self {
            cluster,
            url,
            folder: tempfile::tempdir().unwrap(),
            base_url: format!("http://localhost:{}", free_port()),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(arguments)
            .args(["--database", &self.url, "--key-file"])
            .arg(self.key_file())
            .output()
            .unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("master.key")
    }

    /// The URL of an embedded database in the fleet's folder.
    pub fn sqlite(&self, name: &str) -> String {
        format!("sqlite:{}", self.folder.path().join(name).display())
    }

    pub fn apply(&self, tenant: &str) {
        let file = self.folder.path().join("tenant.yaml");
        std::fs::write(&file, tenant).unwrap();
        let done = self.command(&["apply", file.to_str().unwrap()]);
        assert!(done.status.success(), "{done:?}");
    }

    pub fn name(&self) -> &str {
        let path = self.url.split('?').next().unwrap();
        path.rsplit_once('/').unwrap().1
    }

    pub fn sql(&self, text: &str) -> String {
        self.cluster.sql(self.name(), text).unwrap()
    }

    /// Starts a server and waits until it is ready.
    pub fn server(&self) -> Server {
        let mut server = self.spawn(&self.url, &[]);
        server.wait_until_ready();
        server
    }

    pub fn spawn(&self, url: &str, more: &[&str]) -> Server {
        let port = free_port();
        let child = Command::new(env!("CARGO_BIN_EXE_tenure"))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--base-url", &self.base_url])
            .args(["--database", url, "--database-connections", "8"])
            .args(more)
            .arg("--key-file")
            .arg(self.key_file())
            .env("RUST_LOG", "error")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Server { child, port }
    }
}

impl Server {
    pub fn wait_until_ready(&mut self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended: {status}");
            }
            if http::get(self.port, "/readyz").is_ok_and(|answer| answer.status == 200) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server did not become ready");
    }

    /// Waits until it ends by itself.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// SIGTERM: it ends in order.
    pub fn stop(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGKILL: no handler, no destructor.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Asks again until the answer is as wanted. Used where another server hears of a change: what is
/// tested is that it does, not how fast.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
