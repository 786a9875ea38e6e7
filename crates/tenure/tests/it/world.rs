//! A whole installation in a temporary folder, and browsers that use it.

pub use crate::browser::{Browser, authorize, silent, spa};
use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, StatusCode, header};
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use tenure::app::{App, Parts};
use tenure::clock::Clock;
use tenure::config::{BaseUrl, DatabaseUrl, OutboundConfig, Plan, ServerConfig};
use tenure::database::Pool;
use tenure::entropy::Entropy;
use tenure::outbound::Names;
use tenure::passwords::Hasher;
use tenure::tenantfile::Findings;
use tenure::tenantfile::change::Change;
use tenure::tenantfile::plan::{Planner, Present};
use tenure::tenantfile::read::read;
use tenure::tenantfile::yaml::Node;
use tenure_cluster::Cluster;
use tenure_protocol::session::{End, Session};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::StoreError;
use tower::ServiceExt as _;

pub const BASE: &str = "http://localhost:7100";
pub const ISSUER: &str = "http://localhost:7100/";
pub const VERIFIER: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
pub const PASSWORD: &str = "correct horse";
/// 2026-01-01.
pub const START: i64 = 1_767_225_600;

pub const TENANT: &str = r#"
tenant:
  friendly_name: Acme
  idle_session_lifetime: 1
  session_lifetime: 8
  allowed_logout_urls: ["http://localhost:3009/tenant-bye"]
clients:
  - client_id: spa
    name: Shop
    app_type: spa
    callbacks: ["http://localhost:3000/cb", "http://localhost:3000"]
    web_origins: ["http://localhost:3000"]
    allowed_logout_urls: ["http://localhost:3000"]
    refresh_token: { idle_token_lifetime: 7200, token_lifetime: 86400 }
  - client_id: forum
    name: Forum
    app_type: spa
    callbacks: ["http://localhost:3002/cb"]
    web_origins: ["http://localhost:3002"]
    allowed_logout_urls: ["http://localhost:3002/bye"]
    end_offline_on_logout: false
    refresh_token: { leeway: 30, retry_window: 0 }
  - client_id: web
    client_secret: "s3cr-et~1 x"
    name: Web
    callbacks: ["http://localhost:3001/callback"]
    allowed_logout_urls: ["http://localhost:3001", "http://localhost:3001/bye?x=1"]
  - client_id: third
    client_secret: third-secret
    name: Third party
    is_first_party: false
    callbacks: ["http://localhost:3003/cb"]
    allowed_logout_urls: []
  - client_id: native
    name: Native
    app_type: native
    callbacks: ["http://127.0.0.1/cb"]
  - client_id: machine
    client_secret: machine-secret
    name: Machine
    app_type: non_interactive
resourceServers:
  - identifier: https://api.example.com
    name: API
    scopes: [{value: "read:x", description: "Read x"}, {value: "write:x", description: "Write x"}]
    allow_offline_access: true
    allow_online_access: true
    custom_claims: { tier: gold, sub: mallory }
  - identifier: https://no-offline.example.com
    name: No offline
    token_lifetime: 86400
  - identifier: https://rbac.example.com
    name: RBAC
    signing_alg: ES256
    token_dialect: rfc9068_profile_authz
    enforce_policies: true
    scopes: [{value: "admin"}, {value: "user"}]
clientGrants:
  - client_id: Machine
    audience: https://api.example.com
    scope: ["read:x"]
users:
  - user_id: ada
    email: Ada@example.com
    username: ada
    name: Ada Lovelace
    email_verified: true
    password: correct horse
    permissions:
      - { resource_server_identifier: "https://rbac.example.com", permission_name: user }
  - user_id: bob
    email: bob@example.com
    password: correct horse
"#;

