//! The bound on what publishers have sent and receivers have not yet got, shared by the threads.
//!
//! A broker that never holds publishers back must cut a subscriber that falls too far behind. A
//! load client that publishes as fast as it can would force it to, and would measure nothing but
//! that; so publishers here keep a bounded number of deliveries under way over all receivers.
//!
//! Absent: sockets and threads; whom to wake is the answer of [`Flow::note_received`].

use std::sync::atomic::{AtomicU64, Ordering};

/// A group of publishers and the receivers of what they send.
#[derive(Debug)]
pub struct Flow {
    /// Deliveries that are under way at most; `u64::MAX` when there is no bound.
    window: u64,
    /// Deliveries that one published message causes.
    fanout: u64,
    /// Deliveries that the published messages cause.
    expected: AtomicU64,
    received: AtomicU64,
    /// One bit for each thread whose publishers wait for room.
    parked: AtomicU64,
}

impl Flow {
    /// A flow with at most `window` deliveries under way, or room for one message if that is more.
    pub fn new(fanout: u64, window: Option<u64>) -> Self {
        Self {
            window: window.map_or(u64::MAX, |window| window.max(fanout).max(1)),
            fanout,
            expected: AtomicU64::new(0),
            received: AtomicU64::new(0),
            parked: AtomicU64::new(0),
        }
    }

    /// How many messages may be published now. Room for a few is held back while many are under
    /// way, so that publishers write large batches instead of one message for each received.
    #[inline]
    pub fn credit(&self) -> u64 {
        if self.fanout == 0 || self.window == u64::MAX {
            return u64::MAX;
        }
        let under_way = self.under_way();
        let room = self.window.saturating_sub(under_way);
        if room < self.window / 8 && under_way > 0 { 0 } else { room / self.fanout }
    }

    /// Asks to be woken when there is room; returns whether there is some already, so that room
    /// made between the last look and this call is not missed.
    pub fn park(&self, thread: ThreadIndex) -> bool {
        self.parked.fetch_or(thread.bit(), Ordering::SeqCst);
        self.credit() > 0
    }

    /// Counts messages as published; called before they are written, so that `received` can never
    /// be ahead.
    #[inline]
    pub fn note_published(&self, messages: u64) {
        self.expected.fetch_add(messages * self.fanout, Ordering::SeqCst);
    }

    /// Counts deliveries as received and returns the threads to wake, one bit each.
    #[inline]
    pub fn note_received(&self, deliveries: u64) -> u64 {
        self.received.fetch_add(deliveries, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst) == 0 || self.credit() == 0 {
            return 0;
        }
        self.parked.swap(0, Ordering::SeqCst)
    }

    /// Deliveries that the messages published so far cause.
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::SeqCst)
    }

    /// Deliveries published and not received.
    pub fn under_way(&self) -> u64 {
        // Received first: the other order could see a delivery of a message not yet counted.
        let received = self.received.load(Ordering::SeqCst);
        self.expected.load(Ordering::SeqCst).saturating_sub(received)
    }
}

/// A thread of the run, below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadIndex(pub u8);

impl ThreadIndex {
    /// The most threads that a run can have.
    pub const COUNT_MAX: usize = 64;

    /// The thread's bit in a set of threads.
    pub fn bit(self) -> u64 {
        1u64.checked_shl(u32::from(self.0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_bounds_what_is_under_way_over_all_receivers() {
        let flow = Flow::new(10, Some(100));
        assert_eq!(flow.credit(), 10);
        flow.note_published(10);
        assert_eq!((flow.credit(), flow.under_way()), (0, 100));
        flow.note_received(60);
        assert_eq!(flow.credit(), 6);
    }

    #[test]
    fn little_room_is_held_back_until_it_is_worth_a_batch() {
        let flow = Flow::new(1, Some(800));
        flow.note_published(800);
        flow.note_received(99);
        assert_eq!(flow.credit(), 0);
        flow.note_received(1);
        assert_eq!(flow.credit(), 100);
    }

    #[test]
    fn there_is_always_room_for_one_message_when_nothing_is_under_way() {
        let flow = Flow::new(1000, Some(1));
        assert_eq!(flow.credit(), 1);
        flow.note_published(1);
        flow.note_received(999);
        assert_eq!(flow.credit(), 0);
        flow.note_received(1);
        assert_eq!(flow.credit(), 1);
    }

    #[test]
    fn without_receivers_or_window_there_is_no_bound() {
        let flow = Flow::new(0, Some(1));
        flow.note_published(1000);
        assert_eq!(flow.credit(), u64::MAX);
        let flow = Flow::new(4, None);
        flow.note_published(1000);
        assert_eq!(flow.credit(), u64::MAX);
    }

    #[test]
    fn a_parked_thread_is_named_once_when_there_is_room() {
        let flow = Flow::new(1, Some(10));
        flow.note_published(10);
        assert!(!flow.park(ThreadIndex(3)));
        assert_eq!(flow.note_received(1), 1 << 3);
        assert_eq!(flow.note_received(1), 0);
        assert!(flow.park(ThreadIndex(0)));
    }
}
