//! Tells those who listen to sessions what happened. One task for all of them: it hears which sessions
//! changed, here and on other servers, reads those that somebody listens to, and hands out the events.

use crate::app::App;
use crate::oidc::knowing::{Seen, events};
use std::sync::Arc;
use std::time::Duration;
use tenure_store::{Notice, StoreError};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{MissedTickBehavior, interval};

/// Beside the embedded database another process (the command line) may change a session, and no
/// notice comes from there.
const LOOK_EMBEDDED: Duration = Duration::from_secs(1);

/// Notices of other servers may get lost; this is what it costs then.
const LOOK_SHARED: Duration = Duration::from_secs(5);

/// A proxy takes a stream for dead that says nothing for too long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Sessions that are read in one transaction.
const AT_ONCE: usize = 64;

/// Seconds between two looks at the deadlines when there are none.
const IDLE: i64 = 3_600;

pub async fn run(app: Arc<App>) {
    let mut notices = app.store.subscribe();
    let look = if app.store.is_shared() {
        LOOK_SHARED
    } else {
        LOOK_EMBEDDED
    };
    let (mut look, mut beat) = (interval(look), interval(KEEP_ALIVE));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut version = app.settings.current().version;
    loop {
        let now = app.clock.now();
        let deadline = app.streams.next_deadline().unwrap_or(now.plus(IDLE));
        tokio::select! {
            notice = notices.recv() => match notice {
                Ok(notice) => heard(&app, notice),
                Err(RecvError::Lagged(_)) => app.streams.look_at_all(),
                Err(RecvError::Closed) => return,
            },
            () = app.streams.woken() => {}
            () = app.clock.sleep_until(deadline) => {}
            _ = beat.tick() => app.streams.keep_alive(),
            _ = look.tick() => look_around(&app, &mut version).await,
        }
        // What else was said meanwhile.
        loop {
            match notices.try_recv() {
                Ok(notice) => heard(&app, notice),
                Err(TryRecvError::Lagged(_)) => app.streams.look_at_all(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        app.streams.look_at_expired(app.clock.now());
        if let Err(error) = tell(&app).await {
            tracing::warn!(%error, "looking at listened sessions failed");
            app.streams.let_go_past(app.clock.now());
            app.streams.look_at_all();
            tokio::time::sleep(LOOK_EMBEDDED).await;
        }
    }
}

fn heard(app: &App, notice: Notice) {
    match notice {
        Notice::Session(sid) => app.streams.look_at(sid),
        Notice::Missed => app.streams.look_at_all(),
        // The settings are read by others; the next look sees their version.
        Notice::Configuration => {}
    }
}

/// Looks without having been told.
async fn look_around(app: &Arc<App>, version: &mut i64) {
    let sids = app.streams.sids();
    if sids.is_empty() {
        return;
    }
    if let Err(error) = app.notice_changes().await {
        tracing::debug!(error = format!("{error:#}"), "looking for changes failed");
    }
    let current = app.settings.current().version;
    if *version != current {
        *version = current;
        app.streams.look_at_all();
        return;
    }
    match app
        .background
        .read(move |tx| tx.session_traces(&sids))
        .await
    {
        Ok(traces) => app.streams.look_at_changed(&traces),
        Err(error) => tracing::debug!(%error, "looking at listened sessions failed"),
    }
}

/// Reads the sessions that are to be looked at, and tells what became of them.
async fn tell(app: &Arc<App>) -> Result<(), StoreError> {
    loop {
        let sids = app.streams.take_due(AT_ONCE);
        if sids.is_empty() {
            return Ok(());
        }
        let asked = sids.clone();
        let found = app
            .background
            .read(move |tx| asked.iter().map(|sid| tx.session_and_user(sid)).collect())
            .await;
        let found: Vec<_> = match found {
            Ok(found) => found,
            Err(error) => {
                sids.into_iter().for_each(|sid| app.streams.look_at(sid));
                return Err(error);
            }
        };
        let now = app.clock.now();
        for (sid, found) in sids.iter().zip(found) {
            let Some((session, user)) = found else {
                app.streams.let_go(sid);
                continue;
            };
            let seen = Seen::new(app, session, user.as_ref(), now);
            app.streams.tell(sid, seen.known(), |change| {
                events::event(change.name(), &seen)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KEEP_ALIVE;

    /// One comment may come late, and one may be lost with a server that is busy.
    #[test]
    fn the_proxy_of_deploy_waits_for_three_comments() {
        let text = include_str!("../../../../deploy/nginx.conf");
        let (_, location) = text.split_once("location = /session/events {").unwrap();
        let (location, _) = location.split_once('}').unwrap();
        let (_, timeout) = location.split_once("proxy_read_timeout ").unwrap();
        let (seconds, _) = timeout.split_once("s;").unwrap();
        assert!(seconds.parse::<u64>().unwrap() >= 3 * KEEP_ALIVE.as_secs());
    }
}
