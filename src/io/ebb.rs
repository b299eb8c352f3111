//! When a shard's memory has become so much less that the system should have it back.
//!
//! Absent: giving it back (`fanfare_heap`). After a burst glibc keeps what was freed, for ever
//! where something that stays stands behind it; asking for it costs a walk over the heaps, so that
//! it is done a little after an ebb, and once more when tables that were emptied have shrunk.

use crate::core::stats::Stats;
use crate::core::time::Instant;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Ebb {
    /// The most that there was since the last ebb, in bytes, about.
    high: u64,
    due: Option<Instant>,
    again: Option<Instant>,
}

impl Ebb {
    /// Notes what there is now. Says whether it has become much less.
    #[inline]
    pub(super) fn has_come(&mut self, stats: &Stats) -> bool {
        let held = stats.clients * CLIENT_BYTES
            + stats.subscriptions * SUBSCRIPTION_BYTES
            + stats.spool_bytes;
        if held + WORTHWHILE > self.high {
            self.high = self.high.max(held);
            return false;
        }
        self.high = held;
        true
    }

    /// Plans to give memory back.
    pub(super) fn plan(&mut self, now: Instant) {
        if self.due.is_none() {
            self.due = Some(now.after_ns(SOON_NS));
        }
        self.again = Some(now.after_ns(LATER_NS));
    }

    /// When it is to be given back next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        [self.due, self.again].into_iter().flatten().min()
    }

    /// Whether it is to be given back now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let mut is_due = false;
        for due in [&mut self.due, &mut self.again] {
            is_due |= due.take_if(|at| *at <= now).is_some();
        }
        is_due
    }
}

/// What a client and a subscription hold, about: what matters is that many are much.
const CLIENT_BYTES: u64 = 512;
const SUBSCRIPTION_BYTES: u64 = 128;
/// An ebb is at least so many bytes.
const WORTHWHILE: u64 = 2 << 20;
/// From an ebb to giving back, so that several are one, in nanoseconds.
const SOON_NS: u64 = 1_000_000_000;
/// And to doing so again.
const LATER_NS: u64 = 8_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ebb_is_what_falls_far_from_its_height() {
        let mut ebb = Ebb::default();
        let of = |clients| Stats { clients, ..Stats::default() };
        assert!(!ebb.has_come(&of(10_000)));
        assert!(!ebb.has_come(&of(9_000)));
        assert!(ebb.has_come(&of(5_000)));
        assert!(!ebb.has_come(&of(4_000)), "the height is what it was at the last ebb");
        assert!(ebb.has_come(&of(0)));
    }

    #[test]
    fn it_is_given_back_soon_and_once_more_later() {
        let mut ebb = Ebb::default();
        let at = |s: u64| Instant::from_ns(s * 1_000_000_000);
        ebb.plan(at(10));
        ebb.plan(at(10));
        assert_eq!(ebb.next_due(), Some(at(11)));
        assert!(!ebb.is_due(at(10)) && ebb.is_due(at(11)) && !ebb.is_due(at(11)));
        assert_eq!(ebb.next_due(), Some(at(18)));
        assert!(ebb.is_due(at(19)) && ebb.next_due().is_none());
    }
}
