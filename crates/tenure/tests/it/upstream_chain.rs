//! Three installations in a chain: the one in the middle signs people in at the top, the one at the
//! bottom signs them in at the middle. A logout at the top reaches the application at the bottom.

use crate::outbox_receiver::Receiver;
use crate::upstream_world::{PROVIDER, Served};
use crate::world::{Answer, Browser, PASSWORD, claims, spa};
use http::StatusCode;
use std::time::{Duration, Instant};
use tenure::work::{Workers, start};
use tenure_protocol::session::EndReason;
use tenure_protocol::{Sid, Timestamp};

/// A tenant whose people come from another installation.
fn below(above: &Served, name: &str, rest: &str) -> String {
    format!(
        "tenant: {{ friendly_name: {name} }}\nconnections:\n  - name: above\n    strategy: oidc\n    \
         options: {{ issuer: \"{}\", client_id: {name}, client_secret: {name}-secret }}\n{rest}",
        above.issuer()
    )
}

/// The registration of an installation at the one above it.
fn registered(below: &Served, name: &str) -> String {
    let base = &below.base;
    format!(
        "clients:\n  - client_id: {name}\n    client_secret: {name}-secret\n    name: {name}\n    \
         callbacks: [\"{base}/login/callback\"]\n    allowed_logout_urls: [\"{base}/bye\"]\n    \
         oidc_logout: {{ backchannel_logout_urls: \
         [\"{base}/connections/above/backchannel-logout\"] }}\n"
    )
}

struct Chain {
    top: Served,
    middle: Served,
    bottom: Served,
    application: Receiver,
    _workers: [Workers; 3],
}

impl Chain {
    async fn start(policy: &str) -> Self {
        let application = Receiver::start().await;
        let top = Served::start(PROVIDER).await;
        let policy = match policy {
            "" => String::new(),
            policy => format!("    upstream: {{ backchannel_logout: {policy} }}\n"),
        };
        let middle = Served::start(&below(&top, "middle", &policy)).await;
        let shop = format!(
            "{policy}clients:\n  - client_id: spa\n    name: Shop\n    app_type: spa\n    \
             callbacks: [\"http://localhost:3000/cb\"]\n    web_origins: [\"http://localhost:3000\"]\n    \
             oidc_logout: {{ backchannel_logout_urls: [\"{}\"] }}\n",
            application.url("ok")
        );
        let bottom = Served::start(&below(&middle, "bottom", &shop)).await;
        top.world.apply(&registered(&middle, "middle")).await;
        middle.world.apply(&registered(&bottom, "bottom")).await;
        let workers =
            [&top, &middle, &bottom].map(|one| start(&one.world.app, std::future::pending()));
        Self {
            top,
            middle,
            bottom,
            application,
            _workers: workers,
        }
    }

    fn person(&self) -> Person<'_> {
        Person {
            chain: self,
            top: self.top.world.browser(),
            middle: self.middle.world.browser(),
            bottom: self.bottom.world.browser(),
        }
    }

    /// Waits until the application at the bottom has been told of so many ends.
    async fn application_is_told(&self, count: usize) -> Vec<String> {
        let told = async {
            loop {
                let tokens = self.application.tokens("ok");
                if tokens.len() >= count {
                    return tokens;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = Duration::from_secs(60);
        tokio::time::timeout(limit, told).await.unwrap()
    }
}

/// One browser, and its cookies at each installation.
struct Person<'c> {
    chain: &'c Chain,
    top: Browser<'c>,
    middle: Browser<'c>,
    bottom: Browser<'c>,
}

/// Where a page goes by itself.
fn onward(answer: &Answer) -> String {
    if answer.status != StatusCode::OK {
        return answer.location().to_owned();
    }
    let (_, rest) = answer.body.split_once("content=\"0;url=").unwrap();
    rest.split('"').next().unwrap().replace("&#38;", "&")
}

impl Person<'_> {
    /// By way of the middle to the top, and back; the application gets its code.
    async fn sign_in(&mut self) -> String {
        let chain = self.chain;
        let sent = self.bottom.get(&spa(&[("connection", "above")])).await;
        let page = self.middle.get(chain.middle.path(sent.location())).await;
        let href = page.body.split("provider\" href=\"").nth(1).unwrap();
        let href = href.split('"').next().unwrap().replace("&#38;", "&");
        let sent = self.middle.get(&href).await;
        let page = self.top.get(chain.top.path(sent.location())).await;
        let back = match page.status {
            StatusCode::OK => {
                self.top
                    .submit_login(&page, "ada@example.com", PASSWORD)
                    .await
            }
            _ => page,
        };
        let back = self.middle.get(chain.middle.path(back.location())).await;
        let to_bottom = onward(&back);
        let back = self.bottom.get(chain.bottom.path(&to_bottom)).await;
        let to_application = onward(&back);
        assert!(
            to_application.starts_with("http://localhost:3000/cb?code="),
            "{back:?}"
        );
        to_application
    }
}

