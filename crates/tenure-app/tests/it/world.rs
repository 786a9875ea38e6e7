//! A real Tenure on loopback, an application in front of it, and browsers that use both.

pub use crate::browser::{Answer, Browser, PAGE, SCRIPT};
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use http::{Request, StatusCode};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tenure::app::{App, Parts};
use tenure::clock::Clock as OpClock;
use tenure::config::{BaseUrl, DatabaseUrl, OutboundConfig, Plan, ServerConfig};
use tenure::database::Pool;
use tenure::entropy::Entropy;
use tenure::listen;
use tenure::outbound::Names;
use tenure::passwords::Hasher;
use tenure::tenantfile::Findings;
use tenure::tenantfile::plan::{Planner, Present};
use tenure::tenantfile::read::read;
use tenure::tenantfile::yaml::Node;
use tenure_app::store::MemoryStore;
use tenure_app::{AppSession, Clock, Config, Keep, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub const PASSWORD: &str = "correct horse";
pub const SECRET: &str = "a secret of more than thirty-two characters";
/// 2026-01-01.
const START: i64 = 1_767_225_600;

pub const TENANT: &str = r#"
tenant:
  friendly_name: Acme
  idle_session_lifetime: 1
  session_lifetime: 8
clients:
  - client_id: shop
    client_secret: "s3cr-et~1 x"
    name: Shop
    callbacks: ["{app}/callback"]
    allowed_logout_urls: ["{app}", "{app}/bye"]
    jwt_configuration: { lifetime_in_seconds: 36000, alg: RS256 }
    refresh_token: { rotation_type: rotating, expiration_type: expiring, idle_token_lifetime: 1200, token_lifetime: 28800, leeway: 0, retry_window: 0 }
    oidc_logout: { backchannel_logout_urls: ["{app}/backchannel-logout"] }
  - client_id: public
    name: Public
    app_type: spa
    callbacks: ["{app}/callback"]
    web_origins: ["{app}"]
    allowed_logout_urls: ["{app}"]
  - client_id: forum
    client_secret: forum-secret
    name: Forum
    callbacks: ["http://localhost:3999/cb"]
    allowed_logout_urls: ["http://localhost:3999"]
  - client_id: machine
    client_secret: machine-secret
    name: Machine
    app_type: non_interactive
resourceServers:
  - identifier: https://api.example.com
    name: API
    scopes: [{value: "read:x"}]
    allow_offline_access: true
    token_lifetime: 300
clientGrants:
  - client_id: Machine
    audience: https://api.example.com
    scope: ["read:x"]
users:
  - user_id: ada
    email: ada@example.com
    name: Ada Lovelace
    email_verified: true
    password: correct horse
  - user_id: bob
    email: bob@example.com
    email_verified: true
    password: correct horse
"#;

/// The provider, and where the application is going to be.
pub struct Op {
    pub app: Arc<App>,
    pub clock: OpClock,
    pub base: String,
    pub shop: String,
    pub router: Router,
    shop_listener: Option<TcpListener>,
    pub switches: Arc<Switches>,
    workers: tenure::work::Workers,
    tasks: JoinSet<()>,
    _folder: tempfile::TempDir,
}

/// What tests do to the provider's token endpoint.
#[derive(Default)]
pub struct Switches {
    /// Refresh requests that came in.
    refreshes: AtomicUsize,
    /// Refresh tokens that the provider gave out, in order.
    pub issued: Mutex<Vec<String>>,
    /// The provider answers 503 to everything.
    pub down: AtomicBool,
    /// If not 0: a page with this status in the place of every answer, as of a proxy that is out of order.
    pub page: AtomicU16,
    /// Its discovery document says that logins have to be pushed.
    pub requires_pushes: AtomicBool,
    /// Refresh requests wait here, once asked to.
    pub slow_refresh: AtomicBool,
    pub refresh_gate: Gate,
    /// Revocations that were answered.
    pub revoked: Gate,
}

/// A place where a request waits until the test lets it go on.
#[derive(Debug)]
pub struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            reached: Semaphore::new(0),
            open: Semaphore::new(0),
        }
    }
}

