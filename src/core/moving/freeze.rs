//! Writing a shard's clients down: from a shard at rest to parcels.
//!
//! Absent: any change of the shard. Whoever gives the move up lets the shard go on, and nothing
//! has happened. Who cannot be moved (it is leaving, or a decision about it is on its way) is left
//! out, and the caller sees to its end.

use std::collections::BTreeMap;

use super::pack::Packer;
use super::record::{
    AssemblyRecord, BadgeRecord, GrantedReply, Record, RunRecord, SubRecord, choices_of,
};
use super::rights::Rights;
use super::{ANSWERS, CLIENTS, MESSAGES, TALLY};
use crate::config::access::ResponseType;
use crate::core::badge::{Badge, Standing};
use crate::core::clients::Client;
use crate::core::ids::{ConnId, Slot};
use crate::core::outbox::Run;
use crate::core::shard::Shard;
use crate::core::sids::Sid;
use crate::core::spool::SegmentId;
use crate::core::subs::{List, Sub};
use crate::core::time::Instant;
use crate::core::wants::Member;

/// A piece of what a shard has to say of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Parcel {
    /// What is said.
    pub bytes: Box<[u8]>,
    /// The clients it is about, in its order: their sockets go with it.
    pub clients: Vec<ConnId>,
}

/// How far a shard is from being written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Nothing is on its way from or to it, as far as it knows. If all shards say so while none of
    /// them runs, nothing is on its way at all.
    pub is_calm: bool,
    /// Clients that a decision is waited for about.
    pub undecided: usize,
}

/// A shard's description under way.
#[derive(Debug)]
pub struct Freezing {
    clients: Vec<ConnId>,
    next_client: usize,
    /// The records that somebody waits for, in order, by their segment: their numbers here.
    numbers: BTreeMap<u32, Vec<u32>>,
    messages: Vec<(u32, u32)>,
    next_message: usize,
    next_answer: usize,
    has_told_tally: bool,
}

impl Freezing {
    /// Clients that are moved.
    pub fn clients(&self) -> &[ConnId] {
        &self.clients
    }
}

impl Shard {
    /// Whether the shard, which reads no more, is at rest.
    pub fn rest(&self) -> Rest {
        let waiting = self.clients.iter().filter(|it| it.standing == Standing::Waiting);
        Rest {
            is_calm: self.quiescent
                && self.mesh.lent() == 0
                && self.mesh.staged() == 0
                && self.interest.has_settled()
                && self.usage.has_settled()
                && self.clients.relays.is_empty()
                && self.walks.is_empty()
                && self.events.is_empty()
                && !self.system.has_answers()
                && self.decisions.is_empty()
                && !self.can_resume(),
            undecided: waiting.count(),
        }
    }

    /// Clients that are not the broker's own.
    pub fn clients_outside(&self) -> usize {
        self.clients.len() - usize::from(self.clients.relays.client.is_some())
    }

    /// Begins to write the shard down, without clients whose sockets `may_move` keeps here.
    pub fn freeze(&self, mut may_move: impl FnMut(ConnId) -> bool) -> Freezing {
        let own = self.clients.relays.client;
        let can_move = |client: &&Client| {
            client.closing.is_none()
                && client.standing != Standing::Waiting
                && !client.places.undecided
                && client.tls.is_none()
                && Some(client.id.slot) != own
        };
        let clients = self.clients.iter().filter(can_move).map(|client| client.id);
        let clients: Vec<ConnId> = clients.filter(|id| may_move(*id)).collect();
        let mut needed: BTreeMap<u32, Vec<bool>> = BTreeMap::new();
        for id in &clients {
            for run in self.clients.get(id.slot).outbox.waiting() {
                if run.segment == SegmentId::FIXED {
                    continue;
                }
                let marks = needed.entry(run.segment.key()).or_default();
                let (first, end) = (run.first as usize, run.first as usize + run.count as usize);
                if marks.len() < end {
                    marks.resize(end, false);
                }
                marks[first..end].fill(true);
            }
        }
        let (mut numbers, mut messages) = (BTreeMap::new(), Vec::new());
        for (segment, marks) in needed {
            let mut own = Vec::with_capacity(marks.len());
            for (index, is_needed) in (0u32..).zip(marks) {
                // INVARIANT: there is memory for fewer than 2^32 records.
                own.push(u32::try_from(messages.len()).unwrap_or(u32::MAX));
                if is_needed {
                    messages.push((segment, index));
                }
            }
            numbers.insert(segment, own);
        }
        Freezing {
            clients,
            next_client: 0,
            numbers,
            messages,
            next_message: 0,
            next_answer: 0,
            has_told_tally: false,
        }
    }

