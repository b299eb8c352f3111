//! Reading a shard's clients: from parcels to a shard that stands where another one stood.
//!
//! Absent: any effect on the clients. A shard that waits reads no socket, writes none, executes
//! nothing and lets no timer fire, until it is told that the clients are its own; before that it
//! can vanish without a trace. What it tells its peers about interest stands by then.

use bytes::Bytes;
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::subject::Filter;

use super::record::{BadgeRecord, Record, RunRecord, SubRecord, choices_from};
use super::unpack::Unpacker;
use super::{ANSWERS, CLIENTS, MESSAGES, MovingError, TALLY};
use crate::config::access::ResponseType;
use crate::core::auth::refusal::{Claimant, Stage};
use crate::core::auth::{Admitted, Refusal};
use crate::core::badge::{Badge, Standing};
use crate::core::close::CloseReason;
use crate::core::ids::{ClientNumber, ConnId, ListenerId, Slot};
use crate::core::message::{Body, HeadId, Message};
use crate::core::responses::Restored;
use crate::core::shard::Shard;
use crate::core::sids::Sid;
use crate::core::spool::{Fixed, RecordId};
use crate::core::stats::Stats;
use crate::core::subs::Sub;
use crate::core::time::Instant;
use crate::core::timer::TimerKind;
use crate::core::turn::{Polled, Turn};
use crate::core::wants::Member;

/// What a waiting shard keeps until its clients are its own.
#[derive(Debug, Default)]
pub(crate) struct Thawing {
    /// Unsent messages in the order of the parcels; each is held by a reference of our own.
    messages: Vec<RecordId>,
    moved: Vec<ConnId>,
    /// Clients that this process does not let in.
    refused: Vec<(ConnId, Refusal)>,
    answers: Vec<Restored>,
    keeps_answers: bool,
    /// Our listeners, by their numbers in the other process.
    listeners: Vec<ListenerId>,
}

impl Turn<Polled> {
    /// Lets a shard without clients wait for those of another process. `listeners` says which of
    /// its listeners is which of ours.
    pub fn handle_await(&mut self, listeners: Vec<ListenerId>) {
        self.shard.quiescent = true;
        self.shard.thawing.get_or_insert_default().listeners = listeners;
    }

    /// What an arrived client was let in with, if anybody asked.
    pub fn admitted(&self, client: ConnId) -> Option<&Admitted> {
        let slot = self.shard.clients.resolve(client)?;
        self.shard.clients.get(slot).badge.as_ref()?.admitted.as_deref()
    }

    /// Through which listener a client came.
    pub fn listener_of(&self, client: ConnId) -> Option<ListenerId> {
        let slot = self.shard.clients.resolve(client)?;
        Some(self.shard.clients.get(slot).listener)
    }

    /// There is no room for an arrived client: it is told so once it is this process's own.
    pub fn handle_unwelcome(&mut self, client: ConnId, refusal: Refusal) {
        self.shard.thawing.get_or_insert_default().refused.push((client, refusal));
    }

    /// Clients are another process's now: they vanish from here, and their sockets with them.
    pub fn handle_moved_out(&mut self, clients: &[ConnId]) {
        for client in clients {
            if let Some(slot) = self.shard.clients.resolve(*client) {
                self.shard.clients.doom(slot, CloseReason::MovedAway);
            }
        }
        self.shard.settle_closings();
    }

    /// Takes a parcel in; gives the clients it was about, in its order. After an error the shard
    /// is of no use.
    pub fn handle_parcel(&mut self, bytes: &[u8]) -> Result<Vec<ConnId>, MovingError> {
        let mut from = Unpacker::new(bytes);
        let clients = match from.u8()? {
            TALLY => self.shard.thaw_tally(&mut from)?,
            MESSAGES => self.shard.thaw_messages(&mut from)?,
            CLIENTS => self.shard.thaw_clients(&mut from)?,
            ANSWERS => self.shard.thaw_answers(&mut from)?,
            _ => return Err(MovingError::Word),
        };
        from.finish()?;
        Ok(clients)
    }

    /// The clients are this process's own: the shard goes on with them. The caller tells it of
    /// every socket that may be read or written.
    pub fn handle_moved_in(&mut self) {
        self.shard.move_in();
    }

    /// A move was given up, or is over for the clients that stay: the shard reads again.
    pub fn handle_resume(&mut self) {
        self.shard.quiescent = false;
    }
}

