//! Events in the system account: who came, who left, who was refused.
//!
//! Absent: their text (`event_text`) and requests (`system`). Nothing is rendered that nobody
//! subscribes to. An event never holds anybody up: one that is noted too fast, or finds no free
//! batch, is left out and counted, and the next one says how many were. Connections end in all
//! phases of a turn, so that an event is noted where it happens and published while the shard
//! routes (I2).

use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_protocol::op::PublishLine;
use fanfare_protocol::subject::Filter;

use super::auth::refusal::Claimant;
use super::event_text::{self, About, Ending, Flowed, Speaker};
use super::ids::{AccountId, Slot};
use super::message::Body;
use super::shard::{Shard, ip_of};
use super::texts::TextId;
use super::time::Instant;
use super::tracing::Traces;
use crate::config::access::ConnectionType;

/// An event that is not published yet.
#[derive(Debug)]
struct Event {
    account: AccountId,
    subject: Box<[u8]>,
    body: Vec<u8>,
}

/// What a shard has to say.
#[derive(Debug, Default)]
pub(crate) struct Events {
    waiting: VecDeque<Event>,
    /// Events that may still be noted, in billionths, as of `filled`.
    level: u64,
    filled: Instant,
    /// Events that were left out since the last one that was published.
    untold: u64,
    /// How often this shard has spoken.
    spoken: u64,
    /// Scratch: a subject, what an importer knows it as, and filters that match.
    pub(crate) traces: Traces,
    subject: Vec<u8>,
    local: Vec<u8>,
    found: Vec<Slot>,
}

impl Events {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether one more event may be noted now.
    fn pass(&mut self, per_second: u32, now: Instant) -> bool {
        let full = u64::from(per_second).saturating_mul(BILLION);
        let flowed = now.since_ns(self.filled).saturating_mul(u64::from(per_second));
        // A shard that has not spoken yet has a full bucket.
        let level = if self.filled == Instant::default() { full } else { self.level };
        self.level = level.saturating_add(flowed).min(full);
        self.filled = now.max(Instant::from_ns(1));
        if self.waiting.len() >= WAITING_MAX || self.level < BILLION {
            return false;
        }
        self.level -= BILLION;
        true
    }
}

impl Shard {
    /// Notes that a client is in.
    pub(crate) fn note_connected(&mut self, slot: Slot) {
        if !self.hears_system() {
            return;
        }
        let account = self.clients.get(slot).account;
        self.note_changed(account);
        if self.hears_of(account, "CONNECT") && self.passes_event() {
            let body = self.client_event(slot, None, None);
            self.note_event(AccountId::SYSTEM, body);
        }
    }

    /// Notes that a client leaves.
    pub(crate) fn note_disconnected(&mut self, slot: Slot) {
        if !self.hears_system() || self.quiescent || self.is_own(slot) {
            return;
        }
        let client = self.clients.get(slot);
        let (account, was_in) = (client.account, client.connected);
        if was_in {
            self.note_changed(account);
        }
        if self.hears_of(account, "DISCONNECT") && self.passes_event() {
            let reason = self.clients.get(slot).closing.map(|reason| reason.to_string());
            let body = self.client_event(slot, reason.as_deref(), None);
            self.note_event(AccountId::SYSTEM, body);
        }
    }

    /// Notes that a client was not let in.
    pub(crate) fn note_refused_entry(&mut self, slot: Slot, claimant: &Claimant, reason: &str) {
        // Until it is in, a client counts as one of the global account.
        if self.hears(AccountId::GLOBAL, ACCOUNT_REFUSALS) && self.passes_event() {
            let body = self.client_event(slot, Some(reason), Some(claimant));
            self.note_event(AccountId::GLOBAL, body);
        }
        if !self.hears_system() {
            return;
        }
        let info = self.entrances.first().map(|entrance| &entrance.info.server_id);
        let subject = &mut self.events.subject;
        subject.clear();
        subject.extend_from_slice(b"$SYS.SERVER.");
        subject.extend_from_slice(info.map_or(b"", |id| id.as_bytes()));
        subject.extend_from_slice(b".CLIENT.AUTH.ERR");
        if self.is_heard_in(AccountId::SYSTEM) && self.passes_event() {
            let body = self.client_event(slot, Some(reason), Some(claimant));
            self.note_event(AccountId::SYSTEM, body);
        }
    }

