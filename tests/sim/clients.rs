//! Virtual clients: what each has asked for, which answers it awaits in which order, and how it
//! reads what comes.
//!
//! Absent: deciding what to do next (`workload`), whether an answer (`answers`) or a delivery
//! (`hearing`) is right.

use std::collections::VecDeque;

use fanfare::core::close::CloseReason;
use fanfare::core::ids::ConnId;
use fanfare::core::time::Instant;
use fanfare_protocol::client_encode;
use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::server_op::{self, ServerOp, ServerStep};

use super::answers::Expected;
use super::journal::{Checked, Event, Heard, Violation, fail};
use super::mutations::Mutation;
use super::network::{Ending, Socket};
use super::oracle::{Mark, NUMBER_DIGITS, Publish};
use super::realm::{Course, PASSWORD};
use super::world::World;

/// What a client says in CONNECT, or that it says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices {
    pub(crate) connects: bool,
    pub(crate) verbose: bool,
    pub(crate) pedantic: bool,
    pub(crate) echo: bool,
    pub(crate) headers: bool,
    pub(crate) no_responders: bool,
    pub(crate) protocol: i64,
}

impl Choices {
    /// A client that says nothing has the protocol's defaults.
    pub(crate) const SILENT: Self = Self {
        connects: false,
        verbose: true,
        pedantic: true,
        echo: true,
        headers: false,
        no_responders: false,
        protocol: 0,
    };
}

/// One operation of a client.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Connect,
    Subscribe {
        filter: Vec<u8>,
        queue: Option<Vec<u8>>,
        sid: Vec<u8>,
    },
    /// A SUB whose sid is in use: it changes nothing.
    SubscribeAgain {
        sid: Vec<u8>,
    },
    Unsubscribe {
        sid: Vec<u8>,
        max: Option<u64>,
    },
    Publish {
        subject: Vec<u8>,
        asks: bool,
        headers: Option<Vec<u8>>,
        size: usize,
    },
    /// Answers a request.
    Respond {
        to: Vec<u8>,
        size: usize,
    },
    Ping,
    /// Something that the broker answers with this error.
    Refused {
        bytes: Vec<u8>,
        error: String,
        closes: bool,
    },
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) shard: usize,
    pub(crate) id: Option<ConnId>,
    pub(crate) socket: Socket,
    pub(crate) choices: Choices,
    /// Reads nothing before this step.
    pub(crate) stalled_until: u64,
    /// Was ever stalled.
    pub(crate) was_stalled: bool,
    /// The layer that protects it failed before it was ready.
    pub(crate) abandoned: bool,
    /// Has sent what the broker answers by closing.
    pub(crate) provokes: Option<CloseReason>,
    /// When the broker last wrote to it and what it wrote was taken.
    pub(crate) last_taken: Instant,
    pub(crate) heard_end: bool,
    /// Who it says it is, in a world with users.
    pub(crate) user: Option<Box<str>>,
    /// Has said CONNECT.
    pub(crate) introduced: bool,
    pub(crate) closed: bool,
    next_op: u32,
    next_sid: u32,
    pub(crate) expected: VecDeque<Expected>,
    pub(crate) input: Vec<u8>,
    pub(crate) infos: u32,
    pub(crate) pongs: u32,
    pub(crate) awaits_info: bool,
    /// Reply subjects of requests that it may answer.
    pub(crate) requests: Vec<Vec<u8>>,
}

impl Client {
    pub(crate) fn new(shard: usize, room: usize, choices: Choices, now: Instant) -> Self {
        Self {
            shard,
            id: None,
            socket: Socket::new(room),
            choices,
            stalled_until: 0,
            was_stalled: false,
            abandoned: false,
            provokes: None,
            last_taken: now,
            heard_end: false,
            user: None,
            introduced: false,
            closed: false,
            next_op: 1,
            next_sid: 1,
            expected: VecDeque::new(),
            input: Vec::new(),
            infos: 0,
            pongs: 0,
            awaits_info: false,
            requests: Vec::new(),
        }
    }

