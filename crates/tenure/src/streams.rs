//! Who listens to which session. A listener costs its connection, a short queue and an entry here: no
//! task, no timer, no query of its own. The worker in `work/streams.rs` tells them all.

use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tenure_protocol::status::{Change, Mark};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::SessionTrace;
use tokio::sync::{Notify, mpsc};

/// Listeners of one session: a few tabs in each of a few applications.
pub const MOST_OF_A_SESSION: usize = 12;

/// Events that may wait for a listener that reads slowly; one that falls further behind is cut off,
/// and comes again.
const QUEUE: usize = 8;

/// Seconds after the absolute deadline for which a stream is kept whose session cannot be read.
const PATIENCE: i64 = 60;

/// Why somebody may not listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The server has as many listeners as it may, or is about to stop.
    Server,
    Session,
}

/// What is known of a session that somebody listens to.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub mark: Mark,
    pub trace: SessionTrace,
    /// When time ends it, if nothing happens before.
    pub expires_at: Timestamp,
    pub absolute_deadline: Timestamp,
}

#[derive(Debug)]
struct Listener {
    id: u64,
    heard: Mark,
    sender: mpsc::Sender<Bytes>,
}

#[derive(Debug)]
struct Listened {
    known: Known,
    listeners: Vec<Listener>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<Sid, Listened>,
    /// `expires_at` of each listened session, to wake at the first.
    deadlines: BTreeSet<(Timestamp, Sid)>,
    /// Sessions to look at.
    due: BTreeSet<Sid>,
    count: usize,
    last_id: u64,
    closed: bool,
}

#[derive(Debug)]
pub struct Streams {
    inner: Mutex<Inner>,
    wake: Notify,
    most: usize,
}

impl Streams {
    pub fn new(most: usize) -> Self {
        Self {
            inner: Mutex::default(),
            wake: Notify::new(),
            most,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new listener, who is told `first` at once. The session is looked at again, since it may have
    /// changed after `known` was read.
    ///
    /// # Errors
    /// There are too many.
    pub fn open(self: &Arc<Self>, sid: Sid, known: Known, first: Bytes) -> Result<Listening, Full> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut guard = self.inner();
        let inner = &mut *guard;
        if inner.closed || inner.count >= self.most {
            return Err(Full::Server);
        }
        let listened = inner.sessions.entry(sid).or_insert_with(|| {
            inner.deadlines.insert((known.expires_at, sid));
            Listened {
                known,
                listeners: Vec::new(),
            }
        });
        if listened.listeners.len() >= MOST_OF_A_SESSION {
            return Err(Full::Session);
        }
        inner.last_id += 1;
        let id = inner.last_id;
        // The queue is empty, so there is room.
        drop(sender.try_send(first));
        listened.listeners.push(Listener {
            id,
            heard: known.mark,
            sender,
        });
        inner.count += 1;
        inner.due.insert(sid);
        drop(guard);
        self.wake.notify_one();
        Ok(Listening {
            receiver,
            streams: Arc::clone(self),
            sid,
            id,
        })
    }

    /// Ends every stream, and lets nobody in any more: the server stops.
    pub fn close(&self) {
        let mut inner = self.inner();
        *inner = Inner {
            closed: true,
            ..Inner::default()
        };
    }

    pub fn count(&self) -> usize {
        self.inner().count
    }

    /// Returns when a session is to be looked at that was not before.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// A session may have changed.
    pub(crate) fn look_at(&self, sid: Sid) {
        let mut inner = self.inner();
        if inner.sessions.contains_key(&sid) {
            inner.due.insert(sid);
        }
    }

    pub(crate) fn look_at_all(&self) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        inner.due.extend(inner.sessions.keys());
    }

