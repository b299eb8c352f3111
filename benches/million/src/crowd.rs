//! All connections of the load client, in one event loop, at twelve bytes each.
//!
//! Absent: what is measured. A look at the sockets yields what was heard; the course makes sense
//! of it. PINGs are answered here, so that no phase has to think of them. There is no room for
//! unsent bytes: what a client says is short, and a socket that does not take it ends the run.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use fanfare_protocol::server_op::{self, ServerOp, ServerStep};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::failure::Failure;

/// What a look at the sockets brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// A client is connected, and the server has taken its subscriptions.
    Ready,
    /// The answer to a PING, after so many microseconds.
    Pong(u32),
    /// A message to one client, with its number.
    Own(u32),
    /// The message to all, with its number.
    All(u32),
}

/// One client of the crowd.
struct Seat {
    stream: Option<TcpStream>,
    /// When it sent its PING, in microseconds since the crowd began, modulo their range.
    asked_us: u32,
    /// The last message to all that it got.
    last: u16,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Away,
    AwaitsInfo,
    AwaitsPong,
    Ready,
    Asks,
}

// With debug assertions a stream also remembers its poller.
const _: () = assert!(cfg!(debug_assertions) || size_of::<Seat>() == 12);

/// All clients.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    seats: Vec<Seat>,
    /// Beginnings of operations that have not come whole.
    partial: HashMap<u32, Vec<u8>>,
    room: Box<[u8]>,
    heard: Vec<(u32, Heard)>,
    began: Instant,
    port: u16,
}

impl Crowd {
    /// Nobody is connected yet.
    pub(crate) fn new(connections: u32, port: u16) -> Result<Self, Failure> {
        let seats = (0..connections)
            .map(|_| Seat { stream: None, asked_us: 0, last: 0, stage: Stage::Away })
            .collect();
        Ok(Self {
            poll: Poll::new().map_err(Failure::of("make a poller"))?,
            events: Events::with_capacity(EVENTS_MAX),
            seats,
            partial: HashMap::new(),
            room: vec![0; ROOM_BYTES].into_boxed_slice(),
            heard: Vec::with_capacity(2 * EVENTS_MAX),
            began: Instant::now(),
            port,
        })
    }

    /// How many clients there are to be.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.seats.len()).unwrap_or(u32::MAX)
    }

    /// Begins to connect a client, who will have got this message to all last.
    ///
    /// Many addresses of the loopback network are called, because a pair of addresses has no more
    /// than 64 thousand ports, and is searched for a free one.
    pub(crate) fn open(&mut self, number: u32, epoch: u8, last: u16) -> Result<(), Failure> {
        let [_, high, middle, low] = (number / CLIENTS_OF_ADDRESS).to_be_bytes();
        let address = Ipv4Addr::new(127, 8 * epoch + high, middle, low);
        let mut stream = TcpStream::connect(SocketAddr::from((address, self.port)))
            .map_err(Failure::of("connect"))?;
        let registry = self.poll.registry();
        registry
            .register(&mut stream, Token(number as usize), Interest::READABLE)
            .map_err(Failure::of("watch a socket"))?;
        let seat = seat(&mut self.seats, number)?;
        *seat = Seat { stream: Some(stream), asked_us: 0, last, stage: Stage::AwaitsInfo };
        Ok(())
    }

    /// Sends a PING as one client.
    pub(crate) fn ping(&mut self, number: u32) -> Result<(), Failure> {
        let asked_us = self.clock_us();
        let seat = seat(&mut self.seats, number)?;
        if seat.stage != Stage::Ready {
            return Err(Failure::Closed(number));
        }
        seat.asked_us = asked_us;
        seat.stage = Stage::Asks;
        say(seat, number, b"PING\r\n")
    }

    /// Closes one client, as a program that ends does.
    pub(crate) fn close(&mut self, number: u32) -> Result<(), Failure> {
        let seat = seat(&mut self.seats, number)?;
        seat.stage = Stage::Away;
        seat.stream = None;
        self.partial.remove(&number);
        Ok(())
    }

    /// Waits for anything to happen, at most this long, and says what was heard.
    pub(crate) fn look(&mut self, wait: Duration) -> Result<&[(u32, Heard)], Failure> {
        self.heard.clear();
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(&self.heard),
            other => other.map_err(Failure::of("poll"))?,
        }
        let now_us = self.clock_us();
        for event in &self.events {
            let number = u32::try_from(event.token().0).unwrap_or(u32::MAX);
            let seat = seat(&mut self.seats, number)?;
            let mut ear =
                Ear { partial: &mut self.partial, heard: &mut self.heard, number, now_us };
            ear.listen(seat, &mut self.room, event.is_read_closed() || event.is_error())?;
        }
        Ok(&self.heard)
    }

    fn clock_us(&self) -> u32 {
        let us = self.began.elapsed().as_micros() & u128::from(u32::MAX);
        u32::try_from(us).unwrap_or_default()
    }
}

