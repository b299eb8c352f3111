//! The broker as it should be: a list of subscriptions, a list of publishes, and linear matching.
//!
//! Absent: any structure that the broker has, and the verdicts: on what is heard (`hearing`) and
//! on a finished run (`checks`). Shards run concurrently, so the oracle knows for each subscription
//! and publish from when on its effect is certain and until when it is possible. Steps of the
//! simulation are the clock: what a client has seen at one step, everybody may act upon at the
//! next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access_oracle::{Arrival, Member};
use super::realm::Realm;

/// A client, as far as it bears on what others may receive.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) shard: usize,
    pub(crate) echo: bool,
    pub(crate) headers: bool,
    pub(crate) no_responders: bool,
    /// Neither side has begun to end the connection.
    pub(crate) alive: bool,
    /// The broker ended it; what it had not read may be lost.
    pub(crate) cut_off: bool,
    /// Most bytes that can have been queued for it.
    pub(crate) possible_bytes: u64,
    /// Who it is, in a world with users.
    pub(crate) member: Option<Member>,
    pub(crate) open: BTreeMap<Vec<u8>, usize>,
    subs: Vec<usize>,
    unproven: Vec<usize>,
    pub(crate) last_from: Vec<u32>,
}

/// When something was asked for: the step, and the place among its client's operations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) step: u64,
    pub(crate) op: u32,
}

/// `UNSUB sid max`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Max {
    pub(crate) deliveries: u64,
    op: u32,
    /// Deliveries seen when its execution was proven.
    pub(crate) seen: Option<u64>,
}

/// One SUB.
#[derive(Debug, Clone)]
pub(crate) struct Sub {
    pub(crate) client: usize,
    pub(crate) sid: Vec<u8>,
    pub(crate) filter: Vec<u8>,
    pub(crate) queue: Option<Vec<u8>>,
    pub(crate) sent: Mark,
    /// Its execution was proven to somebody.
    pub(crate) certain: Option<u64>,
    /// Its end was asked for.
    pub(crate) ending: Option<Mark>,
    /// Its end was proven to its client.
    pub(crate) ended: Option<u64>,
    /// No shard plans for it any more.
    pub(crate) gone: Option<u64>,
    pub(crate) refused: bool,
    pub(crate) max: Option<Max>,
    pub(crate) seen: u64,
    /// Publishes that match and were not delivered.
    pub(crate) undelivered: Vec<usize>,
}

/// One PUB or HPUB that the broker must accept.
#[derive(Debug, Clone)]
pub(crate) struct Publish {
    pub(crate) client: usize,
    pub(crate) subject: Vec<u8>,
    pub(crate) reply: Vec<u8>,
    pub(crate) headers: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) sent: Mark,
    /// Where it goes, in a world with users.
    pub(crate) arrivals: Vec<Arrival>,
    /// Its execution, hand-off included, was proven to its publisher.
    pub(crate) done: Option<u64>,
    /// Subscriptions that match and may exist at its execution.
    pub(crate) matching: Vec<usize>,
    pub(crate) delivered: Vec<usize>,
    pub(crate) no_responders: Option<u64>,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) clients: Vec<View>,
    pub(crate) subs: Vec<Sub>,
    pub(crate) publishes: Vec<Publish>,
    /// Users and accounts, in a world that has them.
    pub(crate) realm: Option<Arc<Realm>>,
    /// Subscriptions that ended and of which some shard may not know yet.
    leaving: Vec<usize>,
}

impl Oracle {
    /// The oracle of a world that may have users.
    pub(crate) fn of(realm: Option<Arc<Realm>>) -> Self {
        Self { realm, ..Self::default() }
    }

    pub(crate) fn connected(&mut self, shard: usize, echo: bool, headers: bool, responders: bool) {
        self.clients.push(View {
            shard,
            echo,
            headers,
            no_responders: responders,
            alive: true,
            cut_off: false,
            possible_bytes: 4096,
            member: None,
            open: BTreeMap::new(),
            subs: Vec::new(),
            unproven: Vec::new(),
            last_from: Vec::new(),
        });
    }

