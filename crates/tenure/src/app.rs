//! The one concrete application state.

use crate::allowances::Allowances;
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::crypto::keys::KeyRing;
use crate::crypto::mac::MacKey;
use crate::crypto::master::Master;
use crate::crypto::rollover;
use crate::database::{must_be_here, open_master, open_store};
use crate::entropy::Entropy;
use crate::facts;
use crate::listen;
use crate::metrics::Metrics;
use crate::oidc::cors::RefusedOrigins;
use crate::outbound::{Here, Names, Outbound};
use crate::passwords::{Hasher, Passwords};
use crate::readiness::Readiness;
use crate::settings::{Cache, Settings};
use crate::streams::Streams;
use crate::tenant_log::Batcher;
use crate::upstream::Providers;
use crate::work::outbox::Outbox;
use anyhow::{Context, bail};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tenure_protocol::Timestamp;
use tenure_store::{Store, Tx};

/// Everything a request needs. One for each process, shared behind an `Arc`.
#[derive(Debug)]
pub struct App {
    pub config: ServerConfig,
    /// By which this process knows its own leases again.
    pub process_id: String,
    /// The wire's `iss`.
    pub issuer: String,
    pub store: Store,
    /// The same for workers.
    pub background: Store,
    pub clock: Clock,
    pub entropy: Entropy,
    pub master: Master,
    pub settings: Cache,
    pub passwords: Passwords,
    pub metrics: Metrics,
    pub log: Batcher,
    /// Who listens to which session.
    pub streams: Arc<Streams>,
    pub macs: Macs,
    pub outbound: Outbound,
    pub outbox: Outbox,
    /// Other identity providers, as they were last seen.
    pub providers: Providers,
    pub refused_origins: RefusedOrigins,
    /// What clients have left of their calls of the management API.
    pub allowances: Allowances,
    /// What strangers have left of the requests that they may push, by their network.
    pub pushes: Allowances,
    pub readiness: Readiness,
    ring: RwLock<Arc<KeyRing>>,
    /// When the database was last asked for another configuration, by the process' own time.
    checked_at: AtomicI64,
    /// When it was last asked because of a token whose key nobody knew.
    asked_at: AtomicI64,
}

/// MAC keys for each purpose.
#[derive(Debug)]
pub struct Macs {
    pub client_secret: MacKey,
    pub csrf: MacKey,
    pub nonce: MacKey,
    pub throttle: MacKey,
    /// By which the secret of a connection is recognised.
    pub connection_secret: MacKey,
    /// Under which it is sealed: it must be readable again.
    pub sealing: Master,
}

impl Macs {
    pub fn derive(master: &Master) -> Self {
        Self {
            client_secret: MacKey::derive(master, "client secret"),
            csrf: MacKey::derive(master, "csrf"),
            nonce: MacKey::derive(master, "dpop nonce"),
            throttle: MacKey::derive(master, "throttle"),
            connection_secret: MacKey::derive(master, "connection secret"),
            sealing: master.clone(),
        }
    }
}

/// The MAC under which a client's secret is stored; bound to its client.
pub fn client_secret_mac(key: &MacKey, client_id: &str, secret: &str) -> [u8; 32] {
    key.mac(&[client_id.as_bytes(), secret.as_bytes()])
}

/// How often at most the database is asked for another configuration (milliseconds of process time).
const CHECK_INTERVAL_MS: i64 = 50;

/// How often at most it is asked for a key that a token names and nobody knows.
const ASK_INTERVAL_MS: i64 = 1_000;

/// What differs between a server and a test.
#[derive(Debug, Default)]
pub struct Parts {
    pub clock: Option<Clock>,
    pub entropy: Entropy,
    pub hasher: Hasher,
    pub durable: bool,
    pub names: Names,
}

