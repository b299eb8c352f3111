//! One connection of the HTTP server: bytes in, bytes out, and when its patience ends.
//!
//! Absent: the meaning of a request. A connection holds one request's head at most and one answer.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::super::stream::{Stream, would_block};
use super::super::tls::{Acceptor, Rooms, Session, Shake};
use super::head::{self, HEAD_BYTES_MAX, Method, Parsed, Request, Response};
use crate::core::turn::{ReadOutcome, WriteOutcome};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    tls: Option<Box<Session>>,
    shaking: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    /// Whether a request was handed out whose answer is not there yet.
    asking: bool,
    /// Whether it ends when everything is written.
    closes: bool,
    input_ended: bool,
    /// Whether the socket may have more bytes than were read.
    readable: bool,
    dead: bool,
    deadline: Instant,
    serial: u64,
}

/// What a look at the input brought.
#[derive(Debug)]
pub(super) enum Progress {
    Nothing,
    Malformed,
    Request(Request),
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        acceptor: Option<&Acceptor>,
        serial: u64,
        now: Instant,
    ) -> io::Result<Self> {
        let tls = acceptor.map(Session::new).transpose().map_err(io::Error::other)?;
        Ok(Self {
            stream,
            shaking: tls.is_some(),
            tls: tls.map(Box::new),
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            asking: false,
            closes: false,
            input_ended: false,
            readable: false,
            dead: false,
            deadline: now + HEAD_TIME,
            serial,
        })
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token)
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn is_alive(&self) -> bool {
        let is_over = self.output.is_empty() && self.input_ended && self.input.is_empty();
        !self.dead && (!is_over || self.asking)
    }

    /// Something has happened at the socket.
    pub(super) fn advance(&mut self, acceptor: Option<&Acceptor>, rooms: &mut Rooms, now: Instant) {
        self.readable = true;
        if self.shaking {
            self.shake(acceptor, rooms);
        }
        if !self.shaking && !self.dead {
            let was_empty = self.input.is_empty();
            self.write(rooms);
            self.read(rooms);
            if was_empty && !self.input.is_empty() && self.output.is_empty() && !self.asking {
                self.deadline = now + HEAD_TIME;
            }
        }
    }

    fn shake(&mut self, acceptor: Option<&Acceptor>, rooms: &mut Rooms) {
        let (Some(session), Some(acceptor)) = (&mut self.tls, acceptor) else { return };
        loop {
            match session.shake(&self.stream, acceptor, rooms) {
                Shake::Again => {}
                Shake::Wait => return,
                Shake::Done(_) => {
                    self.shaking = false;
                    return;
                }
                Shake::Failed(_) => {
                    self.dead = true;
                    return;
                }
            }
        }
    }

    /// Reads as long as there is room for a head.
    fn read(&mut self, rooms: &mut Rooms) {
        let mut room = [0; READ_BYTES];
        while self.readable && self.input.len() < HEAD_BYTES_MAX && !self.input_ended {
            let outcome = match &mut self.tls {
                Some(session) => session.read(&self.stream, &mut room, rooms),
                None => plain(self.stream.read(&mut room)),
            };
            let bytes = match outcome {
                ReadOutcome::Bytes(bytes) | ReadOutcome::More(bytes) => bytes,
                ReadOutcome::WouldBlock => {
                    self.readable = false;
                    0
                }
                ReadOutcome::Ended => {
                    self.input_ended = true;
                    0
                }
                ReadOutcome::Failed | ReadOutcome::Refused(_) => {
                    self.dead = true;
                    return;
                }
            };
            // What comes behind the last answer is taken off the socket, so that closing it does
            // not take back what the peer has not read.
            if !self.closes {
                self.input.extend_from_slice(room.get(..bytes).unwrap_or_default());
            }
        }
    }

    /// The next request, if the last one is answered and this one has come whole.
    pub(super) fn poll_request(&mut self, now: Instant) -> Progress {
        if self.asking || self.dead || self.closes || !self.output.is_empty() {
            return Progress::Nothing;
        }
        match head::parse(&self.input) {
            Parsed::Partial if self.input_ended || self.input.len() >= HEAD_BYTES_MAX => {
                if self.input.is_empty() {
                    self.dead = true;
                    return Progress::Nothing;
                }
                self.input.clear();
                self.closes = true;
                Progress::Malformed
            }
            Parsed::Partial => Progress::Nothing,
            Parsed::Malformed => {
                self.input.clear();
                self.closes = true;
                Progress::Malformed
            }
            Parsed::Request(request, length) => {
                self.input.drain(..length);
                self.asking = true;
                self.closes = !request.keeps_alive;
                self.deadline = now + ANSWER_TIME;
                Progress::Request(request)
            }
        }
    }

    /// Begins to write an answer.
    pub(super) fn respond(&mut self, response: &Response, method: Method, now: Instant) {
        self.asking = false;
        response.write(&mut self.output, method, self.closes);
        self.deadline = now + ANSWER_TIME;
    }

    /// Writes what the socket takes.
    pub(super) fn write(&mut self, rooms: &mut Rooms) {
        while self.written < self.output.len() && !self.dead {
            // INVARIANT: never more is written than there is.
            let rest = &self.output[self.written..];
            let outcome = match &mut self.tls {
                Some(session) => session.write(&self.stream, std::iter::once(rest), rooms),
                None => match self.stream.write(rest) {
                    Ok(written) => WriteOutcome::Bytes(written),
                    Err(error) if would_block(&error) => WriteOutcome::Bytes(0),
                    Err(_) => WriteOutcome::Failed,
                },
            };
            match outcome {
                WriteOutcome::Bytes(0) => return,
                WriteOutcome::Bytes(written) => self.written += written,
                WriteOutcome::Held(written) => {
                    self.written += written;
                    return;
                }
                WriteOutcome::Failed => self.dead = true,
            }
        }
        if !self.output.is_empty() && !self.dead {
            self.output = Vec::new();
            self.written = 0;
            let patience = if self.closes { LINGER_TIME } else { IDLE_TIME };
            self.deadline = Instant::now() + patience;
            if self.closes {
                self.input.clear();
                // An error here is the peer's, who has left.
                let _ = self.stream.end_writing();
            }
            self.read(rooms);
        }
    }
}

fn plain(read: io::Result<usize>) -> ReadOutcome {
    match read {
        Ok(0) => ReadOutcome::Ended,
        Ok(bytes) => ReadOutcome::Bytes(bytes),
        Err(error) if would_block(&error) => ReadOutcome::WouldBlock,
        Err(_) => ReadOutcome::Failed,
    }
}

/// Time for a request's head (nats-server: `ReadHeaderTimeout`), and for a handshake before it.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Time for an answer to be taken.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Time between two requests of a connection.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Time for a peer to read the last answer and to leave.
const LINGER_TIME: Duration = Duration::from_secs(1);
/// Bytes of one read.
const READ_BYTES: usize = 4096;
