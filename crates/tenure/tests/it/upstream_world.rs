//! Two installations, of which one signs people in at the other, over real sockets where the servers
//! talk to each other.

use crate::world::{Answer, Browser, PASSWORD, TENANT, World, spa};
use axum::body::to_bytes;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use tenure::listen::{Limits, serve};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The provider's people. `ada` is verified there, `eve` is not.
pub const PROVIDER: &str = r#"
tenant:
  friendly_name: Corp
  idle_session_lifetime: 2
  session_lifetime: 4
clients:
  - client_id: down
    client_secret: down-secret
    name: Down
    callbacks: ["http://localhost:7100/login/callback"]
    allowed_logout_urls: ["http://localhost:7100/logout/callback"]
users:
  - { user_id: ada-up, email: ada@example.com, email_verified: true, name: Ada Upstream, password: correct horse }
  - { user_id: eve-up, email: eve@example.com, email_verified: false, name: Eve, password: correct horse }
  - { user_id: new-up, email: new@corp.example, email_verified: true, name: New Person, password: correct horse }
"#;

/// An installation that answers on a socket.
pub struct Served {
    pub world: World,
    pub base: String,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

/// Changes what a provider answers, by path.
pub type Alter = fn(&str, &mut Value);

impl Served {
    pub async fn start(tenant: &str) -> Self {
        Self::altered(tenant, |_, _| {}).await
    }

    /// A provider that answers other things than Tenure does.
    pub async fn altered(tenant: &str, alter: Alter) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let world = World::at(&base, tenant).await;
        let altering = move |request, next| altering(alter, request, next);
        let router = world.router.clone().layer(from_fn(altering));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            serve(
                listener,
                None,
                router,
                Limits::default(),
                std::future::pending(),
            )
            .await;
        });
        Self {
            world,
            base,
            _tasks: tasks,
        }
    }

    pub fn issuer(&self) -> String {
        format!("{}/", self.base)
    }

    /// The path of an address of this installation.
    pub fn path<'u>(&self, url: &'u str) -> &'u str {
        url.strip_prefix(&self.base)
            .unwrap_or_else(|| panic!("not an address of {}: {url}", self.base))
    }
}

async fn altering(alter: Alter, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let (mut parts, body) = next.run(request).await.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let Ok(mut json) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, bytes.into());
    };
    alter(&path, &mut json);
    parts.headers.remove("content-length");
    Response::from_parts(parts, json.to_string().into())
}

/// The tenant of the installation below, with a connection; `more` are further lines of it.
pub fn tenant_with(provider: &Served, more: &str) -> String {
    format!(
        "{TENANT}\nconnections:\n  - name: corp\n    display_name: Corp Ltd\n    strategy: oidc\n    \
         options: {{ issuer: \"{}\", client_id: down, client_secret: down-secret, \
         domain_aliases: [example.com] }}\n{more}",
        provider.issuer()
    )
}

/// Both installations.
pub struct Pair {
    pub up: Served,
    pub down: World,
}

impl Pair {
    pub async fn start() -> Self {
        Self::with("").await
    }

    pub async fn with(more: &str) -> Self {
        Self::of(PROVIDER, more).await
    }

    /// With another provider's tenant.
    pub async fn of(provider: &str, more: &str) -> Self {
        Self::below(Served::start(provider).await, more).await
    }

    pub async fn below(up: Served, more: &str) -> Self {
        let down = World::with(&tenant_with(&up, more)).await;
        Self { up, down }
    }

    /// Time passes at both.
    pub fn advance(&self, seconds: u32) {
        self.up.world.clock.advance(seconds);
        self.down.clock.advance(seconds);
    }

    pub fn person(&self) -> Person<'_> {
        Person {
            pair: self,
            up: self.up.world.browser(),
            down: self.down.browser(),
        }
    }
}

/// One person with one browser: its cookies at either installation.
pub struct Person<'w> {
    pub pair: &'w Pair,
    pub up: Browser<'w>,
    pub down: Browser<'w>,
}

impl Person<'_> {
    /// To the provider by a request that goes straight there: the address it sends to.
    pub async fn sent(&mut self, extra: &[(&str, &str)]) -> Answer {
        let mut all = vec![("connection", "corp")];
        all.extend(extra);
        let sent = self.down.get(&spa(&all)).await;
        assert_eq!(sent.status, StatusCode::FOUND, "{sent:?}");
        sent
    }

    /// Opens an address of the provider, signs in there if it asks, and comes back.
    pub async fn through(&mut self, sent: &Answer, user: &str) -> Answer {
        let path = self.pair.up.path(sent.location()).to_owned();
        let page = self.up.get(&path).await;
        let back = if page.status == StatusCode::OK {
            self.up.submit_login(&page, user, PASSWORD).await
        } else {
            page
        };
        let location = back.location().to_owned();
        self.come_back(&location).await
    }

    /// Opens an address of ours to which the provider sent, and goes on where the page goes by itself.
    pub async fn come_back(&mut self, location: &str) -> Answer {
        let mut answer = self.down.get(location).await;
        if let Some((_, rest)) = answer.body.split_once("content=\"0;url=") {
            assert_eq!(answer.status, StatusCode::OK);
            let target = rest.split('"').next().unwrap().replace("&#38;", "&");
            answer.headers.insert("location", target.parse().unwrap());
        }
        answer
    }

    /// The provider's name for the session there.
    pub fn sid_there(&self) -> String {
        let cookies = self.up.cookies.iter();
        let mut sessions = cookies.filter(|(name, _)| !name.contains("-form"));
        let (_, value) = sessions.next().unwrap();
        value.split('.').next().unwrap().to_owned()
    }

    /// Signs in to the single-page application by way of the provider.
    pub async fn sign_in(&mut self, user: &str) -> Answer {
        let sent = self.sent(&[]).await;
        self.through(&sent, user).await
    }
}
