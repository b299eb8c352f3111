//! Time as a number that somebody else read from a clock.
//!
//! Absent: the clock. The core is handed `Instant`s and never asks for one (I12).

/// Nanoseconds since the broker started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The instant this many nanoseconds after the start.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds after the start.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// The instant `ns` nanoseconds later.
    #[must_use]
    pub const fn after_ns(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// Nanoseconds from `earlier` to this, 0 when it is not earlier.
    pub const fn since_ns(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