fn sid(browser: &Browser<'_>) -> Sid {
    let mut sessions = browser
        .cookies
        .iter()
        .filter(|(name, _)| !name.contains("-form"));
    let (_, value) = sessions.next().unwrap();
    value.split('.').next().unwrap().parse().unwrap()
}

/// The bound is a second; a machine that is busy with other tests may take longer, and not much.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn goauthentik_25283_a_logout_at_the_top_reaches_the_application_at_the_bottom() {
    let chain = Chain::start("").await;
    let mut person = chain.person();
    person.sign_in().await;
    let (middle, bottom) = (sid(&person.middle), sid(&person.bottom));
    // Another browser of the same person stays.
    let mut other = chain.person();
    other.sign_in().await;
    let began = Instant::now();
    let bye = person.top.get("/v2/logout").await;
    assert!(
        bye.status.is_success() || bye.status.is_redirection(),
        "{bye:?}"
    );
    let told = chain.application_is_told(1).await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let token = claims(&told[0]);
    assert_eq!(token["sid"], bottom.to_string());
    assert_eq!(token["iss"], chain.bottom.issuer());
    for (world, sid) in [(&chain.middle.world, middle), (&chain.bottom.world, bottom)] {
        let end = world.session(sid).await.end.unwrap();
        assert_eq!(end.reason, EndReason::UpstreamLogout);
        assert_eq!(
            (end.by.as_str(), end.rule.as_str()),
            ("connection:above", "logout_token")
        );
        assert!(end.at >= Timestamp::default());
    }
    for (world, sid) in [
        (&chain.middle.world, sid(&other.middle)),
        (&chain.bottom.world, sid(&other.bottom)),
    ] {
        assert_eq!(world.session(sid).await.end, None);
    }
    assert_eq!(chain.application.count(), 1);
}

/// By `all_sessions` in the middle, every browser of the person is signed out at the bottom.
#[tokio::test(flavor = "multi_thread")]
async fn with_all_sessions_every_browser_is_signed_out() {
    let chain = Chain::start("all_sessions").await;
    let mut people = [chain.person(), chain.person(), chain.person()];
    let mut bottoms = Vec::new();
    for person in &mut people {
        person.sign_in().await;
        bottoms.push(sid(&person.bottom).to_string());
    }
    people[1].top.get("/v2/logout").await;
    let told = chain.application_is_told(3).await;
    let mut sids: Vec<String> = told
        .iter()
        .map(|token| claims(token)["sid"].as_str().unwrap().to_owned())
        .collect();
    sids.sort();
    bottoms.sort();
    assert_eq!(sids, bottoms);
    for person in &people {
        let end = chain
            .bottom
            .world
            .session(sid(&person.bottom))
            .await
            .end
            .unwrap();
        assert_eq!(end.reason, EndReason::UpstreamLogout);
    }
}
