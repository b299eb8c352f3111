//! From a published message to its receivers: here, on peers, one of each group, or the 503.
//!
//! Absent: parsing, and queues between shards. I4: everything a publish may need is reserved before
//! anything is done, so that it happens whole or its client parks. I7: a message is matched once.

use bytes::Bytes;
use fanfare_protocol::encode;
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::op::PublishLine;
use fanfare_protocol::subject;

use super::badge::Badge;
use super::batch::{Batch, DeliverTo};
use super::choices::Choices;
use super::clients::Clients;
use super::deliver::Delivery;
use super::groups::{Group, Pick};
use super::ids::{AccountId, ConnId, Handle, Slot};
use super::interest::Interest;
use super::mesh;
use super::message::{Body, Head, HeadId, Message};
use super::session::Flow;
use super::shard::Shard;
use super::spool::Fixed;
use super::subs::List;
use super::system_requests::PREFIX;
use super::texts::TextId;
use super::trace_tag::TRACED;
use super::walks::Ground;
use super::wants::Member;

impl Shard {
    /// Publishes one message of a client.
    #[inline]
    pub(crate) fn publish(&mut self, slot: Slot, line: &PublishLine<'_>, body: Body<'_>) -> Flow {
        let client = self.clients.get(slot);
        let (choices, checks, account) = (client.choices, client.checks, client.account);
        if line.header_len.is_some() && !choices.headers {
            return self.violation(slot);
        }
        if let Some(error) = refusal(line) {
            self.accept_publish(slot, line, Choices { verbose: false, pedantic: false, ..choices });
            return self.answer(slot, &error);
        }
        let is_named_plainly = line.header_len.is_none() && line.subject.first() != Some(&b'$');
        if (checks.ruled || !is_named_plainly)
            && let Some(flow) = self.publish_specially(slot, line, body)
        {
            return flow;
        }
        self.publish_plainly(slot, account, line, body)
    }