    /// Those whose deadline has come.
    pub(crate) fn look_at_expired(&self, now: Timestamp) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let expired = inner.deadlines.iter().take_while(|(at, _)| *at <= now);
        inner.due.extend(expired.map(|(_, sid)| *sid));
    }

    /// Those of which the database has another trace than is known.
    pub(crate) fn look_at_changed(&self, traces: &[(Sid, SessionTrace)]) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        for (sid, trace) in traces {
            if let Some(listened) = inner.sessions.get(sid)
                && listened.known.trace != *trace
            {
                inner.due.insert(*sid);
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.inner().deadlines.first().map(|(at, _)| *at)
    }

    pub(crate) fn sids(&self) -> Vec<Sid> {
        self.inner().sessions.keys().copied().collect()
    }

    /// At most `most` of those that are to be looked at.
    pub(crate) fn take_due(&self, most: usize) -> Vec<Sid> {
        let mut inner = self.inner();
        let taken: Vec<Sid> = inner.due.iter().take(most).copied().collect();
        for sid in &taken {
            inner.due.remove(sid);
        }
        taken
    }

    /// Tells a session's listeners what changed since each of them heard last; after an end they are let go.
    pub(crate) fn tell(&self, sid: &Sid, known: Known, event: impl Fn(Change) -> Bytes) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let Some(listened) = inner.sessions.get_mut(sid) else {
            return;
        };
        inner.deadlines.remove(&(listened.known.expires_at, *sid));
        inner.deadlines.insert((known.expires_at, *sid));
        listened.known = known;
        let before = listened.listeners.len();
        listened.listeners.retain_mut(|listener| {
            let change = listener.heard.change_to(&known.mark);
            listener.heard = known.mark;
            change.is_none_or(|change| listener.sender.try_send(event(change)).is_ok())
        });
        inner.count -= before - listened.listeners.len();
        let over = known.mark.is_over();
        drop(guard);
        if over {
            self.let_go(sid);
        }
    }

    /// Ends the streams of one session.
    pub(crate) fn let_go(&self, sid: &Sid) {
        let mut inner = self.inner();
        if let Some(listened) = inner.sessions.remove(sid) {
            inner.count -= listened.listeners.len();
            inner.deadlines.remove(&(listened.known.expires_at, *sid));
        }
    }

    /// Ends streams whose session must be over although it cannot be read.
    pub(crate) fn let_go_past(&self, now: Timestamp) {
        let past: Vec<Sid> = {
            let inner = self.inner();
            let until = |listened: &Listened| listened.known.absolute_deadline.plus(PATIENCE);
            let past = inner.sessions.iter().filter(|(_, l)| until(l) <= now);
            past.map(|(sid, _)| *sid).collect()
        };
        past.iter().for_each(|sid| self.let_go(sid));
    }

    /// A comment to everybody, so that proxies and dead peers show themselves.
    pub(crate) fn keep_alive(&self) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        for listened in inner.sessions.values_mut() {
            let before = listened.listeners.len();
            listened
                .listeners
                .retain(|l| l.sender.try_send(Bytes::from_static(b":\n\n")).is_ok());
            inner.count -= before - listened.listeners.len();
        }
    }

    fn leave(&self, sid: &Sid, id: u64) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let Some(listened) = inner.sessions.get_mut(sid) else {
            return;
        };
        let before = listened.listeners.len();
        listened.listeners.retain(|listener| listener.id != id);
        inner.count -= before - listened.listeners.len();
        if listened.listeners.is_empty() {
            let at = listened.known.expires_at;
            inner.sessions.remove(sid);
            inner.deadlines.remove(&(at, *sid));
            inner.due.remove(sid);
        }
    }
}

/// The body of one stream; whoever drops it has left.
#[derive(Debug)]
pub struct Listening {
    receiver: mpsc::Receiver<Bytes>,
    streams: Arc<Streams>,
    sid: Sid,
    id: u64,
}

impl Body for Listening {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.get_mut().receiver.poll_recv(context);
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.streams.leave(&self.sid, self.id);
    }
}
