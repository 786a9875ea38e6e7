//! The configurations, side by side.

use std::path::Path;
use tenure_app::store::{MemoryStore, SqliteStore};
use tenure_app::{AppSession, Clock, Config};

/// One shop.
#[derive(Debug)]
pub struct Scenario {
    pub client_id: &'static str,
    pub name: &'static str,
    pub title: &'static str,
    pub story: &'static str,
    configure: fn(&mut Config),
    keep: Keep,
}

#[derive(Clone, Copy, Debug)]
enum Keep {
    Cookie,
    Server,
}

pub const ALL: [Scenario; 4] = [
    Scenario {
        client_id: "local-logout",
        name: "Acme Books",
        title: "A logout leaves the provider's session alone",
        story: "Sign out, and sign in again: nobody asks for the password.",
        configure: |_| {},
        keep: Keep::Cookie,
    },
    Scenario {
        client_id: "idp-logout",
        name: "Acme Maps",
        title: "A logout here is a logout there",
        story: "Sign out, and the next sign-in asks for the password, here and in the other shops.",
        configure: |config| config.idp_logout = true,
        keep: Keep::Server,
    },
    Scenario {
        client_id: "refresh-tokens",
        name: "Acme Tents",
        title: "Refresh tokens keep the access token fresh",
        story: "The access token lasts a minute and is renewed when it is needed.",
        configure: offline,
        keep: Keep::Cookie,
    },
    Scenario {
        client_id: "inactivity",
        name: "Acme Boots",
        title: "Signed out after one minute without activity",
        story: "Looking at the page is no activity; moving the pointer, typing and opening a page are.",
        configure: |config| {
            offline(config);
            config.session.rolling_duration = Some(60);
        },
        keep: Keep::Server,
    },
];

fn offline(config: &mut Config) {
    let params = [
        ("scope", "openid profile email offline_access"),
        ("audience", "https://api.acme.example"),
    ];
    config.authorization_params = params
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
}

/// Nothing of a login stands in an address: what is asked goes to the provider by a request of ours, and its answer comes
/// as a form, which needs https.
fn harden(config: &mut Config) {
    config.pushed_authorization_requests = true;
    let mode = ("response_mode".to_owned(), "form_post".to_owned());
    config.authorization_params.extend([mode]);
}

impl Scenario {
    pub fn layer(
        &self,
        issuer: &str,
        base: &str,
        sessions: Option<&Path>,
        clock: Clock,
    ) -> anyhow::Result<AppSession> {
        // A real application reads both secrets from its environment.
        let secret = format!("{} keeps no secrets: it is an example", self.client_id);
        let mut config = Config::new(issuer, base, self.client_id, &secret);
        config.client_secret = Some(format!("{}-secret", self.client_id));
        config.auth_required = false;
        (self.configure)(&mut config);
        if base.starts_with("https:") {
            harden(&mut config);
        }
        let builder = AppSession::builder(config).clock(clock);
        Ok(match (self.keep, sessions) {
            (Keep::Cookie, _) => builder.build()?,
            (Keep::Server, None) => builder.store(MemoryStore::new()).build()?,
            (Keep::Server, Some(file)) => builder.store(SqliteStore::open(file)?).build()?,
        })
    }
}