impl Gate {
    /// The request's side.
    pub async fn pass(&self) {
        self.reached.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    /// Returns when something was let go, or fails after a while.
    pub async fn is_opened(&self) {
        let opened = tokio::time::timeout(std::time::Duration::from_secs(10), self.open.acquire());
        opened.await.unwrap().unwrap().forget();
    }

    /// The test's side: returns when a request waits.
    pub async fn is_reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    pub fn let_go(&self) {
        self.open.add_permits(1);
    }
}

/// An application in front of a provider.
pub struct World {
    pub op: Op,
    /// Where requests to `/slow` wait.
    pub slow: Arc<Gate>,
    pub shop: Router,
}

impl Op {
    pub async fn start() -> Self {
        Self::with(TENANT).await
    }

    /// With a tenant of its own; `{app}` stands for the application.
    pub async fn with(tenant: &str) -> Self {
        Self::before(tenant, "http").await
    }

    /// In front of an application that browsers reach over https.
    pub async fn secure() -> Self {
        Self::before(TENANT, "https").await
    }

    async fn before(tenant: &str, scheme: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (listener, base) = bind().await;
        let (shop_listener, shop) = bind().await;
        let shop = shop.replace("http:", &format!("{scheme}:"));
        let clock = OpClock::manual(Timestamp::from_seconds(START));
        let config = ServerConfig {
            listen: listener.local_addr().unwrap(),
            base_url: BaseUrl::parse(&base).unwrap(),
            database: DatabaseUrl::Sqlite(folder.path().join("t.db")),
            key_file: Some(folder.path().join("t.key")),
            metrics_listen: None,
            tls: None,
            trusted_proxies: Vec::new(),
            pool: Pool::default(),
            caps: Plan::Enterprise.caps(),
            outbound: OutboundConfig::default(),
            retention: tenure::config::Retention::default(),
            manual_clock: true,
        };
        let parts = Parts {
            clock: Some(clock.clone()),
            entropy: Entropy::system(),
            hasher: Hasher::new(64, 1).unwrap(),
            durable: false,
            names: Names::System,
        };
        let (app, log) = tokio::task::spawn_blocking(move || App::open(config, parts))
            .await
            .unwrap()
            .unwrap();
        apply(&app, &tenant.replace("{app}", &shop)).await;
        let workers = tenure::work::start(&app, log);
        let switches = Arc::new(Switches::default());
        let router = switched(tenure::router::router(app.clone()), switches.clone());
        let mut tasks = JoinSet::new();
        let limits = listen::Limits::of_this_process(&[]);
        tasks.spawn(listen::serve(
            listener,
            None,
            router.clone(),
            limits,
            std::future::pending(),
        ));
        Self {
            app,
            clock,
            base,
            shop,
            router,
            shop_listener: Some(shop_listener),
            switches,
            workers,
            tasks,
            _folder: folder,
        }
    }

    pub fn config(&self) -> Config {
        let issuer = format!("{}/", self.base);
        let mut config = Config::new(&issuer, &self.shop, "shop", SECRET);
        config.client_secret = Some("s3cr-et~1 x".to_owned());
        config
    }

    /// A configuration whose sessions have refresh tokens.
    pub fn offline(&self) -> Config {
        let mut config = self.config();
        let params = [
            ("scope", "openid profile email offline_access"),
            ("audience", "https://api.example.com"),
        ];
        config.authorization_params = params.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        config
    }

    pub fn clock(&self) -> Clock {
        let clock = self.clock.clone();
        Clock::from_fn(move || clock.now())
    }

    /// A layer that keeps its sessions as asked.
    pub fn layer(&self, config: Config, keep: Keep) -> AppSession {
        let builder = AppSession::builder(config).clock(self.clock());
        match keep {
            Keep::Cookie => builder.build().unwrap(),
            Keep::Store => builder.store(MemoryStore::new()).build().unwrap(),
        }
    }

