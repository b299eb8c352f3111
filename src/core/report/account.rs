//! What accounts use: summed over clients that are there, and kept for those that have left.
//!
//! Absent: any count on a message's way. Sums are made when somebody asks, a bounded number of
//! clients for each page.

use std::collections::BTreeMap;

use super::super::ids::{AccountId, Slot};
use super::super::shard::Shard;
use super::{KEYS_PER_PAGE, Page, Rows};

/// What clients of one account use, and have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountUse {
    /// Clients now.
    pub clients: u64,
    /// Clients ever.
    pub clients_total: u64,
    /// Subscriptions now.
    pub subscriptions: u64,
    /// Unsent bytes now.
    pub pending_bytes: u64,
    /// Messages and bytes that they published.
    pub messages_in: u64,
    /// See `messages_in`.
    pub bytes_in: u64,
    /// Messages and bytes that were queued for them.
    pub messages_out: u64,
    /// See `messages_out`.
    pub bytes_out: u64,
    /// Clients closed for being slow.
    pub slow_consumers: u64,
}

impl AccountUse {
    /// Adds another use to this one.
    pub fn add(&mut self, other: &Self) {
        self.clients += other.clients;
        self.clients_total += other.clients_total;
        self.subscriptions += other.subscriptions;
        self.pending_bytes += other.pending_bytes;
        self.messages_in += other.messages_in;
        self.bytes_in += other.bytes_in;
        self.messages_out += other.messages_out;
        self.bytes_out += other.bytes_out;
        self.slow_consumers += other.slow_consumers;
    }
}

impl Shard {
    /// First the accounts of those who have left, then the clients that are there: one that leaves
    /// between two pages is missed once, and never told twice.
    pub(super) fn report_accounts(&self, from: usize) -> Page {
        let slots = self.clients.slots();
        let Some(from) = from.checked_sub(PRESENT) else {
            let mut later = self.past.accounts.range(AccountId::from_index(from)..);
            let page = later.by_ref().take(KEYS_PER_PAGE);
            let rows = page.map(|(account, used)| (*account, *used)).collect();
            let next = later.next().map_or(PRESENT, |(account, _)| account.index());
            return Page { rows: Rows::Accounts(rows), next: Some(next) };
        };
        let to = from.saturating_add(KEYS_PER_PAGE).min(slots);
        let mut sums: BTreeMap<AccountId, AccountUse> = BTreeMap::new();
        for key in from..to {
            let Some(client) = self.known(Slot::from_key(key)) else { continue };
            sums.entry(client.account).or_default().add(&AccountUse {
                clients: 1,
                clients_total: 1,
                subscriptions: client.subs.len() as u64,
                pending_bytes: client.outbox.pending_bytes(),
                messages_in: client.messages_in,
                bytes_in: client.bytes_in,
                messages_out: client.messages_out,
                bytes_out: client.bytes_out,
                slow_consumers: 0,
            });
        }
        let next = (to < slots).then_some(PRESENT + to);
        Page { rows: Rows::Accounts(sums.into_iter().collect()), next }
    }
}

/// Before it a place is an account's number, from here on a client's.
const PRESENT: usize = 1 << 40;