    pub(crate) fn subscribed(
        &mut self,
        client: usize,
        sent: Mark,
        sub: (&[u8], Option<&[u8]>, &[u8]),
    ) {
        let (filter, queue, sid) = sub;
        let index = self.subs.len();
        let mut undelivered = Vec::new();
        let member = self.clients[client].member.clone();
        for (number, publish) in self.publishes.iter_mut().enumerate() {
            let to = Receiver { member: member.as_ref(), filter, queue };
            if publish.done.is_none() && publish.is_for(&to) {
                publish.matching.push(index);
                undelivered.push(number);
                self.clients[client].possible_bytes += publish.wire_bytes(sid);
            }
        }
        self.subs.push(Sub {
            client,
            sid: sid.to_vec(),
            filter: filter.to_vec(),
            queue: queue.map(<[u8]>::to_vec),
            sent,
            certain: None,
            ending: None,
            ended: None,
            gone: None,
            refused: false,
            max: None,
            seen: 0,
            undelivered,
        });
        let view = &mut self.clients[client];
        view.subs.push(index);
        view.unproven.push(index);
        view.open.insert(sid.to_vec(), index);
    }

    /// The sids that a client may still receive on, with their subscriptions.
    pub(crate) fn open(&self, client: usize) -> impl Iterator<Item = (&Vec<u8>, &Sub)> {
        self.clients[client].open.iter().map(|(sid, sub)| (sid, &self.subs[*sub]))
    }

    pub(crate) fn unsubscribed(&mut self, client: usize, at: Mark, sid: &[u8], max: Option<u64>) {
        let Some(index) = self.clients[client].open.get(sid) else { return };
        let sub = &mut self.subs[*index];
        match max {
            Some(max) => sub.max = Some(Max { deliveries: max, op: at.op, seen: None }),
            None => {
                sub.ending.get_or_insert(at);
            }
        }
    }

    /// A client ends its side, or begins anew with a second CONNECT.
    pub(crate) fn leaves(&mut self, client: usize, at: Mark) {
        for index in self.clients[client].open.values() {
            self.subs[*index].ending.get_or_insert(at);
        }
    }

    pub(crate) fn published(&mut self, mut publish: Publish) {
        let index = self.publishes.len();
        for (number, sub) in self.subs.iter_mut().enumerate() {
            let possible = sub.gone.is_none() && !sub.refused;
            let member = self.clients[sub.client].member.clone();
            let (filter, queue) = (&sub.filter[..], sub.queue.as_deref());
            let to = Receiver { member: member.as_ref(), filter, queue };
            if possible && publish.is_for(&to) {
                sub.undelivered.push(index);
                publish.matching.push(number);
                self.clients[sub.client].possible_bytes += publish.wire_bytes(&sub.sid);
            }
        }
        self.publishes.push(publish);
    }

    /// A SUB was refused for want of room.
    pub(crate) fn refused(&mut self, client: usize, op: u32) {
        let view = &mut self.clients[client];
        for index in &view.subs {
            let sub = &mut self.subs[*index];
            if sub.sent.op == op {
                sub.refused = true;
                view.open.remove(&sub.sid);
            }
        }
    }

    /// A client has seen an answer that follows its operation `op`: the turn that executed it has
    /// been handed off.
    pub(crate) fn proven(&mut self, client: usize, op: u32, now: u64, settled: bool) {
        self.proven_subs(client, op, now);
        for publish in self.publishes.iter_mut().rev().filter(|publish| publish.client == client) {
            if publish.sent.op > op {
                continue;
            }
            if publish.done.is_some() {
                break;
            }
            publish.done = Some(now);
        }
        let open: Vec<usize> = self.clients[client].open.values().copied().collect();
        for index in open {
            let sub = &mut self.subs[index];
            let seen = sub.seen;
            if let Some(max) = sub.max.as_mut().filter(|max| max.op <= op) {
                max.seen.get_or_insert(seen);
            }
            let ended = sub.ending.is_some_and(|ending| ending.op <= op) || sub.is_used_up();
            if ended {
                self.end(index, now, settled);
            }
        }
    }