    /// The next parcel: counters first, then unsent messages, clients, and awaited answers.
    pub fn poll_parcel(&self, freezing: &mut Freezing) -> Option<Parcel> {
        if !std::mem::replace(&mut freezing.has_told_tally, true) {
            return Some(self.tally(freezing));
        }
        if freezing.next_message < freezing.messages.len() {
            return Some(self.pack_messages(freezing));
        }
        if freezing.next_client < freezing.clients.len() {
            return Some(self.pack_clients(freezing));
        }
        self.pack_answers(freezing)
    }

    fn tally(&self, freezing: &Freezing) -> Parcel {
        let mut out = Packer::new(TALLY);
        // INVARIANT: a shard has 64 bits of numbers at most.
        out.u8(u8::try_from(self.id.index()).unwrap_or(u8::MAX));
        out.count(self.shards);
        out.count(freezing.clients.len());
        out.list(&self.stats().to_array(), |out, value| out.u64(*value));
        Parcel { bytes: out.finish(), clients: Vec::new() }
    }

    fn pack_messages(&self, freezing: &mut Freezing) -> Parcel {
        let mut out = Packer::new(MESSAGES);
        let mut last: Option<(&[u8], &[u8])> = None;
        while out.len() < PARCEL_BYTES
            && let Some((segment, index)) = freezing.messages.get(freezing.next_message)
        {
            let segment = self.clients.spool.segment(SegmentId::from_key(*segment));
            for record in segment.records(*index, 1) {
                let head = segment.head(record);
                out.option((last != Some(head)).then_some(head), |out, (prefix, suffix)| {
                    out.bytes(prefix);
                    out.bytes(suffix);
                });
                out.bytes(segment.body(record));
                last = Some(head);
            }
            freezing.next_message += 1;
        }
        Parcel { bytes: out.finish(), clients: Vec::new() }
    }

    fn pack_clients(&self, freezing: &mut Freezing) -> Parcel {
        let mut out = Packer::new(CLIENTS);
        let mut clients = Vec::new();
        while out.len() < PARCEL_BYTES
            && clients.len() < CLIENTS_PER_PARCEL
            && let Some(id) = freezing.clients.get(freezing.next_client)
        {
            self.record(id.slot, freezing).pack(&mut out);
            clients.push(*id);
            freezing.next_client += 1;
        }
        Parcel { bytes: out.finish(), clients }
    }

    fn pack_answers(&self, freezing: &mut Freezing) -> Option<Parcel> {
        let mut out = Packer::new(ANSWERS);
        let mut has_more = false;
        while out.len() < PARCEL_BYTES
            && let Some(awaited) = self.responses.awaited(freezing.next_answer)
        {
            freezing.next_answer = awaited.place + 1;
            has_more = true;
            out.count(awaited.place);
            out.u64(awaited.key);
            out.text(self.policy.accounts.get(awaited.account).name());
            out.text(self.policy.accounts.get(awaited.requester).name());
            out.bytes(&awaited.reply);
            out.u8(match awaited.response {
                ResponseType::Singleton => 0,
                ResponseType::Stream => 1,
                ResponseType::Chunked => 2,
            });
            out.u64(awaited.expires.as_ns());
            out.u64(awaited.threshold_ns);
        }
        has_more.then(|| Parcel { bytes: out.finish(), clients: Vec::new() })
    }

