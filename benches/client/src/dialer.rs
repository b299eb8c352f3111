//! Opens and closes many connections at the same time on one event loop, as client libraries do it:
//! wait for INFO, go over to TLS if that is wanted, send CONNECT, SUB and PING, wait for the PONG.
//!
//! Absent: load on the connections; once confirmed they only answer PINGs and report messages.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use fanfare_protocol::server_op::{ServerOp, ServerStep};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::channel::Channel;
use crate::conn::{Conn, ReadOutcome};
use crate::control::{Fault, Taken};
use crate::link_error::{Cause, LinkError};
use crate::target::{PING, ServerFacts, Target};
use crate::tls::fault::TlsFault;
use crate::tls::{Begin, TlsTarget};

/// Connections of one event loop, by slot.
#[derive(Debug)]
pub struct Dialer<'a> {
    server: Server<'a>,
    sources: Vec<Ipv4Addr>,
    poll: Poll,
    slots: Vec<Option<Dial>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    dialled: u64,
    losses: Losses,
}

/// What it means that the server closes a connection, or refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Losses {
    /// The run has failed.
    AreErrors,
    /// It is told as [`Happened::Lost`].
    AreTold,
}

/// What all connections need to know about the server.
#[derive(Debug)]
struct Server<'a> {
    target: &'a Target,
    /// The CONNECT line, where it is the same on all connections.
    connect_line: Option<Vec<u8>>,
}

/// One connection.
#[derive(Debug)]
struct Dial {
    conn: Conn,
    phase: Phase,
    setup: Vec<u8>,
    started_ns: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waits for the connection and the server's INFO.
    Connecting,
    /// Waits for the PONG.
    Greeted,
    /// Nothing more to wait for.
    Confirmed,
}

/// A slot of a dialer; used again once its connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotIndex(usize);

/// What happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened<'a> {
    /// The server has confirmed CONNECT and SUB.
    Confirmed {
        /// Where.
        slot: SlotIndex,
        /// When it was dialled.
        started_ns: u64,
    },
    /// The server has closed the connection, where that is no error; its slot is free.
    Lost {
        /// The connection.
        slot: SlotIndex,
    },
    /// A message came.
    Message {
        /// Its payload.
        payload: &'a [u8],
    },
}

impl<'a> Dialer<'a> {
    /// A dialer that takes turns with the source addresses; with none, the system chooses.
    pub fn new(target: &'a Target, sources: Vec<Ipv4Addr>) -> Result<Self, String> {
        let poll = Poll::new().map_err(|error| format!("cannot set up an event loop: {error}"))?;
        let connect_line = (!target.signs()).then(|| target.connect_line(None));
        Ok(Self {
            server: Server { target, connect_line },
            sources,
            poll,
            slots: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; BUFFER_LEN],
            dialled: 0,
            losses: Losses::AreErrors,
        })
    }

    /// Says what a lost connection means from now on.
    pub fn take_losses(&mut self, losses: Losses) {
        self.losses = losses;
    }

    /// Begins to open a connection.
    pub fn dial(&mut self, setup: Vec<u8>, now_ns: u64) -> Result<(), String> {
        let target = self.server.target;
        let refused = |error| refused(target, error);
        let mut stream = self.stream().map_err(refused)?;
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(slot), both).map_err(refused)?;
        let wire = target.wire();
        let mut conn = Conn::new(wire, Channel::plain(stream), Vec::new());
        let is_framed = target.framed().is_some();
        if let Some(tls) = target.tls().filter(|tls| is_framed || tls.begin() == Begin::AtOnce) {
            conn.secure(tls).map_err(|fault| broken(target, fault.into()))?;
        }
        if let Some(host) = target.framed() {
            conn.frame(host);
        }
        let mut dial = Dial { conn, phase: Phase::Connecting, setup, started_ns: now_ns };
        if !wire.is_greeted() {
            dial.introduce(&target.connect_line(None), wire.ping());
        }
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some(dial),
            None => self.slots.push(Some(dial)),
        }
        self.dialled += 1;
        Ok(())
    }

    /// Closes a connection.
    pub fn close(&mut self, slot: SlotIndex) {
        if self.slots.get_mut(slot.0).and_then(Option::take).is_some() {
            self.free.push(slot.0);
        }
    }

    /// Waits for something to happen, at most for the time-out.
    pub fn poll(
        &mut self,
        events: &mut Events,
        timeout: Duration,
        mut on: impl FnMut(Happened<'_>),
    ) -> Result<(), String> {
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(format!("waiting for events failed: {error}"));
            }
            Err(_) | Ok(()) => {}
        }
        for event in &*events {
            let index = event.token().0;
            let Some(Some(dial)) = self.slots.get_mut(index) else { continue };
            let turned = dial.turn(&self.server, &mut self.buffer, SlotIndex(index), &mut on);
            match (turned, self.losses) {
                (Ok(()), _) => {}
                (Err(fault), Losses::AreErrors) => return Err(fault),
                (Err(_), Losses::AreTold) => {
                    let slot = SlotIndex(index);
                    self.close(slot);
                    on(Happened::Lost { slot });
                }
            }
        }
        Ok(())
    }

    /// A socket that is being connected.
    fn stream(&self) -> io::Result<TcpStream> {
        let domain = Domain::for_address(self.server.target.address);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        let turn = usize::try_from(self.dialled).unwrap_or(0) % self.sources.len().max(1);
        if let Some(source) = self.sources.get(turn) {
            socket.bind(&SocketAddr::new(IpAddr::V4(*source), 0).into())?;
        }
        match socket.connect(&self.server.target.address.into()) {
            Err(error) if !is_under_way(&error) => return Err(error),
            _ => {}
        }
        socket.set_tcp_nodelay(true)?;
        Ok(TcpStream::from_std(socket.into()))
    }
}

