//! Connections that are not clients yet, or whose bytes are not theirs yet: PROXY headers and TLS
//! handshakes, a bounded time of each turn.
//!
//! Absent: how a layer goes on (`layer`) and what a client does (`core`). Nobody in here can cost
//! established clients more than a slice of a turn, and nobody stays beyond a deadline.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use fanfare_protocol::encode;
use mio::event::Event;
use slab::Slab;

use super::fault::Fault;
use super::gate::Gate;
use super::layer::{Advance, Layer, Order};
use super::log::{Level, Line};
use super::reactor::Reactor;
use super::socket;
use super::sparse::Sparse;
use super::stream::Stream;
use super::websocket::Visitor;
use super::who::{Guest, Who};
use crate::config::listen::HandshakeFirst;
use crate::core::arrival::{Admission, Arrival, Transport};
use crate::core::auth::TlsPeer;
use crate::core::ids::{ClientNumber, ConnId};
use crate::core::time::Instant;
use crate::core::turn::{Polled, Turn};

/// A connection that the core does not know yet.
#[derive(Debug)]
struct Entry {
    generation: u32,
    stream: Stream,
    arrival: Arrival,
    layer: Box<Layer>,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Lobby {
    guests: Slab<Entry>,
    generation: u32,
    /// Those that may have something to do.
    queue: VecDeque<Who>,
    /// When somebody's time may be over; who has gone on meanwhile is passed over.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
    pub(super) refusals: Sparse,
}

impl Default for Lobby {
    fn default() -> Self {
        Self {
            guests: Slab::default(),
            generation: 0,
            queue: VecDeque::default(),
            deadlines: BinaryHeap::default(),
            refusals: Sparse::new("connections failed before they were let in"),
        }
    }
}

impl Lobby {
    /// Whether there is something to do at once.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// When there will be something to do, whatever happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((at, _))| *at)
    }

    fn insert(&mut self, stream: Stream, arrival: Arrival, layer: Box<Layer>) -> Option<Guest> {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let key = u32::try_from(self.guests.vacant_key()).ok().filter(|key| Guest::is_key(*key))?;
        self.guests.insert(Entry { generation, stream, arrival, layer });
        Some(Guest { key, generation })
    }

    fn remove(&mut self, guest: Guest) -> Option<Entry> {
        guest_mut(&mut self.guests, guest)?;
        let entry = self.guests.remove(guest.key as usize);
        if self.guests.is_empty() {
            self.guests = Slab::new();
        }
        Some(entry)
    }
}

impl Reactor {
    /// Lets a connection in, or to what must come before.
    pub(super) fn adopt(
        &mut self,
        turn: &mut Turn<Polled>,
        mut arrival: Arrival,
        stream: Stream,
        gate: Arc<Gate>,
    ) {
        let (peer, number) = (&arrival.peer, arrival.number.0);
        self.log.debug(|| Line::new(Level::Debug, "Client connection created").of(peer, number));
        // Who speaks in frames can be told nothing before its request is granted.
        let is_turned_away = arrival.admission == Admission::Full && gate.websocket.is_none();
        if gate.is_open() || is_turned_away {
            self.let_in(turn, arrival, stream, None);
            return;
        }
        let now = self.clock.now();
        if gate.handshake_first() == HandshakeFirst::No {
            let layer = Box::new(Layer::new(gate, Order::Greeting, now));
            arrival.transport = Transport::Undecided;
            self.let_in(turn, arrival, stream, Some(layer));
            return;
        }
        let layer = Box::new(Layer::new(gate, Order::Handshake, now));
        let Some(guest) = self.lobby.insert(stream, arrival, layer) else { return };
        let who = Who::Guest(guest);
        let registry = self.poll.registry();
        let registered = guest_mut(&mut self.lobby.guests, guest)
            .map_or(Ok(()), |entry| entry.stream.register(registry, who.for_poller()));
        if let Err(error) = registered {
            self.refuse_guest(guest, &Fault::Socket(error));
            return;
        }
        self.watch(who);
    }