/// What is needed to hear one client.
struct Ear<'a> {
    partial: &'a mut HashMap<u32, Vec<u8>>,
    heard: &'a mut Vec<(u32, Heard)>,
    number: u32,
    now_us: u32,
}

impl Ear<'_> {
    /// Reads what there is. A read that does not fill the room has emptied the socket, unless the
    /// other side has closed.
    fn listen(&mut self, seat: &mut Seat, room: &mut [u8], closed: bool) -> Result<(), Failure> {
        loop {
            let Some(stream) = &mut seat.stream else { return Ok(()) };
            let count = match stream.read(room) {
                Ok(0) => return Err(self.closed()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::System("read", error)),
            };
            let (bytes, _) = room.split_at(count);
            // Nearly always nobody has the beginning of anything.
            let begun =
                if self.partial.is_empty() { None } else { self.partial.remove(&self.number) };
            if let Some(mut whole) = begun {
                whole.extend_from_slice(bytes);
                self.take(seat, &whole)?;
            } else {
                self.take(seat, bytes)?;
            }
            if count < room.len() && !closed {
                return Ok(());
            }
        }
    }

    /// Takes whole operations from bytes, and keeps the beginning of one that is not.
    fn take(&mut self, seat: &mut Seat, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let step =
                server_op::next(bytes).map_err(|error| Failure::Protocol(error.to_string()))?;
            let ServerStep::Op(op, taken) = step else {
                self.partial.insert(self.number, bytes.to_vec());
                return Ok(());
            };
            self.hear(seat, op)?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    fn hear(&mut self, seat: &mut Seat, op: ServerOp<'_>) -> Result<(), Failure> {
        let heard = match (op, seat.stage) {
            (ServerOp::Info(_), Stage::AwaitsInfo) => {
                seat.stage = Stage::AwaitsPong;
                let number = self.number;
                let greeting = format!("{CONNECT}SUB client.{number} 1\r\nSUB all 2\r\nPING\r\n");
                return say(seat, self.number, greeting.as_bytes());
            }
            (ServerOp::Info(_) | ServerOp::Ok, _) => return Ok(()),
            (ServerOp::Ping, _) => return say(seat, self.number, b"PONG\r\n"),
            (ServerOp::Pong, Stage::AwaitsPong) => Heard::Ready,
            (ServerOp::Pong, Stage::Asks) => Heard::Pong(self.now_us.wrapping_sub(seat.asked_us)),
            (ServerOp::Message(message), _) => self.message(seat, message)?,
            (ServerOp::Pong | ServerOp::Error(_), _) => {
                return Err(Failure::Protocol(format!("{op:?} to client {}", self.number)));
            }
        };
        if matches!(heard, Heard::Ready | Heard::Pong(_)) {
            seat.stage = Stage::Ready;
        }
        self.heard.push((self.number, heard));
        Ok(())
    }

    /// A message to all must be the next one of this client: nothing twice, nothing left out.
    fn message(&self, seat: &mut Seat, message: server_op::Message<'_>) -> Result<Heard, Failure> {
        let number = std::str::from_utf8(message.payload).ok().and_then(|text| text.parse().ok());
        let Some(number) = number else {
            return Err(Failure::Delivery(format!("a damaged message to client {}", self.number)));
        };
        match message.sid {
            b"1" => Ok(Heard::Own(number)),
            b"2" if number == u32::from(seat.last) + 1 => {
                seat.last += 1;
                Ok(Heard::All(number))
            }
            _ => {
                let last = seat.last;
                let what = format!("client {} got {number} after {last}", self.number);
                Err(Failure::Delivery(what))
            }
        }
    }

    fn closed(&self) -> Failure {
        Failure::Closed(self.number)
    }
}

fn seat(seats: &mut [Seat], number: u32) -> Result<&mut Seat, Failure> {
    let missing = || Failure::Protocol(format!("something to connection {number}, which is none"));
    seats.get_mut(number as usize).ok_or_else(missing)
}

/// Writes something short, at once and whole.
fn say(seat: &mut Seat, number: u32, bytes: &[u8]) -> Result<(), Failure> {
    let Some(stream) = &mut seat.stream else { return Ok(()) };
    match stream.write(bytes) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(Failure::Protocol(format!("so little that client {number} cannot write"))),
        Err(error) => Err(Failure::System("write", io::Error::new(error.kind(), error))),
    }
}

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
const EVENTS_MAX: usize = 4096;
const ROOM_BYTES: usize = 64 * 1024;
/// Clients that call one address of the server.
const CLIENTS_OF_ADDRESS: u32 = 4096;
