//! Ends a read that takes too long: its snapshot keeps the write-ahead log from beginning anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// The number of SQLite's own steps after which the time is looked at: less than a millisecond.
const OPERATIONS: i32 = 10_000;
/// The end of a read while there is none.
const NEVER: u64 = u64::MAX;

pub struct ReadLimit {
    opened: Instant,
    limit: Duration,
    /// When the read has to end, in milliseconds since `opened`.
    ends: Arc<AtomicU64>,
}

impl ReadLimit {
    pub fn of(db: &mut Connection, limit: Duration) -> rusqlite::Result<Self> {
        let (opened, ends) = (now(), Arc::new(AtomicU64::new(NEVER)));
        let looked_at = Arc::clone(&ends);
        let is_over = move || since(opened) >= looked_at.load(Ordering::Relaxed);
        db.progress_handler(OPERATIONS, Some(is_over))?;
        Ok(Self { opened, limit, ends })
    }

    pub fn begin(&self) {
        let limit = u64::try_from(self.limit.as_millis()).unwrap_or(NEVER);
        self.ends.store(since(self.opened).saturating_add(limit), Ordering::Relaxed);
    }

    pub fn end(&self) {
        let ends = self.ends.swap(NEVER, Ordering::Relaxed);
        if since(self.opened) >= ends {
            tracing::warn!(
                seconds = self.limit.as_secs(),
                "a read of the database was ended: it took longer than it may, and the write-ahead log would grow"
            );
        }
    }
}

fn since(opened: Instant) -> u64 {
    u64::try_from(now().duration_since(opened).as_millis()).unwrap_or(NEVER)
}

#[expect(clippy::disallowed_methods, reason = "the thread that reads has no port; a test sets the limit instead")]
fn now() -> Instant {
    Instant::now()
}