impl Shard {
    /// Whether the shard waits for clients of another process.
    pub(crate) fn is_waiting(&self) -> bool {
        self.thawing.is_some()
    }

    fn thaw_tally(&mut self, from: &mut Unpacker<'_>) -> Result<Vec<ConnId>, MovingError> {
        let (shard, shards, clients) = (from.u8()?, from.u32()?, from.u32()?);
        let values = from.list(Unpacker::u64)?;
        // A reply subject names its shard, so that answers find nobody on another one.
        let is_same = usize::from(shard) == self.id.index() && shards as usize == self.shards;
        self.thawing.get_or_insert_default().keeps_answers = is_same;
        // Another version may count other things: then all begins at zero.
        if let Ok(values) = <[u64; Stats::COUNTERS]>::try_from(values) {
            let told = Stats::from_array(values);
            // Each client that comes is counted once more.
            let total = told.clients_total.saturating_sub(u64::from(clients));
            let told = Stats { clients: 0, clients_total: total, subscriptions: 0, ..told };
            let mut sums = self.clients.stats.to_array();
            sums.iter_mut().zip(told.to_array()).for_each(|(sum, value)| *sum += value);
            self.clients.stats = Stats::from_array(sums);
        }
        Ok(Vec::new())
    }

    fn thaw_messages(&mut self, from: &mut Unpacker<'_>) -> Result<Vec<ConnId>, MovingError> {
        let mut head = (HeadId::NONE, &b""[..], &b""[..]);
        while !from.is_empty() {
            if let Some((prefix, suffix)) =
                from.option(|from| Ok((from.bytes()?, from.bytes()?)))?
            {
                head = (self.clients.spool.name_heads(1), prefix, suffix);
            }
            let bytes = from.bytes()?;
            let shared = (bytes.len() >= SHARED_FROM).then(|| Bytes::copy_from_slice(bytes));
            let body = shared.as_ref().map_or(Body::Copied(bytes), Body::Shared);
            let (head, prefix, suffix) = head;
            let message = Message { head, prefix, suffix, body, header_len: None, reply_len: 0 };
            let record = self.clients.spool.append(&message);
            self.clients.spool.acquire(record.segment);
            self.thawing.get_or_insert_default().messages.push(record);
        }
        Ok(Vec::new())
    }

    fn thaw_clients(&mut self, from: &mut Unpacker<'_>) -> Result<Vec<ConnId>, MovingError> {
        let mut clients = Vec::new();
        while !from.is_empty() {
            let record = Record::unpack(from)?;
            clients.push(self.thaw_client(record)?);
        }
        self.thawing.get_or_insert_default().moved.extend(&clients);
        Ok(clients)
    }

    fn thaw_answers(&mut self, from: &mut Unpacker<'_>) -> Result<Vec<ConnId>, MovingError> {
        while !from.is_empty() {
            let (place, key) = (from.u32()? as usize, from.u64()?);
            let (account, requester) = (from.text()?, from.text()?);
            let reply = from.bytes()?.into();
            let response = match from.u8()? {
                0 => ResponseType::Singleton,
                1 => ResponseType::Stream,
                2 => ResponseType::Chunked,
                _ => return Err(MovingError::Word),
            };
            let (expires, threshold_ns) = (Instant::from_ns(from.u64()?), from.u64()?);
            let accounts = &self.policy.accounts;
            let known = accounts.find(&account).zip(accounts.find(&requester));
            // Answers to an account that is not there any more would reach nobody.
            let Some((account, requester)) = known else { continue };
            let keeps_answers = self.thawing.as_ref().is_some_and(|it| it.keeps_answers);
            if !keeps_answers || !self.expects_answers(account) {
                continue;
            }
            let thawing = self.thawing.get_or_insert_default();
            thawing.answers.push(Restored {
                place,
                key,
                account,
                requester,
                reply,
                response,
                expires,
                threshold_ns,
            });
        }
        Ok(Vec::new())
    }