    fn record(&self, slot: Slot, freezing: &Freezing) -> Record {
        let client = self.clients.get(slot);
        let text = |id: Option<_>| id.map(|id| self.clients.names.text(id).into());
        let outbox = &client.outbox;
        Record {
            number: client.number.0,
            peer: client.peer.clone(),
            // INVARIANT: listeners have numbers below 128.
            listener: u8::try_from(client.listener.index()).unwrap_or(u8::MAX),
            account: self.policy.accounts.get(client.account).name().into(),
            is_bound: client.standing == Standing::Bound,
            choices: choices_of(client.choices),
            connected: client.connected,
            operated: client.operated,
            greeted: client.greeted,
            rtt_known: client.rtt_known,
            is_parked: client.places.parked,
            pings_out: client.pings_out,
            last_len: client.last_len,
            counters: [client.messages_out, client.bytes_out, client.messages_in, client.bytes_in],
            times: [client.started, client.last_input, client.last_output].map(Instant::as_ns),
            ping_us: [client.pinged_us, client.rtt_us],
            facts: [text(client.name), text(client.lang), text(client.version)],
            badge: client.badge.as_deref().map(badge_record),
            subs: client.subs.iter().map(|sub| self.sub_record(sub)).collect(),
            rest: client.inbox.rest.clone(),
            assembly: client.inbox.assembly.as_deref().map(AssemblyRecord::of),
            written: outbox.written(),
            runs: outbox.waiting().map(|run| self.run_record(run, freezing)).collect(),
        }
    }

    fn sub_record(&self, sub: &Sub) -> SubRecord {
        let (filter, queue, members) = match sub.list {
            List::Plain(slot) => (slot, None, self.interest.filter(slot).wants.members()),
            List::Queue(slot) => {
                let queue = self.interest.queue(slot);
                (
                    queue.filter(),
                    Some(self.interest.name(queue.name).into()),
                    queue.members.as_slice(),
                )
            }
        };
        let member = members.get(sub.position as usize);
        debug_assert!(member.is_some(), "a subscription knows its position");
        SubRecord {
            filter: (*self.interest.filter(filter).text).into(),
            queue,
            sid: self.sid_text(sub.sid),
            delivered: member.map_or(0, Member::delivered),
            max: member.map_or(0, Member::max),
        }
    }

    fn run_record(&self, run: &Run, freezing: &Freezing) -> RunRecord {
        let is_fixed = run.segment == SegmentId::FIXED;
        let numbers = freezing.numbers.get(&run.segment.key());
        let number = numbers.and_then(|numbers| numbers.get(run.first as usize).copied());
        debug_assert!(is_fixed || number.is_some(), "every run was seen when numbers were given");
        let first = if is_fixed { run.first } else { number.unwrap_or(u32::MAX) };
        RunRecord { sid: self.sid_text(run.sid), is_fixed, first, count: run.count }
    }

    fn sid_text(&self, sid: Sid) -> Box<[u8]> {
        let mut digits = [0; 10];
        self.clients.sids.text(sid, &mut digits).into()
    }
}

fn badge_record(badge: &Badge) -> BadgeRecord {
    BadgeRecord {
        nonce: badge.nonce.clone(),
        rights: badge.admitted.as_deref().map(Rights::of),
        grants: badge
            .grants
            .iter()
            .map(|(reply, ends, left)| GrantedReply {
                reply: reply.into(),
                ends: ends.map(Instant::as_ns),
                left,
            })
            .collect(),
    }
}

/// Bytes from which on a parcel is full.
const PARCEL_BYTES: usize = 256 * 1024;
/// Clients of one parcel: a message of the system carries few more descriptors.
const CLIENTS_PER_PARCEL: usize = 200;
