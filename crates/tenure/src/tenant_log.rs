//! The tenant log: what happened to whom, with Auth0's event codes. Ends, reuse and refusals that
//! change or judge something are written in their own transaction; successes, and refusals that change
//! nothing (decision 41), go in batches and may lose the last second in a crash.

use crate::entropy::Entropy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{LogRow, Store, StoreError, Tx};
use tokio::sync::mpsc;

/// Event codes (contract 3.10).
pub mod kind {
    pub const LOGIN: &str = "s";
    pub const LOGIN_FAILED: &str = "f";
    pub const WRONG_PASSWORD: &str = "fp";
    pub const UNKNOWN_USER: &str = "fu";
    pub const THROTTLED: &str = "limit_wc";
    pub const SILENT_OK: &str = "ssa";
    pub const SILENT_FAILED: &str = "fsa";
    pub const LOGOUT: &str = "slo";
    pub const LOGOUT_FAILED: &str = "flo";
    pub const FEDERATED_LOGOUT_FAILED: &str = "federated_logout_failed";
    pub const CODE_EXCHANGED: &str = "seacft";
    pub const CODE_EXCHANGE_FAILED: &str = "feacft";
    pub const REFRESHED: &str = "sertft";
    pub const REFRESH_FAILED: &str = "fertft";
    pub const REFRESH_REUSED: &str = "ferrt";
    pub const REFRESH_REVOKED: &str = "srrt";
    pub const MACHINE_TOKEN: &str = "seccft";
    pub const MACHINE_TOKEN_FAILED: &str = "feccft";
    pub const BACKCHANNEL_LOGOUT: &str = "oidc_backchannel_logout_succeeded";
    pub const BACKCHANNEL_LOGOUT_FAILED: &str = "oidc_backchannel_logout_failed";
    pub const UPSTREAM_LOGOUT: &str = "upstream_logout_succeeded";
    pub const UPSTREAM_LOGOUT_FAILED: &str = "upstream_logout_failed";
    pub const UNIVERSAL_LOGOUT: &str = "universal_logout_succeeded";
    pub const UNIVERSAL_LOGOUT_FAILED: &str = "universal_logout_failed";
    pub const SESSION_ENDED: &str = "session_revoked";
    pub const SESSION_EXTENDED: &str = "session_extended";
    pub const PASSWORD_CHANGED: &str = "scp";
    pub const USER_DELETED: &str = "sdu";
    pub const USER_BLOCKED: &str = "ublkdu";
    pub const CONFIGURATION: &str = "sapi";
    pub const WARNING: &str = "w";
    pub const ORIGIN_REFUSED: &str = "fco";
}

/// Characters that are kept of what somebody else chose: an entry's size must not be the sender's choice.
const MOST: usize = 256;

fn cut(text: &str) -> String {
    text.chars().take(MOST).collect()
}

/// An entry, in the shape of the Management API's `/logs`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audience: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The session it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session_id: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

impl Entry {
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn user(mut self, user_id: &str) -> Self {
        user_id.clone_into(&mut self.user_id);
        self
    }

    #[must_use]
    pub fn user_name(mut self, user_name: &str) -> Self {
        self.user_name = cut(user_name);
        self
    }

    #[must_use]
    pub fn session(mut self, sid: &Sid) -> Self {
        self.session_id = sid.to_string();
        self
    }

    #[must_use]
    pub fn client(mut self, client_id: &str) -> Self {
        client_id.clone_into(&mut self.client_id);
        self
    }

    #[must_use]
    pub fn from(mut self, ip: &str, user_agent: &str) -> Self {
        self.ip = cut(ip);
        self.user_agent = cut(user_agent);
        self
    }

    #[must_use]
    pub fn describe(mut self, description: &str) -> Self {
        self.description = cut(description);
        self
    }

    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(cut(&text)),
            other => other,
        };
        self.details.insert(name.to_owned(), value);
        self
    }

    /// The row, with an id that begins with the instant. `tail` makes it unique.
    pub fn row(&self, now: Timestamp, tail: &str) -> LogRow {
        LogRow {
            log_id: format!("{:013}{tail}", now.millis().max(0)),
            at: now,
            kind: self.kind.clone(),
            user_id: self.user_id.clone(),
            sid: self.session_id.clone(),
            body: serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// Writes the entry in the caller's transaction.
    pub fn write(&self, tx: &Tx<'_>, now: Timestamp, tail: &str) -> Result<(), StoreError> {
        tx.insert_log(&self.row(now, tail))
    }
}

/// Rows a batch may hold; also the bound of what a crash can lose besides time.
const BATCH: usize = 500;

/// Takes entries that no change depends on and writes them in batches.
#[derive(Clone, Debug)]
pub struct Batcher {
    sender: mpsc::Sender<LogRow>,
    entropy: Entropy,
}

impl Batcher {
    /// The batcher and the work that a worker task must run until it returns.
    pub fn new(store: Store, entropy: Entropy) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(20 * BATCH);
        (Self { sender, entropy }, drain(store, receiver))
    }

    /// Hands an entry over. When the database cannot keep up entries are dropped, and counted in the log.
    pub fn success(&self, entry: &Entry, now: Timestamp) {
        let tail = self.entropy.token(9);
        if self.sender.try_send(entry.row(now, &tail)).is_err() {
            tracing::warn!(
                kind = entry.kind,
                "the tenant log cannot keep up: an entry was dropped"
            );
        }
    }
}

async fn drain(store: Store, mut receiver: mpsc::Receiver<LogRow>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let taken = receiver.recv_many(&mut batch, BATCH).await;
        if taken == 0 {
            return;
        }
        let rows = std::mem::take(&mut batch);
        let written = store.write(move |tx| tx.insert_logs(&rows)).await;
        if let Err(error) = written {
            tracing::error!(%error, "writing the tenant log failed");
        }
        // Let entries gather: one commit for many of them, at most a second late. A full batch shows
        // that there are more already.
        if taken < BATCH {
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
    }
}
