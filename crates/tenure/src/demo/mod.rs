//! What `tenure demo` serves beside the server: two single page sites, an API that they use, the
//! endpoints of the panel that stands beside each site, and another identity provider. Nothing of this
//! is part of `tenure serve`.

pub mod api;
pub mod guard;
pub mod panel;
pub mod site;
pub mod tenant;

use crate::app::App;
use crate::entropy::Entropy;
use std::sync::{Arc, Mutex, PoisonError};
use tenure_protocol::Timestamp;

/// The person whom the demo's tenant knows.
pub const EMAIL: &str = "ada@example.com";

/// Logout tokens that are remembered.
const MOST_TOLD: usize = 50;

/// Where everything of the demo is: origins, without a slash at their end.
#[derive(Clone, Debug)]
pub struct Addresses {
    pub server: String,
    pub shop: String,
    pub forum: String,
    pub api: String,
    /// Another identity provider: a second Tenure, of a company.
    pub company: String,
}

/// What the demo made up for this run.
#[derive(Debug)]
pub struct Secrets {
    /// Ada's, here and at the company; printed in the terminal, and set anew when the panel changes it.
    pub password: String,
    /// The server's own, as the company's client.
    pub client: String,
}

impl Secrets {
    pub fn new(entropy: &Entropy) -> Self {
        Self {
            password: entropy.token(9),
            client: entropy.token(24),
        }
    }
}

impl Addresses {
    /// Five ports in a row: server, shop, forum, API, company.
    pub fn from_port(port: u16) -> Self {
        let at = |offset| format!("http://localhost:{}", u32::from(port) + offset);
        Self {
            server: at(0),
            shop: at(1),
            forum: at(2),
            api: at(3),
            company: at(4),
        }
    }

    /// The API's identifier, which its access tokens name as their audience.
    pub fn audience(&self) -> String {
        format!("{}/", self.api)
    }

    pub fn is_site(&self, origin: &str) -> bool {
        origin == self.shop || origin == self.forum
    }
}

/// A logout token that a site's own server received (Back-Channel Logout 1.0 section 2.5).
#[derive(Clone, Debug, serde::Serialize)]
pub struct Told {
    pub site: &'static str,
    pub sid: String,
    pub reason: String,
    #[serde(serialize_with = "as_date")]
    pub at: Timestamp,
}

fn as_date<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&crate::http::iso_date(*at))
}

/// What the demo's listeners share.
#[derive(Debug)]
pub struct Demo {
    pub app: Arc<App>,
    pub at: Addresses,
    pub secrets: Secrets,
    told: Mutex<Vec<Told>>,
}

impl Demo {
    pub fn new(app: Arc<App>, at: Addresses, secrets: Secrets) -> Arc<Self> {
        Arc::new(Self {
            app,
            at,
            secrets,
            told: Mutex::default(),
        })
    }

    fn remember(&self, told: Told) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_TOLD {
            all.remove(0);
        }
        all.push(told);
    }

    fn told_of(&self, sid: &str) -> Vec<Told> {
        let all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|told| told.sid == sid).cloned().collect()
    }
}
