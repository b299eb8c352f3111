//! What the system account may have done to single clients.
//!
//! Absent: who asks. A client is found by its number among all of its shard; that is a walk, and
//! nothing that happens often.

use super::close::CloseReason;
use super::ids::{ClientNumber, Slot};
use super::shard::Shard;
use super::system_requests::Met;

impl Shard {
    /// Closes a client.
    pub(crate) fn kick(&mut self, number: ClientNumber) -> Met {
        let Some(slot) = self.outsider(number) else { return Met::Nobody };
        self.catch_up(slot);
        self.clients.doom(slot, CloseReason::Kicked);
        self.settle_closings();
        Met::Done
    }

    /// Tells a client that it should leave, if it understands that.
    pub(crate) fn ask_to_leave(&mut self, number: ClientNumber) -> Met {
        let Some(slot) = self.outsider(number) else { return Met::Nobody };
        let client = self.clients.get(slot);
        // Who has not heard a PONG yet may take an INFO for the answer to its CONNECT.
        if !(client.choices.async_info && client.greeted) {
            return Met::Unable;
        }
        self.tell_to_leave(slot);
        Met::Done
    }

    /// The client with a number, unless it is the broker's own.
    fn outsider(&self, number: ClientNumber) -> Option<Slot> {
        let client = self.clients.iter().find(|client| client.number == number)?;
        (client.closing.is_none() && !self.is_own(client.id.slot)).then_some(client.id.slot)
    }
}