    fn thaw_client(&mut self, record: Record) -> Result<ConnId, MovingError> {
        let Record { number, peer, rest, assembly, badge, subs, .. } = record;
        let listeners = self.thawing.as_ref().map(|thawing| &thawing.listeners);
        let listener = listeners.and_then(|them| them.get(usize::from(record.listener)).copied());
        let listener = listener.ok_or(MovingError::Unknown)?;
        let id = self.clients.insert(ClientNumber(number), peer, self.now);
        let slot = id.slot;
        let texts = record.facts.map(|fact| fact.map(|text| self.clients.names.intern(&text)));
        let client = self.clients.get_mut(slot);
        [client.name, client.lang, client.version] = texts;
        client.listener = listener;
        client.choices = choices_from(record.choices);
        client.connected = record.connected;
        client.operated = record.operated;
        client.greeted = record.greeted;
        client.rtt_known = record.rtt_known;
        client.pings_out = record.pings_out;
        client.last_len = record.last_len;
        [client.messages_out, client.bytes_out, client.messages_in, client.bytes_in] =
            record.counters;
        [client.started, client.last_input, client.last_output] =
            record.times.map(Instant::from_ns);
        [client.pinged_us, client.rtt_us] = record.ping_us;
        // Nothing is written before the sockets are ours, and then each says that it can be.
        client.places.blocked = true;
        client.places.parked = record.is_parked;
        client.inbox.rest = rest;
        if let Some(assembly) = assembly {
            client.inbox.assembly = Some(Box::new(assembly.restore()?));
        }
        self.thaw_outbox(slot, &record.runs, record.written)?;
        match self.thaw_standing(slot, record.is_bound, &record.account, badge) {
            Ok(()) => subs.iter().try_for_each(|sub| self.thaw_subscription(slot, sub))?,
            Err(refusal) => {
                self.thawing.get_or_insert_default().refused.push((id, refusal));
            }
        }
        Ok(id)
    }

    /// Finds out who the client is to this process.
    fn thaw_standing(
        &mut self,
        slot: Slot,
        is_bound: bool,
        account: &str,
        record: Option<BadgeRecord>,
    ) -> Result<(), Refusal> {
        let mut rights = None;
        if let Some(record) = record {
            let badge = self.clients.get_mut(slot).badge.get_or_insert_default();
            restore_badge(badge, &record);
            rights = record.rights;
        }
        let is_open = self.policy.authority.is_open();
        if !is_bound && self.policy.asks() {
            self.clients.get_mut(slot).standing = Standing::Stranger;
            return Ok(());
        }
        let Some(rights) = rights else {
            if is_bound && !is_open {
                return Err(Refusal::Credentials);
            }
            self.set_pace(slot);
            self.refresh_choices(slot);
            return Ok(());
        };
        let admitted = rights.judged_by(&self.policy.authority, self.wall_ms)?;
        if *admitted.account != *account {
            return Err(Refusal::Gone);
        }
        self.bind(slot, Box::new(admitted))
    }

    fn thaw_subscription(&mut self, slot: Slot, record: &SubRecord) -> Result<(), MovingError> {
        let filter = Filter::parse(&record.filter).ok_or(MovingError::Text)?;
        let queue = record.queue.as_deref();
        if record.sid.is_empty() || (record.max > 0 && record.delivered >= record.max) {
            return Err(MovingError::Word);
        }
        let client = self.clients.get(slot);
        let permissions = client.badge.as_deref().and_then(Badge::permissions);
        if permissions.is_some_and(|rules| !rules.may_subscribe(&record.filter, queue)) {
            let (filter, sid) = (record.filter.to_vec(), record.sid.to_vec());
            let error = ProtocolError::SubscriptionRevoked { filter, sid };
            self.clients.push_error(slot, &error);
            return Ok(());
        }
        let account = client.account;
        let sid = self.clients.sids.intern(&record.sid);
        if self.clients.get(slot).subs.find(sid).is_some() {
            return Err(MovingError::Word);
        }
        let peers = self.interest.peers_to_tell(account, filter.as_bytes(), queue);
        let (delivered, max) = (record.delivered, record.max);
        let member = Member::new(slot, sid).counted(delivered, max);
        let (list, position) = self.interest.add(account, filter, queue, member);
        let seed = self.clients.seed();
        self.clients.get_mut(slot).subs.insert(Sub { sid, position, list }, seed);
        self.clients.stats.subscriptions += 1;
        if queue.is_some() {
            // They will believe it, and are to be told when it is no longer so.
            self.interest.told(list, peers);
        }
        self.interest.mark_dirty(list, peers);
        Ok(())
    }

