//! The way of a message that is traced: it goes like any other, and somebody writes down where.
//!
//! Absent: what headers ask (`msg_trace`). The publisher's shard writes down what it delivers
//! itself. A peer is handed the message with a mark and a tag behind the body; it writes down its
//! receivers, sends that back outside the rings, and delivers as always, or not at all where only
//! the trace is wanted. The trace is published in the publisher's account when all have told, or
//! without those who have not in time. Messages without headers pay nothing, others one search.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::op::PublishLine;
use fanfare_protocol::subject::{Filter, reserved_publish};
use memchr::memmem::Finder;

use super::accounts::Accounts;
use super::batch::DeliverTo;
use super::deliver::Delivery;
use super::ids::{AccountId, ShardId, Slot};
use super::legs::{self, Leg, Way};
use super::message::{Body, Message};
use super::msg_trace::{self, DEST, Egress, Events, Ingress};
use super::route::draw_here;
use super::session::Flow;
use super::shard::Shard;
use super::subs::List;
use super::time::Instant;
use super::trace_tag::{TAG_LEN, TRACED, Tag};
use super::turn::{Polled, Ticking, Turn};

/// A message that is traced.
#[derive(Debug)]
struct Trace {
    id: u64,
    account: AccountId,
    /// Where the trace goes; `None` where that is no subject, and nothing is delivered either.
    dest: Option<Box<[u8]>>,
    only: bool,
    headers: BTreeMap<String, Vec<String>>,
    size: usize,
    ingress: Ingress,
    events: Events,
    /// Reports of peers that are still to come, and since when.
    waiting: usize,
    since: Instant,
    /// Of each leg, its subject, and whether those behind it are not told of.
    subjects: Vec<(Vec<u8>, bool)>,
    /// Whether the present leg is told of.
    lit: bool,
}

/// What a shard has written down for another.
#[derive(Debug)]
pub struct TraceReport {
    /// Who traces.
    pub to: ShardId,
    trace: u64,
    events: Events,
}

/// Messages that are traced on one shard.
#[derive(Debug)]
pub(crate) struct Traces {
    finder: Finder<'static>,
    current: Option<Box<Trace>>,
    open: Vec<Trace>,
    reports: VecDeque<TraceReport>,
    last: u64,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            finder: Finder::new(DEST),
            current: None,
            open: Vec::new(),
            reports: VecDeque::new(),
            last: 0,
        }
    }
}

impl Traces {
    /// Whether a message is on its way that is traced.
    pub(crate) fn is_tracing(&self) -> bool {
        self.current.is_some()
    }

    /// Whether the present leg is told of.
    pub(crate) fn is_lit(&self) -> bool {
        self.current.as_ref().is_some_and(|trace| trace.lit)
    }
}

impl Turn<Polled> {
    /// Takes what a peer has written down about a message of this shard.
    pub fn handle_trace_report(&mut self, report: TraceReport) {
        let open = &mut self.shard.events.traces.open;
        let Some(place) = open.iter().position(|trace| trace.id == report.trace) else { return };
        // INVARIANT: the place was just found.
        let trace = &mut open[place];
        trace.events.add(&report.events);
        trace.waiting = trace.waiting.saturating_sub(1);
        if trace.waiting == 0 {
            let trace = open.swap_remove(place);
            self.shard.tell_trace(trace);
        }
    }
}

impl Turn<Ticking> {
    /// The next report for a peer.
    pub fn poll_trace_report(&mut self) -> Option<TraceReport> {
        self.shard.events.traces.reports.pop_front()
    }
}

