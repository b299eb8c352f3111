//! The least server that serves the load client: what the kernel costs, and nothing else.
//!
//! Absent: everything that makes a broker. It makes the system calls of a perfect one (`accept4`,
//! `epoll_ctl`, one `send` for INFO, one `recv` and one `send` for what a client says first, one
//! `send` a delivery) and hardly anything between them: no subscriptions but `client.N` and `all`,
//! no partial lines, no unsent bytes, no checks. Whoever asks for more is cut off.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::Failure;

/// Serves until it is killed.
pub(crate) fn serve(port: u16) -> Result<(), Failure> {
    let mut floor = Floor::open(port).map_err(Failure::of("listen"))?;
    let mut events = Events::with_capacity(EVENTS_MAX);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.map_err(Failure::of("poll"))?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept().map_err(Failure::of("accept"))?,
                Token(place) => floor.listen(place, event.is_read_closed()),
            }
        }
    }
}

/// The state: eight bytes a connection.
struct Floor {
    poll: Poll,
    listener: TcpListener,
    /// By descriptor, which the kernel keeps small.
    clients: Vec<Option<TcpStream>>,
    /// Where each numbered client is in `clients`.
    numbered: Vec<u32>,
    room: Box<[u8]>,
    line: Vec<u8>,
}

impl Floor {
    fn open(port: u16) -> io::Result<Self> {
        let poll = Poll::new()?;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // Accepted sockets inherit it.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let room = vec![0; ROOM_BYTES].into_boxed_slice();
        let (clients, numbered) = (Vec::new(), Vec::new());
        Ok(Self { poll, listener, clients, numbered, room, line: Vec::new() })
    }

    fn accept(&mut self) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let place = usize::try_from(stream.as_raw_fd()).unwrap_or_default();
            self.poll.registry().register(&mut stream, Token(place), Interest::READABLE)?;
            if stream.write(INFO).is_err() {
                continue;
            }
            if self.clients.len() <= place {
                self.clients.resize_with(place + 1, || None);
            }
            if let Some(seat) = self.clients.get_mut(place) {
                *seat = Some(stream);
            }
        }
    }

    /// Reads once, and once more only if the other side has closed.
    fn listen(&mut self, place: usize, closed: bool) {
        loop {
            let Some(Some(stream)) = self.clients.get_mut(place) else { return };
            match stream.read(&mut self.room) {
                Ok(count) if count > 0 => {
                    if !self.execute(place, count) {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => break,
            }
            if !closed {
                return;
            }
        }
        if let Some(seat) = self.clients.get_mut(place) {
            *seat = None;
        }
    }

    /// Executes whole lines; false if the client is to go.
    fn execute(&mut self, place: usize, count: usize) -> bool {
        let room = std::mem::take(&mut self.room);
        let (mut rest, _) = room.split_at(count);
        let mut good = true;
        while let (true, Some((line, after))) = (good, cut(rest)) {
            rest = after;
            match line {
                [b'P', b'I', ..] => good = self.send(place, b"PONG\r\n"),
                [b'S', b'U', b'B', b' ', b'c', b'l', b'i', b'e', b'n', b't', b'.', tail @ ..] => {
                    self.number(place, decimal(tail));
                }
                [b'P', b'U', b'B', b' ', subject @ ..] => {
                    let Some((payload, after)) = cut(rest) else { break };
                    rest = after;
                    self.publish(subject, payload);
                }
                _ => {}
            }
        }
        good &= rest.is_empty();
        self.room = room;
        good
    }

    fn number(&mut self, place: usize, number: usize) {
        if self.numbered.len() <= number && number < NUMBERS_MAX {
            self.numbered.resize(number + 1, u32::MAX);
        }
        if let (Some(entry), Ok(place)) = (self.numbered.get_mut(number), u32::try_from(place)) {
            *entry = place;
        }
    }

    fn publish(&mut self, subject: &[u8], payload: &[u8]) {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        line.extend_from_slice(b"MSG ");
        if let [b'c', b'l', b'i', b'e', b'n', b't', b'.', tail @ ..] = subject {
            let name_len = tail.iter().position(|byte| *byte == b' ').unwrap_or(tail.len());
            let (name, rest) = tail.split_at(name_len);
            for part in [b"client.", name, b" 1", rest, b"\r\n", payload, b"\r\n"] {
                line.extend_from_slice(part);
            }
            if let Some(place) = self.numbered.get(decimal(name)) {
                self.send(*place as usize, &line);
            }
        } else {
            for part in [b"all 2 16\r\n", payload, b"\r\n"] {
                line.extend_from_slice(part);
            }
            for index in 0..self.numbered.len() {
                let Some(place) = self.numbered.get(index) else { break };
                self.send(*place as usize, &line);
            }
        }
        self.line = line;
    }

    fn send(&mut self, place: usize, bytes: &[u8]) -> bool {
        let Some(Some(stream)) = self.clients.get_mut(place) else { return false };
        stream.write(bytes).is_ok_and(|count| count == bytes.len())
    }
}

/// A line without its end, and what follows.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\r')?;
    Some((bytes.get(..end)?, bytes.get(end + 2..)?))
}

/// The digits at the beginning.
fn decimal(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_usize, |value, digit| {
        value.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
    })
}

const INFO: &[u8] =
    b"INFO {\"server_id\":\"floor\",\"version\":\"2.10.0\",\"max_payload\":1048576}\r\n";
const LISTENER: Token = Token(usize::MAX);
const EVENTS_MAX: usize = 1024;
/// As many as the system's setting allows.
const BACKLOG: i32 = 65_535;
const ROOM_BYTES: usize = 64 * 1024;
/// Higher numbers than any load client has are not remembered.
const NUMBERS_MAX: usize = 1 << 24;
