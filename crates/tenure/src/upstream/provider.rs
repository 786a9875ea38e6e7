//! Providers as they were last seen: metadata and keys are fetched once and kept for a while.

use super::Fault;
use super::keys::{self, Unverified};
use super::metadata::{Metadata, key_set};
use crate::outbound::Outbound;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tenure_protocol::model::Connection;

/// By the process' own time, not the clock of sessions: a database that travels in time fetches nothing anew.
const METADATA_LIFETIME: Duration = Duration::from_secs(3_600);
/// How often at most a key set is fetched because of a token whose key nobody knows: strangers choose
/// the key ids that they send.
const KEYS_INTERVAL: Duration = Duration::from_secs(10);
/// A provider that did not answer is left alone for so long.
const FAILURE_INTERVAL: Duration = Duration::from_secs(2);

/// A provider as it was last seen.
#[derive(Clone, Debug)]
pub struct Provider {
    pub metadata: Arc<Metadata>,
    keys: Arc<Value>,
    seen_at: Instant,
    keys_at: Instant,
}

impl Provider {
    /// Its JWK set.
    pub fn keys(&self) -> &Value {
        &self.keys
    }
}

/// Every provider that was asked, by the address of its metadata.
#[derive(Debug, Default)]
pub struct Providers {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// One fetches at a time; the others wait for what comes of it.
#[derive(Debug, Default)]
struct Slot {
    state: tokio::sync::Mutex<State>,
    /// Held by who looks for a key that nobody knows.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    provider: Option<Provider>,
    failed: Option<(Instant, Fault)>,
}

impl Providers {
    /// Metadata and keys, fetched where they are not known yet or are old. Old ones are better than
    /// none, while the provider does not answer.
    pub async fn provider(
        &self,
        outbound: &Outbound,
        connection: &Connection,
    ) -> Result<Provider, Fault> {
        let slot = self.slot(connection);
        let mut state = slot.state.lock().await;
        let now = Instant::now();
        if let Some(known) = &state.provider
            && now.duration_since(known.seen_at) < METADATA_LIFETIME
        {
            return Ok(known.clone());
        }
        if let Some((at, fault)) = &state.failed
            && now.duration_since(*at) < FAILURE_INTERVAL
        {
            return state.provider.clone().ok_or_else(|| fault.clone());
        }
        match fetch(outbound, connection).await {
            Ok(provider) => {
                *state = State {
                    provider: Some(provider.clone()),
                    failed: None,
                };
                Ok(provider)
            }
            Err(fault) => {
                tracing::warn!(connection = connection.name, %fault, "no metadata of an identity provider");
                state.failed = Some((Instant::now(), fault.clone()));
                state.provider.clone().ok_or(fault)
            }
        }
    }

    /// The metadata as they were last seen, if they were, without asking anybody.
    pub fn known(&self, connection: &Connection) -> Option<Arc<Metadata>> {
        let slot = self.slot(connection);
        let state = slot.state.try_lock().ok()?;
        Some(Arc::clone(&state.provider.as_ref()?.metadata))
    }

    /// The claims of a token that the provider signed. A key that nobody knows is looked for, but not often.
    pub async fn verify(
        &self,
        outbound: &Outbound,
        connection: &Connection,
        token: &str,
    ) -> Result<Map<String, Value>, Fault> {
        let provider = self.provider(outbound, connection).await?;
        match keys::verify(&provider.keys, token) {
            Ok(claims) => return Ok(claims),
            Err(Unverified::NoKey) => {}
            Err(other) => return Err(unverified(other)),
        }
        let slot = self.slot(connection);
        // Those with a key that nobody knows wait here, one behind the other; all others pass by.
        let _turn = slot.looking.lock().await;
        let current = slot.state.lock().await.provider.clone();
        let current = current.unwrap_or(provider);
        if current.keys_at.elapsed() < KEYS_INTERVAL {
            // They may have changed since, or a stranger invented the key: later it can be told.
            return keys::verify(&current.keys, token).map_err(|why| match why {
                Unverified::NoKey => Fault::Unreachable(
                    "the keys of the provider were fetched a moment ago, without one that the token \
                     names"
                        .to_owned(),
                ),
                other => unverified(other),
            });
        }
        let fetched = key_set(outbound, &current.metadata.jwks_uri).await;
        // Also a provider that does not answer is not asked again for every token of a stranger.
        let fresh = Provider {
            keys: fetched.clone().map_or(current.keys, Arc::new),
            keys_at: Instant::now(),
            ..current
        };
        slot.state.lock().await.provider = Some(fresh.clone());
        fetched?;
        keys::verify(&fresh.keys, token).map_err(unverified)
    }

    fn slot(&self, connection: &Connection) -> Arc<Slot> {
        // Another issuer in the file is another provider, also at the same address.
        let key = format!(
            "{} {}",
            connection.metadata_url().unwrap_or_default(),
            connection.issuer().unwrap_or_default()
        );
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }
}

async fn fetch(outbound: &Outbound, connection: &Connection) -> Result<Provider, Fault> {
    let metadata = Metadata::fetch(outbound, connection).await?;
    let keys = key_set(outbound, &metadata.jwks_uri).await?;
    let now = Instant::now();
    Ok(Provider {
        metadata: Arc::new(metadata),
        keys: Arc::new(keys),
        seen_at: now,
        keys_at: now,
    })
}

fn unverified(why: Unverified) -> Fault {
    let why = match why {
        Unverified::Malformed => "the token is no JWT with an algorithm that is allowed",
        Unverified::NoKey => "the provider publishes no key that the token names",
        Unverified::Signature => "the signature of the token is not the provider's",
    };
    Fault::Refused(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BaseUrl, OutboundConfig};
    use crate::outbound::{Here, Names};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;
    use std::net::SocketAddr;

    /// Strangers choose the key ids that they send: a key set that cannot be had must not be asked for
    /// once for each of them.
    #[tokio::test]
    async fn a_key_set_that_cannot_be_had_is_not_asked_for_with_every_token() {
        let here = Here {
            base_url: &BaseUrl::parse("http://localhost:7100").unwrap(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7100)),
            metrics_listen: None,
        };
        let outbound = Outbound::new(&OutboundConfig::default(), here, Names::System).unwrap();
        let (connection, providers) = (Connection::default(), Providers::default());
        // Nobody listens at port 1.
        let metadata = json!({
            "issuer": "http://127.0.0.1:1", "authorization_endpoint": "http://127.0.0.1:1/a",
            "token_endpoint": "http://127.0.0.1:1/t", "jwks_uri": "http://127.0.0.1:1/jwks",
        });
        let long_ago = Instant::now().checked_sub(KEYS_INTERVAL * 2).unwrap();
        let provider = Provider {
            metadata: Arc::new(serde_json::from_value(metadata).unwrap()),
            keys: Arc::new(json!({"keys": []})),
            seen_at: Instant::now(),
            keys_at: long_ago,
        };
        providers.slot(&connection).state.lock().await.provider = Some(provider);
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"invented"}"#);
        let token = format!("{header}.e30.AA");
        let mut answers = Vec::new();
        for _ in 0..2 {
            match providers.verify(&outbound, &connection, &token).await {
                Err(Fault::Unreachable(why)) => answers.push(why),
                other => panic!("{other:?}"),
            }
        }
        assert!(!answers[0].contains("a moment ago"), "{answers:?}");
        assert!(answers[1].contains("a moment ago"), "{answers:?}");
    }
}
