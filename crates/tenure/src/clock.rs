//! The one place that reads the machine's clock. `now` is the machine's clock plus an offset that
//! the database keeps (zero, but for time travel); a manual clock for tests stands still until moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tenure_protocol::Timestamp;
use tokio::sync::watch;

/// Cheap to clone; clones share the offset.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None`: the machine's clock counts; else it stands at this base.
    standing_at: Option<Timestamp>,
    offset_ms: AtomicI64,
    moved: watch::Sender<()>,
}

impl Clock {
    /// The machine's clock plus an offset in milliseconds.
    pub fn system(offset_ms: i64) -> Self {
        Self::new(None, offset_ms)
    }

    /// A clock that stands still until it is advanced.
    pub fn manual(start: Timestamp) -> Self {
        Self::new(Some(start), 0)
    }

    fn new(standing_at: Option<Timestamp>, offset_ms: i64) -> Self {
        let (moved, _) = watch::channel(());
        let offset_ms = AtomicI64::new(offset_ms);
        Self {
            inner: Arc::new(Inner {
                standing_at,
                offset_ms,
                moved,
            }),
        }
    }

    pub fn now(&self) -> Timestamp {
        let base = self.inner.standing_at.unwrap_or_else(machine_time);
        Timestamp::from_millis(base.millis().saturating_add(self.offset_ms()))
    }

    pub fn offset_ms(&self) -> i64 {
        self.inner.offset_ms.load(Ordering::SeqCst)
    }

    /// Moves the clock forward and wakes everyone who sleeps by it.
    pub fn advance(&self, seconds: u32) {
        self.inner
            .offset_ms
            .fetch_add(i64::from(seconds) * 1000, Ordering::SeqCst);
        self.inner.moved.send_replace(());
    }

    /// Catches up with an offset that another server stored.
    pub fn follow(&self, offset_ms: i64) {
        if self.inner.standing_at.is_none()
            && self.inner.offset_ms.fetch_max(offset_ms, Ordering::SeqCst) < offset_ms
        {
            self.inner.moved.send_replace(());
        }
    }

    /// Returns at `at` by this clock, or earlier when the clock was moved: ask `now` again.
    pub async fn sleep_until(&self, at: Timestamp) {
        let mut moved = self.inner.moved.subscribe();
        let left = u64::try_from(at.millis_since(self.now())).unwrap_or(0);
        let standing = self.inner.standing_at.is_some();
        if left == 0 {
            return;
        }
        let sleep = async {
            if standing {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(left)).await;
        };
        tokio::select! {
            () = sleep => {}
            // The sender lives as long as this clock, so this resolves only when the clock moves.
            _ = moved.changed() => {}
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn machine_time() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved_and_clones_move_together() {
        let start = Timestamp::from_seconds(1_000);
        let clock = Clock::manual(start);
        let clone = clock.clone();
        assert_eq!(clock.now(), start);
        clone.advance(90);
        assert_eq!(clock.now(), start.plus(90));
        assert_eq!(clock.offset_ms(), 90_000);
    }

    #[test]
    fn the_offset_is_added_to_the_machines_clock() {
        let (plain, ahead) = (Clock::system(0), Clock::system(3_600_000));
        let lead = ahead.now().millis_since(plain.now());
        assert!((3_600_000..3_660_000).contains(&lead), "{lead}");
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved() {
        let clock = Clock::manual(Timestamp::from_seconds(0));
        // An instant that has come already needs no wait.
        clock.sleep_until(clock.now()).await;
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                while clock.now() < Timestamp::from_seconds(100) {
                    clock.sleep_until(Timestamp::from_seconds(100)).await;
                }
                clock.now()
            }
        });
        // Woken too early by the first move, it asks again and sleeps on.
        for _ in 0..2 {
            tokio::task::yield_now().await;
            assert!(!sleeper.is_finished());
            clock.advance(50);
        }
        assert_eq!(sleeper.await.unwrap(), Timestamp::from_seconds(100));
    }
}
