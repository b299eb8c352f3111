//! What is told of clients: the numbers that they are sorted by, and everything about a few.
//!
//! Absent: credentials. A user's name and public keys are told, passwords, tokens, signatures and
//! tokens signed for a user never are.

use std::ops::Range;
use std::sync::Arc;

use fanfare_protocol::subject;

use super::super::auth::{Grant, TlsPeer};
use super::super::clients::Client;
use super::super::ids::{AccountId, ConnId, ListenerId, Slot};
use super::super::shard::Shard;
use super::super::texts::TextId;
use super::super::time::Instant;
use super::subscription::{INDEX_BITS, INDEX_MASK, SubscriptionFacts};
use super::{CLIENTS_PER_PAGE, KEYS_PER_PAGE, Page, Rows, SUBSCRIPTIONS_PER_PAGE};

/// What open clients can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// The client's number, or when it came.
    Number,
    /// Subscriptions.
    Subscriptions,
    /// Unsent bytes.
    PendingBytes,
    /// Messages to the client.
    MessagesOut,
    /// Messages from it.
    MessagesIn,
    /// Bytes to it.
    BytesOut,
    /// Bytes from it.
    BytesIn,
    /// When something last moved.
    LastActive,
    /// The round trip.
    RoundTrip,
}

/// Which clients are meant.
#[derive(Debug, Clone, Default)]
pub struct ClientFilter {
    /// The one with this number.
    pub number: Option<u64>,
    /// Those of this account.
    pub account: Option<AccountId>,
    /// Those that came in as this user.
    pub user: Option<Box<str>>,
    /// Those with a subscription whose filter has a subject in common with this one.
    pub filter: Option<Box<[u8]>>,
}

/// A client among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// What it is sorted by.
    pub key: u64,
    /// Its number.
    pub number: u64,
    /// Where it is.
    pub id: ConnId,
}

/// Everything that may be told of a client.
#[derive(Debug)]
pub struct ClientFacts {
    /// Its number.
    pub number: u64,
    /// The listener that it came through.
    pub listener: ListenerId,
    /// `ip:port` of its peer.
    pub peer: Box<str>,
    /// When it came.
    pub started: Instant,
    /// When something last moved.
    pub last_active: Instant,
    /// The round trip, in nanoseconds; 0 while it is not known.
    pub rtt_ns: u64,
    /// Unsent bytes.
    pub pending_bytes: u64,
    /// Messages and bytes that it published.
    pub messages_in: u64,
    /// See `messages_in`.
    pub bytes_in: u64,
    /// Messages and bytes that were queued for it.
    pub messages_out: u64,
    /// See `messages_out`.
    pub bytes_out: u64,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// What it said about itself.
    pub name: Option<Box<str>>,
    /// See `name`.
    pub lang: Option<Box<str>>,
    /// See `name`.
    pub version: Option<Box<str>>,
    /// What its handshake showed.
    pub tls: Option<Arc<TlsPeer>>,
    /// Whose subjects it uses.
    pub account: AccountId,
    /// As whom it came in.
    pub user: Option<Box<str>>,
    /// What an operator's account granted it.
    pub grant: Option<Arc<Grant>>,
    /// Its subscriptions, as far as they were asked for.
    pub listed: Vec<SubscriptionFacts>,
}

impl Shard {
    pub(super) fn report_keys(&self, from: usize, sort: SortBy, filter: &ClientFilter) -> Page {
        let to = from.saturating_add(KEYS_PER_PAGE).min(self.clients.slots());
        let (mut keys, mut total, mut looked_at) = (Vec::new(), 0, 0);
        let mut next = from;
        while next < to && looked_at < SUBSCRIPTIONS_PER_PAGE {
            let slot = Slot::from_key(next);
            next += 1;
            let Some(client) = self.known(slot) else { continue };
            if filter.account.is_some_and(|account| account != client.account) {
                continue;
            }
            total += 1;
            if !self.is_meant(client, filter, &mut looked_at) {
                continue;
            }
            let key = sort.key(client);
            keys.push(Key { key, number: client.number.0, id: client.id });
        }
        let next = (next < self.clients.slots()).then_some(next);
        Page { rows: Rows::Keys { keys, total }, next }
    }

