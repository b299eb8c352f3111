//! What is told of subscriptions.
//!
//! Absent: what peers want, and the broker's own subscriptions.

use std::ops::Range;

use fanfare_protocol::subject;

use super::super::clients::Client;
use super::super::ids::{AccountId, Slot};
use super::super::interest::Interest;
use super::super::shard::Shard;
use super::super::subs::{List, Sub};
use super::super::wants::Member;
use super::{KEYS_PER_PAGE, Page, Rows, SUBSCRIPTIONS_PER_PAGE};

/// Which subscriptions are meant.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFilter {
    /// Those of this account.
    pub account: Option<AccountId>,
    /// Those that would get a message to this subject.
    pub subject: Option<Box<[u8]>>,
}

/// Everything about a subscription.
#[derive(Debug)]
pub struct SubscriptionFacts {
    /// Whose it is.
    pub account: AccountId,
    /// The number of its client.
    pub number: u64,
    /// What it is for.
    pub filter: Box<str>,
    /// Its queue group.
    pub queue: Option<Box<str>>,
    /// What its client calls it.
    pub sid: Box<str>,
    /// Deliveries so far.
    pub delivered: u64,
    /// Deliveries after which it ends; 0 for never.
    pub max: u64,
}

impl Shard {
    /// A page is a number of whole clients: one with many subscriptions is looked at in pieces, so
    /// that a place is a client's slot and an index into its subscriptions.
    pub(super) fn report_subscriptions(
        &self,
        from: usize,
        filter: &SubscriptionFilter,
        mut skip: usize,
        mut take: usize,
    ) -> Page {
        let (mut key, mut index) = (from >> INDEX_BITS, from & INDEX_MASK);
        let (mut rows, mut counted) = (Vec::new(), 0);
        let (mut clients_left, mut left) = (KEYS_PER_PAGE, SUBSCRIPTIONS_PER_PAGE);
        while key < self.clients.slots() && clients_left > 0 {
            let client = self.known(Slot::from_key(key));
            let meant = client
                .filter(|client| filter.account.is_none_or(|account| account == client.account));
            let Some(client) = meant else {
                (key, index, clients_left) = (key + 1, 0, clients_left - 1);
                continue;
            };
            let mut looked_at = 0;
            for sub in client.subs.iter().skip(index).take(left) {
                looked_at += 1;
                let (text, _) = self.interest.names_of(sub.list);
                let is_meant = filter.subject.as_ref();
                if !is_meant.is_none_or(|wanted| subject::matches(text, wanted)) {
                    continue;
                }
                counted += 1;
                if skip > 0 {
                    skip -= 1;
                } else if take > 0 {
                    take -= 1;
                    rows.push(self.subscription_facts(client, sub));
                }
            }
            left -= looked_at;
            index += looked_at;
            if index < client.subs.len() {
                break;
            }
            (key, index, clients_left) = (key + 1, 0, clients_left - 1);
        }
        let next = (key < self.clients.slots()).then_some((key << INDEX_BITS) | index);
        Page { rows: Rows::Subscriptions { rows, counted }, next }
    }

    /// Some subscriptions of one client.
    pub(super) fn list_subscriptions(
        &self,
        client: &Client,
        listed: Range<usize>,
    ) -> Vec<SubscriptionFacts> {
        let some = client.subs.iter().skip(listed.start).take(listed.len());
        some.map(|sub| self.subscription_facts(client, sub)).collect()
    }

    fn subscription_facts(&self, client: &Client, sub: &Sub) -> SubscriptionFacts {
        let (filter, queue) = self.interest.names_of(sub.list);
        let members = match sub.list {
            List::Plain(filter) => self.interest.filter(filter).wants.members(),
            List::Queue(queue) => self.interest.queue(queue).members.as_slice(),
        };
        let member = members.get(sub.position as usize);
        let mut digits = [0; 10];
        let text = |bytes: &[u8]| -> Box<str> { String::from_utf8_lossy(bytes).into() };
        SubscriptionFacts {
            account: client.account,
            number: client.number.0,
            filter: text(filter),
            queue: queue.map(text),
            sid: text(self.clients.sids.text(sub.sid, &mut digits)),
            delivered: member.map_or(0, Member::delivered),
            max: member.map_or(0, Member::max),
        }
    }
}

impl Interest {
    /// The filter of a list, and the name of its queue group.
    pub(crate) fn names_of(&self, list: List) -> (&[u8], Option<&[u8]>) {
        match list {
            List::Plain(filter) => (&self.filter(filter).text, None),
            List::Queue(queue) => {
                let queue = self.queue(queue);
                (&self.filter(queue.filter()).text, Some(self.name(queue.name)))
            }
        }
    }
}

/// Bits of a place that are the index: subscriptions of a client are bounded below 2^32.
pub(super) const INDEX_BITS: u32 = 32;
pub(super) const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
