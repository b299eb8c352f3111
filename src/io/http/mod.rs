//! A small HTTP/1.1 server for people and programs that look at the broker, not for its clients.
//!
//! Absent: what is answered. Everything is bounded: connections, bytes of a request's head, the
//! time for it, what waits to be written; a request has no body. A connection is asked nothing new
//! before its last answer has left, so that pipelined requests wait in the peer's socket.

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
        let deadlines = self.connections.iter().map(|(_, connection)| connection.deadline());
        let next = deadlines.chain(self.paused_until).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Takes in what a poll has brought, and ends connections that took too long.
    pub(crate) fn handle_events(&mut self, poll: &Poll, events: &Events, log: &Log) {
        let now = Instant::now();
        let must_accept = self.paused_until.is_some_and(|until| now >= until)
            || events.iter().any(|event| event.token() == Self::LISTENER);
        for event in events {
            self.handle_event(event, now);
        }
        if must_accept {
            self.accept_all(poll, log, now);
        }
        self.connections.retain(|_, connection| {
            let on_time = now < connection.deadline();
            connection.is_alive() && on_time
        });
    }

    /// The next request that has come whole.
    pub(crate) fn poll_request(&mut self) -> Option<(Asker, Request)> {
        let now = Instant::now();
        let (first, places) = (self.first, self.connections.capacity().max(1));
        for key in (0..places).map(|n| (first + n) % places) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            match connection.poll_request(now) {
                Progress::Nothing => {}
                Progress::Malformed => {
                    self.counts.malformed += 1;
                    let response = Response::plain(400, "400 Bad Request");
                    connection.respond(&response, Method::Get, now);
                    connection.write(&mut self.rooms);
                }
                Progress::Request(request) => {
                    self.counts.requests += 1;
                    self.first = key + 1;
                    let serial = connection.serial();
                    return Some((Asker { key, serial }, request));
                }
            }
        }
        None
    }

    /// Answers a request.
    pub(crate) fn respond(&mut self, asker: Asker, response: &Response, method: Method) {
        let Some(connection) = self.connections.get_mut(asker.key) else { return };
        if connection.serial() == asker.serial {
            connection.respond(response, method, Instant::now());
            connection.write(&mut self.rooms);
        }
    }

    fn handle_event(&mut self, event: &Event, now: Instant) {
        let Some(key) = event.token().0.checked_sub(FIRST_CONNECTION) else { return };
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.advance(self.acceptor.as_ref(), &mut self.rooms, now);
    }

    fn accept_all(&mut self, poll: &Poll, log: &Log, now: Instant) {
        self.paused_until = None;
        loop {
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
    }

    fn adopt(&mut self, poll: &Poll, stream: Stream, now: Instant) {
        self.counts.accepted += 1;
        if self.connections.len() >= CONNECTIONS_MAX {
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

    /// The token of the listener.
    const LISTENER: Token = Token(1);
}

/// The token of the first connection.
const FIRST_CONNECTION: usize = 16;
/// Connections at a time.
const CONNECTIONS_MAX: usize = 128;
