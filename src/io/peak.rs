//! The longest time that a shard's thread has measured: ever, and lately.
//!
//! Absent: how times are spread (`meter`). One thread writes; a longest time stands in one word
//! with the number of the period that it belongs to, so that a reader never takes an old one for a
//! new one, however long the thread has slept.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::core::time::Instant;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Peak {
    ever_ns: AtomicU64,
    /// One word a period: its number, and the longest time in it.
    periods: [AtomicU64; PERIODS],
}

impl Peak {
    pub(super) fn new() -> Self {
        Self { ever_ns: AtomicU64::new(0), periods: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Notes a time that ends now; only one thread does.
    pub(super) fn note(&self, ns: u64, now: Instant) {
        if ns > self.ever_ns.load(Ordering::Relaxed) {
            self.ever_ns.store(ns, Ordering::Relaxed);
        }
        let word = word(now, ns);
        let period = &self.periods[place(now)];
        // A later period has the larger number in front, so that this replaces what is old.
        if word > period.load(Ordering::Relaxed) {
            period.store(word, Ordering::Relaxed);
        }
    }

    /// The longest time since the start, in nanoseconds.
    pub(crate) fn ever_ns(&self) -> u64 {
        self.ever_ns.load(Ordering::Relaxed)
    }

    /// The longest time of the last minute and what belongs to its first period, in nanoseconds.
    pub(crate) fn lately_ns(&self, now: Instant) -> u64 {
        let oldest = number(now).saturating_sub(PERIODS as u64 - 1);
        let words = self.periods.iter().map(|period| period.load(Ordering::Relaxed));
        let recent = words.filter(|word| word >> TIME_BITS >= oldest);
        recent.map(|word| (word & TIME_MAX) << UNIT_BITS).max().unwrap_or(0)
    }
}

fn number(now: Instant) -> u64 {
    now.as_ns() / PERIOD_NS
}

fn place(now: Instant) -> usize {
    usize::try_from(number(now) % PERIODS as u64).unwrap_or(0)
}

fn word(now: Instant, ns: u64) -> u64 {
    number(now) << TIME_BITS | (ns >> UNIT_BITS).min(TIME_MAX)
}

/// Periods that are kept: the last minute, and as much as has passed of the present one.
const PERIODS: usize = 4;
/// Nanoseconds of a period.
const PERIOD_NS: u64 = 20_000_000_000;
/// A unit has 64 nanoseconds.
const UNIT_BITS: u32 = 6;
/// Bits of a time: more than an hour. The others number periods for six years.
const TIME_BITS: u32 = 36;
const TIME_MAX: u64 = (1 << TIME_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_is_older_than_a_minute_and_a_period_is_no_longer_recent() {
        let peak = Peak::new();
        let at = |seconds: u64| Instant::from_ns(seconds * SECOND);
        assert_eq!((peak.ever_ns(), peak.lately_ns(at(7))), (0, 0));
        peak.note(640_000, at(5));
        peak.note(64, at(6));
        assert_eq!(peak.lately_ns(at(6)), 640_000);
        peak.note(6_400, at(70));
        assert_eq!(peak.lately_ns(at(79)), 640_000, "it is in the oldest period that is kept");
        assert_eq!(peak.lately_ns(at(80)), 6_400);
        assert_eq!(peak.lately_ns(at(10_000)), 0, "the thread has slept");
        assert_eq!(peak.ever_ns(), 640_000);
    }

    #[test]
    fn a_time_beyond_all_bounds_does_not_touch_the_period() {
        let peak = Peak::new();
        peak.note(u64::MAX, Instant::from_ns(0));
        assert_eq!(peak.lately_ns(Instant::from_ns(0)), TIME_MAX << UNIT_BITS);
        assert_eq!(peak.ever_ns(), u64::MAX);
    }
}