    /// Makes a client of a connection that is new to the poller.
    fn let_in(
        &mut self,
        turn: &mut Turn<Polled>,
        arrival: Arrival,
        stream: Stream,
        layer: Option<Box<Layer>>,
    ) {
        let is_layered = layer.is_some();
        let client = turn.handle_accept(arrival);
        let token = Who::Client(client).for_poller();
        match stream.register(self.poll.registry(), token) {
            Ok(()) => self.sockets.insert(client, stream, layer),
            // The socket is dropped; the client's first write finds nobody.
            Err(error) => self.note_unwatched(&error),
        }
        if is_layered {
            self.watch(Who::Client(client));
        }
    }

    /// Makes a client of a guest.
    fn promote(&mut self, turn: &mut Turn<Polled>, guest: Guest, transport: Transport) {
        let Some(Entry { stream, mut arrival, mut layer, .. }) = self.lobby.remove(guest) else {
            return;
        };
        if transport == Transport::Undecided {
            layer.fall_back(self.clock.now());
        }
        let hangup = layer.hangup;
        let is_ready = !layer.is_waiting();
        arrival.transport = transport;
        let client = turn.handle_accept(arrival);
        match stream.rename(self.poll.registry(), Who::Client(client).for_poller()) {
            Ok(()) => self.sockets.insert(client, stream, Some(layer)),
            Err(error) => self.note_unwatched(&error),
        }
        if is_ready {
            signal(turn, client, hangup);
        } else {
            self.watch(Who::Client(client));
        }
    }

    /// Begins to look after somebody: its first step is to come, and its time runs.
    fn watch(&mut self, who: Who) {
        let layer = match who {
            Who::Client(client) => self.sockets.layer_mut(client),
            Who::Guest(guest) => {
                guest_mut(&mut self.lobby.guests, guest).map(|entry| &mut *entry.layer)
            }
        };
        if let Some(layer) = layer {
            layer.queued = true;
            self.lobby.deadlines.push(Reverse((layer.deadline, who.token())));
            self.lobby.queue.push_back(who);
        }
    }

    /// Notes that something happened on the socket of somebody with a layer.
    pub(super) fn note_layered(&mut self, turn: &mut Turn<Polled>, who: Who, event: &Event) {
        let is_hangup = event.is_read_closed() || event.is_error();
        let mut may_write = false;
        let layer = match who {
            Who::Guest(guest) => {
                guest_mut(&mut self.lobby.guests, guest).map(|entry| &mut *entry.layer)
            }
            Who::Client(client) => {
                may_write = event.is_writable() && self.sockets.flush(client);
                self.sockets.layer_mut(client)
            }
        };
        let Some(layer) = layer else { return };
        let is_waiting = layer.is_waiting();
        if is_waiting {
            layer.hangup |= is_hangup;
            if !std::mem::replace(&mut layer.queued, true) {
                self.lobby.queue.push_back(who);
            }
        }
        let Who::Client(client) = who else { return };
        if may_write {
            turn.handle_writable(client);
        }
        if !is_waiting && is_hangup {
            turn.handle_hangup(client);
        } else if !is_waiting && event.is_readable() {
            turn.handle_readable(client);
        }
    }

    /// Goes on with those who can, for a slice of the turn; ends those whose time is over.
    pub(super) fn advance_lobby(&mut self, turn: &mut Turn<Polled>) {
        let start = self.clock.now();
        self.expire(turn, start);
        if let Some(line) = self.lobby.refusals.poll_hidden(start) {
            self.log.put(line);
        }
        while let Some(client) = self.sockets.poll_greeted() {
            self.queue(client);
        }
        let mut now = start;
        while now.since_ns(start) < SLICE_NS {
            let Some(who) = self.lobby.queue.pop_front() else { return };
            self.advance(turn, who, now);
            now = self.clock.now();
        }
    }

    /// The greeting of a client is out.
    fn queue(&mut self, client: ConnId) {
        if let Some(layer) = self.sockets.layer_mut(client)
            && !std::mem::replace(&mut layer.queued, true)
        {
            self.lobby.queue.push_back(Who::Client(client));
        }
    }