/// The journeys are the same on both engines: `TENURE_TEST_ENGINE=postgres` runs them on the other.
fn database(folder: &std::path::Path) -> DatabaseUrl {
    match std::env::var("TENURE_TEST_ENGINE").as_deref() {
        Ok("postgres") => DatabaseUrl::Postgres(cluster().database().unwrap()),
        _ => DatabaseUrl::Sqlite(folder.join("t.db")),
    }
}

/// One server for the whole run; it ends with this process.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&tenure_cluster::Options::default()).unwrap())
}

pub struct World {
    pub app: Arc<App>,
    pub clock: Clock,
    pub router: Router,
    workers: Option<tenure::work::Workers>,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }

    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// A parameter of the location's query or fragment.
    pub fn answered(&self, name: &str) -> Option<String> {
        let text = self.location().split_once(['?', '#'])?.1;
        form_urlencoded::parse(text.as_bytes())
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.into_owned())
    }

    pub fn code(&self) -> String {
        self.answered("code")
            .unwrap_or_else(|| panic!("no code: {self:?}"))
    }

    pub fn error(&self) -> String {
        let json: Value = serde_json::from_str(&self.body).unwrap_or_default();
        json["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The `response` object that a web_message page posts, and to which origin.
    pub fn message(&self) -> (Value, String) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let rest = self
            .body
            .split_once("response: ")
            .unwrap_or_else(|| panic!("no message: {self:?}"))
            .1;
        let (object, rest) = rest.split_once("}, ").unwrap();
        let origin = rest.split_once(");").unwrap().0;
        (
            serde_json::from_str(object).unwrap(),
            serde_json::from_str(origin).unwrap(),
        )
    }

    /// The hidden fields of the form that holds `name`.
    pub fn hidden(&self, name: &str) -> Vec<(String, String)> {
        let form = self.body.split("<form").find(|form| form.contains(name));
        let form = form.unwrap_or_else(|| panic!("no form with {name}: {self:?}"));
        form.split("<input type=\"hidden\"")
            .skip(1)
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect()
    }

    /// The action of the form that holds `name`, and its csrf token.
    pub fn form(&self, name: &str) -> (String, String) {
        let form = self.body.split("<form").find(|form| form.contains(name));
        let form = form.unwrap_or_else(|| panic!("no form with {name}: {self:?}"));
        (
            attribute(form, "action"),
            attribute(form.split("name=\"csrf\"").nth(1).unwrap(), "value"),
        )
    }
}

fn attribute(html: &str, name: &str) -> String {
    let rest = html.split_once(&format!("{name}=\"")).unwrap().1;
    rest.split_once('"')
        .unwrap()
        .0
        .replace("&amp;", "&")
        .replace("&#38;", "&")
}

pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub fn header_of(token: &str) -> Value {
    serde_json::from_slice(
        &URL_SAFE_NO_PAD
            .decode(token.split('.').next().unwrap())
            .unwrap(),
    )
    .unwrap()
}

pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

impl World {
    pub async fn new() -> Self {
        Self::with(TENANT).await
    }

    pub async fn with(tenant: &str) -> Self {
        Self::at(BASE, tenant).await
    }

    /// Reached under another base URL, as behind a proxy that speaks TLS.
    pub async fn at(base_url: &str, tenant: &str) -> Self {
        Self::outward(base_url, tenant, OutboundConfig::default(), Names::System).await
    }

    /// With its own way out.
    pub async fn outward(
        base_url: &str,
        tenant: &str,
        outbound: OutboundConfig,
        names: Names,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = ServerConfig {
            listen: ([127, 0, 0, 1], 7100).into(),
            base_url: BaseUrl::parse(base_url).unwrap(),
            database: database(folder.path()),
            key_file: Some(folder.path().join("t.key")),
            metrics_listen: None,
            tls: None,
            trusted_proxies: Vec::new(),
            pool: Pool {
                connections: 3,
                ..Pool::default()
            },
            caps: Plan::Enterprise.caps(),
            outbound,
            retention: tenure::config::Retention::default(),
            manual_clock: true,
        };
        let clock = Clock::manual(Timestamp::from_seconds(START));
        let parts = Parts {
            clock: Some(clock.clone()),
            entropy: Entropy::system(),
            hasher: Hasher::new(64, 1).unwrap(),
            durable: false,
            names,
        };
        let (app, log) = tokio::task::spawn_blocking(move || App::open(config, parts))
            .await
            .unwrap()
            .unwrap();
        tokio::spawn(log);
        let world = Self {
            router: tenure::router::router(app.clone()),
            app,
            clock,
            workers: None,
            _folder: folder,
        };
        world.apply(tenant).await;
        world
    }

