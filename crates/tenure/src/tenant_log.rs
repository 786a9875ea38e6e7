//! The tenant log: what happened to whom, with Auth0's event codes. Ends, reuse and refusals that
//! change or judge something are written in their own transaction; successes, and refusals that change
//! nothing (decision 41), go in batches and may lose the last second in a crash.

use crate::entropy::Entropy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{LogRow, Store, StoreError, Tx};
use tokio::sync::{mpsc, watch};

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
    /// Becomes true when the server stops.
    closing: watch::Sender<bool>,
}

impl Batcher {
    /// The batcher and the work that a worker task must run until it returns.
    pub fn new(store: Store, entropy: Entropy) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(20 * BATCH);
        let (closing, closed) = watch::channel(false);
        let batcher = Self {
            sender,
            entropy,
            closing,
        };
        (batcher, drain(store, receiver, closed))
    }

    /// The server stops: what was handed over is written now, and nothing more is taken.
    pub fn close(&self) {
        self.closing.send_replace(true);
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

async fn drain(
    store: Store,
    mut receiver: mpsc::Receiver<LogRow>,
    mut closing: watch::Receiver<bool>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut is_open = true;
    loop {
        let taken = tokio::select! {
            taken = receiver.recv_many(&mut batch, BATCH) => taken,
            _ = closing.wait_for(|closing| *closing), if is_open => {
                // What is in it already still comes out.
                is_open = false;
                receiver.close();
                continue;
            }
        };
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
        if taken < BATCH && is_open {
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(250)) => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_store::Options;

    /// Neither the entries that gather for the next batch nor those of the last request.
    #[tokio::test]
    async fn a_server_that_is_asked_to_stop_loses_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::new(folder.path().join("t.db"))).unwrap();
        let (log, work) = Batcher::new(store.clone(), Entropy::seeded(1));
        let work = tokio::spawn(work);
        let now = Timestamp::from_seconds(1_000);
        let count = async || store.read(|tx| tx.logs(None, "", 99)).await.unwrap().len();
        log.success(&Entry::new(kind::LOGIN), now);
        while count().await == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            log.success(&Entry::new(kind::SILENT_OK), now);
        }
        log.close();
        work.await.unwrap();
        assert_eq!(count().await, 4);
    }
}