    fn advance(&mut self, turn: &mut Turn<Polled>, who: Who, now: Instant) {
        let (stream, layer, rooms) = match who {
            Who::Client(client) => match self.sockets.layered_mut(client) {
                Some(found) => found,
                None => return,
            },
            Who::Guest(guest) => match guest_mut(&mut self.lobby.guests, guest) {
                Some(entry) => (&entry.stream, &mut *entry.layer, self.sockets.rooms()),
                None => return,
            },
        };
        layer.queued = false;
        if !layer.is_waiting() {
            return;
        }
        let before = layer.deadline;
        let step = layer.advance(stream, rooms, now);
        if layer.deadline != before {
            self.lobby.deadlines.push(Reverse((layer.deadline, who.token())));
        }
        if let Advance::Again | Advance::Peer(_) = step {
            layer.queued = true;
            self.lobby.queue.push_back(who);
        }
        self.settle(turn, who, step);
    }

    fn expire(&mut self, turn: &mut Turn<Polled>, now: Instant) {
        while let Some(Reverse((at, token))) = self.lobby.deadlines.peek().copied() {
            if at > now {
                return;
            }
            self.lobby.deadlines.pop();
            let who = Who::from_token(token);
            let layer = match who {
                Who::Client(client) => self.sockets.layer_mut(client),
                Who::Guest(guest) => {
                    guest_mut(&mut self.lobby.guests, guest).map(|entry| &mut *entry.layer)
                }
            };
            let step = layer.filter(|layer| layer.deadline <= now).map(|layer| layer.expire());
            if let Some(step) = step {
                self.settle(turn, who, step);
            }
        }
    }

    fn settle(&mut self, turn: &mut Turn<Polled>, who: Who, step: Advance) {
        match who {
            Who::Client(client) => self.settle_client(turn, client, step),
            Who::Guest(guest) => self.settle_guest(turn, guest, step),
        }
    }

    fn settle_client(&mut self, turn: &mut Turn<Polled>, client: ConnId, step: Advance) {
        match step {
            Advance::Wait | Advance::Again => {}
            Advance::Peer(peer) => turn.handle_peer(client, peer.to_string().into()),
            Advance::Clear => {
                let hangup = self.sockets.remove_layer(client);
                turn.handle_in_clear(client);
                signal(turn, client, hangup);
            }
            Advance::Secured(peer) => {
                if let Some((number, name)) = turn.shard().name_of(client) {
                    self.note_secured(name, number, &peer);
                }
                let hangup = self.sockets.layer_mut(client).is_some_and(|layer| layer.hangup);
                self.exchange.note_handshake(self.me);
                turn.handle_secured(client, peer);
                signal(turn, client, hangup);
            }
            Advance::Upgraded(..) => debug_assert!(false, "frames begin before there is a client"),
            Advance::Failed(fault) => {
                if let Some((number, name)) = turn.shard().name_of(client) {
                    self.note_fault(name, number, &fault);
                }
                // What is still to be said is said in clear.
                self.sockets.remove_layer(client);
                turn.handle_abandoned(client, fault.reason(), fault.answer().as_ref());
                turn.handle_writable(client);
            }
        }
    }

    fn settle_guest(&mut self, turn: &mut Turn<Polled>, guest: Guest, step: Advance) {
        match step {
            Advance::Wait | Advance::Again => {}
            Advance::Peer(peer) => {
                if let Some(entry) = guest_mut(&mut self.lobby.guests, guest) {
                    entry.arrival.peer = peer.to_string().into();
                }
            }
            Advance::Clear => self.promote(turn, guest, Transport::Undecided),
            Advance::Secured(peer) => {
                if let Some(entry) = self.lobby.guests.get(guest.key as usize) {
                    self.note_secured(&entry.arrival.peer, entry.arrival.number, &peer);
                }
                self.exchange.note_handshake(self.me);
                self.promote(turn, guest, Transport::Secured(peer));
            }
            Advance::Upgraded(visitor, peer) => self.welcome(turn, guest, visitor, peer),
            Advance::Failed(fault) => self.refuse_guest(guest, &fault),
        }
    }

