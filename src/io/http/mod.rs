//! A small HTTP/1.1 server for people and programs that look at the broker, not for its clients.
//!
//! Absent: what is answered. Everything is bounded: connections, bytes of a request's head, the
//! time for it, what one look at a connection reads; a request has no body. A connection is asked
//! nothing new before its last answer has left, so that pipelined requests wait in the peer's
//! socket. Where all places are taken, whoever does nothing makes room for whoever comes.

mod connection;
mod head;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::accept::{Accepted, Listener};
use super::log::{Level, Log};
use super::stream::Stream;
use super::tls::{Acceptor, Rooms};
use connection::{Connection, Progress};
pub(crate) use head::{Method, Request, Response};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct HttpServer {
    listener: Listener,
    acceptor: Option<Acceptor>,
    connections: Slab<Connection>,
    rooms: Rooms,
    /// When the listener is looked at again, after the system had no descriptors.
    paused_until: Option<Instant>,
    /// Whether more may wait to be accepted than one look has taken.
    has_arrivals: bool,
    counts: HttpCounts,
    /// The connection that is looked at first for a request, so that all have their turn.
    first: usize,
}

/// What a server has seen so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HttpCounts {
    /// Connections that were accepted.
    pub(crate) accepted: u64,
    /// Connections that found too many others.
    pub(crate) refused: u64,
    /// Connections that did nothing and made room for others.
    pub(crate) displaced: u64,
    /// Requests that were understood.
    pub(crate) requests: u64,
    /// Requests that were not.
    pub(crate) malformed: u64,
}

/// Who asked; an answer for somebody who has left meanwhile is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker {
    key: usize,
    serial: u64,
}

impl HttpServer {
    /// A server at an open listener; with TLS, if it has certificates.
    pub(crate) fn new(listener: Listener, acceptor: Option<Acceptor>) -> Self {
        Self {
            listener,
            acceptor,
            connections: Slab::new(),
            rooms: Rooms::default(),
            paused_until: None,
            has_arrivals: false,
            counts: HttpCounts::default(),
            first: 0,
        }
    }

    /// Begins to watch the listener.
    pub(crate) fn register(&mut self, poll: &Poll) -> io::Result<()> {
        poll.registry().register(self.listener.source(), Self::LISTENER, Interest::READABLE)
    }

    /// What it accepts at.
    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.address()
    }

    pub(crate) fn counts(&self) -> HttpCounts {
        self.counts
    }

    /// How long a poll may take for the server's sake.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        if self.has_arrivals || self.connections.iter().any(|(_, one)| one.wants_reading()) {
            return Some(Duration::ZERO);
        }
        let deadlines = self.connections.iter().filter_map(|(_, one)| one.deadline());
        let next = deadlines.chain(self.paused_until).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Takes in what a poll has brought, and ends connections that took too long.
    pub(crate) fn handle_events(&mut self, poll: &Poll, events: &Events, log: &Log) {
        let now = Instant::now();
        let must_accept = self.has_arrivals
            || self.paused_until.is_some_and(|until| now >= until)
            || events.iter().any(|event| event.token() == Self::LISTENER);
        for event in events {
            self.handle_event(event, now);
        }
        for (_, connection) in &mut self.connections {
            if connection.wants_reading() {
                connection.read_on(&mut self.rooms, now);
            }
        }
        if must_accept {
            self.accept_some(poll, log, now);
        }
        self.connections.retain(|_, connection| {
            let on_time = connection.deadline().is_none_or(|deadline| now < deadline);
            connection.is_alive() && on_time
        });
    }

    /// Whether so much waits to be taken by askers that nobody should be told more.
    pub(crate) fn is_full(&self) -> bool {
        let unwritten = self.connections.iter().map(|(_, connection)| connection.unwritten());
        unwritten.sum::<usize>() >= UNWRITTEN_MAX
    }

    /// The next request that has come whole; an urgent one before all others.
    pub(crate) fn poll_request(
        &mut self,
        is_urgent: impl Fn(&Request) -> bool,
    ) -> Option<(Asker, Request)> {
        let now = Instant::now();
        let (first, places) = (self.first, self.connections.capacity().max(1));
        let mut chosen = None;
        for key in (0..places).map(|n| (first + n) % places) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            match connection.poll_request() {
                Progress::Nothing => {}
                Progress::Malformed => {
                    self.counts.malformed += 1;
                    let response = Response::plain(400, "400 Bad Request");
                    connection.respond(&response, Method::Get, now);
                    connection.write(&mut self.rooms, now);
                }
                Progress::Request(request) if is_urgent(request) => {
                    chosen = Some(key);
                    break;
                }
                Progress::Request(_) => chosen = chosen.or(Some(key)),
            }
        }
        let key = chosen?;
        let connection = self.connections.get_mut(key)?;
        let request = connection.take_request()?;
        self.counts.requests += 1;
        self.first = key + 1;
        Some((Asker { key, serial: connection.serial() }, request))
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, asker: Asker, response: &Response, method: Method) {
        let Some(connection) = self.connections.get_mut(asker.key) else { return };
        if connection.serial() == asker.serial {
            let now = Instant::now();
            connection.respond(response, method, now);
            connection.write(&mut self.rooms, now);
        }
    }

    fn handle_event(&mut self, event: &Event, now: Instant) {
        let Some(key) = event.token().0.checked_sub(FIRST_CONNECTION) else { return };
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.advance(self.acceptor.as_ref(), &mut self.rooms, now);
    }

    /// Accepts a few, so that each of them is looked at before it could have to make room.
    fn accept_some(&mut self, poll: &Poll, log: &Log, now: Instant) {
        self.paused_until = None;
        self.has_arrivals = false;
        for _ in 0..ACCEPTS_PER_LOOK {
            match self.listener.accept() {
                Accepted::Nobody => return,
                Accepted::Later(error) => {
                    let text = format!("Error accepting a connection of the monitor: {error}");
                    log.line(Level::Error, text);
                    self.paused_until = Some(now + Listener::PAUSE);
                    return;
                }
                Accepted::Stream(stream, _) => self.adopt(poll, stream, now),
            }
        }
        self.has_arrivals = true;
    }

    fn adopt(&mut self, poll: &Poll, stream: Stream, now: Instant) {
        self.counts.accepted += 1;
        if self.connections.len() >= CONNECTIONS_MAX && !self.make_room(now) {
            self.counts.refused += 1;
            return;
        }
        let entry = self.connections.vacant_entry();
        let token = Token(FIRST_CONNECTION + entry.key());
        let connection = Connection::new(stream, self.acceptor.as_ref(), self.counts.accepted, now);
        if let Ok(connection) = connection
            && connection.register(poll.registry(), token).is_ok()
        {
            entry.insert(connection);
        }
    }

    /// Ends the connection that has done nothing for the longest time, if there is one.
    fn make_room(&mut self, now: Instant) -> bool {
        let spare = self.connections.iter();
        let spare = spare.filter_map(|(key, one)| Some((one.spare_since(now)?, key)));
        let Some((_, key)) = spare.min() else { return false };
        self.connections.remove(key);
        self.counts.displaced += 1;
        true
    }

    /// The token of the listener.
    const LISTENER: Token = Token(1);
}

/// The token of the first connection.
const FIRST_CONNECTION: usize = 16;
/// Connections at a time.
const CONNECTIONS_MAX: usize = 128;
/// Connections that one look accepts.
const ACCEPTS_PER_LOOK: usize = 32;
/// Bytes of answers that wait to be taken, beyond which nobody is told more.
const UNWRITTEN_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;
