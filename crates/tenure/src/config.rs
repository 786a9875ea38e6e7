//! How one server process is configured: `tenure.toml`, overridden by flags.
//! What belongs to the installation (settings, clients, keys) is in the database instead.

use crate::database::Pool;
use anyhow::{Context, bail};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use tenure_protocol::limits::Caps;
use tenure_protocol::status::REMEMBERED;
use url::Url;

/// `tenure.toml`. Every key is optional; flags win.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    pub listen: Option<SocketAddr>,
    pub base_url: Option<String>,
    pub database: Option<String>,
    /// Connections to PostgreSQL for transactions that write; half as many read.
    pub database_connections: Option<usize>,
    /// How long a transaction on PostgreSQL may take, waiting included, in milliseconds.
    pub database_timeout_ms: Option<u64>,
    pub key_file: Option<PathBuf>,
    /// A listener of its own for `/metrics`; without it `/metrics` is on the main listener, for loopback peers only.
    pub metrics_listen: Option<SocketAddr>,
    pub tls: Option<Tls>,
    /// Addresses or networks of proxies whose forwarded headers count.
    pub trusted_proxies: Vec<String>,
    pub plan: Option<Plan>,
    pub outbound: OutboundConfig,
    pub log: LogConfig,
    pub retention: RetentionConfig,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The system caps by name: the smaller plan 3 / 30 days, the larger 100 / 365.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    SelfService,
    Enterprise,
}

impl Plan {
    pub fn caps(self) -> Caps {
        match self {
            Self::SelfService => Caps {
                idle_timeout: 3 * 86_400,
                absolute_lifetime: 30 * 86_400,
            },
            Self::Enterprise => Caps::default(),
        }
    }
}

/// Requests that the server itself makes.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboundConfig {
    /// A PEM file with further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Host names, addresses or networks that may be reached although they are private or loopback.
    pub allow: Vec<String>,
    pub connect_timeout_ms: u64,
    pub timeout_ms: u64,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            ca_file: None,
            allow: Vec::new(),
            connect_timeout_ms: 2_000,
            timeout_ms: 5_000,
        }
    }
}

/// How long what is over is kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// A session after its absolute deadline; longer while a refresh token of it lives.
    pub sessions_days: u32,
    /// An entry of the tenant log.
    pub logs_days: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            sessions_days: 30,
            logs_days: 30,
        }
    }
}

/// The same in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub sessions: i64,
    pub logs: i64,
}

impl From<RetentionConfig> for Retention {
    fn from(days: RetentionConfig) -> Self {
        Self {
            // For a day everybody who took part may ask how it ended (design 1.5).
            sessions: (i64::from(days.sessions_days) * 86_400).max(REMEMBERED),
            logs: i64::from(days.logs_days) * 86_400,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        RetentionConfig::default().into()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
    /// A filter as `RUST_LOG` has it.
    pub filter: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl ConfigFile {
    /// Reads a file; an error names file, line and what is wrong with it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        Self::parse(&text, &path.display().to_string())
    }

    pub fn parse(text: &str, name: &str) -> anyhow::Result<Self> {
        match toml::from_str(text) {
            Ok(file) => {
                Self::judge(&file, text, name)?;
                Ok(file)
            }
            Err(error) => {
                let before = error
                    .span()
                    .map_or("", |span| text.get(..span.start).unwrap_or(""));
                let line = before.matches('\n').count() + 1;
                bail!("{name}, line {line}: {}", error.message())
            }
        }
    }
}

impl ConfigFile {
    /// What is well-formed TOML and still cannot be used.
    fn judge(&self, text: &str, name: &str) -> anyhow::Result<()> {
        let at = |key: &str| format!("{name}, line {}: {key}", line_of(text, key));
        if let Some(url) = &self.base_url {
            BaseUrl::parse(url).with_context(|| at("base_url"))?;
        }
        if let Some(url) = &self.database {
            DatabaseUrl::parse(url).with_context(|| at("database"))?;
        }
        parse_networks(&self.trusted_proxies).with_context(|| at("trusted_proxies"))?;
        Ok(())
    }
}

/// The line of a key at the top of a TOML text.
fn line_of(text: &str, key: &str) -> usize {
    let table = toml::de::DeTable::parse(text).ok();
    let start = table.and_then(|table| {
        let (key, _) = table.get_ref().get_key_value(key)?;
        Some(key.span().start)
    });
    let before = start.and_then(|start| text.get(..start)).unwrap_or("");
    before.matches('\n').count() + 1
}

/// What a server runs with, checked.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub base_url: BaseUrl,
    pub database: DatabaseUrl,
    pub key_file: Option<PathBuf>,
    pub metrics_listen: Option<SocketAddr>,
    pub tls: Option<Tls>,
    pub trusted_proxies: Vec<IpNet>,
    pub pool: Pool,
    pub caps: Caps,
    pub outbound: OutboundConfig,
    pub retention: Retention,
    pub manual_clock: bool,
}

impl ServerConfig {
    /// Checks the parts that depend on each other.
    pub fn check(self) -> anyhow::Result<Self> {
        if self.manual_clock && !(self.base_url.is_loopback() && self.listen.ip().is_loopback()) {
            bail!(
                "--manual-clock is for tests: it needs a base URL and a listen address on loopback \
                 (have {} and {})",
                self.base_url.as_str(),
                self.listen
            );
        }
        Ok(self)
    }
}

pub fn parse_networks(list: &[String]) -> anyhow::Result<Vec<IpNet>> {
    list.iter()
        .map(|text| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .with_context(|| {
                    format!("{text:?} is not an address or a network such as 10.0.0.0/8")
                })
        })
        .collect()
}

/// Where the server is reached: scheme, host and port, no path. The issuer is this with a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Without a trailing slash.
    origin: String,
    url: Url,
}

impl BaseUrl {
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let url = Url::parse(text).with_context(|| {
            format!("the base URL {text:?} is not a URL such as https://id.example.com")
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            bail!("the base URL {text:?} must start with https:// (http:// on loopback only)");
        }
        if url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
        {
            bail!("the base URL {text:?} must not have a path, a query or a user name");
        }
        let base = Self {
            origin: url.origin().ascii_serialization(),
            url,
        };
        if base.url.scheme() == "http" && !base.is_loopback() {
            bail!(
                "the base URL {text:?} must be https: plain http is for loopback only, since cookies and tokens would travel in clear"
            );
        }
        Ok(base)
    }

    /// Without a trailing slash: also the origin.
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// The wire's `iss`: with its trailing slash, byte for byte.
    pub fn issuer(&self) -> String {
        format!("{}/", self.origin)
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

/// `sqlite:PATH` or `postgres://…`.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    /// As libpq writes it; it may hold a password.
    Postgres(String),
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

impl DatabaseUrl {
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                bail!("--database sqlite: needs a path, such as sqlite:./tenure.db");
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        // Whatever it is, it may hold a password: only its beginning is repeated.
        let beginning: String = text.chars().take_while(|c| *c != ':').take(20).collect();
        bail!(
            "--database {beginning:?}… is not understood: write sqlite:PATH, such as sqlite:./tenure.db, \
             or postgres://USER:PASSWORD@HOST/DATABASE"
        );
    }
}

/// `TENURE_KEY`, the master key as base64. The environment is read here and by the argument parser only.
pub fn master_key_variable() -> Option<String> {
    std::env::var("TENURE_KEY")
        .ok()
        .filter(|text| !text.is_empty())
}
