//! The clients of one shard, and the one way in which bytes are queued for any of them.
//!
//! Absent: what operations do (`session`) and who receives a message (`route`, `deliver`). A client
//! that is to be closed is only marked here, so that a loop over receivers never loses its ground;
//! the shard closes the marked ones between two commands.

use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::op::ClientOp;
use slab::Slab;

use super::auth::TlsPeer;
use super::badge::{Badge, Standing};
use super::choices::Choices;
use super::close::CloseReason;
use super::ids::{AccountId, ClientNumber, ConnId, Generation, ListenerId, Slot};
use super::inbox::Inbox;
use super::marks::{Checks, Places};
use super::outbox::{Extent, Gather, Outbox};
use super::relay::Relays;
use super::sids::{Sid, SidTable};
use super::spool::{Fixed, RecordId, Spool};
use super::stats::Stats;
use super::subs::Subs;
use super::texts::{TextId, TextTable};
use super::time::Instant;
use super::trace::{Direction, Trace};

/// One connection and everything the broker knows about it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ConnId,
    /// Whose subjects it publishes and subscribes.
    pub(crate) account: AccountId,
    pub(crate) outbox: Outbox,
    pub(crate) closing: Option<CloseReason>,
    pub(crate) choices: Choices,
    pub(crate) checks: Checks,
    pub(crate) places: Places,
    pub(crate) standing: Standing,
    pub(crate) connected: bool,
    pub(crate) operated: bool,
    pub(crate) greeted: bool,
    pub(crate) pings_out: u8,
    /// Bytes of the last message it published.
    pub(crate) last_len: u32,
    /// The number of the last walk that it was caught up with for.
    pub(crate) walked: u32,
    pub(crate) rtt_known: bool,
    pub(crate) messages_out: u64,
    pub(crate) bytes_out: u64,
    pub(crate) messages_in: u64,
    pub(crate) bytes_in: u64,
    pub(crate) subs: Subs,
    pub(crate) inbox: Inbox,
    pub(crate) number: ClientNumber,
    pub(crate) started: Instant,
    pub(crate) last_input: Instant,
    /// When its socket last took bytes.
    pub(crate) last_output: Instant,
    /// When it was last sent a PING, in wrapping microseconds, and how long an answer took.
    pub(crate) pinged_us: u32,
    pub(crate) rtt_us: u32,
    /// When the present state began that a deadline ends: blocked, or saying farewell.
    pub(crate) waiting_since: Instant,
    /// `ip:port` of the peer.
    pub(crate) peer: Box<str>,
    /// What its TLS handshake showed.
    pub(crate) tls: Option<Arc<TlsPeer>>,
    pub(crate) listener: ListenerId,
    /// What it was let in with, where somebody asks.
    pub(crate) badge: Option<Box<Badge>>,
    pub(crate) name: Option<TextId>,
    pub(crate) lang: Option<TextId>,
    pub(crate) version: Option<TextId>,
}

/// A client beside the tables that a delivery to it touches.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) spool: &'a mut Spool,
    pub(crate) sids: &'a mut SidTable,
    pub(crate) relays: &'a mut Relays,
}

/// What queueing a record did to a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pushed {
    newly_dirty: bool,
    pending_bytes: u64,
}