    /// Whether it may say something.
    pub(crate) fn can_speak(&self) -> bool {
        self.socket.ending == Ending::Open && !self.closed && self.provokes.is_none()
    }

    /// Whether it has said CONNECT, may say more, and its words are not all still under way.
    pub(crate) fn is_ready(&self) -> bool {
        let is_known = self.id.is_some() && (self.introduced || !self.choices.connects);
        is_known && self.can_speak() && self.socket.unsent() <= UNSENT_MAX
    }

    /// A sid that it has not used; some clients use texts.
    pub(crate) fn new_sid(&mut self, as_text: bool) -> Vec<u8> {
        self.next_sid += 1;
        let prefix = if as_text { "sid-é" } else { "" };
        format!("{prefix}{}", self.next_sid).into_bytes()
    }

    fn mark(&mut self, step: u64) -> Mark {
        self.next_op += 1;
        Mark { step, op: self.next_op }
    }

    fn expect_ok(&mut self, mark: Mark) {
        if self.choices.verbose {
            self.expected.push_back(Expected::Ok(mark));
        }
    }
}

impl World {
    /// A client sends one operation; the oracle learns of it, and of the answers that are due.
    pub(crate) fn say(&mut self, client: usize, op: Op) {
        self.journal.step += 1;
        let mark = self.clients[client].mark(self.journal.step);
        let mut bytes = Vec::new();
        match op {
            Op::Connect => self.say_connect(client, mark, &mut bytes),
            Op::Subscribe { filter, queue, sid } => {
                let as_sent = self.mutation.queue_name(queue.as_deref(), mark.op);
                let on_wire = self.mutation.filter(&filter, mark.op);
                client_encode::subscribe(&mut bytes, on_wire, as_sent.as_deref(), &sid);
                if let Some(text) = self.refused_subscription(client, &filter, queue.as_deref()) {
                    let expected = Expected::Error { text, closes: None };
                    self.clients[client].expected.push_back(expected);
                    return self.send(client, &bytes);
                }
                self.oracle.subscribed(client, mark, (&filter, queue.as_deref(), &sid));
                let may_refuse = self.swarm.refuses_subscriptions();
                let subscriber = &mut self.clients[client];
                if may_refuse {
                    subscriber.expected.push_back(Expected::Room(mark));
                } else {
                    subscriber.expect_ok(mark);
                }
            }
            Op::SubscribeAgain { sid } => {
                let filter = b"other.than.before";
                client_encode::subscribe(&mut bytes, filter, None, &sid);
                match self.refused_subscription(client, filter, None) {
                    None => self.clients[client].expect_ok(mark),
                    Some(text) => {
                        let expected = Expected::Error { text, closes: None };
                        self.clients[client].expected.push_back(expected);
                    }
                }
            }
            Op::Unsubscribe { sid, max } => {
                let as_sent = self.mutation.max(max);
                client_encode::unsubscribe(&mut bytes, &sid, as_sent);
                if max.is_none() && self.mutation == Mutation::LoseUnsubscribe {
                    bytes.clear();
                    client_encode::unsubscribe(&mut bytes, b"none", None);
                }
                self.oracle.unsubscribed(client, mark, &sid, max);
                self.clients[client].expect_ok(mark);
            }
            Op::Publish { subject, asks, headers, size } => {
                let reply = if asks { self.reply_subject(client) } else { Vec::new() };
                self.say_publish(client, mark, (subject, reply, headers, size), &mut bytes);
            }
            Op::Respond { to, size } => {
                self.say_publish(client, mark, (to, Vec::new(), None, size), &mut bytes);
            }
            Op::Ping => {
                bytes.extend_from_slice(b"PING\r\n");
                self.clients[client].expected.push_back(Expected::Pong(mark));
            }
            Op::Refused { bytes: refused, error, closes } => {
                bytes = refused;
                let closes = closes.then_some(mark);
                self.clients[client].expected.push_back(Expected::Error { text: error, closes });
                if closes.is_some() {
                    self.oracle.leaves(client, mark);
                    self.oracle.clients[client].alive = false;
                }
            }
        }
        self.send(client, &bytes);
    }

