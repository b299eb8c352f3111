//! What clients do next: random operations, in the short sequences that fences are about, and at
//! once upon what somebody else has seen (the causal bus).
//!
//! Absent: the operations' meaning (`clients`, `oracle`).

use fanfare::core::close::CloseReason;

use super::clients::Op;
use super::journal::Heard;
use super::oracle::{Sub, matches};
use super::world::World;

impl World {
    /// A client does something, if its earlier words are not all still under way.
    pub(crate) fn act(&mut self, client: usize) {
        if !self.clients[client].is_ready() {
            return;
        }
        let about_fences = self.rng.percent(self.swarm.fence_share);
        match if about_fences { self.rng.between(13, 14) } else { self.rng.below(20) } {
            0..=3 => self.act_subscribe(client),
            4 | 5 => self.act_unsubscribe(client),
            6..=12 => self.act_publish(client),
            13 => {
                // F1 and F4: a subscription and what proves it, in one go.
                if self.rng.percent(80) {
                    let filter = self.fresh_filter();
                    self.subscribe_to(client, filter);
                } else {
                    self.act_subscribe(client);
                }
                if self.rng.percent(50) {
                    self.act_publish(client);
                } else {
                    self.act_ping(client);
                }
                if self.rng.percent(50) {
                    self.arrive(client, usize::MAX);
                }
            }
            14 => {
                // F3: a publish and what proves it.
                self.act_publish(client);
                self.act_ping(client);
            }
            15 => {
                // F2: the end of a subscription and what proves it.
                self.act_unsubscribe(client);
                self.act_ping(client);
            }
            16 => {
                for _ in 0..self.rng.between(2, 12) {
                    self.act_publish(client);
                }
            }
            17 => self.act_respond(client),
            18 => self.act_seldom(client),
            _ => self.act_ping(client),
        }
    }

    /// Somebody acts at once upon what a client has just received.
    pub(crate) fn react(&mut self, client: usize, heard: &Heard) {
        if self.is_calm || self.swarm.bus_share == 0 {
            return;
        }
        // Whose earlier words are proven by what was heard: F1 and F3, or F4.
        let proven = match heard {
            Heard::Pong | Heard::Ok => client,
            Heard::Message { publish, .. } => self.oracle.publishes[*publish].client,
            _ => return,
        };
        let other = self.rng.index(self.clients.len());
        let full = self.oracle.publishes.len() > PUBLISHES_MAX;
        // Whoever has just been proven to subscribe is most worth a publish.
        let step = self.journal.step;
        let is_news = |sub: &Sub| sub.certain.is_some_and(|certain| certain + 1 >= step);
        let is_fresh = self.oracle.open(proven).any(|(_, sub)| is_news(sub));
        let share = if is_fresh { 90 } else { self.swarm.bus_share };
        if !self.rng.percent(share) || other == client || full || !self.clients[other].is_ready() {
            return;
        }
        match self.rng.below(if is_fresh { 20 } else { 6 }) {
            0 => self.act_ping(other),
            1 => self.act_respond(other),
            2 => self.act_publish(other),
            _ => self.act_publish_for(other, proven),
        }
        if self.rng.percent(70) {
            self.arrive(other, usize::MAX);
        }
    }

    /// A client publishes what another one has subscribed to last.
    fn act_publish_for(&mut self, client: usize, subscriber: usize) {
        let latest = self.oracle.open(subscriber).max_by_key(|(_, sub)| sub.sent.op);
        let Some((_, sub)) = latest else { return self.act_publish(client) };
        let own = std::iter::once(&sub.filter).filter(|filter| !filter.contains(&b'*'));
        let mut subjects = own.chain(&self.swarm.subjects);
        let subject = subjects.find(|subject| matches(&sub.filter, subject));
        let Some(subject) = subject.cloned() else { return self.act_publish(client) };
        self.publish_to(client, subject);
    }

    fn act_ping(&mut self, client: usize) {
        self.say(client, Op::Ping);
    }

    fn act_subscribe(&mut self, client: usize) {
        let filter = if self.swarm.request_share > 0 && self.rng.percent(30) {
            format!("inbox.{client}.*").into_bytes()
        } else if self.rng.percent(self.swarm.fresh_share) {
            self.fresh_filter()
        } else {
            self.rng.pick(&self.swarm.filters).clone()
        };
        self.subscribe_to(client, filter);
    }

    /// A filter that nobody knows yet.
    fn fresh_filter(&self) -> Vec<u8> {
        format!("fresh.{}", self.oracle.subs.len()).into_bytes()
    }

    fn subscribe_to(&mut self, client: usize, filter: Vec<u8>) {
        let open = self.oracle.open(client).count();
        if open >= SUBSCRIPTIONS_MAX || self.oracle.subs.len() >= ALL_SUBSCRIPTIONS_MAX {
            return self.act_unsubscribe(client);
        }
        let refuses = self.swarm.refuses_subscriptions();
        let queue = self.rng.percent(self.swarm.queue_share);
        let queue = queue.then(|| self.rng.pick(&self.swarm.queues).clone());
        let as_text = self.rng.percent(10);
        let sid = self.clients[client].new_sid(as_text);
        self.say(client, Op::Subscribe { filter, queue, sid: sid.clone() });
        if refuses && !self.clients[client].choices.verbose {
            // So that an error names the one SUB that it is about.
            self.say(client, Op::Ping);
        }
        if self.rng.percent(self.swarm.max_share) {
            let max = Some(u64::from(self.rng.between(1, 6)));
            self.say(client, Op::Unsubscribe { sid, max });
        }
    }

