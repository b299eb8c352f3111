//! One connection of the HTTP server: bytes in, bytes out, and when its patience ends.
//!
//! Absent: the meaning of a request. A connection holds one request's head at most and one answer.
//! One look at it reads a bounded number of bytes, whether they are kept or not: the socket tells
//! of new bytes only once, so that whoever has more to read says so (`wants_reading`).

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::super::stream::{Stream, would_block};
use super::super::tls::{Acceptor, Rooms, Session, Shake};
use super::head::{self, HEAD_BYTES_MAX, Method, Parsed, Request, Response, Staying};
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
    /// How much was written when the time for an answer began anew.
    paced: usize,
    /// A request that was read and that nobody has begun to answer.
    asked: Option<Request>,
    /// Whether a request was read whose answer is not there yet.
    asking: bool,
    /// Whether its answer has to say that the connection stays.
    names_staying: bool,
    /// Whether it ends when everything is written.
    closes: bool,
    input_ended: bool,
    /// Whether the socket may have more bytes than were read.
    readable: bool,
    dead: bool,
    deadline: Instant,
    /// When it last got on: came, was answered, or took a good piece of an answer.
    since: Instant,
    serial: u64,
}

/// What a look at the input brought.
#[derive(Debug)]
pub(super) enum Progress<'a> {
    Nothing,
    Malformed,
    /// A request that nobody has begun to answer.
    Request(&'a Request),
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
            paced: 0,
            asked: None,
            asking: false,
            names_staying: false,
            closes: false,
            input_ended: false,
            readable: false,
            dead: false,
            deadline: now + HEAD_TIME,
            since: now,
            serial,
        })
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token)
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// When its time is over; nobody's is while the answer is the broker's to give.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.asking).then_some(self.deadline)
    }

    /// Bytes of its answer that the socket has not taken.
    pub(super) fn unwritten(&self) -> usize {
        self.output.len() - self.written
    }

    /// Since when it could be done without, if it can: who waits for an answer or takes one comes
    /// last, and only when it has not got on for a while.
    pub(super) fn spare_since(&self, now: Instant) -> Option<(bool, Instant)> {
        let takes = !self.output.is_empty();
        let is_spare = !self.asking && (!takes || now >= self.since + STALL_TIME);
        is_spare.then_some((takes, self.since))
    }

    /// Whether the socket may have bytes that there is room for.
    pub(super) fn wants_reading(&self) -> bool {
        self.readable && !self.shaking && !self.dead && !self.input_ended && self.has_room()
    }

    fn has_room(&self) -> bool {
        self.input.len() < HEAD_BYTES_MAX
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
            self.write(rooms, now);
            self.read_on(rooms, now);
        }
    }

    /// Reads some of what the socket has.
    pub(super) fn read_on(&mut self, rooms: &mut Rooms, now: Instant) {
        let was_empty = self.input.is_empty();
        self.read(rooms);
        if was_empty && !self.input.is_empty() && self.output.is_empty() && !self.asking {
            self.deadline = now + HEAD_TIME;
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

    /// Reads while there is room for a head, and no more than a few times.
    fn read(&mut self, rooms: &mut Rooms) {
        let mut room = [0; READ_BYTES];
        for _ in 0..READS_PER_LOOK {
            if !self.wants_reading() {
                return;
            }
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
    pub(super) fn poll_request(&mut self) -> Progress<'_> {
        if self.asked.is_none() {
            if self.asking || self.dead || self.closes || !self.output.is_empty() {
                return Progress::Nothing;
            }
            match head::parse(&self.input) {
                Parsed::Partial if self.input_ended && self.input.is_empty() => {
                    self.dead = true;
                    return Progress::Nothing;
                }
                Parsed::Partial if !self.input_ended && self.has_room() => {
                    return Progress::Nothing;
                }
                Parsed::Partial | Parsed::Malformed => {
                    self.input.clear();
                    self.closes = true;
                    return Progress::Malformed;
                }
                Parsed::Request(request, length) => {
                    self.input.drain(..length);
                    self.asking = true;
                    self.closes = !request.keeps_alive;
                    self.names_staying = request.names_staying;
                    self.asked = Some(request);
                }
            }
        }
        self.asked.as_ref().map_or(Progress::Nothing, Progress::Request)
    }

    /// The request that was found last, to be answered.
    pub(super) fn take_request(&mut self) -> Option<Request> {
        self.asked.take()
    }

    /// Begins to write an answer.
    pub(super) fn respond(&mut self, response: &Response, method: Method, now: Instant) {
        self.asking = false;
        // Who has no leave has no further question either, and its place is another's.
        self.closes |= response.status == UNAUTHORIZED;
        let staying = match (self.closes, self.names_staying) {
            (true, _) => Staying::No,
            (false, true) => Staying::Named,
            (false, false) => Staying::Yes,
        };
        response.write(&mut self.output, method, staying);
        self.paced = 0;
        self.since = now;
        self.deadline = now + ANSWER_TIME;
    }

    /// Notes what was written: a reader that is slow but reads has its time.
    fn note_written(&mut self, now: Instant) {
        if self.written - self.paced >= PACE_BYTES {
            self.paced = self.written;
            self.since = now;
            self.deadline = now + ANSWER_TIME;
        }
    }

    /// Writes what the socket takes.
    pub(super) fn write(&mut self, rooms: &mut Rooms, now: Instant) {
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
                WriteOutcome::Bytes(written) => {
                    self.written += written;
                    self.note_written(now);
                }
                WriteOutcome::Held(written) => {
                    self.written += written;
                    self.note_written(now);
                    return;
                }
                WriteOutcome::Failed => self.dead = true,
            }
        }
        if !self.output.is_empty() && !self.dead {
            self.output = Vec::new();
            self.written = 0;
            let patience = if self.closes { LINGER_TIME } else { IDLE_TIME };
            self.since = now;
            self.deadline = now + patience;
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
/// Time for an answer, or for so many bytes of it, to be taken.
const ANSWER_TIME: Duration = Duration::from_secs(30);
const PACE_BYTES: usize = 256 * 1024;
/// Time after which a connection that takes nothing of its answer makes room for others.
const STALL_TIME: Duration = Duration::from_secs(5);
/// Time between two requests of a connection.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Time for a peer to read the last answer and to leave.
const LINGER_TIME: Duration = Duration::from_secs(1);
/// Bytes of one read.
const READ_BYTES: usize = 4096;
/// Reads of one look at a connection.
const READS_PER_LOOK: usize = 16;
/// The answer to whoever has no leave.
const UNAUTHORIZED: u16 = 401;