    fn thaw_outbox(
        &mut self,
        slot: Slot,
        runs: &[RunRecord],
        written: u32,
    ) -> Result<(), MovingError> {
        for run in runs {
            if run.is_fixed && run.count > REPEATED_MAX {
                return Err(MovingError::TooMany);
            }
            let sid = match &*run.sid {
                [] => Sid::NONE,
                text => self.clients.sids.intern(text),
            };
            for ahead in 0..run.count {
                let record = self.thawed_record(run, ahead)?;
                let spool = &mut self.clients.spool;
                let length = spool.length(record) + self.clients.sids.text_len(sid);
                let parts = self.clients.parts(slot);
                parts.client.outbox.push(record, sid, length, parts.spool, parts.sids);
            }
            self.clients.sids.release(sid);
        }
        let parts = self.clients.parts(slot);
        let has_resumed = parts.client.outbox.resume_at(written, parts.spool, parts.sids);
        if has_resumed { Ok(()) } else { Err(MovingError::Word) }
    }

    fn thawed_record(&self, run: &RunRecord, ahead: u32) -> Result<RecordId, MovingError> {
        if run.is_fixed {
            let fixed = Fixed::from_index(run.first).ok_or(MovingError::Unknown)?;
            return Ok(fixed.record());
        }
        let number = run.first.checked_add(ahead).ok_or(MovingError::Unknown)?;
        let messages = self.thawing.as_ref().map(|thawing| &thawing.messages);
        let found = messages.and_then(|messages| messages.get(number as usize));
        found.copied().ok_or(MovingError::Unknown)
    }

    fn move_in(&mut self) {
        let Some(thawing) = self.thawing.take() else { return };
        self.quiescent = false;
        for record in thawing.messages {
            self.clients.spool.release(record.segment, 1);
        }
        self.restore_answers(thawing.answers);
        for id in thawing.moved {
            if self.clients.resolve(id).is_some() {
                self.begin_anew(id.slot);
            }
        }
        for (id, refusal) in thawing.refused {
            let badge = self.clients.get(id.slot).badge.as_ref();
            let user = badge.and_then(|badge| badge.admitted.as_ref()?.user.clone());
            self.note_refused(id.slot, user.map_or(Claimant::Nobody, Claimant::User), refusal);
            if refusal != Refusal::Gone {
                self.clients.push_error(id.slot, &refusal.error(Stage::Connected));
            }
            self.clients.doom(id.slot, refusal.close_reason(Stage::Connected));
        }
        self.settle_closings();
    }

    /// Gives a client its timers, and its commands their turn. What the move took is nobody's
    /// fault: times to keep begin now.
    fn begin_anew(&mut self, slot: Slot) {
        let now = self.now;
        let interval = self.ping_interval_ns(slot);
        let timeout = self.entry_timeout_ns(slot);
        let spread = self.jitter(interval / 2);
        let deadline = now.after_ns(self.limits.write_deadline_ns);
        let client = self.clients.get_mut(slot);
        client.waiting_since = now;
        let is_calm = client.pings_out == 0 && client.rtt_known;
        let mut next = if is_calm { interval - spread } else { interval };
        if timeout > 0 && (!client.operated || client.standing != Standing::Bound) {
            next = next.min(timeout.saturating_sub(now.since_ns(client.started)).max(1));
        }
        let id = client.id;
        if !client.outbox.is_empty() {
            client.places.waiting = true;
            client.places.deadline_timer = true;
            self.timers.insert(id, TimerKind::Deadline, deadline);
        }
        self.arm_ping(slot, next);
        if self.clients.get(slot).places.parked {
            self.parked.push_back(id);
            self.yielded = true;
        }
    }

    fn restore_answers(&mut self, mut answers: Vec<Restored>) {
        answers.retain(|answer| self.expects_answers(answer.account));
        if !answers.is_empty() && self.responses.restore(answers) {
            self.arm_sweep();
        }
    }
}

fn restore_badge(badge: &mut Badge, record: &BadgeRecord) {
    badge.nonce = record.nonce.clone();
    for grant in &record.grants {
        badge.grants.restore(&grant.reply, grant.ends.map(Instant::from_ns), grant.left);
    }
}

/// How often one of the fixed texts may wait in a row: far more than fit into unsent bytes.
const REPEATED_MAX: u32 = 1 << 28;
/// Bodies from this size on are shared instead of copied.
const SHARED_FROM: usize = 32 * 1024;