    /// Sids that a client has neither ended nor given a maximum.
    fn plain_sids(&self, client: usize) -> Vec<Vec<u8>> {
        let open = self.oracle.open(client);
        open.filter(|(_, sub)| sub.ending.is_none() && sub.max.is_none())
            .map(|(sid, _)| sid.clone())
            .collect()
    }

    fn act_unsubscribe(&mut self, client: usize) {
        let sids = self.plain_sids(client);
        if sids.is_empty() {
            return;
        }
        let sid = self.rng.pick(&sids).clone();
        let limit = self.rng.percent(self.swarm.max_share);
        let max = limit.then(|| u64::from(self.rng.between(1, 8)));
        self.say(client, Op::Unsubscribe { sid, max });
    }

    fn size(&mut self) -> usize {
        if self.oracle.realm.is_some() {
            // Every message carries its number, because none asks for an answer.
            return 8 + self.rng.below(self.swarm.payload_bytes) as usize;
        }
        if self.rng.percent(5) { 0 } else { self.rng.below(self.swarm.payload_bytes) as usize }
    }

    pub(crate) fn act_publish(&mut self, client: usize) {
        if self.oracle.publishes.len() >= PUBLISHES_MAX {
            return;
        }
        let subject = self.rng.pick(&self.swarm.subjects).clone();
        self.publish_to(client, subject);
    }

    fn publish_to(&mut self, client: usize, subject: Vec<u8>) {
        let size = self.size();
        let choices = self.clients[client].choices;
        let headers = choices.headers && self.rng.percent(self.swarm.header_share);
        let headers = headers.then(|| self.rng.pick(HEADERS).to_vec());
        // A message without room for its number has it in its reply.
        let asks = size < 8 || self.rng.percent(self.swarm.request_share);
        let ghost = !choices.connects && size < 8;
        let size = if ghost { 8 } else { size };
        self.say(client, Op::Publish { subject, asks, headers, size });
    }

    fn act_respond(&mut self, client: usize) {
        if self.oracle.publishes.len() >= PUBLISHES_MAX {
            return;
        }
        let Some(to) = self.clients[client].requests.pop() else { return };
        let size = self.size().max(8);
        self.say(client, Op::Respond { to, size });
    }

    fn act_seldom(&mut self, client: usize) {
        if self.rng.percent(self.swarm.reconnect_share) && self.clients[client].choices.connects {
            self.say(client, Op::Connect);
            return;
        }
        if self.rng.percent(20) && !self.swarm.refuses_subscriptions() {
            let sids = self.plain_sids(client);
            if !sids.is_empty() {
                let sid = self.rng.pick(&sids).clone();
                self.say(client, Op::SubscribeAgain { sid });
            }
            return;
        }
        if self.rng.percent(self.swarm.refused_share) {
            self.act_refused(client);
        }
    }

    fn act_refused(&mut self, client: usize) {
        let large = self.swarm.limits.payload_max + 1;
        let line = "x".repeat(self.swarm.limits.control_line_max + 1);
        let cases: [(String, &str, Option<CloseReason>); 6] = [
            ("SUB foo..bar 77\r\n".into(), "Invalid Subject", None),
            (
                "PUB $NRG.x 2\r\nhi\r\n".into(),
                "Permissions Violation for Publish to \"$NRG.x\"",
                None,
            ),
            (
                "SUB a _sys_ 78\r\n".into(),
                "Permissions Violation for Subscription to \"a\" using queue \"_sys_\"",
                None,
            ),
            (
                "BOGUS\r\n".into(),
                "Unknown Protocol Operation",
                Some(CloseReason::ProtocolViolation),
            ),
            (
                format!("PUB a {large}\r\n"),
                "Maximum Payload Violation",
                Some(CloseReason::MaxPayloadExceeded),
            ),
            (
                format!("SUB {line} 1\r\n"),
                "maximum control line exceeded",
                Some(CloseReason::MaxControlLineExceeded),
            ),
        ];
        let (bytes, error, provokes) = self.rng.pick(&cases).clone();
        if self.swarm.refuses_subscriptions() && bytes.starts_with("SUB") && provokes.is_none() {
            return;
        }
        let closes = provokes.is_some();
        let error = error.to_owned();
        self.say(client, Op::Refused { bytes: bytes.into_bytes(), error, closes });
        self.clients[client].provokes = provokes;
    }
}

/// Header blocks; the broker does not read them.
const HEADERS: &[&[u8]] = &[
    b"NATS/1.0\r\nA: b\r\n\r\n",
    b"NATS/1.0\r\n\r\n",
    b"",
    b"ABCDE",
    b"NATS/1.0 200 OK\r\nK:v\r\n\r\n",
];
/// Live subscriptions of one client.
const SUBSCRIPTIONS_MAX: usize = 12;
/// Subscriptions of one run.
const ALL_SUBSCRIPTIONS_MAX: usize = 200;
/// Publishes of one run.
const PUBLISHES_MAX: usize = 700;
