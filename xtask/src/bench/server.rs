//! The release server under test, with a database of its own.

use super::engine::Engine;
use crate::run::{cargo, check, output, root};
use anyhow::{Context, bail};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TENANT: &str = r#"
tenant: {idle_session_lifetime: 72, session_lifetime: 168}
clients:
  - client_id: bench-spa
    name: Bench
    app_type: spa
    callbacks: ["http://localhost:3000/cb"]
    web_origins: ["http://localhost:3000"]
    allowed_logout_urls: ["http://localhost:3000/"]
  - client_id: bench-spa-es
    name: Bench ES
    app_type: spa
    jwt_configuration: {alg: ES256}
    callbacks: ["http://localhost:3000/cb"]
  - client_id: bench-machine
    name: Machine
    app_type: non_interactive
    client_secret: bench-secret
{clients}resourceServers:
  - {identifier: "https://bench.example", name: Bench, scopes: [{value: "read:x"}]}
  - {identifier: "https://bench-es.example", name: Bench ES, signing_alg: ES256, allow_offline_access: true, scopes: [{value: "read:x"}]}
clientGrants:
  - {client_id: bench-machine, audience: "https://bench.example", scope: ["read:x"]}
  - {client_id: bench-machine, audience: "https://bench-es.example", scope: ["read:x"]}
users:
  - {user_id: ada, email: ada@example.com, name: Ada Lovelace, email_verified: true, password: correct horse}
"#;

pub fn build() -> anyhow::Result<()> {
    check(cargo().args([
        "build",
        "--release",
        "-p",
        "tenure",
        "--bin",
        "tenure",
        "--example",
        "seed",
    ]))
}

/// A fresh folder below target/, which is on a real disk where /tmp may not be.
pub fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = root()
        .join("target")
        .join(format!("bench-{name}-{}", std::process::id()));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

pub struct Server {
    child: Child,
    /// `None` for a second server, whose first one removes it.
    folder: Option<PathBuf>,
    place: Place,
    port: u16,
    /// From the start of the process to the first `/readyz`.
    pub start_up: Duration,
    /// A sample of the sessions.
    pub sample: Vec<Seeded>,
}

/// A session that was made: its cookie's value, and a refresh token of a client.
pub struct Seeded {
    pub client_id: String,
    pub cookie: String,
    pub token: String,
}

/// What is made before the server starts.
#[derive(Clone, Debug, Default)]
pub struct Seed {
    pub sessions: usize,
    /// Of so many of them the cookies and tokens are known.
    pub sample: usize,
    /// More clients for the tenant file, named `rp-0`, `rp-1`, …, that take part in every session.
    pub relying_parties: Vec<String>,
    /// Seconds from now after which the sessions expire, and over which.
    pub expiring: Option<(u32, u32)>,
}

impl Seed {
    pub fn sessions(sessions: usize) -> Self {
        Self::sample_of(sessions, sessions)
    }

    pub fn sample_of(sessions: usize, sample: usize) -> Self {
        Self {
            sessions,
            sample,
            ..Self::default()
        }
    }
}

/// Where the servers of one database find it.
#[derive(Clone, Debug)]
struct Place {
    url: String,
    base_url: String,
    key_file: PathBuf,
    /// The file of an embedded database.
    file: Option<PathBuf>,
}

impl Server {
    pub fn start(engine: &Engine, seed: &Seed) -> anyhow::Result<Self> {
        Self::start_on(engine, seed, Cores::All)
    }