impl Dial {
    /// Reads everything that is there and answers it.
    fn turn(
        &mut self,
        server: &Server<'_>,
        buffer: &mut Vec<u8>,
        slot: SlotIndex,
        on: &mut impl FnMut(Happened<'_>),
    ) -> Result<(), String> {
        let failed = |fault: Fault| broken(server.target, fault);
        loop {
            let (filled, is_full) = match self.conn.read(buffer) {
                Ok(ReadOutcome::Full(filled)) => (filled, true),
                Ok(ReadOutcome::Drained(filled)) => (filled, false),
                Ok(ReadOutcome::Closed) => return Err(failed(Fault::Closed)),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                Err(error) if self.phase == Phase::Connecting => {
                    return Err(refused(server.target, error));
                }
                Err(error) => return Err(failed(error.into())),
            };
            let input = buffer.get(..filled).unwrap_or(&[]);
            let used = self.take(server, input, slot, on).map_err(failed)?;
            self.conn.carry(input.get(used..).unwrap_or(&[]));
            self.conn.flush().map_err(|error| failed(error.into()))?;
            if !is_full {
                return Ok(());
            }
        }
    }

    fn take(
        &mut self,
        server: &Server<'_>,
        input: &[u8],
        slot: SlotIndex,
        on: &mut impl FnMut(Happened<'_>),
    ) -> Result<usize, Fault> {
        let mut taken = Taken::default();
        loop {
            let rest = input.get(taken.bytes..).unwrap_or(&[]);
            let ServerStep::Op(op, len) = self.conn.wire.next(rest)? else {
                return Ok(taken.bytes);
            };
            taken.bytes += len;
            match (op, self.phase) {
                (ServerOp::Message(message), _) => {
                    on(Happened::Message { payload: message.payload });
                }
                (ServerOp::Info(json), Phase::Connecting) => {
                    self.greet(server, json, rest.len() - len)?;
                }
                (ServerOp::Pong, Phase::Greeted) => {
                    self.phase = Phase::Confirmed;
                    on(Happened::Confirmed { slot, started_ns: self.started_ns });
                }
                _ => taken.note_control(op, &mut self.conn.out)?,
            }
        }
    }

    /// Answers the server's INFO, behind which so many bytes have come already.
    fn greet(&mut self, server: &Server<'_>, json: &[u8], behind: usize) -> Result<(), Fault> {
        let is_late = |tls: &&TlsTarget| tls.begin() == Begin::AfterInfo;
        let is_framed = server.target.framed().is_some();
        if let Some(tls) = server.target.tls().filter(is_late).filter(|_| !is_framed) {
            if behind > 0 {
                return Err(Fault::Tls(TlsFault::ClearText));
            }
            self.conn.secure(tls).map_err(Fault::Tls)?;
        }
        if let Some(line) = &server.connect_line {
            self.introduce(line, PING);
        } else {
            let facts = ServerFacts::of(json).ok_or(Fault::Garbled)?;
            self.introduce(&server.target.connect_line(facts.nonce.as_deref()), PING);
        }
        Ok(())
    }

    /// Says everything that is to be confirmed, as soon as it can be written.
    fn introduce(&mut self, connect: &[u8], ping: &[u8]) {
        let out = &mut self.conn.out;
        out.extend_from_slice(connect);
        out.append(&mut self.setup);
        out.extend_from_slice(ping);
        // An idle connection must not hold on to what it needed to get there.
        self.setup = Vec::new();
        self.phase = Phase::Greeted;
    }
}

/// A connection did not come about.
fn refused(target: &Target, error: io::Error) -> String {
    let place = target.place.clone();
    match TlsFault::of(&error) {
        Some(fault) => LinkError { place, cause: Cause::Tls(fault.clone()) }.to_string(),
        None => LinkError { place, cause: Cause::Connect(error) }.to_string(),
    }
}

/// A connection cannot go on.
fn broken(target: &Target, fault: Fault) -> String {
    match fault {
        Fault::Told(text) => target.told(text).to_string(),
        fault => format!("a connection to {}: {fault}", target.place),
    }
}

/// Whether a connection that could not be opened at once is still being opened.
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

const BUFFER_LEN: usize = 64 * 1024;
