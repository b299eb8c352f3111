//! Lame duck mode: clients are told that the broker will leave, and are closed a few at a time.
//!
//! Absent: when and how many, which is the supervisor's to say, and the end of the shard. Nobody
//! new comes any more, so that one walk over all clients reaches each of them.

use super::close::CloseReason;
use super::ids::Slot;
use super::shard::Shard;
use super::turn::{Polled, Turn};

/// How far a shard is with its clients.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LameDuck {
    /// The next client to be told.
    tell: usize,
    /// The next client to be closed.
    end: usize,
}

impl Turn<Polled> {
    /// The broker will leave: clients that understand it are told, over the next turns.
    pub fn handle_lame_duck(&mut self) {
        self.shard.note_leaving("LAMEDUCK");
        for entrance in &mut self.shard.entrances {
            entrance.info.ldm = true;
            entrance.info.connect_urls.clear();
            entrance.info.ws_connect_urls.clear();
        }
        self.shard.lame_duck.get_or_insert_default();
    }

    /// Closes up to `count` clients; what waits for them is still written.
    pub fn handle_end_of(&mut self, count: usize) {
        self.shard.end_clients(count);
    }
}

impl Shard {
    /// Whether clients are left to be told.
    pub(crate) fn has_clients_to_tell(&self) -> bool {
        self.lame_duck.is_some_and(|duck| duck.tell < self.clients.slots())
    }

    /// Tells the next clients.
    pub(crate) fn tell_clients(&mut self) {
        let Some(duck) = self.lame_duck else { return };
        let to = duck.tell.saturating_add(TOLD_PER_TURN).min(self.clients.slots());
        for key in duck.tell..to {
            let slot = Slot::from_key(key);
            if self.is_outside(slot) {
                self.tell_client(slot);
            }
        }
        self.lame_duck = Some(LameDuck { tell: to, ..duck });
    }

    fn tell_client(&mut self, slot: Slot) {
        let client = self.clients.get(slot);
        // Who has not heard a PONG yet may take an INFO for the answer to its CONNECT.
        if client.greeted && client.choices.async_info && client.closing.is_none() {
            self.send_info(slot);
        }
    }

    fn end_clients(&mut self, mut count: usize) {
        let mut duck = self.lame_duck.unwrap_or_default();
        while count > 0 && duck.end < self.clients.slots() {
            let slot = Slot::from_key(duck.end);
            duck.end += 1;
            if self.is_outside(slot) && self.clients.get(slot).closing.is_none() {
                if slot.key() >= duck.tell {
                    // It was not its turn yet.
                    self.tell_client(slot);
                }
                self.catch_up(slot);
                self.clients.doom(slot, CloseReason::ServerShutdown);
                count -= 1;
            }
        }
        self.lame_duck = Some(duck);
        self.settle_closings();
    }

    /// Tells one client that it should leave, whatever the broker does.
    pub(crate) fn tell_to_leave(&mut self, slot: Slot) {
        let listener = self.clients.get(slot).listener.index();
        let Some(entrance) = self.entrances.get_mut(listener) else { return };
        let before = std::mem::replace(&mut entrance.info.ldm, true);
        self.send_info(slot);
        if let Some(entrance) = self.entrances.get_mut(listener) {
            entrance.info.ldm = before;
        }
    }

    /// Whether a client is the broker's own.
    pub(crate) fn is_own(&self, slot: Slot) -> bool {
        self.clients.relays.client == Some(slot)
    }

    /// Whether a client stands there that is not the broker's own.
    fn is_outside(&self, slot: Slot) -> bool {
        self.clients.contains(slot) && !self.is_own(slot)
    }
}

/// Clients that one turn tells.
const TOLD_PER_TURN: usize = 1000;