impl Shard {
    /// Whether a message with headers may ask to be traced.
    #[inline]
    pub(crate) fn may_be_traced(
        &self,
        account: AccountId,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> bool {
        let header_len = line.header_len.unwrap_or(0) as usize;
        let Some(block) = body.bytes().get(..header_len) else { return false };
        self.events.traces.finder.find(block).is_some()
            || (self.policy.accounts.get(account).trace.is_some()
                && msg_trace::may_have_parent(block))
    }

    /// Publishes a message that may ask to be traced.
    #[inline(never)]
    pub(crate) fn publish_traced(
        &mut self,
        slot: Slot,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> Flow {
        let account = self.account_of(slot);
        let block = body.bytes().get(..line.header_len.unwrap_or(0) as usize).unwrap_or(&[]);
        let Some(mut asked) = msg_trace::read(block) else {
            return self.publish_ruled(slot, line, body);
        };
        if let Some(dest) = asked.dest.take() {
            if self.may_publish(slot, line.subject) && !self.may_trace_to(slot, &dest) {
                return self.refuse_publish(slot, line, &dest);
            }
            let is_subject = Filter::parse(&dest).is_some_and(Filter::is_literal);
            asked.dest = is_subject.then_some(dest);
            if asked.dest.is_none() && !asked.only {
                return self.publish_ruled(slot, line, body);
            }
        } else {
            let policy = Arc::clone(&self.policy);
            let trace = policy.accounts.get(account).trace.as_ref();
            let sampled = trace.filter(|it| self.rng.below(100) < u32::from(it.sampling));
            let Some(trace) = sampled else { return self.publish_ruled(slot, line, body) };
            asked.dest = Some(trace.dest.as_bytes().into());
        }
        self.begin_trace(slot, account, asked, line);
        let flow = self.publish_ruled(slot, line, body);
        if let Some(trace) = self.events.traces.current.take()
            && !matches!(flow, Flow::Park | Flow::Pause)
        {
            self.end_trace(*trace);
        }
        flow
    }

    /// The publisher's account has mapped the subject.
    pub(crate) fn trace_mapping(&mut self, to: &[u8]) {
        let wall_ms = self.wall_ms;
        if let Some(trace) = &mut self.events.traces.current {
            trace.events.mapping(&String::from_utf8_lossy(to), wall_ms);
        }
    }

    /// The message goes nowhere.
    pub(crate) fn trace_refusal(&mut self, error: &ProtocolError) {
        if let Some(trace) = &mut self.events.traces.current {
            trace.ingress.error = error.to_string();
        }
    }

    /// The message enters these subject spaces.
    pub(crate) fn trace_legs(&mut self, legs: &[Leg]) {
        if let Some(trace) = &mut self.events.traces.current {
            trace.subjects = legs.iter().map(|leg| (leg.subject.clone(), false)).collect();
        }
    }

    /// Writes down where one leg leads. Says whether it is to be delivered.
    pub(crate) fn trace_leg(
        &mut self,
        slot: Slot,
        accounts: &Accounts,
        index: usize,
        leg: &mut Leg,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> bool {
        let Some(mut trace) = self.events.traces.current.take() else { return true };
        let (to, wall_ms) = (String::from_utf8_lossy(&leg.subject).into_owned(), self.wall_ms);
        let name = accounts.get(leg.account).name();
        let before = trace.subjects.get(leg.from()).cloned().unwrap_or_default();
        let is_dark = match leg.way {
            Way::Own => false,
            Way::Stream { allow_trace } => {
                if !leg.plan.filters.is_empty() {
                    trace.events.stream(name, &to, wall_ms);
                }
                !allow_trace
            }
            Way::Service { .. } if before.1 => true,
            Way::Service { .. } => {
                let from = String::from_utf8_lossy(&before.0).into_owned();
                trace.events.service(name, &from, &to, wall_ms);
                !legs::service_of(accounts, leg).is_some_and(|service| service.allow_trace)
            }
        };
        if let Some(place) = trace.subjects.get_mut(index) {
            place.1 = is_dark;
        }
        trace.lit = !is_dark;
        if trace.lit {
            let except = (!self.clients.get(slot).choices.echo).then_some(slot);
            let plan = &leg.plan;
            let found = Found { filters: &plan.filters, picks: &plan.picks, except };
            self.write_down(&mut trace.events, trace.account, &leg.subject, &found);
        }
        let (only, lit) = (trace.only, trace.lit);
        self.events.traces.current = Some(trace);
        if only && lit {
            self.stage_leg(slot, leg, line, body);
        }
        !only
    }

    /// The tag that peers are handed the present leg with, if they are to write it down.
    pub(crate) fn trace_tag(&mut self, peers: usize) -> Option<[u8; TAG_LEN]> {
        let me = self.id.index();
        let trace = self.events.traces.current.as_mut().filter(|trace| trace.lit)?;
        trace.waiting += peers;
        // INVARIANT: there are at most 64 shards.
        let shard = u8::try_from(me).unwrap_or(u8::MAX);
        let account = u32::try_from(trace.account.index()).unwrap_or(u32::MAX);
        Some(Tag { trace: trace.id, account, shard, only: trace.only }.to_bytes())
    }

    /// Delivers a traced message of a peer, and writes down to whom.
    #[inline(never)]
    pub(crate) fn deliver_traced(&mut self, message: Message<'_>, to: DeliverTo<'_>) {
        let bytes = message.body.bytes();
        let Some((framed, tag)) = bytes.split_last_chunk::<TAG_LEN>() else { return };
        let shared: Bytes;
        let body = match message.body {
            Body::Copied(_) => Body::Copied(framed),
            Body::Shared(bytes) => {
                shared = bytes.slice_ref(framed);
                Body::Shared(&shared)
            }
        };
        let message = Message { body, ..message };
        let to = DeliverTo { hops: to.hops & !TRACED, ..to };
        let Tag { trace, account, shard, only } = Tag::from_bytes(*tag);
        let account = AccountId::from_index(account as usize);
        let mut events = Events::default();
        let filters: Vec<Slot> =
            to.filters.iter().filter_map(|it| self.interest.resolve_filter(*it)).collect();
        let found = Found { filters: &filters, picks: &[], except: None };
        self.write_down(&mut events, account, message.subject(), &found);
        let mut queues = to.queues;
        for size in to.group_sizes {
            let (group, rest) = queues.split_at(*size as usize);
            queues = rest;
            self.resolve_group(group);
            let not_to = to.not_to.filter(|(shard, _)| *shard == self.id).map(|(_, it)| it);
            match draw_here(self, &message, not_to) {
                Some(pick) => {
                    let found = Found { filters: &[], picks: &[pick], except: None };
                    self.write_down(&mut events, account, message.subject(), &found);
                    if !only {
                        let mut delivery = Delivery::new(message);
                        if !self.walks.is_empty() {
                            self.ground().catch_up_at(List::Queue(pick.0), pick.1);
                        }
                        let (clients, interest) = (&mut self.clients, &mut self.interest);
                        delivery.deliver_to_one(clients, interest, List::Queue(pick.0), pick.1);
                        delivery.finish(&mut self.clients);
                        self.end_finished();
                    }
                }
                None if !only => self.repick(&message, &to),
                None => {}
            }
        }
        if !only {
            let plain = DeliverTo { queues: &[], group_sizes: &[], ..to };
            self.deliver_for_peer(message, plain);
        }
        let Some(to) = ShardId::new(usize::from(shard)) else { return };
        if self.events.traces.reports.len() < REPORTS_MAX {
            self.events.traces.reports.push_back(TraceReport { to, trace, events });
        }
    }

    /// Publishes traces whose reports do not come. Says whether others are still waited for.
    pub(crate) fn expire_traces(&mut self) -> bool {
        let now = self.now;
        let open = std::mem::take(&mut self.events.traces.open);
        let is_late = |trace: &Trace| now.since_ns(trace.since) >= PATIENCE_NS;
        let (late, open): (Vec<_>, Vec<_>) = open.into_iter().partition(|trace| is_late(trace));
        self.events.traces.open = open;
        for trace in late {
            self.tell_trace(trace);
        }
        !self.events.traces.open.is_empty()
    }

    fn begin_trace(
        &mut self,
        slot: Slot,
        account: AccountId,
        asked: msg_trace::Asked,
        line: &PublishLine<'_>,
    ) {
        self.events.traces.last += 1;
        let client = self.clients.get(slot);
        let ingress = Ingress {
            number: client.number.0,
            name: self.name_text(slot).to_owned(),
            account: self.policy.accounts.get(account).name().to_owned(),
            subject: String::from_utf8_lossy(line.subject).into_owned(),
            error: String::new(),
            wall_ms: self.wall_ms,
        };
        self.events.traces.current = Some(Box::new(Trace {
            id: self.events.traces.last,
            account,
            dest: asked.dest,
            only: asked.only,
            headers: asked.headers,
            size: line.total_len as usize,
            ingress,
            events: Events::default(),
            waiting: 0,
            since: self.now,
            subjects: Vec::new(),
            lit: true,
        }));
    }

    fn end_trace(&mut self, trace: Trace) {
        if trace.waiting == 0 || self.events.traces.open.len() >= OPEN_MAX {
            self.tell_trace(trace);
        } else {
            self.events.traces.open.push(trace);
            self.arm_sweep();
        }
    }

    fn tell_trace(&mut self, trace: Trace) {
        let Some(dest) = &trace.dest else { return };
        let mut server = Vec::new();
        self.write_speaker(&mut server);
        let Trace { headers, ingress, events, .. } = &trace;
        let body = msg_trace::render(&server, headers, trace.size, ingress, events);
        self.note_event_to(trace.account, dest, body);
    }

    /// Whether a client may let traces go to a subject: where it may publish itself, answers to
    /// requests apart, and where no servers talk to each other.
    fn may_trace_to(&self, slot: Slot, dest: &[u8]) -> bool {
        let client = self.clients.get(slot);
        let permissions = client.badge.as_deref().and_then(|badge| badge.permissions());
        !reserved_publish(dest) && permissions.is_none_or(|rules| rules.may_publish(dest))
    }

    /// Writes receivers down as they are before the delivery.
    fn write_down(
        &mut self,
        events: &mut Events,
        origin: AccountId,
        subject: &[u8],
        found: &Found<'_>,
    ) {
        let mut visited = found.picks.len();
        for slot in found.filters {
            let filter = self.interest.filter(*slot);
            let members = filter.wants.members();
            visited += members.len();
            for member in members {
                let client = self.clients.get(member.client);
                let permissions = client.badge.as_deref().and_then(|badge| badge.permissions());
                let error = if found.except == Some(member.client) {
                    "Not delivered because of no echo"
                } else if permissions.is_some_and(|rules| !rules.may_receive(subject, None)) {
                    "Not delivered because subscription denies this subject"
                } else if client.closing.is_some() {
                    "Not delivered because client is closed"
                } else if member.is_finished() {
                    "Not delivered because auto-unsubscribe exceeded"
                } else {
                    ""
                };
                let receiver = Receiver { client: member.client, account: filter.account };
                self.write_one(events, origin, &receiver, (&filter.text, b""), error);
            }
        }
        for (queue, position) in found.picks {
            let queue = self.interest.queue(*queue);
            let filter = self.interest.filter(queue.filter());
            let Some(member) = queue.members.as_slice().get(*position as usize) else { continue };
            let receiver = Receiver { client: member.client, account: filter.account };
            let names = (&*filter.text, self.interest.name(queue.name));
            self.write_one(events, origin, &receiver, names, "");
        }
        self.spend(visited);
    }

    fn write_one(
        &self,
        events: &mut Events,
        origin: AccountId,
        receiver: &Receiver,
        (filter, queue): (&[u8], &[u8]),
        error: &str,
    ) {
        if self.is_own(receiver.client) {
            return;
        }
        let is_elsewhere = receiver.account != origin;
        let account = self.policy.accounts.get(receiver.account).name();
        let egress = Egress {
            number: self.clients.get(receiver.client).number.0,
            name: self.name_text(receiver.client),
            account: if is_elsewhere { account } else { "" },
            filter: std::str::from_utf8(filter).unwrap_or(""),
            queue: std::str::from_utf8(queue).unwrap_or(""),
            error,
        };
        events.egress(&egress, self.wall_ms);
    }

    fn name_text(&self, slot: Slot) -> &str {
        let name = self.clients.get(slot).name;
        name.and_then(|name| std::str::from_utf8(self.clients.names.text(name)).ok()).unwrap_or("")
    }
}

/// Receivers on this shard.
struct Found<'a> {
    filters: &'a [Slot],
    picks: &'a [(Slot, u32)],
    except: Option<Slot>,
}

struct Receiver {
    client: Slot,
    account: AccountId,
}

/// Traces that wait for peers; of more, what peers do is left out.
const OPEN_MAX: usize = 256;
/// Reports to peers that wait.
const REPORTS_MAX: usize = 1024;
/// How long peers are waited for, in nanoseconds.
const PATIENCE_NS: u64 = 500_000_000;
