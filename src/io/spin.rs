//! Looking for work for a while before sleeping, for machines on which a wake-up is too slow.
//!
//! Absent: sleeping and being woken (`bell`). A shard that looks has announced no sleep: nobody
//! wakes it, and it announces and looks once more before it sleeps, as if it had not looked (I10).

use crate::core::time::Instant;

/// How long a shard looks, and since when.
#[derive(Debug, Default)]
pub(super) struct Spin {
    /// Nothing: it sleeps at once.
    for_ns: u64,
    /// When it was last seen that there was something to do.
    busy_at: Instant,
}

impl Spin {
    /// Looks for so long after the last work.
    pub(super) fn new(for_ns: u64) -> Self {
        Self { for_ns, busy_at: Instant::default() }
    }

    /// Whether a shard is to look at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.for_ns > 0
    }

    /// Notes that there was work. Timers are none: a broker of idle clients sleeps.
    pub(super) fn note_work(&mut self, now: Instant) {
        self.busy_at = now;
    }

    /// Whether it has been long enough since the last work.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now.since_ns(self.busy_at) >= self.for_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_a_while_after_the_last_work() {
        let mut spin = Spin::new(50);
        spin.note_work(Instant::from_ns(100));
        assert!(!spin.is_over(Instant::from_ns(149)));
        assert!(spin.is_over(Instant::from_ns(150)));
        spin.note_work(Instant::from_ns(150));
        assert!(!spin.is_over(Instant::from_ns(151)));
    }

    #[test]
    fn without_a_time_it_never_begins() {
        let mut spin = Spin::new(0);
        spin.note_work(Instant::from_ns(100));
        assert!(!spin.is_wanted() && spin.is_over(Instant::from_ns(100)));
    }
}