    /// The application, also on its port: the provider reaches it there.
    pub fn world(mut self, layer: AppSession) -> World {
        let slow = Arc::new(Gate::default());
        let shop = layer.around(crate::shop::routes(slow.clone()));
        let limits = listen::Limits::of_this_process(&[]);
        let listener = self.shop_listener.take().unwrap();
        let serving = listen::serve(listener, None, shop.clone(), limits, std::future::pending());
        self.tasks.spawn(serving);
        World {
            op: self,
            slow,
            shop,
        }
    }
}

/// Both in the order in which each can be the store of the same test.
async fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("http://localhost:{port}"))
}

fn switched(router: Router, switches: Arc<Switches>) -> Router {
    router.layer(axum::middleware::from_fn(
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            let switches = switches.clone();
            async move {
                if switches.down.load(Ordering::SeqCst) {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                let page = switches.page.load(Ordering::SeqCst);
                if page != 0 {
                    let status = StatusCode::from_u16(page).unwrap();
                    let html = axum::response::Html("<h1>invalid_grant</h1>");
                    return (status, html).into_response();
                }
                let discovers = request.uri().path().contains("/.well-known/openid-conf");
                if discovers && switches.requires_pushes.load(Ordering::SeqCst) {
                    return requiring_pushes(next.run(request).await).await;
                }
                if request.uri().path() == "/oauth/revoke" {
                    let answer = next.run(request).await;
                    switches.revoked.let_go();
                    return answer;
                }
                if request.uri().path() != "/oauth/token" {
                    return next.run(request).await;
                }
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let refresh = String::from_utf8_lossy(&body).contains("grant_type=refresh_token");
                if refresh {
                    switches.refreshes.fetch_add(1, Ordering::SeqCst);
                }
                let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
                let (parts, body) = answer.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let said: Value = serde_json::from_slice(&body).unwrap_or_default();
                let token = said["refresh_token"].as_str().map(str::to_owned);
                switches.issued.lock().unwrap().extend(token);
                let answer = axum::response::Response::from_parts(parts, Body::from(body));
                if refresh && switches.slow_refresh.load(Ordering::SeqCst) {
                    switches.refresh_gate.pass().await;
                }
                answer
            }
        },
    ))
}

async fn requiring_pushes(document: axum::response::Response) -> axum::response::Response {
    let body = axum::body::to_bytes(document.into_body(), usize::MAX).await;
    let mut said: Value = serde_json::from_slice(&body.unwrap()).unwrap();
    said["require_pushed_authorization_requests"] = true.into();
    let json = [("content-type", "application/json")];
    (json, said.to_string()).into_response()
}

async fn apply(app: &Arc<App>, text: &str) {
    let mut findings = Findings::default();
    let wanted = Arc::new(read(&Node::parse(text, "test").unwrap(), &mut findings));
    let inner = wanted.clone();
    let present = app.store.read(move |tx| Present::load(tx, &inner)).await;
    let planner = Planner {
        present: &present.unwrap(),
        macs: &app.macs,
        caps: &app.config.caps,
        entropy: &app.entropy,
        delete: false,
    };
    let mut changes = planner.plan(&wanted, &mut findings);
    assert_eq!(findings.first_error(), None);
    let hasher = Hasher::new(64, 1).unwrap();
    for change in &mut changes {
        if let Some(password) = change.takes_password() {
            change.password_hash = Some(hasher.hash(&password, &Entropy::system()).unwrap());
        }
    }
    let now = app.clock.now();
    app.store
        .write(move |tx| changes.iter().try_for_each(|change| change.apply(tx, now)))
        .await
        .unwrap();
    app.reload_if_changed().await.unwrap();
}

impl World {
    pub fn browser(&self) -> Browser<'_> {
        Browser::of(self)
    }

    /// Another process of the application takes over. The provider still knows the first one's port.
    pub fn restart(&mut self, layer: AppSession) {
        self.shop = crate::shop::routes(self.slow.clone()).layer(layer);
    }

    pub fn advance(&self, seconds: u32) {
        self.op.clock.advance(seconds);
    }

    pub fn refreshes(&self) -> usize {
        self.op.switches.refreshes.load(Ordering::SeqCst)
    }

    pub fn now(&self) -> i64 {
        self.op.clock.now().seconds()
    }

    /// Ends the workers of the provider where it is safe for them.
    pub async fn stop(self) {
        self.op.workers.stop().await;
        drop(self.op.tasks);
    }
}
