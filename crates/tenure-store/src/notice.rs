//! What changed, as other parts of this process and other servers hear of it. A notice is a hint to
//! look, never the fact itself: whoever hears one reads the database.

use tenure_protocol::Sid;
use tokio::sync::broadcast;

/// The name under which servers on one database talk to each other.
pub(crate) const CHANNEL: &str = "tenure";

/// Notices that may wait for a slow listener; one that falls further behind is told [`Notice::Missed`].
const BACKLOG: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Settings, clients or keys.
    Configuration,
    /// A session was extended, changed or ended.
    Session(Sid),
    /// Something may have been missed: look at everything you care about.
    Missed,
}

impl Notice {
    fn parse(payload: &str) -> Option<Self> {
        match payload.split_once(' ') {
            None if payload == "configuration" => Some(Self::Configuration),
            Some(("session", sid)) => sid.parse().ok().map(Self::Session),
            _ => None,
        }
    }

    pub(crate) fn payload(self) -> String {
        match self {
            Self::Configuration => "configuration".to_owned(),
            Self::Session(sid) => format!("session {sid}"),
            Self::Missed => String::new(),
        }
    }
}

/// The sending side; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Notices(broadcast::Sender<Notice>);

impl Notices {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.subscribe()
    }

    pub(crate) fn send(&self, notice: Notice) {
        // Nobody listening is fine.
        drop(self.0.send(notice));
    }

    /// What another server said, one notice a line; words that this version does not know are passed over.
    pub(crate) fn hear(&self, payload: &str) {
        payload
            .lines()
            .filter_map(Notice::parse)
            .for_each(|notice| self.send(notice));
    }

    pub(crate) fn missed(&self) {
        self.send(Notice::Missed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_survives_the_wire_and_nonsense_does_not() {
        let sid = Sid::from_bytes([7; 16]);
        for notice in [Notice::Configuration, Notice::Session(sid)] {
            assert_eq!(Notice::parse(&notice.payload()), Some(notice));
        }
        for nonsense in ["", "session", "session x", "configuration x", "later words"] {
            assert_eq!(Notice::parse(nonsense), None, "{nonsense}");
        }
    }
}
