//! Ends sessions at their deadline, so that everyone who relied on them learns of it then and not at
//! the next request. Telling others is all it does: whether a session is over is decided wherever it is
//! used (lesson CVE-2025-64708).
//!
//! An activity moves a session's deadline and leaves `due_at`, by which this worker finds it, as it was.
//! Whoever comes too early looks, and moves `due_at` to the deadline.

use super::whenever_due;
use crate::app::App;
use crate::oidc::sessions::{self, Judge};
use crate::settings::Settings;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{StoreError, Tx, UserRow};

/// Sessions in one transaction. On the embedded database requests wait while it runs.
const BATCH: usize = 50;

/// While another server holds what is due.
const AGAIN: Duration = Duration::from_millis(300);

/// Rest between batches on the embedded database: as long as the batch took, at most this.
const REST: Duration = Duration::from_millis(10);

/// Seconds until a session whose row is broken is looked at again.
const BROKEN: i64 = 3_600;

pub async fn run(app: Arc<App>) {
    let failed = "ending expired sessions failed; trying again";
    whenever_due(&app, failed, || round(&app)).await;
}

/// Ends everything that is due, and answers when the next session is.
pub async fn round(app: &Arc<App>) -> Result<Option<Timestamp>, StoreError> {
    loop {
        let next = app.background.read(|tx| tx.next_due_session()).await?;
        if next.is_none_or(|due| due > app.clock.now()) {
            return Ok(next);
        }
        while batch(app).await? == BATCH {}
    }
}

/// Looks at some of the sessions that are due, and tells at how many.
async fn batch(app: &Arc<App>) -> Result<usize, StoreError> {
    let began = Instant::now();
    let (inner, settings, now) = (app.clone(), app.settings.current(), app.clock.now());
    let seen = app.background.write(move |tx| {
        let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let due = tx.due_sessions(now, most)?;
        let mut deadlines = Vec::new();
        for sid in &due {
            deadlines.extend(look(tx, sid, judge(&inner, &settings, now))?);
        }
        Ok((due.len(), deadlines))
    });
    let (seen, deadlines) = seen.await?;
    let done = app.clock.now().millis();
    for deadline in deadlines {
        let late = u64::try_from(done - deadline.millis()).unwrap_or(0);
        app.metrics.expired(Duration::from_millis(late));
    }
    if seen == 0 {
        tokio::time::sleep(AGAIN).await;
    } else if !app.store.is_shared() {
        tokio::time::sleep(began.elapsed().min(REST)).await;
    }
    Ok(seen)
}

pub(super) fn judge<'a>(app: &'a App, settings: &'a Settings, now: Timestamp) -> Judge<'a> {
    Judge {
        settings,
        caps: &app.config.caps,
        entropy: &app.entropy,
        metrics: Some(&app.metrics),
        now,
    }
}

/// Ends a session whose time is over, and puts off one that was kept alive meanwhile. Tells when the
/// time of one that it ended was over.
fn look(tx: &Tx<'_>, sid: &Sid, judge: Judge<'_>) -> Result<Option<Timestamp>, StoreError> {
    match decide(tx, sid, judge) {
        Err(error @ StoreError::Corrupt { .. }) => {
            // Nobody can use it; it must not keep the others waiting.
            tracing::error!(%error, "a session cannot be ended");
            tx.put_off_session(sid, judge.now.plus(BROKEN))?;
            Ok(None)
        }
        other => other,
    }
}

fn decide(tx: &Tx<'_>, sid: &Sid, judge: Judge<'_>) -> Result<Option<Timestamp>, StoreError> {
    let Some((session, user)) = tx.session_and_user(sid)? else {
        return Ok(None);
    };
    let standing = UserRow::standing_of(user.as_ref());
    // What is stored decides: a lowered setting bites at the next activity, and this is none.
    let Some(verdict) = session.verdict(None, standing, judge.now) else {
        tx.put_off_session(sid, session.idle_deadline)?;
        return Ok(None);
    };
    let since = verdict.since;
    sessions::expire(tx, &session, verdict, judge)?;
    Ok(Some(since))
}
