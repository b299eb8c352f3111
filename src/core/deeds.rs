//! What the system account may have done to single clients, and a count of subscribers.
//!
//! Absent: who asks. A client is found by its number among all of its shard; that is a walk, and
//! nothing that happens often.

use fanfare_protocol::subject::{Filter, covers};

use super::close::CloseReason;
use super::ids::{AccountId, ClientNumber, Slot};
use super::shard::Shard;
use super::subs::List;
use super::system_requests::Met;

impl Shard {
    /// Closes a client.
    pub(crate) fn kick(&mut self, number: ClientNumber) -> Met {
        let Some(slot) = self.outsider(number) else { return Met::Nobody };
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

    /// Counts this shard's subscribers of a subject, or of the filters that a pattern covers; no
    /// more than [`FILTERS_LOOKED_AT`] filters are compared with a pattern.
    pub(crate) fn count_subscribers(
        &mut self,
        account: AccountId,
        subject: &[u8],
        queue: Option<&[u8]>,
    ) -> u64 {
        let mut found = Vec::new();
        match Filter::parse(subject) {
            None => return 0,
            Some(filter) if filter.is_literal() => {
                self.interest.matches(account, subject, &mut found);
            }
            Some(_) => {
                let filters = self.interest.filters().iter().take(FILTERS_LOOKED_AT);
                let covered = filters.filter(|(_, filter)| {
                    filter.account == account && covers(subject, &filter.text)
                });
                found.extend(covered.map(|(slot, _)| slot));
            }
        }
        let own = self.clients.relays.client;
        let mut count = 0;
        for filter in found {
            if queue.is_none() {
                let members = self.interest.members_mut(List::Plain(filter)).as_slice();
                count += members.iter().filter(|member| Some(member.client) != own).count();
            }
            let mut queues = Vec::new();
            self.interest.queues_of(filter, &mut queues);
            for (name, slot) in queues {
                if queue.is_none_or(|queue| queue == self.interest.name(name)) {
                    count += self.interest.queue(slot).members.len();
                }
            }
        }
        count as u64
    }

    /// The client with a number, unless it is the broker's own.
    fn outsider(&self, number: ClientNumber) -> Option<Slot> {
        let client = self.clients.iter().find(|client| client.number == number)?;
        (client.closing.is_none() && !self.is_own(client.id.slot)).then_some(client.id.slot)
    }
}

/// Filters that one count compares with a pattern.
const FILTERS_LOOKED_AT: usize = 256 * 1024;
