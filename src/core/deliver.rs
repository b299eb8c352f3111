//! From a message and a list of receivers to outboxes: the innermost loop of the broker.
//!
//! Absent: who is on the list (`route`, `interest`). The message is stored once, in the spool, in
//! at most two forms: as published, and without headers for receivers that do not understand them.

use bytes::Bytes;

use super::clients::{Clients, Parts};
use super::ids::Slot;
use super::interest::Interest;
use super::message::{Body, Head, HeadId, Message};
use super::spool::{RecordId, Spool};
use super::subs::List;
use super::wants::Member;

/// One message on its way into this shard's outboxes.
#[derive(Debug)]
pub(crate) struct Delivery<'m> {
    message: Message<'m>,
    length: usize,
    body_len: u64,
    stored: Stored,
    delivered: u64,
    relayed: u64,
    /// Who published it, where that is a client of this shard.
    from: Option<Slot>,
}

/// The forms of a message that are in the spool: as published, and without headers with its length.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stored {
    full: Option<RecordId>,
    plain: Option<(RecordId, usize)>,
}

impl Stored {
    /// The records.
    pub(crate) fn records(&self) -> impl Iterator<Item = RecordId> + use<> {
        [self.full, self.plain.map(|(record, _)| record)].into_iter().flatten()
    }
}

/// When a receiver's permission to see a message is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Now: it is a plain subscriber.
    AtDelivery,
    /// It was, when the receiver was drawn from its queue group.
    AtDraw,
}

impl<'m> Delivery<'m> {
    pub(crate) fn new(message: Message<'m>) -> Self {
        Self {
            length: message.len(),
            body_len: message.body_len() as u64,
            message,
            stored: Stored::default(),
            delivered: 0,
            relayed: 0,
            from: None,
        }
    }

    /// Notes who published the message: nobody may grant itself the right to answer.
    pub(crate) fn from(self, client: Slot) -> Self {
        Self { from: Some(client), ..self }
    }