    /// Publishes a message that is more than a message to subscribers of one account: a request to
    /// the broker, one that asks to be traced, or one that rules are about. It is one function, and
    /// not inlined, so that all others pay one branch for the three of them.
    #[inline(never)]
    fn publish_specially(
        &mut self,
        slot: Slot,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> Option<Flow> {
        let client = self.clients.get(slot);
        let (checks, account) = (client.checks, client.account);
        if line.subject.starts_with(PREFIX) {
            return Some(self.publish_to_system(slot, line, body));
        }
        if line.header_len.is_some() && self.may_be_traced(account, line, body) {
            return Some(self.publish_traced(slot, line, body));
        }
        checks.ruled.then(|| self.publish_ruled(slot, line, body))
    }

    /// Publishes one message in one account, and nowhere else.
    #[inline(always)]
    pub(crate) fn publish_plainly(
        &mut self,
        slot: Slot,
        account: AccountId,
        line: &PublishLine<'_>,
        body: Body<'_>,
    ) -> Flow {
        let choices = self.clients.get(slot).choices;
        self.plan_for(slot, account, line.subject);
        if self.plan.filters.is_empty() {
            self.accept_publish(slot, line, choices);
            self.answer_nobody(slot, line);
            return Flow::Done;
        }
        // nats-server delivers a message with an empty header block as one without headers.
        let header_len = line.header_len.filter(|length| *length > 0);
        if !self.head.is_for(line.subject, line.reply, header_len, line.total_len) {
            let id = self.clients.spool.name_heads(1);
            self.head.render(id, line.subject, line.reply, header_len, line.total_len);
        }
        let shared = share(body);
        let body = shared.as_ref().map_or(body, Body::Shared);
        if self.plan.targets != 0 && !self.stage(slot, body) {
            return Flow::Park;
        }
        self.accept_publish(slot, line, choices);
        let delivered = self.deliver_here(slot, body, choices);
        self.end_finished();
        if !delivered && self.plan.targets == 0 {
            self.answer_nobody(slot, line);
        }
        Flow::Done
    }

    /// Makes the plan for a subject, unless it is the one that was made last. The cache is void as
    /// soon as interest has another version; members of groups are drawn anew every time.
    #[inline(always)]
    pub(crate) fn plan_for(&mut self, slot: Slot, account: AccountId, subject: &[u8]) {
        let version = self.interest.version();
        if self.plan.is_for(account, subject, version) {
            if self.plan.queues.is_empty() {
                return;
            }
            self.plan.clear_targets();
        } else {
            self.plan.begin(account, subject, version);
            self.interest.matches(account, subject, &mut self.plan.filters);
            for filter in &self.plan.filters {
                if !self.interest.filter(*filter).wants.queues().is_empty() {
                    self.interest.queues_of(*filter, &mut self.plan.queues);
                }
            }
            if self.plan.queues.len() > 1 {
                self.plan.queues.sort_unstable();
            }
        }
        for index in 0..self.plan.filters.len() {
            let filter = self.interest.filter(self.plan.filters[index]);
            for remote in filter.wants.remotes() {
                self.plan.add_filter(remote.shard, remote.handle);
            }
        }
        if !self.plan.queues.is_empty() {
            self.draw_groups(slot);
        }
    }

    /// Delivers a message that a peer has matched.
    pub(crate) fn deliver_for_peer(&mut self, message: Message<'_>, to: DeliverTo<'_>) {
        if to.hops & TRACED != 0 {
            self.deliver_traced(message, to);
            return;
        }
        let mut delivery = Delivery::new(message);
        for handle in to.filters {
            match self.interest.resolve_filter(*handle) {
                Some(slot) => {
                    let (clients, interest) = (&mut self.clients, &mut self.interest);
                    let (left, list) = (&mut self.visits_left, List::Plain(slot));
                    if !delivery.deliver_to_all(clients, interest, left, list, None) {
                        self.ground().deliver(&mut delivery, slot, None);
                    }
                }
                None => self.clients.stats.stale_handles += 1,
            }
        }
        let mut queues = to.queues;
        for size in to.group_sizes {
            let (group, rest) = queues.split_at(*size as usize);
            queues = rest;
            self.resolve_group(group);
            self.deliver_to_group(&mut delivery, &message, &to);
        }
        delivery.finish(&mut self.clients);
        self.end_finished();
    }

    /// Notes which queues a peer means with its handles.
    pub(crate) fn resolve_group(&mut self, group: &[Handle]) {
        self.group_queues.clear();
        for handle in group {
            match self.interest.resolve_queue(*handle) {
                Some(queue) => self.group_queues.push((TextId::from_value(0), queue)),
                None => self.clients.stats.stale_handles += 1,
            }
        }
    }

    fn deliver_to_group(
        &mut self,
        delivery: &mut Delivery<'_>,
        message: &Message<'_>,
        to: &DeliverTo<'_>,
    ) {
        let not_to = to.not_to.filter(|(shard, _)| *shard == self.id).map(|(_, client)| client);
        match draw_here(self, message, not_to) {
            Some((queue, position)) => {
                if !self.walks.is_empty() {
                    self.ground().catch_up_at(List::Queue(queue), position);
                }
                let (clients, interest) = (&mut self.clients, &mut self.interest);
                delivery.deliver_to_one(clients, interest, List::Queue(queue), position);
            }
            None => self.repick(message, to),
        }
    }

    /// Passes a group's message on: the member it was sent for has gone meanwhile.
    pub(crate) fn repick(&mut self, message: &Message<'_>, to: &DeliverTo<'_>) {
        let group = Group { interest: &self.interest, queues: &self.group_queues };
        let peer = group.pick_peer(&mut self.rng);
        let has_hops = usize::from(to.hops) < self.shards;
        let bytes = Batch::message_bytes(message);
        let Some(peer) = peer.filter(|p| has_hops && self.mesh.has_data_room(*p, bytes)) else {
            self.clients.stats.repick_dropped += 1;
            return;
        };
        self.handles.clear();
        self.handles.extend(group.handles_of(peer));
        let size = u32::try_from(self.handles.len()).unwrap_or(u32::MAX);
        let to = DeliverTo {
            filters: &[],
            queues: &self.handles,
            group_sizes: &[size],
            not_to: to.not_to,
            hops: to.hops + 1,
        };
        self.mesh.stage_message(peer, message, to);
        self.clients.stats.repicked += 1;
    }

    /// Draws one member for each group.
    fn draw_groups(&mut self, publisher: Slot) {
        let queues = std::mem::take(&mut self.plan.queues);
        let client = self.clients.get(publisher);
        let not_to = (!client.choices.echo).then_some(client.id);
        let mut looked_at = 0;
        for queues in queues.chunk_by(|a, b| a.0 == b.0) {
            let group = Group { interest: &self.interest, queues };
            let excluded = not_to.map_or(0, |_| own_members(&self.clients, publisher, queues));
            looked_at += not_to.map_or(0, |_| self.clients.get(publisher).subs.len());
            let able = Able { clients: &self.clients, not_to, subject: self.plan.subject() };
            let eligible = |queue: Slot, member: &Member| able.takes(&self.interest, queue, member);
            let Some(pick) = group.pick(excluded, eligible, &mut self.rng) else { continue };
            let peer = if let Pick::Peer(peer) = pick { peer } else { self.id };
            self.plan.add_pick(pick, group.handles_of(peer));
        }
        self.plan.queues = queues;
        self.spend(looked_at);
    }

    /// Stages the message to every peer in the plan, or to none. Says whether it did (I4).
    fn stage(&mut self, slot: Slot, body: Body<'_>) -> bool {
        let message = self.head.message(body);
        let bytes = Batch::message_bytes(&message);
        if !mesh::each(self.plan.targets).all(|peer| self.mesh.has_data_room(peer, bytes)) {
            return false;
        }
        let client = self.clients.get(slot);
        let not_to = (!client.choices.echo).then_some((self.id, client.id));
        for peer in mesh::each(self.plan.targets) {
            self.mesh.stage_message(peer, &message, self.plan.to(peer, not_to));
            self.clients.stats.records_out += 1;
        }
        true
    }

    /// Delivers to this shard's part of the plan. Says whether anybody took it. The caller ends the
    /// subscriptions that this finished, once no plan names them any more.
    #[inline(always)]
    pub(crate) fn deliver_here(&mut self, slot: Slot, body: Body<'_>, choices: Choices) -> bool {
        let mut delivery = Delivery::new(self.head.message(body)).from(slot);
        let except = (!choices.echo).then_some(slot);
        for filter in &self.plan.filters {
            let (clients, interest) = (&mut self.clients, &mut self.interest);
            let (left, list) = (&mut self.visits_left, List::Plain(*filter));
            if !delivery.deliver_to_all(clients, interest, left, list, except) {
                let ground = Ground {
                    clients: &mut self.clients,
                    interest: &mut self.interest,
                    walks: &mut self.walks,
                    visits_left: &mut self.visits_left,
                };
                ground.deliver(&mut delivery, *filter, except);
            }
        }
        for (queue, position) in &self.plan.picks {
            let list = List::Queue(*queue);
            if !self.walks.is_empty() {
                let (clients, interest) = (&mut self.clients, &mut self.interest);
                let (walks, visits_left) = (&mut self.walks, &mut self.visits_left);
                Ground { clients, interest, walks, visits_left }.catch_up_at(list, *position);
            }
            delivery.deliver_to_one(&mut self.clients, &mut self.interest, list, *position);
        }
        let delivered = delivery.delivered() > 0;
        delivery.finish(&mut self.clients);
        delivered
    }

    /// Counts an accepted publish, and answers it as the client chose.
    #[inline(always)]
    pub(crate) fn accept_publish(&mut self, slot: Slot, line: &PublishLine<'_>, choices: Choices) {
        let bytes = u64::from(line.total_len);
        let client = self.clients.get_mut(slot);
        client.messages_in += 1;
        client.bytes_in += bytes;
        client.last_len = line.total_len;
        self.clients.stats.messages_in += 1;
        self.clients.stats.bytes_in += bytes;
        if choices.pedantic && !subject::is_literal(line.subject) {
            // nats-server complains and delivers all the same.
            self.answer(slot, &ProtocolError::InvalidPublishSubject);
        }
        if choices.verbose {
            if !self.walks.is_empty() {
                // The plan may name what the end of a subscription would free: not before it.
                self.ground().catch_up(slot);
            }
            self.clients.push_fixed(slot, Fixed::Ok);
        }
    }

    /// Counts a message that nobody wants, and tells a requester of it.
    #[inline(always)]
    pub(crate) fn answer_nobody(&mut self, slot: Slot, line: &PublishLine<'_>) {
        self.clients.stats.messages_unmatched += 1;
        if !line.reply.is_empty() {
            self.answer_no_responders(slot, line);
        }
    }

    /// Tells a requester that nobody is there, on its own subscription to the reply subject.
    #[inline(never)]
    fn answer_no_responders(&mut self, slot: Slot, line: &PublishLine<'_>) {
        let client = self.clients.get(slot);
        if !client.choices.no_responders {
            return;
        }
        let permissions = client.badge.as_deref().and_then(Badge::permissions);
        if permissions.is_some_and(|rules| !rules.may_receive(line.reply, None)) {
            return;
        }
        if !self.walks.is_empty() {
            self.catch_up(slot);
        }
        let Some((filter, position)) = self.own_subscription(slot, line.reply) else { return };
        let members = self.interest.filter(filter).wants.members();
        let Some(member) = members.get(position).copied() else { return };
        let block_len = encode::no_responders_len(line.subject);
        let mut body = Vec::with_capacity(block_len as usize + 2);
        encode::no_responders_block(&mut body, line.subject);
        body.extend_from_slice(encode::CR_LF);
        let mut head = Head::new();
        head.render(HeadId::NONE, line.reply, b"", Some(block_len), block_len);
        let message = head.message(Body::Copied(&body));
        let record = self.clients.spool.append(&message);
        self.clients.push(slot, member.sid, record, message.len());
        self.clients.stats.no_responders += 1;
    }

    /// A client's own plain subscription that matches a subject: filter, and position in its list.
    fn own_subscription(&mut self, slot: Slot, subject: &[u8]) -> Option<(Slot, usize)> {
        let account = self.clients.get(slot).account;
        self.plan.begin(account, subject, self.interest.version());
        self.interest.matches(account, subject, &mut self.plan.filters);
        self.plan.forget();
        let client = self.clients.get(slot);
        let mut looked_at = 0;
        let found = self.plan.filters.iter().find_map(|filter| {
            let members = self.interest.filter(*filter).wants.members();
            looked_at += members.len().min(client.subs.len());
            if members.len() <= client.subs.len() {
                let position = members.iter().position(|member| member.client == slot)?;
                return Some((*filter, position));
            }
            let own = client.subs.iter().find(|sub| sub.list == List::Plain(*filter))?;
            Some((*filter, own.position as usize))
        });
        self.spend(looked_at);
        found
    }
}

/// A body that is cheaper to share than to copy.
#[inline]
fn share(body: Body<'_>) -> Option<Bytes> {
    match body {
        Body::Copied(bytes) if bytes.len() >= SHARED_FROM => Some(Bytes::copy_from_slice(bytes)),
        Body::Copied(_) | Body::Shared(_) => None,
    }
}

#[inline]
fn refusal(line: &PublishLine<'_>) -> Option<ProtocolError> {
    if matches!(line.subject.first(), Some(b'$' | b'_')) && subject::reserved_publish(line.subject)
    {
        return Some(ProtocolError::PublishViolation(line.subject.to_vec()));
    }
    if matches!(line.reply.first(), Some(b'$' | b'_')) && subject::reserved_reply(line.reply) {
        return Some(ProtocolError::PublishReplyViolation(line.reply.to_vec()));
    }
    None
}

/// Draws one of this shard's members of the group whose queues are noted.
pub(crate) fn draw_here(
    shard: &mut Shard,
    message: &Message<'_>,
    not_to: Option<ConnId>,
) -> Option<(Slot, u32)> {
    let group = Group { interest: &shard.interest, queues: &shard.group_queues };
    let able = Able { clients: &shard.clients, not_to, subject: message.subject() };
    let eligible = |queue: Slot, member: &Member| able.takes(&shard.interest, queue, member);
    match group.pick_local(eligible, &mut shard.rng) {
        Some(Pick::Local { queue, position }) => Some((queue, position)),
        Some(Pick::Peer(_)) | None => None,
    }
}

/// Which members of a group are able to take a message.
struct Able<'a> {
    clients: &'a Clients,
    not_to: Option<ConnId>,
    subject: &'a [u8],
}

impl Able<'_> {
    fn takes(&self, interest: &Interest, queue: Slot, member: &Member) -> bool {
        let client = self.clients.get(member.client);
        if client.closing.is_some() || Some(client.id) == self.not_to {
            return false;
        }
        if !client.checks.filtered {
            return true;
        }
        let name = interest.name(interest.queue(queue).name);
        let permissions = client.badge.as_deref().and_then(Badge::permissions);
        permissions.is_none_or(|rules| rules.may_receive(self.subject, Some(name)))
    }
}

fn own_members(clients: &Clients, publisher: Slot, queues: &[(TextId, Slot)]) -> u32 {
    let subs = clients.get(publisher).subs.iter();
    let own = subs.filter(|sub| queues.iter().any(|(_, queue)| sub.list == List::Queue(*queue)));
    u32::try_from(own.count()).unwrap_or(u32::MAX)
}

/// Bodies from this length on are shared between receivers and shards instead of copied.
const SHARED_FROM: usize = 32 * 1024;