    /// One with many subscriptions is told on several pages, each with some of them: a place is one
    /// in the list of clients, and an index into its subscriptions.
    pub(super) fn report_clients(
        &self,
        ids: &[ConnId],
        from: usize,
        subscriptions_max: usize,
    ) -> Page {
        let (mut place, mut begin) = (from >> INDEX_BITS, from & INDEX_MASK);
        let (mut rows, mut left) = (Vec::new(), SUBSCRIPTIONS_PER_PAGE);
        for id in ids.iter().skip(place).take(CLIENTS_PER_PAGE) {
            let client = self.clients.resolve(*id).and_then(|slot| self.known(slot));
            if let Some(client) = client {
                let wanted = subscriptions_max.min(client.subs.len());
                let end = begin.saturating_add(left).min(wanted);
                rows.push(self.client_facts(client, begin..end));
                left -= end.saturating_sub(begin);
                if end < wanted {
                    begin = end;
                    break;
                }
            }
            (place, begin) = (place + 1, 0);
            if left == 0 {
                break;
            }
        }
        let next = (place < ids.len()).then_some((place << INDEX_BITS) | begin);
        Page { rows: Rows::Clients(rows), next }
    }

    /// A client that others may know of: those who leave are told as closed, and the broker's own
    /// is nobody's.
    pub(super) fn known(&self, slot: Slot) -> Option<&Client> {
        if !self.clients.contains(slot) || self.clients.relays.client == Some(slot) {
            return None;
        }
        Some(self.clients.get(slot)).filter(|client| client.closing.is_none())
    }

    fn is_meant(&self, client: &Client, filter: &ClientFilter, looked_at: &mut usize) -> bool {
        if filter.number.is_some_and(|number| number != client.number.0) {
            return false;
        }
        if let Some(user) = &filter.user
            && client.user() != Some(&**user)
        {
            return false;
        }
        let Some(wanted) = &filter.filter else { return true };
        client.subs.iter().take(SUBSCRIPTIONS_PER_PAGE).any(|sub| {
            *looked_at += 1;
            let (text, _) = self.interest.names_of(sub.list);
            subject::overlaps(wanted, text)
        })
    }

    /// Everything that may be told of a client, with some of its subscriptions.
    pub(crate) fn client_facts(&self, client: &Client, listed: Range<usize>) -> ClientFacts {
        let text = |id: TextId| -> Box<str> {
            String::from_utf8_lossy(self.clients.names.text(id)).into()
        };
        let admitted = client.badge.as_deref().and_then(|badge| badge.admitted.as_deref());
        ClientFacts {
            number: client.number.0,
            listener: client.listener,
            peer: client.peer.clone(),
            started: client.started,
            last_active: client.last_input.max(client.last_output),
            rtt_ns: client.rtt_ns(),
            pending_bytes: client.outbox.pending_bytes(),
            messages_in: client.messages_in,
            bytes_in: client.bytes_in,
            messages_out: client.messages_out,
            bytes_out: client.bytes_out,
            subscriptions: client.subs.len(),
            name: client.name.map(text),
            lang: client.lang.map(text),
            version: client.version.map(text),
            tls: client.tls.clone(),
            account: client.account,
            user: admitted.and_then(|admitted| admitted.user.clone()),
            grant: admitted.and_then(|admitted| admitted.grant.clone()),
            listed: self.list_subscriptions(client, listed),
        }
    }
}

impl Client {
    /// As whom it came in.
    pub(crate) fn user(&self) -> Option<&str> {
        self.badge.as_ref()?.admitted.as_ref()?.user.as_deref()
    }

    /// How long it took to answer a PING, in nanoseconds; 0 while that is not known.
    pub(crate) fn rtt_ns(&self) -> u64 {
        u64::from(self.rtt_us) * 1000
    }

    pub(crate) fn note_pinged(&mut self, now: Instant) {
        self.pinged_us = microseconds(now.as_ns());
    }

    /// It has answered the only PING that is out.
    pub(crate) fn note_ponged(&mut self, now: Instant) {
        self.rtt_us = microseconds(now.as_ns()).wrapping_sub(self.pinged_us).max(1);
    }

    /// Until a PING is answered, the time that the client took to come in stands for it.
    pub(crate) fn guess_rtt(&mut self, now: Instant) {
        let us = now.since_ns(self.started) / 1000;
        self.rtt_us = u32::try_from(us).unwrap_or(u32::MAX).max(1);
    }
}