    /// Receivers that took it so far, the broker's own client among them.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered + self.relayed
    }

    /// A delivery that goes on where another one of the same message stopped.
    pub(crate) fn resume(message: Message<'m>, stored: Stored, from: Option<Slot>) -> Self {
        Self { stored, from, ..Self::new(message) }
    }

    pub(crate) fn message(&self) -> &Message<'m> {
        &self.message
    }

    /// What of it is in the spool.
    pub(crate) fn stored(&self) -> Stored {
        self.stored
    }

    /// Who published the message, where that is a client of this shard.
    pub(crate) fn publisher(&self) -> Option<Slot> {
        self.from
    }

    /// Whether a publisher is here who may have to be told that nobody took it.
    pub(crate) fn has_nobody(&self) -> bool {
        self.from.is_some() && self.delivered() == 0
    }

    /// Queues the message for every receiver in a list but one, if there are no more than may
    /// still be looked at. Says whether it did.
    pub(crate) fn deliver_to_all(
        &mut self,
        clients: &mut Clients,
        interest: &mut Interest,
        visits_left: &mut usize,
        list: List,
        except: Option<Slot>,
    ) -> bool {
        let members = interest.members_mut(list);
        let Some(left) = visits_left.checked_sub(members.len()) else { return false };
        *visits_left = left;
        for member in members {
            if Some(member.client) != except {
                self.deliver_to_member(clients, member, Check::AtDelivery);
            }
        }
        true
    }

    /// Queues the message for the receiver at one place of a list, unless its subscription has had
    /// all that it asked for and only waits to be ended.
    pub(crate) fn deliver_at(
        &mut self,
        clients: &mut Clients,
        interest: &mut Interest,
        list: List,
        place: usize,
    ) {
        if let Some(member) = interest.members_mut(list).get_mut(place)
            && !member.is_finished()
        {
            self.deliver_to_member(clients, member, Check::AtDelivery);
        }
    }

    /// Queues the message for the receiver at one place of a list. Says whether it took it.
    pub(crate) fn deliver_to_one(
        &mut self,
        clients: &mut Clients,
        interest: &mut Interest,
        list: List,
        position: u32,
    ) -> bool {
        let member = interest.members_mut(list).get_mut(position as usize);
        member.is_some_and(|member| self.deliver_to_member(clients, member, Check::AtDraw))
    }

    /// Ends the delivery: counts.
    pub(crate) fn finish(self, clients: &mut Clients) {
        clients.stats.messages_out += self.delivered;
        clients.stats.bytes_out += self.delivered * self.body_len;
    }

    #[inline]
    fn deliver_to_member(
        &mut self,
        clients: &mut Clients,
        member: &mut Member,
        check: Check,
    ) -> bool {
        let mut parts = clients.parts(member.client);
        let client = &parts.client;
        if client.closing.is_some() {
            return false;
        }
        if client.checks.filtered && !self.passes(&mut parts, member, check) {
            return false;
        }
        let Parts { client, spool, sids, .. } = parts;
        let (record, length) = if self.message.header_len.is_some() && !client.choices.headers {
            self.without_headers(spool)
        } else {
            (self.as_published(spool), self.length)
        };
        let length = length + sids.text_len(member.sid);
        client.messages_out += 1;
        client.bytes_out += self.body_len;
        let pushed = client.push(record, member.sid, length, spool, sids);
        clients.note_pushed(member.client, pushed);
        self.delivered += 1;
        if member.count() {
            clients.finished.push((clients.get(member.client).id, member.sid));
        }
        if clients.trace.enabled {
            self.trace(clients, member);
        }
        true
    }

    /// Whether a client whose messages are looked at takes this one as others do.
    #[cold]
    fn passes(&mut self, parts: &mut Parts<'_>, member: &Member, check: Check) -> bool {
        if member.is_finished() {
            // An earlier leg of this message has finished the subscription.
            return false;
        }
        if parts.relays.client == Some(parts.client.id.slot) {
            parts.relays.push(member.sid, &self.message);
            self.relayed += 1;
            return false;
        }
        let Some(badge) = &mut parts.client.badge else { return true };
        let permissions =
            badge.admitted.as_ref().and_then(|admitted| admitted.permissions.as_ref());
        let Some(permissions) = permissions else { return true };
        if check == Check::AtDelivery && !permissions.may_receive(self.message.subject(), None) {
            return false;
        }
        let is_own = self.from == Some(parts.client.id.slot);
        let is_request = self.message.reply_len > 0 && !is_own;
        if let Some(grant) = permissions.responses().filter(|_| is_request) {
            badge.grants.grant(self.message.reply(), parts.relays.now, &grant);
        }
        true
    }

    #[inline]
    fn as_published(&mut self, spool: &mut Spool) -> RecordId {
        *self.stored.full.get_or_insert_with(|| spool.append(&self.message))
    }

    fn trace(&self, clients: &mut Clients, member: &Member) {
        let mut digits = [0; 10];
        let sid = clients.sids.text(member.sid, &mut digits);
        let line = [self.message.prefix, sid, self.message.suffix].concat();
        clients.trace_out(member.client, &line);
    }

    fn without_headers(&mut self, spool: &mut Spool) -> (RecordId, usize) {
        if let Some(known) = self.stored.plain {
            return known;
        }
        let message = &self.message;
        let header_len = message.header_len.unwrap_or(0) as usize;
        let framed = message.body.bytes();
        let payload = framed.get(header_len..).unwrap_or(framed);
        // INVARIANT: a body is below `PAYLOAD_CEILING`.
        let total = u32::try_from(payload.len().saturating_sub(2)).unwrap_or(0);
        let mut head = Head::new();
        head.render(HeadId::NONE, message.subject(), message.reply(), None, total);
        let shared: Bytes;
        let body = match message.body {
            Body::Copied(_) => Body::Copied(payload),
            Body::Shared(bytes) => {
                shared = bytes.slice_ref(payload);
                Body::Shared(&shared)
            }
        };
        let plain = head.message(body);
        let record = spool.append(&plain);
        *self.stored.plain.insert((record, plain.len()))
    }
}