    /// The error that a subscription meets which its user may not have.
    fn refused_subscription(
        &self,
        client: usize,
        filter: &[u8],
        queue: Option<&[u8]>,
    ) -> Option<String> {
        let member = self.oracle.clients[client].member.as_ref()?;
        if member.accepts(filter, queue) {
            return None;
        }
        let filter = String::from_utf8_lossy(filter);
        let queue = queue.map(|name| format!(" using queue \"{}\"", String::from_utf8_lossy(name)));
        let queue = queue.unwrap_or_default();
        Some(format!("Permissions Violation for Subscription to \"{filter}\"{queue}"))
    }

    /// Puts an operation on its way.
    fn send(&mut self, client: usize, bytes: &[u8]) {
        // Its own answers, an error, and a 503 with the subject and the reply.
        self.oracle.clients[client].possible_bytes += ANSWER_BYTES;
        let shown = &bytes[..bytes.len().min(LINE_SHOWN)];
        let line = String::from_utf8_lossy(shown).trim_end().replace("\r\n", " | ").into();
        self.journal.note(Event::Says { client, line });
        self.clients[client].socket.send(bytes);
    }

    fn say_connect(&mut self, client: usize, mark: Mark, bytes: &mut Vec<u8>) {
        let choices = self.clients[client].choices;
        let options = ConnectOptions {
            verbose: choices.verbose,
            pedantic: choices.pedantic,
            echo: choices.echo || self.mutation == Mutation::AlwaysEcho,
            headers: choices.headers,
            no_responders: choices.no_responders && self.mutation != Mutation::NeverNoResponders,
            protocol: choices.protocol,
            name: Some(format!("client {client}").into()),
            user: self.clients[client].user.clone(),
            pass: self.clients[client].user.as_ref().map(|_| PASSWORD.into()),
            ..ConnectOptions::default()
        };
        client_encode::connect(bytes, &options);
        self.oracle.leaves(client, mark);
        self.clients[client].expect_ok(mark);
    }

    /// What becomes of a client's publish, in a world with users.
    fn course(&self, client: usize, subject: &[u8]) -> Course {
        match (&self.oracle.realm, &self.oracle.clients[client].member) {
            (Some(realm), Some(member)) => realm.publish(member, subject),
            _ => Course::Sent(Vec::new()),
        }
    }

    fn reply_subject(&self, client: usize) -> Vec<u8> {
        format!("inbox.{client}.{}", self.oracle.publishes.len()).into_bytes()
    }

    fn say_publish(
        &mut self,
        client: usize,
        mark: Mark,
        what: (Vec<u8>, Vec<u8>, Option<Vec<u8>>, usize),
        bytes: &mut Vec<u8>,
    ) {
        let (subject, reply, headers, size) = what;
        let number = self.oracle.publishes.len();
        let payload = payload(number, size);
        match &headers {
            Some(block) => {
                client_encode::publish_headers(bytes, &subject, &reply, block, &payload);
            }
            None => client_encode::publish(bytes, &subject, &reply, &payload),
        }
        let arrivals = match self.course(client, &subject) {
            Course::Sent(arrivals) => arrivals,
            Course::Refused(subject) => {
                let subject = String::from_utf8_lossy(&subject);
                let text = format!("Permissions Violation for Publish to \"{subject}\"");
                let expected = Expected::Error { text, closes: None };
                self.clients[client].expected.push_back(expected);
                return;
            }
        };
        let publisher = &mut self.clients[client];
        if publisher.choices.pedantic && !fanfare_protocol::subject::is_literal(&subject) {
            let text = "Invalid Publish Subject".to_owned();
            publisher.expected.push_back(Expected::Error { text, closes: None });
        }
        publisher.expect_ok(mark);
        self.oracle.published(Publish {
            client,
            subject,
            reply,
            headers,
            payload,
            sent: mark,
            arrivals,
            done: None,
            matching: Vec::new(),
            delivered: Vec::new(),
            no_responders: None,
        });
    }

