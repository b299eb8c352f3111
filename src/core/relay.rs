//! The broker's own client on each shard, and what is sent to it: answers that services owe to
//! other accounts.
//!
//! Absent: the table of who waits (`responses`). The client has no socket; its subscriptions make
//! answers find their way through interest and mesh like any message. What reaches it during a
//! drain is only noted (I5) and carried on while the shard routes; notes are bounded and more of
//! them are dropped and counted, as an answer that comes too late is.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use fanfare_protocol::op::PublishLine;
use fanfare_protocol::subject::Filter;

use super::auth::Question;
use super::badge::Standing;
use super::choices::Choices;
use super::ids::{AccountId, ClientNumber, Slot};
use super::latency::{self, Sample};
use super::mesh;
use super::message::{Body, Message};
use super::responses::{Response, Responses, Waiter};
use super::shard::Shard;
use super::sids::Sid;
use super::subs::Sub;
use super::time::Instant;
use super::wants::Member;
use crate::config::access::ResponseType;

/// One message to the broker's own client.
#[derive(Debug)]
pub(crate) struct Relay {
    /// The subscription, whose sid is the account's number.
    sid: Sid,
    subject: Box<[u8]>,
    header_len: Option<u32>,
    body: Bytes,
}

/// Messages to the broker's own client that are not carried on yet.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    waiting: VecDeque<Relay>,
    bytes: usize,
    /// The broker's own client, once it is needed.
    pub(crate) client: Option<Slot>,
    pub(crate) dropped: u64,
    /// The turn's time, for what receivers are granted.
    pub(crate) now: Instant,
}

impl Relays {
    /// Notes a message.
    pub(crate) fn push(&mut self, sid: Sid, message: &Message<'_>) {
        let body = match message.body {
            Body::Copied(bytes) => Bytes::copy_from_slice(bytes),
            Body::Shared(bytes) => bytes.clone(),
        };
        if self.waiting.len() >= RELAYS_MAX || self.bytes + body.len() > RELAY_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.bytes += body.len();
        let subject = message.subject().into();
        self.waiting.push_back(Relay { sid, subject, header_len: message.header_len, body });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn pop(&mut self) -> Option<Relay> {
        let relay = self.waiting.pop_front()?;
        self.bytes -= relay.body.len();
        if self.waiting.is_empty() && self.waiting.capacity() > RELAYS_KEPT {
            self.waiting = VecDeque::new();
        }
        Some(relay)
    }

    fn put_back(&mut self, relay: Relay) {
        self.bytes += relay.body.len();
        self.waiting.push_front(relay);
    }
}

impl Shard {
    /// Makes sure that answers from an account reach this shard. Says whether they do.
    pub(crate) fn expects_answers(&mut self, account: AccountId) -> bool {
        let client = self.own_client();
        let sid = self.clients.sids.intern(account.index().to_string().as_bytes());
        if self.clients.get(client).subs.find(sid).is_some() {
            self.clients.sids.release(sid);
            return true;
        }
        let text = Responses::filter(self.id);
        let Some(filter) = Filter::parse(&text) else { return false };
        let peers = self.interest.peers_to_tell(account, &text, None);
        if !self.mesh.has_interest_room(peers, text.len()) {
            self.clients.sids.release(sid);
            return false;
        }
        let member = Member::new(client, sid);
        let (list, position) = self.interest.add(account, filter, None, member);
        let seed = self.clients.seed();
        self.clients.get_mut(client).subs.insert(Sub { sid, position, list }, seed);
        self.clients.stats.subscriptions += 1;
        self.clients.stats.subscriptions_total += 1;
        for peer in mesh::each(peers) {
            self.mesh.stage_change(peer, &self.interest.change(list));
        }
        self.interest.told(list, peers);
        true
    }

    /// Carries on what has reached the broker's own client; stops where a batch is missing. Says
    /// whether it stopped because it was enough for a turn.
    pub(crate) fn carry_relays(&mut self) -> bool {
        for _ in 0..RELAYS_PER_TURN {
            let Some(relay) = self.clients.relays.pop() else { return false };
            let mut digits = [0; 10];
            let sid = self.clients.sids.text(relay.sid, &mut digits);
            let account = std::str::from_utf8(sid).ok().and_then(|sid| sid.parse().ok());
            let account = AccountId::from_index(account.unwrap_or(usize::MAX >> 33));
            let Some(place) = self.responses.find(account, &relay.subject) else {
                self.clients.stats.answers_unexpected += 1;
                continue;
            };
            if !self.carry(place, &relay) {
                self.clients.relays.put_back(relay);
                return false;
            }
        }
        !self.clients.relays.is_empty()
    }