    /// Makes a client of a guest whose request was granted.
    fn welcome(
        &mut self,
        turn: &mut Turn<Polled>,
        guest: Guest,
        visitor: Visitor,
        peer: Option<Arc<TlsPeer>>,
    ) {
        if let Some(entry) = guest_mut(&mut self.lobby.guests, guest) {
            let arrival = &mut entry.arrival;
            arrival.cookies = visitor.cookies;
            arrival.peer = match visitor.forwarded_for {
                // It is only said: the address that counts is the connection's own.
                Some(IpAddr::V4(ip)) => format!("{ip}/{}", arrival.peer).into(),
                Some(IpAddr::V6(ip)) => format!("[{ip}]/{}", arrival.peer).into(),
                None => std::mem::take(&mut arrival.peer),
            };
        }
        if let (Some(entry), Some(peer)) = (self.lobby.guests.get(guest.key as usize), &peer) {
            self.note_secured(&entry.arrival.peer, entry.arrival.number, peer);
            self.exchange.note_handshake(self.me);
        }
        self.promote(turn, guest, peer.map_or(Transport::Clear, Transport::Secured));
    }

    /// Ends a connection that the core has never known.
    fn refuse_guest(&mut self, guest: Guest, fault: &Fault) {
        let Some(Entry { stream, arrival, .. }) = self.lobby.remove(guest) else { return };
        self.note_fault(&arrival.peer, arrival.number, fault);
        if let Some(answer) = fault.answer() {
            let mut text = Vec::new();
            encode::error(&mut text, &answer);
            // Whoever does not take a line has gone.
            let _ = stream.write(&text);
        }
        if fault.answer().is_some() || matches!(fault, Fault::Request(_)) {
            socket::say_goodbye(&stream);
        }
        self.exchange.note_turned_away(self.me);
        self.exchange.note_left(arrival.listener);
    }

    /// Ends everybody in here: the broker stops.
    pub(super) fn close_lobby(&mut self, turn: &mut Turn<Polled>) {
        for entry in std::mem::take(&mut self.lobby.guests) {
            self.exchange.note_turned_away(self.me);
            self.exchange.note_left(entry.1.arrival.listener);
        }
        for client in self.sockets.waiting() {
            turn.handle_abandoned(client, Fault::LateShake.reason(), None);
        }
        self.lobby.queue.clear();
        self.lobby.deadlines.clear();
    }

    fn note_secured(&self, name: &str, number: ClientNumber, peer: &TlsPeer) {
        self.log.debug(|| {
            let TlsPeer { version, cipher, .. } = peer;
            let text = format!("TLS version {version}, cipher suite {cipher}");
            Line::new(Level::Debug, text)
                .of(name, number.0)
                .with("tls_version", version.to_string())
                .with("tls_cipher", cipher.to_string())
        });
    }

    fn note_fault(&mut self, name: &str, number: ClientNumber, fault: &Fault) {
        let line = |level| Line::new(level, fault.to_string()).of(name, number.0);
        if !fault.is_error() {
            self.log.debug(|| line(Level::Debug));
        } else if self.lobby.refusals.may_show(self.clock.now()) {
            self.log.put(line(Level::Error));
        }
    }

    fn note_unwatched(&self, error: &std::io::Error) {
        let text = format!("Error registering a connection: {error}");
        self.log.line(Level::Error, text);
    }
}

/// Gives a client the signals that were held back while its socket was not its own.
fn signal(turn: &mut Turn<Polled>, client: ConnId, hangup: bool) {
    turn.handle_writable(client);
    if hangup {
        turn.handle_hangup(client);
    } else {
        turn.handle_readable(client);
    }
}

fn guest_mut(guests: &mut Slab<Entry>, guest: Guest) -> Option<&mut Entry> {
    let entry = guests.get_mut(guest.key as usize)?;
    (entry.generation == guest.generation).then_some(entry)
}

/// Time of a turn for handshakes, in nanoseconds; the last one that is begun is finished.
const SLICE_NS: u64 = 1_000_000;