    /// Somebody has seen a message that follows a client's operation `op` (I3, F4): what it has
    /// subscribed before is known to every shard.
    pub(crate) fn proven_subs(&mut self, client: usize, op: u32, now: u64) {
        let subs = &mut self.subs;
        self.clients[client].unproven.retain(|index| {
            let is_proven = subs[*index].sent.op <= op;
            if is_proven {
                subs[*index].certain = Some(now);
            }
            !is_proven
        });
    }

    pub(crate) fn end(&mut self, index: usize, now: u64, settled: bool) {
        let sub = &mut self.subs[index];
        sub.ended.get_or_insert(now);
        if settled {
            sub.gone.get_or_insert(now);
        } else {
            self.leaving.push(index);
        }
        self.clients[sub.client].open.remove(&sub.sid);
    }

    /// A shard has told its peers everything.
    pub(crate) fn settled(&mut self, shard: usize, now: u64) {
        let (subs, clients) = (&mut self.subs, &self.clients);
        self.leaving.retain(|index| {
            let sub = &mut subs[*index];
            let is_here = clients[sub.client].shard == shard;
            if is_here {
                sub.gone.get_or_insert(now);
            }
            !is_here
        });
    }

    /// A shard has closed a client. `graceful`: after executing everything that it sent.
    pub(crate) fn closed(&mut self, client: usize, now: u64, graceful: bool) {
        let view = &mut self.clients[client];
        view.alive = false;
        view.cut_off = !graceful;
        // What was written before may still be read: its sids stay open for that.
        for index in view.open.values().copied() {
            let sub = &mut self.subs[index];
            if !graceful {
                // When the broker decided to end it is unknown.
                let op = sub.ending.map_or(u32::MAX, |ending| ending.op);
                sub.ending = Some(Mark { step: 0, op });
            }
            sub.ended.get_or_insert(now);
            self.leaving.push(index);
        }
        if graceful {
            for publish in &mut self.publishes {
                if publish.client == client {
                    publish.done.get_or_insert(now);
                }
            }
        }
    }
}

impl Sub {
    /// Its maximum was reached, and the broker knew of the maximum.
    pub(crate) fn is_used_up(&self) -> bool {
        self.max.is_some_and(|max| max.seen.is_some() && self.seen >= max.deliveries)
    }
}

/// Who would hear a message.
pub(crate) struct Receiver<'a> {
    pub(crate) member: Option<&'a Member>,
    pub(crate) filter: &'a [u8],
    pub(crate) queue: Option<&'a [u8]>,
}

impl Publish {
    /// Whether it is for a subscription.
    pub(crate) fn is_for(&self, to: &Receiver<'_>) -> bool {
        match to.member {
            Some(member) => !member.hears(&self.arrivals, to.filter, to.queue).is_empty(),
            None => matches(to.filter, &self.subject),
        }
    }

    fn wire_bytes(&self, sid: &[u8]) -> u64 {
        let headers = self.headers.as_ref().map_or(0, Vec::len);
        let text = self.subject.len() + self.reply.len() + sid.len() + 32;
        // A share may lengthen the subject, and a request says whose it is.
        let shared = if self.arrivals.len() > 1 { 160 } else { 0 };
        (text + headers + self.payload.len() + shared) as u64
    }
}

/// Whether a filter matches a subject, by the words of the protocol's description.
pub(crate) fn matches(filter: &[u8], subject: &[u8]) -> bool {
    let subject: Vec<&[u8]> = subject.split(|byte| *byte == b'.').collect();
    if subject.iter().any(|token| token.is_empty()) {
        return false;
    }
    let filter: Vec<&[u8]> = filter.split(|byte| *byte == b'.').collect();
    for (place, token) in filter.iter().enumerate() {
        if *token == b">" && place + 1 == filter.len() {
            return subject.len() > place;
        }
        if subject.get(place).is_none_or(|word| *token != b"*" && token != word) {
            return false;
        }
    }
    filter.len() == subject.len()
}

/// Digits at the beginning of a payload.
pub(crate) const NUMBER_DIGITS: usize = 8;