    /// A client receives up to `most` bytes and reacts to whole operations.
    pub(crate) fn receive(&mut self, client: usize, most: usize) -> Checked {
        let mut input = std::mem::take(&mut self.clients[client].input);
        let before = input.len();
        let signal = self.clients[client].socket.receive(most, &mut input);
        self.journal.fold(&input[before..]);
        self.mutation.change_input(&mut input, before, &mut self.mutation_rng);
        if let Some(signal) = signal {
            self.signal(client, signal);
        }
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            match server_op::next(rest) {
                Ok(ServerStep::Op(op, length)) => {
                    let times = self.mutation.times(&op, &mut self.mutation_rng);
                    for _ in 0..times {
                        self.hear(client, &op)?;
                    }
                    used += length;
                }
                Ok(ServerStep::Message { .. } | ServerStep::More) => break,
                Err(_) => {
                    let text = String::from_utf8_lossy(rest).chars().take(60).collect::<String>();
                    return fail("wire", format!("c{client} hears what is no operation: {text:?}"));
                }
            }
        }
        input.drain(..used);
        self.clients[client].input = input;
        let socket = &self.clients[client].socket;
        if socket.closed && socket.waiting() == 0 && !self.clients[client].heard_end {
            self.clients[client].heard_end = true;
            self.journal.note(Event::Hears { client, what: Heard::End });
        }
        Ok(())
    }

    fn hear(&mut self, client: usize, op: &ServerOp<'_>) -> Checked {
        let awaited_info = std::mem::take(&mut self.clients[client].awaits_info);
        self.journal.step += 1;
        let now = self.journal.step;
        let what = match op {
            ServerOp::Message(message) => {
                let heard = self.oracle.heard(client, message, now, self.has_repicked)?;
                if !message.reply.is_empty() && self.clients[client].can_speak() {
                    self.clients[client].requests.push(message.reply.to_vec());
                }
                heard
            }
            ServerOp::Ping => {
                if self.clients[client].can_speak() {
                    self.clients[client].socket.send(b"PONG\r\n");
                }
                Heard::Ping
            }
            ServerOp::Info(json) => self.hear_info(client, json, awaited_info)?,
            ServerOp::Ok | ServerOp::Pong | ServerOp::Error(_) => self.hear_answer(client, op)?,
        };
        if awaited_info && what != Heard::Info {
            return fail("info", format!("c{client} hears {what:?} between its PONG and INFO"));
        }
        self.journal.note(Event::Hears { client, what: what.clone() });
        self.react(client, &what);
        Ok(())
    }

    fn hear_info(&mut self, client: usize, json: &[u8], awaited: bool) -> Result<Heard, Violation> {
        let listener = &mut self.clients[client];
        listener.infos += 1;
        let text = String::from_utf8_lossy(json);
        let is_second = text.contains("\"connect_info\":true");
        if (listener.infos == 1) == is_second || (listener.infos > 1) != awaited {
            fail("info", format!("c{client} hears INFO number {}: {text}", listener.infos))?;
        }
        Ok(Heard::Info)
    }
}

/// A payload that says which publish it belongs to, when it is long enough to.
fn payload(number: usize, size: usize) -> Vec<u8> {
    let mut payload = format!("{number:0NUMBER_DIGITS$}").into_bytes();
    let letter = b'a' + u8::try_from(number % 26).unwrap_or(0);
    payload.resize(size.max(NUMBER_DIGITS), letter);
    if size < NUMBER_DIGITS {
        payload.clear();
    }
    payload
}

/// Bytes under way after which a client waits.
const UNSENT_MAX: usize = 200_000;
/// Most bytes of all answers to one operation.
const ANSWER_BYTES: u64 = 256;
/// Bytes of an operation that the journal shows.
const LINE_SHOWN: usize = 120;
