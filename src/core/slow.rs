//! Clients that cost more than they may: slow readers, silent ones, and memory that runs out.
//!
//! Absent: any effect on publishers. Each limit closes the client that broke it, and nobody else
//! waits. When the memory for unsent messages is used up, the largest debtor goes first.

use fanfare_protocol::error::ProtocolError;

use super::badge::Standing;
use super::close::CloseReason;
use super::ids::Slot;
use super::shard::Shard;
use super::spool::Fixed;
use super::timer::TimerKind;

impl Shard {
    /// Notes that a client's socket took less than it was given.
    pub(crate) fn note_blocked(&mut self, slot: Slot, written: usize) {
        let (now, deadline) = (self.now, self.limits.write_deadline_ns);
        let client = self.clients.get_mut(slot);
        client.places.blocked = true;
        if client.closing.is_some() {
            return;
        }
        if written > 0 || !client.places.waiting {
            client.waiting_since = now;
        }
        client.places.waiting = true;
        if !client.places.deadline_timer {
            client.places.deadline_timer = true;
            let id = client.id;
            self.timers.insert(id, TimerKind::Deadline, now.after_ns(deadline));
        }
    }

    /// A client's socket takes bytes again.
    pub(crate) fn note_writable(&mut self, slot: Slot) {
        let client = self.clients.get_mut(slot);
        client.places.held = false;
        if !std::mem::replace(&mut client.places.blocked, false) {
            return;
        }
        if client.outbox.is_empty() {
            // All had been taken, and now it is on its way.
            client.places.waiting = false;
            self.finish_close(slot);
        } else {
            self.clients.mark_dirty(slot);
        }
    }

    /// Notes that a client's socket took something: its deadline counts from here.
    pub(crate) fn note_progress(&mut self, slot: Slot) {
        let now = self.now;
        let client = self.clients.get_mut(slot);
        client.last_output = now;
        if client.places.waiting && client.closing.is_none() {
            client.waiting_since = now;
        }
    }

    pub(crate) fn deadline_due(&mut self, slot: Slot) {
        let client = self.clients.get_mut(slot);
        if client.closing.is_some() {
            return self.farewell_due(slot);
        }
        client.places.deadline_timer = false;
        if !client.places.waiting {
            return;
        }
        let end = client.waiting_since.after_ns(self.limits.write_deadline_ns);
        if self.now >= end {
            self.clients.doom(slot, CloseReason::SlowConsumerWriteDeadline);
            return;
        }
        client.places.deadline_timer = true;
        let id = client.id;
        self.timers.insert(id, TimerKind::Deadline, end);
    }

    /// Sends a PING to a silent client, or ends one that answered none.
    pub(crate) fn ping_due(&mut self, slot: Slot) {
        let (now, interval) = (self.now, self.ping_interval_ns(slot));
        let client = self.clients.get_mut(slot);
        client.places.ping_timer = false;
        if client.closing.is_some() {
            return;
        }
        let age = self.now.since_ns(client.started);
        let standing = client.standing;
        let is_inside = standing == Standing::Bound;
        let (parked, operated) = (client.places.parked, client.operated && is_inside);
        let timeout = self.entry_timeout_ns(slot);
        if parked && is_inside {
            // Its PONG may stand behind a command that waits for us.
            self.arm_ping(slot, interval);
            return;
        }
        // How long it may wait for a decision is `entry_due`'s to say.
        if !operated && standing != Standing::Waiting && timeout > 0 && age >= timeout {
            self.answer(slot, &ProtocolError::AuthenticationTimeout);
            return;
        }
        if !is_inside {
            let left = [timeout.saturating_sub(age), timeout].into_iter().find(|left| *left > 0);
            self.arm_ping(slot, left.unwrap_or(interval));
            return;
        }
        let client = self.clients.get_mut(slot);
        let is_silent = self.now.since_ns(client.last_input) >= interval;
        if is_silent || !client.rtt_known {
            if u32::from(client.pings_out) + 1 > self.limits.pings_out_max {
                self.answer(slot, &ProtocolError::StaleConnection);
                return;
            }
            client.pings_out = client.pings_out.saturating_add(1);
            client.note_pinged(now);
            self.clients.push_fixed(slot, Fixed::Ping);
        }
        let mut next = interval - self.jitter(interval / 10);
        if !operated && timeout > age {
            next = next.min(timeout - age);
        }
        self.arm_ping(slot, next);
    }

    pub(crate) fn arm_ping(&mut self, slot: Slot, after_ns: u64) {
        let at = self.now.after_ns(after_ns);
        let client = self.clients.get_mut(slot);
        if !client.places.ping_timer {
            client.places.ping_timer = true;
            let id = client.id;
            self.timers.insert(id, TimerKind::Ping, at);
        }
    }

    /// Ends a client that nothing is decided about in time, however long it has been here.
    pub(crate) fn entry_due(&mut self, slot: Slot) {
        let timeout = self.entry_timeout_ns(slot);
        let client = self.clients.get_mut(slot);
        client.places.entry_timer = false;
        if client.closing.is_some() || client.standing != Standing::Waiting {
            return;
        }
        let since = client.badge.as_ref().map_or(client.started, |badge| badge.waits_since);
        if timeout > 0 && self.now.since_ns(since) >= timeout {
            // Who has said who it is waits for somebody else, who says nothing.
            self.answer(slot, &ProtocolError::AuthorizationViolation);
        } else {
            self.arm_entry(slot);
        }
    }

