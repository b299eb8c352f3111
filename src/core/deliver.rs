//! From a message and a list of receivers to outboxes: the innermost loop of the broker.
//!
//! Absent: who is on the list (`route`, `interest`). The message is stored once, in the spool, in at
//! most two forms: as published, and without headers for receivers that do not understand them.

use bytes::Bytes;

use super::clients::Clients;
use super::ids::Slot;
use super::interest::{Interest, Member};
use super::message::{Head, Message};
use super::spool::{Body, RecordId};
use super::subs::List;

/// One message on its way into this shard's outboxes.
#[derive(Debug)]
pub(crate) struct Delivery<'m> {
    message: Message<'m>,
    full: Option<RecordId>,
    plain: Option<(RecordId, usize)>,
    delivered: u64,
}

impl<'m> Delivery<'m> {
    pub(crate) fn new(message: Message<'m>) -> Self {
        Self { message, full: None, plain: None, delivered: 0 }
    }

    /// Receivers that took it so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Queues the message for every receiver in a list but one.
    pub(crate) fn to_all(
        &mut self,
        clients: &mut Clients,
        interest: &mut Interest,
        list: List,
        except: Option<Slot>,
    ) {
        for member in interest.members_mut(list).as_mut_slice() {
            if Some(member.client) != except {
                self.to_member(clients, member);
            }
        }
    }

    /// Queues the message for the receiver at one place of a list. Says whether it took it.
    pub(crate) fn to_one(
        &mut self,
        clients: &mut Clients,
        interest: &mut Interest,
        list: List,
        position: u32,
    ) -> bool {
        let member = interest.members_mut(list).as_mut_slice().get_mut(position as usize);
        member.is_some_and(|member| self.to_member(clients, member))
    }

    /// Ends the delivery: gives the spool its pins back and counts.
    pub(crate) fn finish(self, clients: &mut Clients) {
        for record in self.full.into_iter().chain(self.plain.map(|(record, _)| record)) {
            clients.spool.release(record.segment, 1);
        }
        clients.stats.messages_out += self.delivered;
        clients.stats.bytes_out += self.delivered * self.message.body_len() as u64;
    }

    #[inline]
    fn to_member(&mut self, clients: &mut Clients, member: &mut Member) -> bool {
        let strips =
            self.message.header_len.is_some() && !clients.get(member.client).choices.headers;
        let (record, length) = if strips {
            self.without_headers(clients)
        } else {
            (self.as_published(clients), self.message.len())
        };
        if !clients.push(member.client, member.sid, record, length) {
            return false;
        }
        if clients.trace.enabled {
            self.trace(clients, member);
        }
        self.delivered += 1;
        let client = clients.get_mut(member.client);
        client.messages_out += 1;
        client.bytes_out += self.message.body_len() as u64;
        member.delivered += 1;
        if member.delivered == member.max {
            clients.finished.push((member.client, member.sid));
        }
        true
    }

    #[inline]
    fn as_published(&mut self, clients: &mut Clients) -> RecordId {
        *self.full.get_or_insert_with(|| {
            let message = &self.message;
            clients.spool.append(message.prefix, message.suffix, message.body)
        })
    }

    fn trace(&self, clients: &mut Clients, member: &Member) {
        let mut digits = [0; 10];
        let sid = clients.sids.text(member.sid, &mut digits);
        let line = [self.message.prefix, sid, self.message.suffix].concat();
        clients.trace_out(member.client, &line);
    }

    fn without_headers(&mut self, clients: &mut Clients) -> (RecordId, usize) {
        if let Some(known) = self.plain {
            return known;
        }
        let message = &self.message;
        let header_len = message.header_len.unwrap_or(0) as usize;
        let framed = message.body.bytes();
        let payload = framed.get(header_len..).unwrap_or(framed);
        // INVARIANT: a body is below `PAYLOAD_CEILING`.
        let total = u32::try_from(payload.len().saturating_sub(2)).unwrap_or(0);
        let mut head = Head::default();
        head.render(message.subject(), message.reply(), None, total);
        let shared: Bytes;
        let body = match message.body {
            Body::Copied(_) => Body::Copied(payload),
            Body::Shared(bytes) => {
                shared = bytes.slice_ref(payload);
                Body::Shared(&shared)
            }
        };
        let plain = head.message(body, None, message.reply().len());
        let record = clients.spool.append(plain.prefix, plain.suffix, plain.body);
        *self.plain.insert((record, plain.len()))
    }
}
