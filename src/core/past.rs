//! Clients that have left: the last ones with all that was known of them, and what accounts used.
//!
//! Absent: why a client is closed (`close`). The ring's oldest makes room for the newest; what
//! accounts used is kept for accounts that had clients, of which there are no more than accounts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::close::CloseReason;
use super::ids::{AccountId, Slot};
use super::report::ClosedClient;
use super::report::account::AccountUse;
use super::shard::Shard;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) closed: VecDeque<Arc<ClosedClient>>,
    pub(crate) accounts: BTreeMap<AccountId, AccountUse>,
}

impl Shard {
    /// Keeps what is known of a client whose end begins.
    pub(crate) fn remember(&mut self, slot: Slot, reason: CloseReason) {
        if self.clients.relays.client == Some(slot) {
            return;
        }
        let client = self.clients.get(slot);
        let used = AccountUse {
            clients_total: 1,
            messages_in: client.messages_in,
            bytes_in: client.bytes_in,
            messages_out: client.messages_out,
            bytes_out: client.bytes_out,
            slow_consumers: u64::from(reason.is_slow_consumer()),
            ..AccountUse::default()
        };
        self.past.accounts.entry(client.account).or_default().add(&used);
        // Twice its share, for clients do not leave all shards alike; no more are told in all.
        let all = self.limits.closed_clients_max;
        let most = all.min(all.saturating_mul(2).div_ceil(self.shards));
        if most == 0 {
            return;
        }
        let facts = self.client_facts(self.clients.get(slot), SUBSCRIPTIONS_KEPT);
        while self.past.closed.len() >= most {
            self.past.closed.pop_front();
        }
        let stopped = self.now;
        self.past.closed.push_back(Arc::new(ClosedClient { client: facts, stopped, reason }));
    }
}

/// Subscriptions that are kept of a client that has left.
const SUBSCRIPTIONS_KEPT: usize = 16;
