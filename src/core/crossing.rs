//! Publishing under rules: mappings, permissions, and accounts that share what is published.
//!
//! Absent: the way of messages that no rule concerns, which is `route`'s alone and pays nothing for
//! what stands here.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::op::PublishLine;

use super::accounts::{Accounts, ServiceShare};
use super::batch::{Batch, DeliverTo};
use super::choices::Choices;
use super::ids::{AccountId, ConnId, Slot};
use super::latency::{self, Sample};
use super::legs::{self, Leg};
use super::mappings::Mapped;
use super::mesh;
use super::message::Body;
use super::request_info::{self, Requester, Shared};
use super::responses::{Responses, Waiter};
use super::session::Flow;
use super::shard::{Shard, ip_of};
use super::texts::TextId;
use super::trace_tag::{TAG_LEN, TRACED};

/// By what a client may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Nothing forbids it.
    Rules,
    /// It was asked, and answers.
    Request,
}

impl Shard {
    /// Publishes one message of a client that has rules, or whose account has.
    #[inline(never)]
    pub(crate) fn publish_ruled(
        &mut self,
        slot: Slot,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> Flow {
        if line.total_len as usize > self.payload_max(slot) {
            // It was framed by the bounds of before the CONNECT that stands in front of it.
            return self.answer(slot, &ProtocolError::MaxPayload);
        }
        let checks = self.clients.get(slot).checks;
        if checks.paced
            && let Err(until) = self.pass(slot, line.total_len)
        {
            self.pause_until = until;
            return Flow::Pause;
        }
        let flow = self.publish_passed(slot, line, body);
        if checks.paced && flow == Flow::Park {
            self.unpass(slot, line.total_len);
        }
        flow
    }

    fn publish_passed(&mut self, slot: Slot, line: &PublishLine<'_>, body: Body<'_>) -> Flow {
        let policy = Arc::clone(&self.policy);
        let accounts = &policy.accounts;
        let client = self.clients.get(slot);
        let (account, choices) = (client.account, client.choices);
        let mut subject = std::mem::take(&mut self.mapped);
        subject.clear();
        let flow = match self.map_subject(accounts.get(account), line.subject, &mut subject) {
            Mapped::Dropped => {
                self.accept_ruled(slot, line, choices);
                Flow::Done
            }
            mapped => {
                let subject = if mapped == Mapped::To { &subject } else { line.subject };
                if mapped == Mapped::To {
                    self.trace_mapping(subject);
                }
                let line = PublishLine { subject, ..*line };
                self.publish_mapped(slot, accounts, &line, body)
            }
        };
        self.mapped = subject;
        flow
    }

    fn publish_mapped(
        &mut self,
        slot: Slot,
        accounts: &Accounts,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> Flow {
        let account = self.clients.get(slot).account;
        let Some(right) = self.right_to_publish(slot, line.subject) else {
            return self.refuse_publish(slot, line, line.subject);
        };
        let is_plain = !accounts.get(account).crosses() && !self.events.traces.is_tracing();
        let flow = if is_plain {
            self.publish_in_one(slot, account, line, body)
        } else if self.publish_across(slot, account, line, body) {
            Flow::Done
        } else {
            Flow::Park
        };
        if right == Right::Request && flow != Flow::Park {
            // Not before: who parks asks again (I4).
            let now = self.now;
            if let Some(badge) = &mut self.clients.get_mut(slot).badge {
                badge.grants.take(line.subject, now);
            }
        }
        flow
    }

    /// Publishes one message in all accounts that it reaches. Says whether it could (I4).
    pub(crate) fn publish_across(
        &mut self,
        slot: Slot,
        account: AccountId,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> bool {
        let policy = Arc::clone(&self.policy);
        let accounts = &policy.accounts;
        let mut legs = std::mem::replace(&mut self.legs, legs::Legs::new(0));
        legs.list(accounts, account, line.subject, line.reply, &mut self.rng);
        if legs.cut {
            self.clients.stats.legs_cut += 1;
        }
        let shared: Bytes;
        let body = match body {
            Body::Copied(bytes) if legs.as_mut_slice().len() > 1 => {
                shared = Bytes::copy_from_slice(bytes);
                Body::Shared(&shared)
            }
            Body::Copied(_) | Body::Shared(_) => body,
        };
        for leg in legs.as_mut_slice() {
            self.plan_leg(slot, leg);
        }
        let ready = self.reserve_legs(legs.as_mut_slice(), body);
        if ready {
            let mut delivered = false;
            if Some(slot) != self.clients.relays.client {
                self.accept_ruled(slot, line, self.clients.get(slot).choices);
            }
            let mut marked = None;
            let is_traced = self.events.traces.is_tracing();
            self.trace_legs(legs.as_mut_slice());
            for (index, leg) in legs.as_mut_slice().iter_mut().enumerate() {
                if is_traced && !self.trace_leg(slot, accounts, index, leg, line, body) {
                    delivered |= !leg.plan.filters.is_empty();
                    continue;
                }
                let Some(service) = legs::service_of(accounts, leg) else {
                    delivered |= self.send_leg(slot, account, None, leg, line, body);
                    self.look_at_finished();
                    continue;
                };
                // Whoever imports first says what is told; services further on hear the same.
                let marked = marked.get_or_insert_with(|| {
                    let requester = self.requester(slot, accounts, service);
                    request_info::mark(line, body, &requester)
                });
                let silent = (is_traced && !self.events.traces.is_lit()).then(|| marked.silenced());
                let marked = silent.as_ref().unwrap_or(marked);
                let line = PublishLine {
                    header_len: Some(marked.header_len),
                    total_len: marked.total_len,
                    ..*line
                };
                let body = Body::Shared(&marked.body);
                delivered |= self.send_leg(slot, account, Some(service), leg, &line, body);
                self.look_at_finished();
            }
            // Not before the last leg: its plan names lists that this may free.
            self.settle_finished();
            if !delivered {
                self.answer_nobody(slot, line);
            }
        }
        self.legs = legs;
        ready
    }

    /// Lets further legs see that a subscription has had all that it asked for: the plain way need
    /// not look, because there a message meets a subscription once.
    fn look_at_finished(&mut self) {
        for index in 0..self.clients.finished.len() {
            let (client, _) = self.clients.finished[index];
            if let Some(slot) = self.clients.resolve(client) {
                self.clients.get_mut(slot).checks.filtered = true;
            }
        }
    }

    /// Ends the subscriptions that the legs have finished.
    fn settle_finished(&mut self) {
        let finished: Vec<ConnId> = self.clients.finished.iter().map(|(it, _)| *it).collect();
        self.end_finished();
        for client in finished {
            if let Some(slot) = self.clients.resolve(client) {
                self.refresh_choices(slot);
            }
        }
    }

    /// What is measured of a request, if it is sampled.
    fn sample(
        &mut self,
        slot: Slot,
        service: &ServiceShare,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> Option<Box<Sample>> {
        let latency = service.latency.as_ref()?;
        let headers = body.bytes().get(..line.header_len.unwrap_or(0) as usize).unwrap_or(&[]);
        if !latency::samples(latency, headers, &mut self.rng) {
            return None;
        }
        let policy = Arc::clone(&self.policy);
        let requester = self.requester(slot, &policy.accounts, service);
        let mut json = Vec::new();
        request_info::write_json(&mut json, &requester);
        Some(Box::new(Sample {
            subject: latency.subject.clone(),
            rtt_ns: requester.rtt_ns,
            requester: json,
            started: self.now,
            wall_ms: self.wall_ms,
        }))
    }

    /// What a service is told of a client.
    fn requester<'a>(
        &'a self,
        slot: Slot,
        accounts: &'a Accounts,
        service: &ServiceShare,
    ) -> Requester<'a> {
        let client = self.clients.get(slot);
        let badge = client.badge.as_deref();
        let text = |id: Option<TextId>| {
            id.and_then(|id| std::str::from_utf8(self.clients.names.text(id)).ok()).unwrap_or("")
        };
        let admitted = badge.and_then(|badge| badge.admitted.as_deref());
        let server = self.entrances.first().map_or("", |entrance| &entrance.info.server_name);
        let shared = service.share.then(|| Shared {
            host: ip_of(&client.peer),
            number: client.number.0,
            user: admitted.and_then(|admitted| admitted.user.as_deref()).unwrap_or(""),
            name: text(client.name),
            lang: text(client.lang),
            version: text(client.version),
            server,
        });
        Requester { account: accounts.get(client.account).name(), rtt_ns: client.rtt_ns(), shared }
    }

    /// Takes a message from a client that may not publish to a subject, and tells it so.
    #[inline(never)]
    pub(crate) fn refuse_publish(
        &mut self,
        slot: Slot,
        line: &PublishLine<'_>,
        subject: &[u8],
    ) -> Flow {
        self.clients.stats.publishes_refused += 1;
        let choices = self.clients.get(slot).choices;
        let silent = Choices { verbose: false, pedantic: false, ..choices };
        self.accept_ruled(slot, line, silent);
        let error = ProtocolError::PublishViolation(subject.to_vec());
        self.trace_refusal(&error);
        self.answer(slot, &error)
    }

    // The functions of the plain way are inlined there, and must not be torn out of it because
    // they are called from here, too.

    #[inline(never)]
    pub(crate) fn accept_ruled(&mut self, slot: Slot, line: &PublishLine<'_>, choices: Choices) {
        self.accept_publish(slot, line, choices);
    }

    #[inline(never)]
    pub(crate) fn publish_in_one(
        &mut self,
        slot: Slot,
        account: AccountId,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> Flow {
        self.publish_plainly(slot, account, line, body)
    }

    #[inline(never)]
    fn plan_ruled(&mut self, slot: Slot, account: AccountId, subject: &[u8]) {
        self.plan_for(slot, account, subject);
    }

    #[inline(never)]
    fn deliver_ruled(&mut self, slot: Slot, body: Body<'_>, choices: Choices) -> bool {
        self.deliver_here(slot, body, choices)
    }

    /// Whether a client's user may publish to a subject.
    pub(crate) fn may_publish(&mut self, slot: Slot, subject: &[u8]) -> bool {
        self.right_to_publish(slot, subject).is_some()
    }

    /// By what a client's user may publish to a subject; `None` if it may not.
    fn right_to_publish(&mut self, slot: Slot, subject: &[u8]) -> Option<Right> {
        let now = self.now;
        let Some(badge) = &mut self.clients.get_mut(slot).badge else { return Some(Right::Rules) };
        let permissions =
            badge.admitted.as_ref().and_then(|admitted| admitted.permissions.as_ref());
        let Some(permissions) = permissions else { return Some(Right::Rules) };
        if badge.publish_cache.may_publish(permissions, subject) {
            return Some(Right::Rules);
        }
        badge.grants.holds(subject, now).then_some(Right::Request)
    }

    fn map_subject(
        &mut self,
        account: &super::accounts::Account,
        subject: &[u8],
        mapped: &mut Vec<u8>,
    ) -> Mapped {
        match &account.mappings {
            Some(mappings) => {
                let rng = &mut self.rng;
                mappings.map(subject, &mut |bound| rng.below(bound), mapped)
            }
            None => Mapped::Unchanged,
        }
    }

    fn plan_leg(&mut self, slot: Slot, leg: &mut Leg) {
        std::mem::swap(&mut self.plan, &mut leg.plan);
        self.plan_ruled(slot, leg.account, &leg.subject);
        std::mem::swap(&mut self.plan, &mut leg.plan);
    }

    /// Makes sure that everything the legs need is there, for all of them or for none.
    fn reserve_legs(&mut self, legs: &[Leg], body: Body<'_>) -> bool {
        // With a tag behind it, a body is copied.
        let is_traced = self.events.traces.is_tracing();
        let body = if is_traced { Body::Copied(body.bytes()) } else { body };
        let mut targets = 0;
        for leg in legs {
            targets |= leg.plan.targets;
            let answers = leg.is_request() && !leg.reply.is_empty();
            let is_met = !leg.plan.filters.is_empty() || self.service_of_leg(leg).is_some();
            if answers && is_met && !self.expects_answers(leg.account) {
                return false;
            }
        }
        mesh::each(targets).all(|peer| {
            let to_peer = legs.iter().filter(|leg| leg.plan.targets & peer.bit() != 0);
            let bytes = to_peer.map(|leg| leg_bytes(leg, body)).sum();
            self.mesh.has_data_room(peer, bytes)
        }) && {
            for peer in mesh::each(targets) {
                let to_peer = legs.iter().filter(|leg| leg.plan.targets & peer.bit() != 0);
                self.mesh.open_data(peer, to_peer.map(|leg| leg_bytes(leg, body)).sum());
            }
            true
        }
    }

    /// Sends one leg on its way. Says whether anybody took it. The reply is one of the account that
    /// the message was published in, however many services it passed.
    fn send_leg(
        &mut self,
        slot: Slot,
        origin: AccountId,
        service: Option<&ServiceShare>,
        leg: &mut Leg,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> bool {
        let asked = self.service_of_leg(leg);
        if leg.plan.filters.is_empty() && asked.is_none() {
            return false;
        }
        if let Some(service) = service.filter(|_| !leg.reply.is_empty()) {
            if !self.responses.has_room() {
                self.clients.stats.answers_refused += 1;
                return false;
            }
            let reply = std::mem::take(&mut leg.reply).into_boxed_slice();
            let response = service.response;
            let sample = self.sample(slot, service, line, body);
            let waiter = Waiter::Requester { account: origin, reply, response, sample };
            let (threshold, now) = (service.threshold_ns, self.now);
            self.responses.add(leg.account, waiter, threshold, now, &mut leg.reply);
            self.arm_sweep();
        }
        let is_asked = asked.is_some();
        if let Some(asked) = asked {
            let line = PublishLine { subject: &leg.subject, reply: &leg.reply, ..*line };
            self.ask_broker(Some(slot), leg.account, asked, &line, body);
        }
        let header_len = line.header_len.filter(|length| *length > 0);
        let id = self.clients.spool.name_heads(1);
        leg.head.render(id, &leg.subject, &leg.reply, header_len, line.total_len);
        std::mem::swap(&mut self.plan, &mut leg.plan);
        std::mem::swap(&mut self.head, &mut leg.head);
        let choices = self.clients.get(slot).choices;
        self.stage_open(slot, body);
        let remote = self.plan.targets != 0;
        let delivered = self.deliver_ruled(slot, body, choices) || remote || is_asked;
        std::mem::swap(&mut self.head, &mut leg.head);
        std::mem::swap(&mut self.plan, &mut leg.plan);
        delivered
    }

    /// Stages one leg to its peers, which only write down who would get it.
    pub(crate) fn stage_leg(
        &mut self,
        slot: Slot,
        leg: &mut Leg,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) {
        let header_len = line.header_len.filter(|length| *length > 0);
        let id = self.clients.spool.name_heads(1);
        leg.head.render(id, &leg.subject, &leg.reply, header_len, line.total_len);
        std::mem::swap(&mut self.plan, &mut leg.plan);
        std::mem::swap(&mut self.head, &mut leg.head);
        self.stage_open(slot, body);
        std::mem::swap(&mut self.head, &mut leg.head);
        std::mem::swap(&mut self.plan, &mut leg.plan);
    }

    /// Stages the message in the plan to every peer in it, into batches that were opened for it.
    fn stage_open(&mut self, slot: Slot, body: Body<'_>) {
        let peers = self.plan.targets.count_ones() as usize;
        let tag = (peers > 0).then(|| self.trace_tag(peers)).flatten();
        let tagged = tag.map(|tag| [body.bytes(), &tag].concat());
        let hops = if tagged.is_some() { TRACED } else { 0 };
        let body = tagged.as_ref().map_or(body, |bytes| Body::Copied(bytes));
        let message = self.head.message(body);
        let client = self.clients.get(slot);
        let not_to = (!client.choices.echo).then_some((self.id, client.id));
        for peer in mesh::each(self.plan.targets) {
            let to = DeliverTo { hops, ..self.plan.to(peer, not_to) };
            self.mesh.stage_into_open(peer, &message, to);
            self.clients.stats.records_out += 1;
        }
    }
}

/// Bytes that a leg needs in a batch, at most.
fn leg_bytes(leg: &Leg, body: Body<'_>) -> usize {
    let reply = if leg.is_request() { Responses::REPLY_LEN } else { leg.reply.len() };
    let body = match body {
        Body::Copied(bytes) => bytes.len(),
        Body::Shared(_) => 0,
    };
    leg.subject.len() + reply + body + HEAD_BYTES + TAG_LEN
}

const _: () = assert!(Batch::BYTES_MAX > HEAD_BYTES);
/// Bytes of a head beside its subjects: the verb, blanks and numbers.
const HEAD_BYTES: usize = 48;