impl Client {
    /// Queues one record of `length` bytes, sid included.
    #[inline]
    pub(crate) fn push(
        &mut self,
        record: RecordId,
        sid: Sid,
        length: usize,
        spool: &mut Spool,
        sids: &mut SidTable,
    ) -> Pushed {
        self.outbox.push(record, sid, length, spool, sids);
        let newly_dirty = !self.places.dirty && !self.places.blocked;
        self.places.dirty |= newly_dirty;
        Pushed { newly_dirty, pending_bytes: self.outbox.pending_bytes() }
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Clients {
    slab: Slab<Box<Client>>,
    pub(crate) spool: Spool,
    pub(crate) sids: SidTable,
    pub(crate) names: TextTable,
    pub(crate) stats: Stats,
    pub(crate) gather: Gather,
    pub(crate) trace: Trace,
    /// What reached the broker's own client.
    pub(crate) relays: Relays,
    dirty: VecDeque<Slot>,
    /// How many were ever taken off that list.
    written: u64,
    doomed: Vec<Slot>,
    /// Subscriptions that reached their maximum while their list was walked.
    pub(crate) finished: Vec<(ConnId, Sid)>,
    pending_bytes_max: u64,
    generation: Generation,
    seed: u64,
}

impl Clients {
    pub(crate) fn new(pending_bytes_max: u64, seed: u64, trace: Trace) -> Self {
        Self {
            slab: Slab::new(),
            spool: Spool::new(),
            sids: SidTable::new(seed),
            names: TextTable::new(seed.wrapping_add(1)),
            stats: Stats::default(),
            gather: Gather::default(),
            trace,
            relays: Relays::default(),
            dirty: VecDeque::new(),
            written: 0,
            doomed: Vec::new(),
            finished: Vec::new(),
            pending_bytes_max,
            generation: Generation::default(),
            seed: seed.wrapping_add(2),
        }
    }

    /// The secret that tables of clients' choices are hashed with.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Lets the next client have a given generation, so that a test can meet the wrap.
    pub(crate) fn set_generation(&mut self, generation: Generation) {
        self.generation = generation;
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn insert(&mut self, number: ClientNumber, peer: Box<str>, now: Instant) -> ConnId {
        self.generation = self.generation.next();
        if self.slab.len() == self.slab.capacity() {
            // By an eighth instead of to the double: what is reserved is memory of idle clients.
            self.slab.reserve_exact((self.slab.len() / 8).max(16));
        }
        let entry = self.slab.vacant_entry();
        let id = ConnId { slot: Slot::from_key(entry.key()), generation: self.generation };
        entry.insert(Box::new(Client {
            id,
            account: AccountId::GLOBAL,
            outbox: Outbox::new(),
            closing: None,
            choices: Choices::BEFORE_CONNECT,
            checks: Checks::default(),
            places: Places::default(),
            standing: Standing::Bound,
            connected: false,
            operated: false,
            greeted: false,
            pings_out: 0,
            last_len: 0,
            walked: 0,
            rtt_known: false,
            messages_out: 0,
            bytes_out: 0,
            messages_in: 0,
            bytes_in: 0,
            subs: Subs::new(),
            inbox: Inbox::default(),
            number,
            started: now,
            last_input: now,
            last_output: now,
            pinged_us: 0,
            rtt_us: 0,
            waiting_since: now,
            peer,
            tls: None,
            listener: ListenerId::default(),
            badge: None,
            name: None,
            lang: None,
            version: None,
        }));
        self.stats.clients += 1;
        self.stats.clients_total += 1;
        id
    }

    /// Removes a client whose subscriptions are gone.
    pub(crate) fn remove(&mut self, slot: Slot) -> Box<Client> {
        let mut client = self.slab.remove(slot.key());
        debug_assert_eq!(client.subs.len(), 0, "subscriptions end before their client");
        client.outbox.discard(&mut self.spool, &mut self.sids);
        for text in [client.name, client.lang, client.version].into_iter().flatten() {
            self.names.release(text);
        }
        self.stats.clients -= 1;
        client
    }

    /// The slot of a client that is still the one that was meant (I13).
    pub(crate) fn resolve(&self, id: ConnId) -> Option<Slot> {
        let client = self.slab.get(id.slot.key())?;
        (client.id.generation == id.generation).then_some(id.slot)
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> &Client {
        &self.slab[slot.key()]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut Client {
        &mut self.slab[slot.key()]
    }

    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.slab.contains(slot.key())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slab.iter().map(|(_, client)| &**client)
    }

    /// Keeps what a client said about itself, for the log and for statistics.
    pub(crate) fn describe(&mut self, slot: Slot, options: &ConnectOptions) {
        let texts = [&options.name, &options.lang, &options.version];
        let texts = texts.map(|text| text.as_ref().map(|text| self.names.intern(text.as_bytes())));
        let client = &mut self.slab[slot.key()];
        let old = [
            std::mem::replace(&mut client.name, texts[0]),
            std::mem::replace(&mut client.lang, texts[1]),
            std::mem::replace(&mut client.version, texts[2]),
        ];
        for text in old.into_iter().flatten() {
            self.names.release(text);
        }
    }

    /// Traces one operation of a client.
    pub(crate) fn trace_operation(&mut self, slot: Slot, op: &ClientOp<'_>) {
        let client = &self.slab[slot.key()];
        self.trace.operation(&client.peer, client.number, op);
    }

    /// Traces a line to a client.
    pub(crate) fn trace_out(&mut self, slot: Slot, line: &[u8]) {
        let client = &self.slab[slot.key()];
        let text = format!("[{}]", String::from_utf8_lossy(line.trim_ascii_end()));
        self.trace.push(&client.peer, client.number, Direction::Out, text);
    }

    /// A client beside the tables that its outbox refers to.
    #[inline]
    pub(crate) fn parts(&mut self, slot: Slot) -> Parts<'_> {
        Parts {
            client: &mut self.slab[slot.key()],
            spool: &mut self.spool,
            sids: &mut self.sids,
            relays: &mut self.relays,
        }
    }

    /// After a record was queued: lets the client be written, and closes one that is too far
    /// behind.
    #[inline]
    pub(crate) fn note_pushed(&mut self, slot: Slot, pushed: Pushed) {
        if pushed.newly_dirty {
            self.dirty.push_back(slot);
        }
        if pushed.pending_bytes > self.pending_bytes_max {
            self.doom(slot, CloseReason::SlowConsumerPendingBytes);
        }
    }

    /// Queues a record for a client that still takes records. Says whether it did.
    pub(crate) fn push(&mut self, slot: Slot, sid: Sid, record: RecordId, length: usize) -> bool {
        let length = length + self.sids.text_len(sid);
        let Parts { client, spool, sids, .. } = self.parts(slot);
        if client.closing.is_some() {
            return false;
        }
        let pushed = client.push(record, sid, length, spool, sids);
        self.note_pushed(slot, pushed);
        true
    }

    /// Queues one of the fixed texts.
    pub(crate) fn push_fixed(&mut self, slot: Slot, text: Fixed) {
        let record = text.record();
        let length = self.spool.length(record);
        if self.trace.enabled {
            self.trace_out(slot, text.bytes());
        }
        self.push(slot, Sid::NONE, record, length);
    }

    /// Queues any other text.
    pub(crate) fn push_text(&mut self, slot: Slot, text: &[u8]) {
        if self.trace.enabled {
            self.trace_out(slot, text);
        }
        let record = self.spool.append_text(text);
        self.push(slot, Sid::NONE, record, text.len());
    }

    /// Queues an error.
    pub(crate) fn push_error(&mut self, slot: Slot, error: &ProtocolError) {
        let mut text = Vec::new();
        fanfare_protocol::encode::error(&mut text, error);
        self.push_text(slot, &text);
    }

    /// Places for clients, taken or not.
    pub(crate) fn slots(&self) -> usize {
        self.slab.capacity()
    }

    /// Lets every client's messages be held to rules until it is known which ones need not.
    pub(crate) fn let_all_be_ruled(&mut self) {
        for (_, client) in &mut self.slab {
            client.checks.ruled = true;
        }
    }

    /// Lets walks be numbered from the first on.
    pub(crate) fn forget_walks(&mut self) {
        for (_, client) in &mut self.slab {
            client.walked = 0;
        }
    }

    /// Bounds unsent bytes anew.
    pub(crate) fn set_pending_bytes_max(&mut self, most: u64) {
        self.pending_bytes_max = most;
    }

    /// Marks a client to be closed; the first reason stays.
    pub(crate) fn doom(&mut self, slot: Slot, reason: CloseReason) {
        let client = &mut self.slab[slot.key()];
        if client.closing.is_none() {
            client.closing = Some(reason);
            self.stats.count_close(reason);
            self.doomed.push(slot);
        }
    }

    pub(crate) fn has_doomed(&self) -> bool {
        !self.doomed.is_empty()
    }

    /// The next marked client whose closing has not begun.
    pub(crate) fn poll_doomed(&mut self) -> Option<Slot> {
        self.doomed.pop()
    }

    /// The next client that has bytes to write and a socket that may take them.
    pub(crate) fn poll_dirty(&mut self) -> Option<Slot> {
        while let Some(slot) = self.dirty.pop_front() {
            self.written += 1;
            let Some(client) = self.slab.get_mut(slot.key()) else { continue };
            if !std::mem::replace(&mut client.places.dirty, false) {
                continue;
            }
            if !client.outbox.is_empty() && !client.places.blocked {
                return Some(slot);
            }
        }
        None
    }

    /// How many clients were ever taken off the list of those to write.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The same, once all are written that are in the list now.
    pub(crate) fn written_when_all_are(&self) -> u64 {
        self.written + self.dirty.len() as u64
    }

    /// Clients in the list of those to write, some of them perhaps without need.
    pub(crate) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    pub(crate) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Puts a client back at the end of the list of those to write.
    pub(crate) fn mark_dirty(&mut self, slot: Slot) {
        let client = &mut self.slab[slot.key()];
        if !client.places.dirty && !client.outbox.is_empty() {
            client.places.dirty = true;
            self.dirty.push_back(slot);
        }
    }

    /// Whether clients whose sockets take everything are far behind because a turn's writes were
    /// not enough: then reading more would only make them slow consumers without any fault of
    /// theirs. A few bytes for each of very many clients are no reason to stop.
    pub(crate) fn has_writable_backlog(&self) -> bool {
        let sample = self.dirty.iter().take(BACKLOG_SAMPLE);
        let pending = sample.filter_map(|slot| self.slab.get(slot.key()));
        let (mut clients, mut bytes) = (0, 0);
        for client in pending {
            clients += 1;
            bytes += client.outbox.pending_bytes();
        }
        bytes > clients * BACKLOG_PER_CLIENT
    }

    /// Gathers a client's next write.
    pub(crate) fn gather(&mut self, slot: Slot) {
        let client = &self.slab[slot.key()];
        client.outbox.gather(&self.spool, &self.sids, &mut self.gather);
    }

    /// Drops from a client's outbox what was written of a gathering.
    pub(crate) fn advance(&mut self, slot: Slot, gathered: Extent, written: usize) {
        let client = &mut self.slab[slot.key()];
        client.outbox.advance(gathered, written, &mut self.spool, &mut self.sids);
    }

    /// Drops everything that waits for a client.
    pub(crate) fn discard(&mut self, slot: Slot) {
        let client = &mut self.slab[slot.key()];
        client.outbox.discard(&mut self.spool, &mut self.sids);
        client.places.held = false;
    }

    /// Returns the memory of a burst.
    pub(crate) fn shrink(&mut self) {
        self.spool.shrink();
        if self.slab.len() * 4 < self.slab.capacity() {
            self.slab.shrink_to_fit();
        }
        if self.dirty.is_empty() && self.dirty.capacity() > LIST_KEPT {
            self.dirty = VecDeque::new();
        }
    }

    /// Walks the invariants.
    pub(crate) fn check(&self) {
        self.spool.check();
        assert_eq!(self.stats.clients, self.slab.len() as u64);
        let mut subscriptions = 0;
        for (key, client) in &self.slab {
            assert_eq!(client.id.slot.key(), key);
            assert_eq!(client.outbox.is_empty(), client.outbox.pending_bytes() == 0);
            subscriptions += client.subs.len() as u64;
            let waits = client.places.dirty || client.places.blocked;
            assert!(client.outbox.is_empty() || waits, "unsent bytes have somebody to send them");
        }
        assert_eq!(self.stats.subscriptions, subscriptions);
    }
}

/// Clients that are looked at to judge a backlog.
const BACKLOG_SAMPLE: usize = 256;
/// Unsent bytes a client, on average, from which on a turn only writes.
const BACKLOG_PER_CLIENT: u64 = 8 * 1024;
/// Room of an emptied list that is kept.
const LIST_KEPT: usize = 1024;
