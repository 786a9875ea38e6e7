//! A provider that takes requests and never answers holds up nobody's people but its own.

use crate::upstream_told::{Teller, stand_behind, upstream_of};
use crate::world::{TENANT, World, spa};
use std::time::Duration;
use tenure::oidc::upstream::cascade::Heard;
use tenure::upstream::{Tokens, seal_tokens};
use tenure::work::lanes::{self, Lane};
use tenure_protocol::Sid;
use tenure_protocol::upstream::signal::Reach;
use tenure_store::{SignalKind, UpstreamSession, UpstreamSignal};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

/// Two connections: `corp` answers, `slow` does not.
struct Two {
    world: World,
    teller: Teller,
    slow: TcpListener,
}

impl Two {
    async fn start() -> Self {
        let (teller, slow) = (
            Teller::start().await,
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let policy = "upstream: { confirm_after_minutes: 10 }";
        let tenant = format!(
            "{TENANT}\n{}  - name: slow\n    strategy: oidc\n    options: {{ issuer: \"http://localhost:{}\", \
             client_id: us, client_secret: s }}\n    {policy}\n",
            teller.connection("confirm_after_minutes: 10"),
            slow.local_addr().unwrap().port()
        );
        let world = World::with(&tenant).await;
        Self {
            world,
            teller,
            slow,
        }
    }

    /// A session that a connection's provider vouched for, and is to be asked about in so many seconds.
    async fn vouched_for(&self, connection: &str, seconds: i64) -> Sid {
        let mut browser = self.world.browser();
        browser.sign_in(&spa(&[])).await;
        let sid = browser.sid();
        stand_behind(&self.world, &self.teller, sid, ("up", "ada")).await;
        let now = self.world.clock.now();
        let tokens = Tokens {
            id_token: None,
            access_token: None,
            refresh_token: Some("refresh".to_owned()),
        };
        let row = UpstreamSession {
            connection: connection.to_owned(),
            confirm_due_at: Some(now.plus(seconds)),
            sealed: Some(seal_tokens(&self.world.app, (sid, connection), &tokens)),
            ..upstream_of(&self.world, sid).await
        };
        let session = self.world.session(sid).await;
        let stored = self.world.app.store.write(move |tx| {
            tx.end_upstream_session(&sid, "corp", now, "test")?;
            tx.put_upstream_session(&row)?;
            tx.update_session(&session.confirmed(Some(now.plus(3_000)), None))
        });
        stored.await.unwrap();
        sid
    }

    /// The worker, until something is so, although `held` is still waiting for an answer.
    async fn works_until(&self, lane: Lane, fits: impl AsyncFn() -> bool) {
        let worker = tokio::spawn(lanes::run(self.world.app.clone(), lane));
        let mut held = self.asked().await;
        self.world.clock.advance(1);
        let waiting = async {
            while !fits().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let mut rest = Vec::new();
        tokio::select! {
            () = waiting => {}
            _ = held.read_to_end(&mut rest) => panic!("the others waited for the provider that hangs"),
        }
        worker.abort();
    }

    /// The provider that hangs was asked.
    async fn asked(&self) -> TcpStream {
        self.slow.accept().await.unwrap().0
    }
}

#[tokio::test]
async fn of_confirmations() {
    let two = Two::start().await;
    two.vouched_for("slow", 0).await;
    let other = two.vouched_for("corp", 1).await;
    two.works_until(Lane::Confirmations, async || {
        let rows = two
            .world
            .app
            .store
            .read(move |tx| tx.upstream_sessions(&other));
        let rows = rows.await.unwrap();
        rows.iter().any(|row| row.confirm_failures == 1)
    })
    .await;
}

/// Of both kinds: what another provider said, and what this one said and is believed already.
#[tokio::test]
async fn of_signals() {
    let two = Two::start().await;
    let (own, other) = (
        two.vouched_for("slow", 900).await,
        two.vouched_for("corp", 900).await,
    );
    let now = two.world.clock.now();
    let signal = |connection: &str, token: &str, body: String, seconds: i64| UpstreamSignal {
        connection: connection.to_owned(),
        id: format!("{connection} {token}"),
        kind: SignalKind::Logout,
        token: token.to_owned(),
        body,
        received_at: now,
        expires_at: now.plus(900),
        due_at: now.plus(seconds),
        attempts: 0,
        last_error: None,
    };
    let believed = |connection: &str| {
        let heard = Heard {
            connection: connection.to_owned(),
            issuer: two.teller.issuer.clone(),
            sid: Some("up".to_owned()),
            subject: None,
            reach: Reach::Behind,
            at: now,
            from: String::new(),
            user_id: None,
            after: None,
        };
        serde_json::to_string(&heard).unwrap()
    };
    let claimed = serde_json::json!({
        "jti": "1", "good_until": now, "sid": "up", "subject": null, "email": null,
        "issuer": two.teller.issuer, "at": now, "from": "",
    });
    let rows = [
        signal("slow", "a.b.c", claimed.to_string(), 0),
        signal("slow", "", believed("slow"), 0),
        signal("corp", "", believed("corp"), 1),
    ];
    let put = two
        .world
        .app
        .store
        .write(move |tx| rows.iter().try_for_each(|row| tx.put_signal(row).map(drop)));
    put.await.unwrap();
    two.works_until(Lane::Signals, async || {
        let ended = async |sid| two.world.session(sid).await.end.is_some();
        ended(own).await && ended(other).await
    })
    .await;
}