    /// Publishes what this shard has to say for the broker.
    pub(crate) fn speak(&mut self) {
        self.publish_answers();
        if !self.events.is_empty() {
            self.publish_events();
        }
    }

    /// Publishes what was noted. What finds no free batch is left out.
    pub(crate) fn publish_events(&mut self) {
        while let Some(event) = self.events.waiting.pop_front() {
            if !Filter::parse(&event.subject).is_some_and(Filter::is_literal) {
                // A name of an account may be what no subject can hold.
                self.leave_out_event();
                continue;
            }
            let mut body = event.body;
            let total_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
            body.extend_from_slice(b"\r\n");
            let line =
                PublishLine { subject: &event.subject, reply: b"", header_len: None, total_len };
            let publisher = self.own_client();
            if self.publish_across(publisher, event.account, &line, Body::Copied(&body)) {
                self.clients.stats.events += 1;
            } else {
                self.leave_out_event();
            }
        }
        if self.events.waiting.capacity() > WAITING_KEPT {
            self.events.waiting = VecDeque::new();
        }
    }

    /// Notes an event that is due whatever was said before; its subject is in the scratch.
    pub(crate) fn note_event(&mut self, account: AccountId, body: Vec<u8>) {
        let subject = self.events.subject[..].into();
        self.events.waiting.push_back(Event { account, subject, body });
    }

    /// Notes an event with a subject of its own, if there is room for it.
    pub(crate) fn note_event_to(&mut self, account: AccountId, subject: &[u8], body: Vec<u8>) {
        if self.events.waiting.len() >= WAITING_MAX {
            self.leave_out_event();
            return;
        }
        self.events.waiting.push_back(Event { account, subject: subject.into(), body });
    }

    /// The broker leaves: tells who listens, on one shard.
    pub(crate) fn note_leaving(&mut self, word: &str) {
        if self.id.index() != 0 || !self.hears_system() {
            return;
        }
        let id = self.entrances.first().map(|entrance| &entrance.info.server_id);
        let subject = format!("$SYS.SERVER.{}.{word}", id.map_or("", |id| id));
        if self.hears(AccountId::SYSTEM, subject.as_bytes()) {
            let mut body = Vec::new();
            self.write_speaker(&mut body);
            self.note_event_to(AccountId::SYSTEM, subject.as_bytes(), body);
        }
    }

    /// Appends who speaks: this broker.
    pub(crate) fn write_speaker(&mut self, out: &mut Vec<u8>) {
        let sequence = self.next_sequence();
        let Some(entrance) = self.entrances.first() else { return };
        let policy = &self.policy;
        let (tags, metadata) = (&policy.tags[..], &policy.metadata[..]);
        Speaker { info: &entrance.info, tags, metadata, sequence, wall_ms: self.wall_ms }
            .write(out);
    }

    /// Whether anybody at all may hear events: a question that costs nothing.
    #[inline]
    pub(crate) fn hears_system(&self) -> bool {
        self.interest.filters().of_system > 0
            || !self.policy.accounts.get(AccountId::SYSTEM).streams.is_empty()
    }

    /// Whether a subject has a receiver, in an account or in one that imports it.
    pub(crate) fn hears(&mut self, account: AccountId, subject: &[u8]) -> bool {
        self.events.subject.clear();
        self.events.subject.extend_from_slice(subject);
        self.is_heard_in(account)
    }

    /// Whether the subject in the scratch has a receiver.
    fn is_heard_in(&mut self, account: AccountId) -> bool {
        let policy = Arc::clone(&self.policy);
        let Events { subject, local, found, .. } = &mut self.events;
        found.clear();
        self.interest.matches(account, subject, found);
        if !found.is_empty() {
            return true;
        }
        for stream in &policy.accounts.get(account).streams {
            local.clear();
            if stream.map.to_local(subject, local) {
                self.interest.matches(stream.to, local, found);
                if !found.is_empty() {
                    return true;
                }
            }
        }
        false
    }

