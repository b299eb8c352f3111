//! The end of a connection: what is still written, what is given back, and when it is over.
//!
//! Absent: sockets. A closing client receives nothing more; its subscriptions end at once or, when
//! there are many, over a few turns; its last bytes have a short time to leave.

use super::close::CloseReason;
use super::ids::Slot;
use super::inbox::Inbox;
use super::shard::{Closed, Shard};
use super::timer::TimerKind;
use super::turn::{Polled, Turn};

impl Turn<Polled> {
    /// The broker ends: whoever listens for that is told.
    pub fn handle_end(&mut self) {
        self.shard.note_leaving("SHUTDOWN");
    }

    /// Takes nothing more from clients: what is on its way between shards still arrives.
    pub fn handle_quiesce(&mut self) {
        self.shard.quiescent = true;
    }

    /// Marks every client to be closed: what waits for them is still written.
    pub fn handle_shutdown(&mut self) {
        self.shard.walk_to_the_end();
        let slots: Vec<_> = self.shard.clients.iter().map(|client| client.id.slot).collect();
        for slot in slots {
            self.shard.clients.doom(slot, CloseReason::ServerShutdown);
        }
        self.shard.settle_closings();
    }
}

impl Shard {
    /// Begins to close the clients that were marked.
    pub(crate) fn settle_closings(&mut self) {
        while let Some(slot) = self.clients.poll_doomed() {
            self.begin_close(slot);
        }
    }

    /// Removes subscriptions of closing clients, a bounded number a turn.
    pub(crate) fn sweep_leaving(&mut self) {
        while self.sweeps_left > 0 {
            let Some(slot) = self.leaving.front().copied() else { return };
            self.end_subscriptions(slot);
            if self.clients.get(slot).subs.len() == 0 {
                self.leaving.pop_front();
                self.finish_close(slot);
            }
        }
    }

    /// Notes a closing client as closed once nothing of it is left to do.
    pub(crate) fn finish_close(&mut self, slot: Slot) {
        let client = self.clients.get_mut(slot);
        let is_written = client.outbox.is_empty() && !client.places.held;
        let done = is_written && client.subs.len() == 0;
        if client.closing.is_some() && done && !client.places.closed {
            client.places.closed = true;
            self.closed.push_back(slot);
        }
    }

    /// The next connection whose socket is to be closed; the client is gone with this.
    pub(crate) fn take_closed(&mut self) -> Option<Closed> {
        let slot = loop {
            let slot = self.closed.pop_front()?;
            if self.clients.relays.client != Some(slot) {
                break slot;
            }
            // Nobody outside knows of the broker's own client.
            self.clients.relays.client = None;
            self.clients.remove(slot);
        };
        let client = self.clients.remove(slot);
        let reason = client.closing.unwrap_or(CloseReason::ClientClosed);
        Some(Closed {
            client: client.id,
            number: client.number,
            peer: client.peer,
            listener: client.listener,
            reason,
        })
    }

    /// A farewell that takes too long is cut short.
    pub(crate) fn farewell_due(&mut self, slot: Slot) {
        let since = self.clients.get(slot).waiting_since;
        if self.now.since_ns(since) >= self.farewell_ns(slot) {
            self.clients.discard(slot);
            self.finish_close(slot);
        }
    }

    /// How long a client's last bytes may take to leave, in nanoseconds.
    fn farewell_ns(&self, slot: Slot) -> u64 {
        match self.clients.get(slot).closing {
            // The operator says how long a stop waits.
            Some(CloseReason::ServerShutdown) => self.limits.stop_deadline_ns,
            _ => FAREWELL_NS,
        }
    }

    fn begin_close(&mut self, slot: Slot) {
        self.end_callout(slot);
        let now = self.now;
        let client = self.clients.get_mut(slot);
        let Some(reason) = client.closing else { return };
        self.remember(slot, reason);
        self.note_disconnected(slot);
        let client = self.clients.get_mut(slot);
        client.inbox = Inbox::default();
        client.waiting_since = now;
        if !reason.flushes() {
            self.clients.discard(slot);
        } else if !client.outbox.is_empty() || client.places.held {
            let id = client.id;
            let end = now.after_ns(self.farewell_ns(slot));
            self.timers.insert(id, TimerKind::Deadline, end);
        }
        self.end_subscriptions(slot);
        if self.clients.get(slot).subs.len() > 0 {
            self.leaving.push_back(slot);
        } else {
            self.finish_close(slot);
        }
    }

    /// Ends subscriptions of a client, as many as the turn may end.
    fn end_subscriptions(&mut self, slot: Slot) {
        while self.sweeps_left > 0 {
            let Some(sub) = self.clients.get_mut(slot).subs.pop() else { return };
            self.remove_receiver(sub);
            self.sweeps_left -= 1;
        }
    }
}

/// Subscriptions of closing clients that one turn removes, whoever's they are.
pub(crate) const SWEEP_PER_TURN: usize = 16 * 1024;
/// How long the last bytes of a closing client may take to leave, in nanoseconds.
const FAREWELL_NS: u64 = 2_000_000_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::arrival::{Arrival, Entrance};
    use super::super::ids::{ClientNumber, ShardId};
    use super::super::shard::ShardSetup;
    use super::super::time::Instant;
    use super::super::turn::{ReadOutcome, WriteOutcome};
    use super::*;
    use crate::config::Limits;

    /// The last words are taken, but wait in a layer below: the client ends when they have left.
    #[test]
    fn bytes_held_below_keep_a_closing_client() {
        let shard = Box::new(Shard::new(ShardSetup {
            policy: Arc::new(super::super::policy::Policy::open()),
            id: ShardId::new(0).expect("there is a first shard"),
            shards: 1,
            batches_per_peer: ShardSetup::BATCHES_PER_PEER,
            limits: Arc::new(Limits::default()),
            entrances: vec![Entrance::default()],
            seed: 1,
            first_generation: 0,
            trace: None,
            now: Instant::default(),
        }));
        let mut turn = Turn::begin(shard, Instant::default());
        let client = turn.handle_accept(Arrival::plain(ClientNumber(1), "127.0.0.1:1".into()));
        let shard = turn.read().drain().route().data().write().tick().finish();
        let run = |shard, bytes: &[u8], writable, held| {
            let mut turn = Turn::begin(shard, Instant::default());
            turn.handle_readable(client);
            if writable {
                turn.handle_writable(client);
            }
            let mut turn = turn.read();
            while turn.poll_read().is_some() {
                turn.room()[..bytes.len()].copy_from_slice(bytes);
                turn.handle_read(ReadOutcome::Bytes(bytes.len()));
            }
            let mut turn = turn.drain().route().data().write();
            while turn.poll_write().is_some() {
                let bytes = turn.slices().map(<[u8]>::len).sum();
                let held = held && bytes > 0;
                let outcome =
                    if held { WriteOutcome::Held(bytes) } else { WriteOutcome::Bytes(bytes) };
                turn.handle_written(outcome);
            }
            let mut turn = turn.tick();
            let closed = turn.poll_closed();
            (turn.finish(), closed)
        };
        let (shard, closed) = run(shard, b"NONSENSE\r\n", true, true);
        assert_eq!(closed, None);
        let (shard, closed) = run(shard, b"", false, false);
        assert_eq!(closed, None);
        let (_, closed) = run(shard, b"", true, false);
        assert_eq!(closed.map(|closed| closed.reason), Some(CloseReason::ProtocolViolation));
    }
}
