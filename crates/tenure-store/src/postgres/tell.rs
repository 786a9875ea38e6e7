//! Tells other servers which sessions changed. Not in the transaction that changes them: `NOTIFY` makes
//! commits wait for each other, whole cluster wide. A notice is a hint, so one that is lost with this
//! process costs its listeners a look of their own and nothing else.

use super::Mode;
use super::connect::Target;
use super::link::Link;
use crate::notice::{CHANNEL, Notice};
use crate::{BACKGROUND, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long notices gather, so that many go out as one.
const GATHER: Duration = Duration::from_millis(50);

/// Sessions in one notice: its text must stay below 8,000 bytes.
const AT_ONCE: usize = 150;

/// Notices that may wait; beyond, listeners look by themselves.
const BACKLOG: usize = 10_000;

pub(super) fn spawn(
    target: &Arc<Target>,
) -> Result<(SyncSender<Notice>, JoinHandle<()>), StoreError> {
    let (sender, notices) = sync_channel(BACKLOG);
    let target = Arc::clone(target);
    let thread = std::thread::Builder::new()
        .name("tenure-tell".to_owned())
        .spawn(move || run(&target, &notices))
        .map_err(|error| StoreError::Engine(error.to_string()))?;
    Ok((sender, thread))
}

fn run(target: &Target, notices: &Receiver<Notice>) {
    let mut link: Option<Link> = None;
    while let Ok(first) = notices.recv() {
        let mut payloads = BTreeSet::from([first.payload()]);
        let until = Instant::now() + GATHER;
        while payloads.len() < AT_ONCE
            && let Some(left) = until.checked_duration_since(Instant::now())
            && let Ok(more) = notices.recv_timeout(left)
        {
            payloads.insert(more.payload());
        }
        if let Err(error) = tell(target, &mut link, &payloads) {
            tracing::debug!(%error, "telling other servers failed");
            link = None;
        }
    }
}

fn tell(
    target: &Target,
    link: &mut Option<Link>,
    payloads: &BTreeSet<String>,
) -> Result<(), StoreError> {
    let deadline = Instant::now() + target.deadline;
    let link = match link {
        Some(link) if !link.is_broken() => link,
        slot => slot.insert(Link::connect(target, deadline)?),
    };
    let text = payloads.iter().cloned().collect::<Vec<_>>().join("\n");
    link.begin(Mode::Write, deadline)?;
    link.query(
        // Of many requests at once, a moment later.
        &format!("{BACKGROUND}SELECT pg_notify($1, $2)"),
        &[CHANNEL.into(), (&text).into()],
    )?;
    link.commit()
}
