//! A walk over everything that interest promises to itself.
//!
//! Absent: any change of it. Tests and simulations walk, a broker never does.

use super::Interest;
use crate::core::subs::List;

impl Interest {
    /// Walks the invariants.
    pub(crate) fn check(&self) {
        self.filters.check();
        for (slot, filter) in self.filters.iter() {
            for queue in filter.wants.queues() {
                assert_eq!(self.queues[queue.key()].filter, slot);
            }
        }
        for (_, queue) in &self.queues {
            assert!(!queue.members.is_empty() || !queue.remotes.is_empty() || queue.dirty != 0);
        }
        for peer in &self.peers {
            for list in &self.dirty[peer.index()] {
                let dirty = match list {
                    List::Plain(slot) => self.filters.get(*slot).dirty,
                    List::Queue(slot) => self.queues[slot.key()].dirty,
                };
                assert!(dirty & peer.bit() != 0, "a dirty list is marked");
            }
        }
    }
}
