//! The one way out: every request that this server makes by itself. It resolves a name once and
//! connects to the address that was checked, follows no redirect, asks no proxy, and is bounded in
//! time and size. No part of a URL ever comes from a person's request (lesson CVE-2026-4874).

pub mod address;
mod ask;
mod send;
mod tls;

pub use ask::Ask;

use crate::config::{BaseUrl, OutboundConfig};
use address::{Permit, Rules};
use bytes::Bytes;
use http::HeaderMap;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::{Host, Url};

/// How names become addresses.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// The system's resolver.
    #[default]
    System,
    /// A fixed table, for tests.
    Fixed(HashMap<String, Vec<IpAddr>>),
}

impl Names {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
            Self::Fixed(table) => Ok(table
                .get(host)
                .into_iter()
                .flatten()
                .map(|ip| SocketAddr::new(*ip, port))
                .collect()),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The URL can never be sent to.
    Impossible(String),
    /// It may work another time.
    NoAnswer(String),
}

/// The answer to a request.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// Of a form that was posted at most the first [`send::MOST`] bytes, and only of what did not
    /// succeed; otherwise all.
    pub body: Bytes,
}

/// Where this installation is itself.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    pub base_url: &'a BaseUrl,
    pub listen: SocketAddr,
    pub metrics_listen: Option<SocketAddr>,
}

/// Makes requests. One for each process.
#[derive(Debug)]
pub struct Outbound {
    rules: Rules,
    names: Names,
    connect_timeout: Duration,
    timeout: Duration,
    ca_file: Option<PathBuf>,
    /// Made at the first https request: reading the system's authorities takes a while.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Outbound {
    /// # Errors
    /// The configuration names a file or an exception that means nothing.
    pub fn new(settings: &OutboundConfig, here: Here<'_>, names: Names) -> anyhow::Result<Self> {
        let loopback = here.base_url.is_loopback() && here.listen.ip().is_loopback();
        let own = std::iter::once(here.listen)
            .chain(here.metrics_listen)
            .collect();
        if let Some(file) = &settings.ca_file {
            tls::authorities(file)?;
        }
        Ok(Self {
            rules: Rules::new(&settings.allow, loopback, own)?,
            names,
            connect_timeout: Duration::from_millis(settings.connect_timeout_ms),
            timeout: Duration::from_millis(settings.timeout_ms),
            ca_file: settings.ca_file.clone(),
            tls: OnceLock::new(),
        })
    }

    /// The longest that a request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// POSTs a form. `plain_http` allows http also where the operator did not name the address.
    pub async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        plain_http: bool,
    ) -> Result<Reply, Failure> {
        let target = Target::parse(url)?;
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let whole = async {
            let stream = self.reach(&target, plain_http).await?;
            send::post(stream, &target.url, body).await
        };
        self.in_time(whole).await
    }

    /// Asks another server, and reads the answer whole.
    pub async fn ask(&self, ask: &Ask<'_>) -> Result<Reply, Failure> {
        let target = Target::parse(ask.url)?;
        let whole = async {
            let stream = self.reach(&target, false).await?;
            send::ask(stream, &target.url, ask).await
        };
        self.in_time(whole).await
    }

    async fn reach(&self, target: &Target, plain_http: bool) -> Result<send::Stream, Failure> {
        let addresses = self.addresses(target, plain_http).await?;
        self.connect(target, &addresses).await
    }

    async fn in_time(
        &self,
        whole: impl Future<Output = Result<Reply, Failure>>,
    ) -> Result<Reply, Failure> {
        tokio::time::timeout(self.timeout, whole)
            .await
            .unwrap_or_else(|_| {
                let ms = self.timeout.as_millis();
                Err(Failure::NoAnswer(format!("no answer within {ms} ms")))
            })
    }

    /// Resolves once; what is returned is where the connection goes.
    async fn addresses(
        &self,
        target: &Target,
        plain_http: bool,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let found = match target.literal {
            Some(ip) => vec![SocketAddr::new(ip, target.port)],
            None => self
                .names
                .resolve(&target.host, target.port)
                .await
                .map_err(|error| no_answer(format!("{}: {error}", target.host)))?,
        };
        if found.is_empty() {
            return Err(no_answer(format!("{} has no address", target.host)));
        }
        let plain = target.url.scheme() == "http";
        let permits: Vec<_> = found
            .iter()
            .filter_map(|address| {
                let permit = self.rules.permit(&target.host, *address)?;
                Some((*address, permit))
            })
            .collect();
        if permits.is_empty() {
            return Err(no_answer(format!(
                "{} resolves to no address that may be reached (see [outbound] allow)",
                target.host
            )));
        }
        let usable: Vec<_> = permits
            .into_iter()
            .filter(|(_, permit)| !plain || plain_http || *permit == Permit::Named)
            .map(|(address, _)| address)
            .collect();
        if usable.is_empty() {
            return Err(Failure::Impossible(format!(
                "plain http, and [outbound] allow does not name {}",
                target.host
            )));
        }
        Ok(usable)
    }

    async fn connect(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<send::Stream, Failure> {
        let connecting = async {
            let stream = send::connect(addresses).await?;
            if target.url.scheme() == "http" {
                return Ok(send::Stream::Plain(stream));
            }
            tls::handshake(self.tls()?, target, stream).await
        };
        tokio::time::timeout(self.connect_timeout, connecting)
            .await
            .unwrap_or_else(|_| {
                let ms = self.connect_timeout.as_millis();
                Err(no_answer(format!("no connection within {ms} ms")))
            })
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let made = tls::config(self.ca_file.as_deref())
            .map_err(|error| no_answer(format!("TLS cannot be set up: {error:#}")))?;
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(made))))
    }
}

/// Where a request goes.
#[derive(Debug)]
struct Target {
    url: Url,
    /// As the URL writes it: an IPv6 address in brackets.
    host: String,
    literal: Option<IpAddr>,
    port: u16,
}

impl Target {
    fn parse(text: &str) -> Result<Self, Failure> {
        let impossible = |why: &str| Failure::Impossible(format!("the URL {text:?} {why}"));
        let url = Url::parse(text).map_err(|_| impossible("is not absolute"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(impossible("is not https"));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(impossible("has no host"));
        };
        let literal = match &host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
        };
        Ok(Self {
            host: host.to_string(),
            literal,
            port,
            url,
        })
    }
}

fn no_answer(why: String) -> Failure {
    Failure::NoAnswer(why)
}

/// The host and port of a URL, by which requests to one place are counted.
pub fn authority(url: &str) -> Arc<str> {
    Target::parse(url).map_or_else(
        |_| Arc::from(""),
        |target| format!("{}:{}", target.host, target.port).into(),
    )
}