    /// Gives up the broker's own client when it is the last one and nothing is owed.
    pub(crate) fn retire_own_client(&mut self) {
        let Some(slot) = self.clients.relays.client else { return };
        let alone = self.clients.len() == 1;
        if !alone || self.responses.len() > 0 || !self.clients.relays.is_empty() {
            return;
        }
        while let Some(sub) = self.clients.get_mut(slot).subs.pop() {
            self.remove_receiver(sub);
        }
        self.clients.relays.client = None;
        self.clients.remove(slot);
        self.clients.stats.clients_total -= 1;
    }

    /// Carries one answer to who waits for it. Says whether it could.
    fn carry(&mut self, place: usize, relay: &Relay) -> bool {
        let is_empty = relay.body.len() <= 2;
        let Some(Response {
            account: exporter,
            waiter: Waiter::Requester { account, reply, response, .. },
            ..
        }) = self.responses.get(place)
        else {
            self.answer_entry(place, relay);
            return true;
        };
        let exporter = *exporter;
        let (account, reply, response) = (*account, reply.clone(), *response);
        let total_len = u32::try_from(relay.body.len().saturating_sub(2)).unwrap_or(u32::MAX);
        let line =
            PublishLine { subject: &reply, reply: b"", header_len: relay.header_len, total_len };
        let publisher = self.own_client();
        if !self.publish_across(publisher, account, &line, Body::Shared(&relay.body)) {
            return false;
        }
        self.clients.stats.answers_carried += 1;
        if let Some(sample) = self.responses.take_sample(place) {
            self.publish_sample(exporter, &sample);
        }
        match response {
            ResponseType::Singleton => {
                self.responses.remove(place);
            }
            // nats-server ends both kinds at an empty answer.
            ResponseType::Chunked | ResponseType::Stream if is_empty => {
                self.responses.remove(place);
            }
            ResponseType::Chunked | ResponseType::Stream => self.responses.extend(place, self.now),
        }
        true
    }

    /// Publishes how long a service took; a sample that finds no room is left out.
    fn publish_sample(&mut self, exporter: AccountId, sample: &Sample) {
        let policy = Arc::clone(&self.policy);
        let responder = policy.accounts.get(exporter).name();
        let (now, wall_ms) = (self.now, self.wall_ms);
        let mut body = latency::render(sample, responder, now, wall_ms, &mut self.rng);
        let total_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(b"\r\n");
        let subject = sample.subject.as_bytes();
        let line = PublishLine { subject, reply: b"", header_len: None, total_len };
        let publisher = self.own_client();
        if !self.publish_across(publisher, exporter, &line, Body::Copied(&body)) {
            self.clients.stats.samples_dropped += 1;
        }
    }

    /// Hands an external service's answer to whoever reads it.
    fn answer_entry(&mut self, place: usize, relay: &Relay) {
        let Some(response) = self.responses.remove(place) else { return };
        if let Waiter::Entry { client, mut callout } = response.waiter {
            callout.request.wall_ms = self.wall_ms;
            let (header_len, body) = (relay.header_len.unwrap_or(0) as usize, &relay.body);
            let payload = body.get(header_len..body.len().saturating_sub(2)).unwrap_or(&[]);
            self.ask_again(client, Question::Answer { callout, payload: payload.into() });
        }
    }

    /// The broker's own client, made when it is first needed.
    pub(crate) fn own_client(&mut self) -> Slot {
        if let Some(slot) = self.clients.relays.client {
            return slot;
        }
        let slot = self.clients.insert(ClientNumber(0), "fanfare".into(), self.now).slot;
        let client = self.clients.get_mut(slot);
        client.standing = Standing::Bound;
        client.connected = true;
        client.operated = true;
        client.checks.filtered = true;
        client.choices =
            Choices { verbose: false, pedantic: false, headers: true, ..Choices::BEFORE_CONNECT };
        self.clients.relays.client = Some(slot);
        slot
    }
}

/// Messages that are carried on in one go, which there are two of in a turn.
const RELAYS_PER_TURN: usize = 1024;
/// Messages that wait to be carried on.
const RELAYS_MAX: usize = 64 * 1024;
/// Bytes of them.
const RELAY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Room for waiting messages that is kept.
const RELAYS_KEPT: usize = 1024;