    /// With everything that a server does without being asked.
    pub async fn at_work() -> Self {
        let mut world = Self::new().await;
        world.workers = Some(tenure::work::start(&world.app, std::future::pending()));
        world
    }

    pub async fn session(&self, sid: Sid) -> Session {
        let read = self.app.store.read(move |tx| tx.session(&sid)).await;
        read.unwrap().unwrap()
    }

    /// Waits until somebody has ended the session; no request is made.
    pub async fn end_of(&self, sid: Sid) -> End {
        let mut notices = self.app.store.subscribe();
        loop {
            if let Some(end) = self.session(sid).await.end {
                return end;
            }
            let heard = tokio::time::timeout(std::time::Duration::from_secs(60), notices.recv());
            heard.await.unwrap().ok();
        }
    }

    /// What `tenure apply` does, in this process.
    pub async fn apply(&self, text: &str) {
        let changes = self.plan(text).await;
        self.carry_out(changes).await.unwrap();
    }

    pub async fn plan(&self, text: &str) -> Vec<Change> {
        let mut findings = Findings::default();
        let wanted = Arc::new(read(&Node::parse(text, "test").unwrap(), &mut findings));
        let inner = wanted.clone();
        let present = self
            .app
            .store
            .read(move |tx| Present::load(tx, &inner))
            .await
            .unwrap();
        let planner = Planner {
            present: &present,
            macs: &self.app.macs,
            caps: &self.app.config.caps,
            entropy: &self.app.entropy,
            delete: false,
        };
        let changes = planner.plan(&wanted, &mut findings);
        assert_eq!(findings.first_error(), None);
        changes
    }

    pub async fn carry_out(&self, mut changes: Vec<Change>) -> Result<(), StoreError> {
        let hasher = Hasher::new(64, 1).unwrap();
        for change in &mut changes {
            if let Some(password) = change.takes_password() {
                change.password_hash = Some(hasher.hash(&password, &Entropy::system()).unwrap());
            }
        }
        let now = self.clock.now();
        let done = self
            .app
            .store
            .write(move |tx| changes.iter().try_for_each(|change| change.apply(tx, now)))
            .await;
        self.app.reload_if_changed().await.unwrap();
        done
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        assert_ne!(
            parts.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "never a 500: {body}"
        );
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// A response whose body goes on.
    pub async fn stream(&self, request: Request<Body>) -> http::Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.post_from(path, pairs, &[]).await
    }

    pub async fn post_from(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form(pairs))).unwrap())
            .await
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.post(
            "/oauth/token",
            &[
                ("grant_type", "refresh_token"),
                ("client_id", client),
                ("refresh_token", token),
            ],
        )
        .await
    }

    pub async fn userinfo(&self, token: &str) -> Answer {
        let request =
            Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Entries of the tenant log of one kind, oldest first; successes are written a moment later, so
    /// only ends and refusals can be relied on.
    pub async fn log(&self, kind: &str) -> Vec<Value> {
        let rows = self
            .app
            .store
            .read(|tx| tx.logs(None, "", 10_000))
            .await
            .unwrap();
        rows.iter()
            .filter(|row| row.kind == kind)
            .map(|row| serde_json::from_str(&row.body).unwrap())
            .collect()
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser::of(self)
    }
}

pub const OFFLINE: [(&str, &str); 1] = [("scope", "openid profile email offline_access")];
