//! Goes on with what identity providers told us: verifies what came while their keys could not be had,
//! and ends what was too much for one transaction.

use super::expiry::judge;
use crate::app::App;
use crate::oidc::upstream::cascade::Heard;
use crate::oidc::upstream::signal::{self, Claimed};
use crate::upstream::Fault;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tenure_protocol::upstream::signal::{Next, after_failure};
use tenure_store::{StoreError, UpstreamSignal};

/// Signals that are claimed at once.
const BATCH: i64 = 64;

/// Seconds until a claim runs out: more than asking for keys 64 times takes.
const CLAIM: i64 = 600;

/// Carries out some of what is due of a connection. `false`: there was nothing, another server has it.
pub(super) async fn some(app: &Arc<App>, connection: String) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let times = (now, now.plus(CLAIM));
    let claimed = app
        .background
        .write(move |tx| tx.claim_signals(&connection, times, BATCH))
        .await?;
    let any = !claimed.is_empty();
    let (believed, others): (Vec<_>, Vec<_>) = claimed
        .into_iter()
        .partition(|signal| signal.token.is_empty());
    // What is believed needs nobody's answer, and does not wait for those that do.
    for signal in believed {
        go_on(app, signal).await?;
    }
    for signal in others {
        attempt(app, signal).await?;
    }
    Ok(any)
}

/// Tries to believe a token.
async fn attempt(app: &Arc<App>, signal: UpstreamSignal) -> Result<(), StoreError> {
    let connection = app
        .settings
        .current()
        .connections
        .get(&signal.connection)
        .cloned();
    let Some((connection, claimed)) = connection.zip(body::<Claimed>(&signal)) else {
        return give_up(app, signal, "the connection is gone, or the row is broken").await;
    };
    match signal::verify(app, &connection, &signal.token).await {
        Err(Fault::Refused(why)) => give_up(app, signal, &why).await,
        Err(Fault::Unreachable(why)) => {
            let now = app.clock.now();
            match after_failure(signal.attempts, signal.expires_at, now) {
                Next::GiveUp => give_up(app, signal, &why).await,
                Next::TryAt(due_at) => {
                    let last_error = Some(why);
                    let settled = UpstreamSignal {
                        due_at,
                        last_error,
                        ..signal
                    };
                    let stored = app.background.write(move |tx| tx.settle_signal(&settled));
                    stored.await.map(drop)
                }
            }
        }
        Ok(()) => {
            let (inner, settings, now) = (app.clone(), app.settings.current(), app.clock.now());
            let kind = signal.kind;
            let outcome = app.background.write(move |tx| {
                // Whoever drops it carries it out: once, whatever other servers do.
                if !tx.drop_signal(&signal)? {
                    return Ok(None);
                }
                let judge = judge(&inner, &settings, now);
                signal::accept(tx, (kind, &connection), &claimed, judge).map(Some)
            });
            if let Some(outcome) = outcome.await? {
                app.metrics.signal(kind.name(), outcome.name());
            }
            Ok(())
        }
    }
}

/// Ends the rest, some at a time; each step is stored with what it ended.
async fn go_on(app: &Arc<App>, signal: UpstreamSignal) -> Result<(), StoreError> {
    let Some(mut heard) = body::<Heard>(&signal) else {
        return give_up(app, signal, "the row is broken").await;
    };
    loop {
        let (inner, settings, now) = (app.clone(), app.settings.current(), app.clock.now());
        let (row, from) = (signal.clone(), heard.clone());
        let rest = app.background.write(move |tx| {
            let rest = signal::go_on(tx, row.kind, &from, judge(&inner, &settings, now))?;
            let ours = match &rest {
                None => tx.drop_signal(&row)?,
                Some(rest) => tx.settle_signal(&UpstreamSignal {
                    body: serde_json::to_string(rest).unwrap_or_default(),
                    ..row
                })?,
            };
            Ok(rest.filter(|_| ours))
        });
        match rest.await? {
            Some(rest) => heard = rest,
            None => return Ok(()),
        }
    }
}

fn body<T: DeserializeOwned>(signal: &UpstreamSignal) -> Option<T> {
    serde_json::from_str(&signal.body).ok()
}

async fn give_up(app: &App, signal: UpstreamSignal, why: &str) -> Result<(), StoreError> {
    let (kind, connection) = (signal.kind, signal.connection.clone());
    let from = body::<Claimed>(&signal).map_or(String::new(), |claimed| claimed.from);
    if app
        .background
        .write(move |tx| tx.drop_signal(&signal))
        .await?
    {
        app.metrics.signal(kind.name(), "given_up");
        signal::log_failure(app, kind, &connection, &from, why);
    }
    Ok(())
}