impl App {
    /// Opens the database and the keys. The returned work must be run until the app ends: it writes the tenant log.
    ///
    /// # Errors
    /// In words for an operator, what keeps the server from starting.
    pub fn open(
        config: ServerConfig,
        parts: Parts,
    ) -> anyhow::Result<(Arc<Self>, impl Future<Output = ()> + Send)> {
        let here = Here {
            base_url: &config.base_url,
            listen: config.listen,
            metrics_listen: config.metrics_listen,
        };
        let outbound = Outbound::new(&config.outbound, here, parts.names)?;
        let store = open_store(&config.database, config.pool, parts.durable)?;
        let key_file = config.key_file.as_deref();
        let master = open_master(&store, &config.database, key_file, &parts.entropy)?;
        must_be_here(&store)?;
        let offset = store.read_blocking(clock_offset)?;
        if offset != 0 && !config.manual_clock {
            bail!(
                "this database has travelled in time by {} s: it serves only with --manual-clock, \
                 since its sessions and tokens are dated ahead",
                offset / 1000
            );
        }
        let clock = parts.clock.unwrap_or_else(|| Clock::system(offset));
        let ring = open_ring(&store, &master, &parts.entropy, clock.now())?;
        let issuer = config.base_url.issuer();
        facts::remember(&store, &issuer, &config.caps)?;
        let settings = Cache::new(store.read_blocking(Settings::load)?.reached_at(&issuer));
        let (log, drain) = Batcher::new(store.in_background(), parts.entropy.clone());
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2));
        let app = Self {
            process_id: parts.entropy.token(9),
            issuer,
            passwords: Passwords::start(threads, parts.hasher, &parts.entropy)?,
            macs: Macs::derive(&master),
            ring: RwLock::new(Arc::new(ring)),
            checked_at: AtomicI64::new(0),
            asked_at: AtomicI64::new(0),
            // Half of the connections that may be open, so that streams never keep requests out.
            streams: Arc::new(Streams::new(
                listen::Limits::of_this_process(&[]).connections / 2,
            )),
            metrics: Metrics::new(),
            outbound,
            outbox: Outbox::default(),
            providers: Providers::default(),
            refused_origins: RefusedOrigins::default(),
            allowances: Allowances::default(),
            pushes: Allowances::default(),
            readiness: Readiness::default(),
            entropy: parts.entropy,
            config,
            background: store.in_background(),
            store,
            clock,
            master,
            settings,
            log,
        };
        Ok((Arc::new(app), drain))
    }

    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key ring for a token whose key it should know. Where it does not, another server may have
    /// made the key a moment ago: the database is asked, but at most once a second, since strangers
    /// choose the key ids that they send.
    pub async fn ring_with(&self, knows: impl Fn(&KeyRing) -> bool) -> Arc<KeyRing> {
        let ring = self.ring();
        if knows(&ring) {
            return ring;
        }
        let (ticks, before) = (process_millis(), self.asked_at.load(Ordering::Relaxed));
        if before != 0 && ticks - before < ASK_INTERVAL_MS {
            return ring;
        }
        self.asked_at.store(ticks, Ordering::Relaxed);
        if let Err(error) = self.reload_if_changed().await {
            tracing::warn!(error = format!("{error:#}"), "looking for new keys failed");
        }
        self.ring()
    }

    /// Notices what another process changed in the embedded database. Cheap: most calls do nothing.
    /// Servers on PostgreSQL are told instead (see `work/changes.rs`): a request must not wait for a look.
    pub async fn notice_changes(&self) -> anyhow::Result<()> {
        if self.store.is_shared() {
            return Ok(());
        }
        let ticks = process_millis();
        let before = self.checked_at.load(Ordering::Relaxed);
        if ticks - before < CHECK_INTERVAL_MS && before != 0 {
            return Ok(());
        }
        self.checked_at.store(ticks, Ordering::Relaxed);
        self.reload_if_changed().await
    }

    /// Reads settings and keys again if their version changed: both as of one instant, or, when
    /// something fails, neither, and the next call tries again.
    pub async fn reload_if_changed(&self) -> anyhow::Result<()> {
        let known = self.settings.current().version;
        let fresh = self.store.read(move |tx| {
            let offset = clock_offset(tx)?;
            if tx.configuration_version()? == known {
                return Ok((offset, None));
            }
            Ok((offset, Some((Settings::load(tx)?, tx.keys()?))))
        });
        let (offset, fresh) = fresh.await.context("reading the settings")?;
        if self.config.manual_clock {
            // Another server may have moved the clock; it goes forward only.
            self.clock.follow(offset);
        }
        if let Some((settings, rows)) = fresh {
            let ring = KeyRing::open(&rows, &self.master)?;
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
            self.settings.replace(settings.reached_at(&self.issuer));
        }
        Ok(())
    }
}

/// Milliseconds since the process began: for intervals that have nothing to do with the clock of sessions.
fn process_millis() -> i64 {
    use std::sync::OnceLock;
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    i64::try_from(start.elapsed().as_millis())
        .unwrap_or(i64::MAX)
        .saturating_add(1)
}

fn open_ring(
    store: &Store,
    master: &Master,
    entropy: &Entropy,
    now: Timestamp,
) -> anyhow::Result<KeyRing> {
    let rows = store.read_blocking(|tx| tx.keys())?;
    let made = rollover::missing(&rows, "current", (master, entropy), now)?;
    if !made.is_empty() {
        store.write_blocking(move |tx| rollover::store_missing(tx, made))?;
    }
    KeyRing::open(&store.read_blocking(|tx| tx.keys())?, master).context("opening the signing keys")
}

/// How far the installation has travelled in time, in milliseconds.
pub fn clock_offset(tx: &Tx<'_>) -> Result<i64, tenure_store::StoreError> {
    Ok(tx
        .meta("clock_offset_ms")?
        .and_then(|text| text.parse().ok())
        .unwrap_or(0))
}
