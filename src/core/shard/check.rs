//! What is true of a shard between any two steps, for tests and simulations.
//!
//! Absent: repairs. Whatever is not as it should be ends the test.

use super::Shard;

impl Shard {
    /// Walks the invariants of everything; for tests and simulations.
    pub fn check(&self) {
        self.clients.check();
        self.interest.check();
        self.check_subscriptions();
        assert!(self.clients.finished.is_empty(), "what is finished ends before its client goes");
        for client in self.clients.iter() {
            let max = self.limits.pending_bytes_max + self.limits.payload_max as u64 + 8192;
            assert!(client.outbox.pending_bytes() <= max, "pending bytes are bounded");
            let held = client.inbox.held_bytes();
            let most = 2 * self.limits.payload_max + 4 * 65_536 + self.limits.control_line_max;
            assert!(held <= most, "partial input is bounded");
        }
        assert!(self.timers.len() as u64 <= 2 + 6 * self.clients.stats.clients_total);
    }

    /// Whether nothing at all is left: every reference returned, every table empty.
    pub fn is_idle(&self) -> bool {
        self.clients.len() == 0
            && self.clients.spool.references() == 0
            && self.clients.spool.held_bytes() == 0
            && self.clients.sids.texts() == 0
            && self.clients.names.len() == 0
            && self.walks.is_empty()
            && self.interest.is_idle()
            && self.usage.has_settled()
            && self.mesh.lent() == 0
            && self.mesh.staged() == 0
    }
}
