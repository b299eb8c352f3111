//! How many subscribers a subject has, or all filters that a pattern covers: a page of filters at a
//! time.
//!
//! Absent: what peers want, and the broker's own subscriptions. A pattern is compared with every
//! filter, so that it is the asker who must not go on without a pause.

use fanfare_protocol::subject::{Filter, covers};

use super::super::ids::{AccountId, Slot};
use super::super::shard::Shard;
use super::{KEYS_PER_PAGE, Page, Rows, SUBSCRIPTIONS_PER_PAGE};

/// Whose subscribers are meant.
#[derive(Debug, Clone)]
pub struct SubscriberFilter {
    /// The account.
    pub account: AccountId,
    /// The subject or pattern.
    pub subject: Box<[u8]>,
    /// Only members of this queue group.
    pub queue: Option<Box<[u8]>>,
}

impl Shard {
    /// A subject has one page; a pattern has a page for so many filters, or fewer that have many
    /// subscribers.
    pub(super) fn report_subscribers(&self, from: usize, wanted: &SubscriberFilter) -> Page {
        let filters = self.interest.filters();
        let queue = wanted.queue.as_deref();
        let counted = |count| Rows::Subscribers(count as u64);
        match Filter::parse(&wanted.subject) {
            None => return Page { rows: counted(0), next: None },
            Some(filter) if filter.is_literal() => {
                let found = filters.matching(wanted.account, &wanted.subject);
                let count = found.into_iter().map(|slot| self.count_on(slot, queue)).sum();
                return Page { rows: counted(count), next: None };
            }
            Some(_) => {}
        }
        let to = from.saturating_add(KEYS_PER_PAGE).min(filters.slots());
        let (mut next, mut count, mut looked_at) = (from, 0, 0);
        while next < to && looked_at < SUBSCRIPTIONS_PER_PAGE {
            let slot = Slot::from_key(next);
            next += 1;
            let filter = filters.known(slot).filter(|filter| {
                filter.account == wanted.account && covers(&wanted.subject, &filter.text)
            });
            if let Some(filter) = filter {
                looked_at += filter.wants.members().len();
                count += self.count_on(slot, queue);
            }
        }
        Page { rows: counted(count), next: (next < filters.slots()).then_some(next) }
    }

    /// Subscribers of one filter, or of a queue group on it.
    fn count_on(&self, filter: Slot, queue: Option<&[u8]>) -> usize {
        let own = self.clients.relays.client;
        let mut count = 0;
        if queue.is_none() {
            let members = self.interest.filter(filter).wants.members();
            count += members.iter().filter(|member| Some(member.client) != own).count();
        }
        let mut queues = Vec::new();
        self.interest.queues_of(filter, &mut queues);
        for (name, slot) in queues {
            if queue.is_none_or(|queue| queue == self.interest.name(name)) {
                count += self.interest.queue(slot).members.len();
            }
        }
        count
    }
}
