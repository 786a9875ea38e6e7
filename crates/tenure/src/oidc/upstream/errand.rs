//! A person's errand at another provider: what must be known again when they come back. It travels
//! sealed in `state`, so that nothing is stored for people who never come back.

use crate::app::App;
use crate::crypto::mac::sha256;
use crate::oidc::authorize::Context;
use crate::oidc::transaction::Transaction;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tenure_protocol::model::Connection;
use tenure_protocol::{Sid, Timestamp};

const CONTEXT: &str = "upstream errand";

/// Seconds that a person may take at the provider: to find a phone, to reset a password.
pub const LIFETIME: i64 = 3_600;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    pub connection: String,
    pub transaction: Transaction,
    /// Counts once (lesson CVE-2025-46815).
    pub id: String,
    pub nonce: String,
    /// For PKCE.
    pub verifier: String,
    pub began_at: Timestamp,
    /// The oldest `auth_time` that will do.
    pub fresh_since: Option<Timestamp>,
    /// The session here that waits for the provider's word; otherwise somebody signs in.
    #[serde(default)]
    pub confirms: Option<Sid>,
    /// A hash of the cookie of the browser that was sent: nobody else comes back with it.
    browser: String,
}

impl Errand {
    pub fn begin(
        context: &Context,
        connection: &Connection,
        cookie: &str,
        fresh_since: Option<Timestamp>,
    ) -> Self {
        let entropy = &context.app.entropy;
        Self {
            connection: connection.name.clone(),
            transaction: context.transaction.clone(),
            id: entropy.token(16),
            nonce: entropy.token(24),
            verifier: entropy.token(32),
            began_at: context.now,
            fresh_since,
            confirms: None,
            browser: hash(cookie),
        }
    }

    /// The same, to ask about a session.
    #[must_use]
    pub fn confirming(self, sid: Sid) -> Self {
        Self {
            confirms: Some(sid),
            ..self
        }
    }

    /// The PKCE challenge (RFC 7636 section 4.2).
    pub fn challenge(&self) -> String {
        hash(&self.verifier)
    }

    pub fn seal(&self, app: &App) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        app.master.seal_text(CONTEXT, &text, &app.entropy)
    }

    /// `None`: not made by us.
    pub fn open(app: &App, state: &str) -> Option<Self> {
        serde_json::from_slice(&app.master.open_text(CONTEXT, state)?).ok()
    }

    pub fn is_of_browser(&self, cookie: Option<&str>) -> bool {
        cookie.is_some_and(|cookie| {
            crate::crypto::mac::equal(hash(cookie).as_bytes(), self.browser.as_bytes())
        })
    }

    /// When it is of no use any more.
    pub fn until(&self) -> Timestamp {
        self.began_at.plus(LIFETIME + 60)
    }

    pub fn is_fresh(&self, now: Timestamp) -> bool {
        !now.is_more_than(LIFETIME, self.began_at)
    }
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(text.as_bytes()))
}