    /// Lets a client wait for a decision only so long, by one timer however often it waits.
    pub(crate) fn arm_entry(&mut self, slot: Slot) {
        let timeout = self.entry_timeout_ns(slot);
        let client = self.clients.get_mut(slot);
        if timeout > 0 && !std::mem::replace(&mut client.places.entry_timer, true) {
            let since = client.badge.as_ref().map_or(client.started, |badge| badge.waits_since);
            let id = client.id;
            self.timers.insert(id, TimerKind::Entry, since.after_ns(timeout));
        }
    }

    /// Closes the largest debtors while the shard holds more than its budget.
    pub(crate) fn shed(&mut self) {
        let mut budget = self.limits.shard_spool_bytes_max;
        let total_max = self.limits.total_spool_bytes_max;
        if self.total_spool_bytes > total_max {
            budget = budget.min(total_max / self.shards.max(1) as u64);
        }
        if self.held_bytes() <= budget {
            return;
        }
        // What walks hold is nobody's debt.
        self.walk_to_the_end();
        // Who is leaving anyway goes first; then whoever keeps most from being freed, which for a
        // reader of few messages between many others' is more than what waits for it.
        let mut debtors: Vec<(bool, u64, Slot)> = self
            .clients
            .iter()
            .filter(|client| !client.outbox.is_empty())
            .map(|client| (client.closing.is_some(), client.outbox.pinned_bytes(), client.id.slot))
            .collect();
        debtors.sort_unstable_by(|a, b| b.cmp(a));
        for (is_leaving, _, slot) in debtors {
            if self.held_bytes() <= budget {
                return;
            }
            if is_leaving {
                self.clients.discard(slot);
                self.finish_close(slot);
            } else {
                self.clients.doom(slot, CloseReason::SlowConsumerShed);
                self.settle_closings();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::arrival::{Arrival, Entrance};
    use super::super::ids::{ClientNumber, ShardId};
    use super::super::policy::Policy;
    use super::super::shard::ShardSetup;
    use super::super::time::Instant;
    use super::*;
    use crate::config::Limits;

    fn shard(limits: Limits) -> Shard {
        Shard::new(ShardSetup {
            id: ShardId::new(0).expect("there is a first shard"),
            shards: 1,
            batches_per_peer: ShardSetup::BATCHES_PER_PEER,
            policy: Arc::new(Policy::open()),
            limits: Arc::new(limits),
            entrances: vec![Entrance::default()],
            seed: 1,
            first_generation: 0,
            trace: None,
            now: Instant::default(),
        })
    }

    fn accept(shard: &mut Shard) -> Slot {
        let slot = shard.accept(Arrival::plain(ClientNumber(1), "127.0.0.1:1".into())).slot;
        shard.clients.discard(slot);
        slot
    }

    fn reason_at(shard: &mut Shard, slot: Slot, ms: u64) -> Option<CloseReason> {
        shard.now = Instant::from_ns(ms * 1_000_000);
        shard.fire_timers();
        shard.clients.get(slot).closing
    }

    #[test]
    fn a_write_deadline_counts_from_the_last_byte_taken() {
        let ten_seconds = 10_000_000_000;
        let limits = Limits {
            write_deadline_ns: ten_seconds,
            ping_interval_ns: 100 * ten_seconds,
            ..Limits::default()
        };
        let mut shard = shard(limits);
        let slot = accept(&mut shard);
        shard.clients.get_mut(slot).rtt_known = true;
        shard.clients.push_text(slot, b"waits");
        shard.note_blocked(slot, 0);
        assert_eq!(reason_at(&mut shard, slot, 8_000), None);
        shard.note_progress(slot);
        shard.note_blocked(slot, 0);
        assert_eq!(reason_at(&mut shard, slot, 17_900), None);
        let reason = reason_at(&mut shard, slot, 18_100);
        assert_eq!(reason, Some(CloseReason::SlowConsumerWriteDeadline));
    }

    /// A reader of little that stands between much of others' keeps it all from being freed.
    #[test]
    fn shedding_begins_with_who_pins_most() {
        let limits = Limits { shard_spool_bytes_max: 512 * 1024, ..Limits::default() };
        let mut shard = shard(limits);
        let (thin, thick, done) = (accept(&mut shard), accept(&mut shard), accept(&mut shard));
        let large = vec![b'x'; 60_000];
        for n in 0..20 {
            shard.clients.push_text(thin, b"little");
            shard.clients.push_text(if n < 3 { thick } else { done }, &large);
        }
        shard.clients.discard(done);
        shard.shed();
        let closing = |slot| shard.clients.get(slot).closing;
        assert_eq!(closing(thin), Some(CloseReason::SlowConsumerShed));
        assert_eq!(closing(thick), None, "it has more unsent bytes and pins less");
    }
}
