//! Clients that have left: the last ones with all that was known of them, and what accounts used.
//!
//! Absent: why a client is closed (`close`). The ring's oldest makes room for the newest, be they
//! too many or too large; long texts are cut. What accounts used is kept for accounts that had
//! clients, of which there are no more than accounts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::close::CloseReason;
use super::ids::{AccountId, Slot};
use super::report::ClosedClient;
use super::report::account::AccountUse;
use super::report::client::ClientFacts;
use super::shard::Shard;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) closed: VecDeque<Arc<ClosedClient>>,
    /// Bytes that they take, about.
    bytes: usize,
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
        let mut client = self.client_facts(self.clients.get(slot), 0..SUBSCRIPTIONS_KEPT);
        cut_texts(&mut client);
        self.past.keep(ClosedClient { client, stopped: self.now, reason }, most);
    }
}

impl Past {
    /// Keeps a client; no more than so many, and no more bytes than that many may take.
    fn keep(&mut self, closed: ClosedClient, most: usize) {
        let bytes_max = most.saturating_mul(BYTES_OF_ONE);
        self.bytes += bytes_of(&closed.client);
        self.closed.push_back(Arc::new(closed));
        while self.closed.len() > most || self.bytes > bytes_max {
            let Some(oldest) = self.closed.pop_front() else { return };
            self.bytes -= bytes_of(&oldest.client);
        }
    }
}

/// Cuts what a client could make as long as it liked.
fn cut_texts(client: &mut ClientFacts) {
    let said = [&mut client.name, &mut client.lang, &mut client.version, &mut client.user];
    for text in said.into_iter().flatten() {
        cut(text);
    }
    for row in &mut client.listed {
        cut(&mut row.filter);
        cut(&mut row.sid);
        if let Some(queue) = &mut row.queue {
            cut(queue);
        }
    }
}

fn cut(text: &mut Box<str>) {
    if text.len() > TEXT_BYTES_MAX {
        let kept = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        // INVARIANT: a character begins there.
        *text = text[..kept].into();
    }
}

/// Memory that is kept for a client, about; it changes no more once the client is kept.
fn bytes_of(client: &ClientFacts) -> usize {
    let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
    let said = [&client.name, &client.lang, &client.version, &client.user].map(length);
    let listed = client
        .listed
        .iter()
        .map(|row| size_of_val(row) + row.filter.len() + row.sid.len() + length(&row.queue));
    let chain = client.tls.iter().flat_map(|tls| &tls.chain).map(|der| der.len());
    let tags = client.grant.iter().flat_map(|grant| &grant.tags).map(String::len);
    size_of::<ClosedClient>()
        + client.peer.len()
        + said.into_iter().sum::<usize>()
        + listed.chain(chain).chain(tags).sum::<usize>()
}

/// Subscriptions that are kept of a client that has left.
const SUBSCRIPTIONS_KEPT: usize = 16;
/// Bytes of a text that are kept.
const TEXT_BYTES_MAX: usize = 256;
/// Bytes that one client may take when all take as much.
const BYTES_OF_ONE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::ids::ListenerId;
    use super::super::report::subscription::SubscriptionFacts;
    use super::super::time::Instant;
    use super::*;

    /// A client that has left, with texts of some length.
    fn closed(number: u64, length: usize) -> ClosedClient {
        let text = || -> Box<str> { "\u{fc}".repeat(length / 2).into() };
        let row = || SubscriptionFacts {
            account: AccountId::GLOBAL,
            number,
            filter: text(),
            queue: Some(text()),
            sid: text(),
            delivered: 0,
            max: 0,
        };
        let mut client = ClientFacts {
            number,
            listener: ListenerId::new(0).expect("the first"),
            peer: "192.0.2.1:7".into(),
            started: Instant::default(),
            last_active: Instant::default(),
            rtt_ns: 0,
            pending_bytes: 0,
            messages_in: 0,
            bytes_in: 0,
            messages_out: 0,
            bytes_out: 0,
            subscriptions: SUBSCRIPTIONS_KEPT,
            name: Some(text()),
            lang: Some(text()),
            version: Some(text()),
            tls: None,
            account: AccountId::GLOBAL,
            user: Some(text()),
            grant: None,
            listed: (0..SUBSCRIPTIONS_KEPT).map(|_| row()).collect(),
        };
        cut_texts(&mut client);
        let reason = CloseReason::ClientClosed;
        ClosedClient { client, stopped: Instant::default(), reason }
    }

    #[test]
    fn clients_with_long_texts_are_cut_and_kept_in_fewer_numbers() {
        let long = closed(1, 4001);
        assert_eq!(long.client.listed[0].filter.len(), TEXT_BYTES_MAX);
        assert_eq!(long.client.name.as_ref().map(|name| name.len()), Some(TEXT_BYTES_MAX));
        let mut past = Past::default();
        for number in 0..1000 {
            past.keep(closed(number, 4001), 100);
        }
        let kept = |past: &Past| past.closed.iter().map(|one| bytes_of(&one.client)).sum::<usize>();
        assert!((10..100).contains(&past.closed.len()), "{}", past.closed.len());
        assert!(past.bytes <= 100 * BYTES_OF_ONE);
        assert_eq!(past.bytes, kept(&past));
        for number in 1000..2000 {
            past.keep(closed(number, 20), 100);
        }
        assert_eq!(past.closed.len(), 100);
        assert_eq!(past.closed.back().map(|one| one.client.number), Some(1999));
        assert_eq!(past.bytes, kept(&past));
    }
}