/// Microseconds that wrap around after 71 minutes; a client that needs longer for a PONG is stale.
fn microseconds(ns: u64) -> u32 {
    // INVARIANT: the low half is meant.
    #[expect(clippy::cast_possible_truncation)]
    let low = (ns / 1000) as u32;
    low
}

impl SortBy {
    fn key(self, client: &Client) -> u64 {
        match self {
            Self::Number => client.number.0,
            Self::Subscriptions => client.subs.len() as u64,
            Self::PendingBytes => client.outbox.pending_bytes(),
            Self::MessagesOut => client.messages_out,
            Self::MessagesIn => client.messages_in,
            Self::BytesOut => client.bytes_out,
            Self::BytesIn => client.bytes_in,
            Self::LastActive => client.last_input.max(client.last_output).as_ns(),
            Self::RoundTrip => client.rtt_ns(),
        }
    }

    /// The same of a client that is told whole.
    pub fn key_of(self, client: &ClientFacts) -> u64 {
        match self {
            Self::Number => client.number,
            Self::Subscriptions => client.subscriptions as u64,
            Self::PendingBytes => client.pending_bytes,
            Self::MessagesOut => client.messages_out,
            Self::MessagesIn => client.messages_in,
            Self::BytesOut => client.bytes_out,
            Self::BytesIn => client.bytes_in,
            Self::LastActive => client.last_active.as_ns(),
            Self::RoundTrip => client.rtt_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::arrival::{Arrival, Entrance};
    use super::super::super::ids::{ClientNumber, ShardId};
    use super::super::super::policy::Policy;
    use super::super::super::shard::ShardSetup;
    use super::super::super::turn::{ReadOutcome, Turn};
    use super::*;
    use crate::config::Limits;

    /// A shard with one client that has so many subscriptions.
    fn shard(subscriptions: usize) -> (Box<Shard>, ConnId) {
        let shard = Box::new(Shard::new(ShardSetup {
            policy: Arc::new(Policy::open()),
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
        let client = turn.handle_accept(Arrival::plain(ClientNumber(1), "192.0.2.1:7".into()));
        let mut shard = turn.read().drain().route().data().write().tick().finish();
        let subscribe = |n| format!("SUB a.{n} {n}\r\n");
        let lines = std::iter::once("CONNECT {\"verbose\":false}\r\n".to_owned());
        for line in lines.chain((0..subscriptions).map(subscribe)) {
            let mut turn = Turn::begin(shard, Instant::default());
            turn.handle_readable(client);
            let mut turn = turn.read();
            while turn.poll_read().is_some() {
                turn.room()[..line.len()].copy_from_slice(line.as_bytes());
                turn.handle_read(ReadOutcome::Bytes(line.len()));
            }
            shard = turn.drain().route().data().write().tick().finish();
        }
        (shard, client)
    }

    #[test]
    fn a_client_with_many_subscriptions_is_told_on_several_pages() {
        const MOST: usize = 2500;
        let (shard, client) = shard(MOST + 100);
        let mut sids = Vec::new();
        let (mut next, mut pages) = (Some(0), 0);
        while let Some(from) = next {
            // The second time it is told again, and its place lies between two of its own.
            let page = shard.report_clients(&[client, client], from, MOST);
            let Rows::Clients(clients) = page.rows else { panic!("clients were asked for") };
            let listed: usize = clients.iter().map(|client| client.listed.len()).sum();
            assert!(listed <= SUBSCRIPTIONS_PER_PAGE, "{listed}");
            for one in clients {
                assert_eq!(one.subscriptions, MOST + 100);
                sids.extend(one.listed.into_iter().map(|row| row.sid));
            }
            (next, pages) = (page.next, pages + 1);
        }
        assert_eq!(pages, 5);
        let expected: Vec<Box<str>> = (0..MOST).map(|n| n.to_string().into()).collect();
        assert_eq!(sids, [expected.clone(), expected].concat());
        let page = shard.report_clients(&[client; 3], 0, 0);
        assert!(page.next.is_none() && matches!(page.rows, Rows::Clients(rows) if rows.len() == 3));
    }
}