    /// The same on some of the machine's cores.
    pub fn start_on(engine: &Engine, seed: &Seed, cores: Cores) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let folder = folder(&port.to_string())?;
        let base_url = format!("http://localhost:{port}");
        let (url, file) = match engine {
            Engine::Sqlite => {
                let file = folder.join("bench.db");
                (format!("sqlite:{}", file.display()), Some(file))
            }
            Engine::Postgres(cluster) => (cluster.database()?, None),
        };
        let place = Place {
            url,
            base_url,
            key_file: folder.join("bench.key"),
            file,
        };
        let tenant = folder.join("tenant.yaml");
        std::fs::write(
            &tenant,
            TENANT.replace("{clients}", &seed.relying_parties.concat()),
        )?;
        check(
            Command::new(binary())
                .arg("apply")
                .arg(&tenant)
                .args(["--database", &place.url, "--key-file"])
                .arg(&place.key_file)
                .stdout(Stdio::null()),
        )?;
        let sample = seed.make(&place)?;
        let mut server = place.serve(port, cores)?;
        server.folder = Some(folder);
        server.sample = sample;
        Ok(server)
    }

    /// Another server on the same database.
    pub fn beside(&self, cores: Cores) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        self.place.serve(port, cores)
    }

    /// Rows whose time has passed and that wait for the sweep: codes, which are the most numerous.
    pub fn add_expired(&self, rows: u64) -> anyhow::Result<()> {
        // They expired a moment ago: later than the sweep looks, so that they stay for the measurement.
        let sql = format!(
            "INSERT INTO codes (sid, hash, expires_at, consumed_at, body) \
             SELECT decode(md5(n::text), 'hex'), decode(md5(n::text) || md5(n::text), 'hex'), \
             (extract(epoch FROM now()) * 1000)::bigint - 60000, 1, '{{}}' \
             FROM generate_series(1, {rows}) AS n; ANALYZE codes"
        );
        check(
            Command::new(tenure_cluster::bin_folder()?.join("psql"))
                .args([
                    "--quiet",
                    "--no-psqlrc",
                    "--set=ON_ERROR_STOP=1",
                    "--dbname",
                ])
                .args([&self.place.url, "--command", &sql]),
        )
    }

    fn wait_until_ready(&mut self, began: Instant) -> anyhow::Result<Duration> {
        use std::io::{Read as _, Write as _};
        while began.elapsed() < Duration::from_secs(30) {
            if let Ok(mut stream) = std::net::TcpStream::connect(self.address()) {
                stream.write_all(
                    b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
                )?;
                let mut text = String::new();
                stream.read_to_string(&mut text)?;
                if text.starts_with("HTTP/1.1 200") {
                    return Ok(began.elapsed());
                }
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended: {status}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("the server did not become ready");
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Processor time that the server has used, in seconds.
    pub fn processor_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("no end of the name")?;
        // User and system time are the 14th and 15th field, in hundredths of a second.
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: Result<Vec<u32>, _> = ticks.map(str::parse).collect();
        Ok(f64::from(ticks?.iter().sum::<u32>()) / 100.0)
    }

    pub fn bytes_on_disk(&self) -> anyhow::Result<u64> {
        if let Some(file) = &self.place.file {
            return Ok(std::fs::metadata(file)?.len());
        }
        let size = output(
            Command::new(tenure_cluster::bin_folder()?.join("psql"))
                .args(["--no-psqlrc", "--tuples-only", "--no-align", "--dbname"])
                .args([&self.place.url, "--command"])
                .arg("SELECT pg_database_size(current_database())"),
        )?;
        Ok(size.trim().parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(folder) = &self.folder {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

fn binary() -> PathBuf {
    root().join("target/release/tenure")
}

/// Which of the machine's cores a server may use.
#[derive(Clone, Copy, Debug)]
pub enum Cores {
    All,
    FirstHalf,
    SecondHalf,
}

impl Cores {
    /// The server's program, bound to these cores.
    fn program(self) -> anyhow::Result<Command> {
        let all = std::thread::available_parallelism()?.get();
        let half = (all / 2).max(1);
        let list = match self {
            Self::All => return Ok(Command::new(binary())),
            Self::FirstHalf => format!("0-{}", half - 1),
            Self::SecondHalf => format!("{}-{}", (all - half).min(half), all - 1),
        };
        // Of util-linux, which every Debian has; it becomes the program that it starts.
        let mut program = Command::new("taskset");
        program.arg("--cpu-list").arg(list).arg(binary());
        Ok(program)
    }
}

impl Place {
    fn serve(&self, port: u16, cores: Cores) -> anyhow::Result<Server> {
        let began = Instant::now();
        let child = cores
            .program()?
            .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--base-url", &self.base_url, "--database", &self.url])
            .arg("--key-file")
            .arg(&self.key_file)
            .env("RUST_LOG", "error")
            .stdout(Stdio::null())
            .spawn()
            .context("starting the server")?;
        let mut server = Server {
            child,
            folder: None,
            place: self.clone(),
            port,
            start_up: Duration::ZERO,
            sample: Vec::new(),
        };
        server.start_up = server.wait_until_ready(began)?;
        // Let start-up work settle, so that memory is that of an idle server.
        std::thread::sleep(Duration::from_millis(500));
        Ok(server)
    }
}

impl Seed {
    fn make(&self, place: &Place) -> anyhow::Result<Vec<Seeded>> {
        let mut program = Command::new(root().join("target/release/examples/seed"));
        program
            .args([&place.url, &place.base_url])
            .arg("--key-file")
            .arg(&place.key_file)
            .arg(format!("--sessions={}", self.sessions))
            .arg(format!("--sample={}", self.sample))
            .arg(format!("--participants={}", self.relying_parties.len()));
        if let Some((after, over)) = self.expiring {
            program
                .arg(format!("--expire-after={after}"))
                .arg(format!("--expire-over={over}"));
        }
        let text = output(&mut program)?;
        let line = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Some(Seeded {
                client_id: words.next()?,
                cookie: words.next()?,
                token: words.next()?,
            })
        };
        Ok(text.lines().filter_map(line).collect())
    }
}
