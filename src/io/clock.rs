//! The broker's clock: nanoseconds since it started, from the system's monotonic clock.
//!
//! Absent: dates, which only the log needs (`log`).

use crate::core::time::Instant;

/// A clock that all shards share by copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: std::time::Instant,
    /// What it showed then: not zero where it goes on for another process's.
    from: Instant,
}

impl Clock {
    /// A clock that shows this now.
    pub(crate) fn from(from: Instant) -> Self {
        Self { start: std::time::Instant::now(), from }
    }

    pub(crate) fn now(&self) -> Instant {
        let elapsed = self.start.elapsed().as_nanos();
        self.from.after_ns(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}
