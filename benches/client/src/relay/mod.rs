//! The bare relay: the least that still passes messages on, and so what the machine itself costs.
//!
//! Absent: nearly everything that makes a broker. It knows literal subjects and those that end in
//! `*`; a member of a queue group hears all; nothing is checked, refused, authorised, counted or
//! reported, and input that it does not know ends the connection. It serves the load client alone,
//! on this machine, and must never be given to anybody else.
//!
//! A turn reads from whoever has sent something, then writes once to each connection that got
//! something. What a publisher's last line led to is kept until a subscription changes.

mod post;
mod seat;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use self::post::Post;
use self::seat::{Seat, Went};
use crate::failure::Failure;

/// Serves on this port of the loopback until the process ends.
pub fn run(port: u16) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Run(format!("the relay ended: {error}"));
    let mut relay = Relay::listen(port).map_err(failed)?;
    eprintln!("Relays on {}", relay.listener.local_addr().map_err(failed)?);
    let mut events = Events::with_capacity(EVENTS_MAX);
    loop {
        relay.turn(&mut events).map_err(failed)?;
    }
}

struct Relay {
    poll: Poll,
    listener: TcpListener,
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    post: Post,
    buffer: Vec<u8>,
    /// Connections to be written to at the end of the turn.
    touched: Vec<usize>,
}

impl Relay {
    fn listen(port: u16) -> io::Result<Self> {
        let poll = Poll::new()?;
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            seats: Vec::new(),
            free: Vec::new(),
            post: Post::default(),
            buffer: vec![0; BUFFER_LEN],
            touched: Vec::new(),
        })
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        match self.poll.poll(events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Err(_) | Ok(()) => {}
        }
        for event in &*events {
            let Token(place) = event.token();
            if event.token() == LISTENER {
                self.accept()?;
                continue;
            }
            if event.is_writable() {
                self.write(place);
            }
            if event.is_readable() || event.is_read_closed() {
                self.read(place);
            }
        }
        while let Some(place) = self.touched.pop() {
            self.write(place);
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let place = self.free.pop().unwrap_or(self.seats.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(place), both)?;
            let mut seat = Seat::new(stream);
            seat.put(&[INFO]);
            match self.seats.get_mut(place) {
                Some(empty) => *empty = Some(seat),
                None => self.seats.push(Some(seat)),
            }
            self.write(place);
        }
    }

    /// Reads until the socket is empty, and executes what came.
    fn read(&mut self, place: usize) {
        loop {
            let Some(Some(seat)) = self.seats.get_mut(place) else { return };
            let (filled, may_have_more) = match seat.read(&mut self.buffer) {
                Went::Bytes { filled, may_have_more } => (filled, may_have_more),
                Went::Blocked => return,
                Went::Away => return self.close(place),
            };
            let input = self.buffer.get(..filled).unwrap_or_default();
            let Some(used) = self.post.execute(place, input, &mut self.seats, &mut self.touched)
            else {
                return self.close(place);
            };
            if let Some(Some(seat)) = self.seats.get_mut(place) {
                seat.carry(input.get(used..).unwrap_or_default());
            }
            if !may_have_more {
                return;
            }
        }
    }

    fn write(&mut self, place: usize) {
        if let Some(Some(seat)) = self.seats.get_mut(place)
            && !seat.write()
        {
            self.close(place);
        }
    }

    fn close(&mut self, place: usize) {
        if self.seats.get_mut(place).and_then(Option::take).is_some() {
            self.post.forget(place);
            self.free.push(place);
        }
    }
}

const INFO: &[u8] = b"INFO {\"server_id\":\"relay\",\"server_name\":\"bare relay\",\
    \"version\":\"0\",\"proto\":1,\"headers\":false,\"max_payload\":67108864}\r\n";
const LISTENER: Token = Token(usize::MAX);
const EVENTS_MAX: usize = 1024;
const BACKLOG: i32 = 4096;
/// Not larger than the second cache, in which it is read, copied and written.
const BUFFER_LEN: usize = 256 * 1024;