    /// Whether anybody hears of an account's connections; leaves the subject in the scratch.
    pub(crate) fn hears_of(&mut self, account: AccountId, word: &str) -> bool {
        let policy = Arc::clone(&self.policy);
        let name = policy.accounts.get(account).name();
        let subject = &mut self.events.subject;
        subject.clear();
        for part in ["$SYS.ACCOUNT.", name, ".", word] {
            subject.extend_from_slice(part.as_bytes());
        }
        self.is_heard_in(AccountId::SYSTEM)
    }

    fn passes_event(&mut self) -> bool {
        let (per_second, now) = (self.limits.events_per_second, self.now);
        if self.events.pass(per_second, now) {
            return true;
        }
        self.leave_out_event();
        false
    }

    fn leave_out_event(&mut self) {
        self.events.untold += 1;
        self.clients.stats.events_dropped += 1;
    }

    /// Every shard has numbers of its own.
    fn next_sequence(&mut self) -> u64 {
        self.events.spoken += 1;
        self.events.spoken * self.shards as u64 + self.id.index() as u64
    }

    /// What is said about a client: that it came, or why it leaves.
    fn client_event(
        &mut self,
        slot: Slot,
        reason: Option<&str>,
        claimant: Option<&Claimant>,
    ) -> Vec<u8> {
        let (sequence, untold) = (self.next_sequence(), std::mem::take(&mut self.events.untold));
        let (policy, wall_ms) = (Arc::clone(&self.policy), self.wall_ms);
        let client = self.clients.get(slot);
        let Some(entrance) = self.entrances.first() else { return Vec::new() };
        let speaker = Speaker {
            info: &entrance.info,
            tags: &policy.tags,
            metadata: &policy.metadata,
            sequence,
            wall_ms,
        };
        let badge = client.badge.as_deref();
        let admitted = badge.and_then(|badge| badge.admitted.as_deref());
        let grant = admitted.and_then(|admitted| admitted.grant.as_deref());
        let claimed = match claimant {
            Some(Claimant::User(user) | Claimant::Key(user)) => &**user,
            Some(Claimant::Jwt | Claimant::Token | Claimant::Nobody) | None => "",
        };
        let text = |id: Option<TextId>| {
            id.and_then(|id| std::str::from_utf8(self.clients.names.text(id)).ok()).unwrap_or("")
        };
        let lived_ms = self.now.since_ns(client.started) / 1_000_000;
        let through = self.entrances.get(client.listener.index());
        let about = About {
            start_ms: wall_ms.saturating_sub(lived_ms),
            stop_ms: reason.is_some().then_some(wall_ms),
            host: ip_of(&client.peer),
            number: client.number.0,
            account: policy.accounts.get(client.account).name(),
            account_tag: policy.accounts.get(client.account).tag(),
            user: admitted.and_then(|admitted| admitted.user.as_deref()).unwrap_or(claimed),
            name: text(client.name),
            lang: text(client.lang),
            version: text(client.version),
            rtt_ns: client.rtt_ns(),
            issuer: grant.map_or("", |grant| &grant.issuer),
            tags: grant.map_or(&[], |grant| &grant.tags),
            client_type: match through.map(|entrance| entrance.connection_type) {
                Some(ConnectionType::WebSocket) => "websocket",
                _ => "nats",
            },
        };
        // The words are the client's: it sent what came in.
        let ending = reason.map(|reason| Ending {
            sent: Flowed { messages: client.messages_in, bytes: client.bytes_in },
            received: Flowed { messages: client.messages_out, bytes: client.bytes_out },
            reason,
        });
        event_text::client(&speaker, &about, ending, untold, &mut self.rng)
    }
}

/// Where the global account hears of refused clients.
const ACCOUNT_REFUSALS: &[u8] = b"$SYS.ACCOUNT.CLIENT.AUTH.ERR";
const BILLION: u64 = 1_000_000_000;
/// Events that one turn may note.
const WAITING_MAX: usize = 4096;
/// Room for events that is kept.
const WAITING_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut events = Events::default();
        let mut passed = |from_ns: u64| {
            (0..100).filter(|n| events.pass(10, Instant::from_ns(from_ns + n))).count()
        };
        assert_eq!(passed(5), 10);
        assert_eq!(passed(200), 0);
        assert_eq!(passed(500_000_000), 5);
        assert_eq!(passed(90_000_000_000), 10);
    }
}
