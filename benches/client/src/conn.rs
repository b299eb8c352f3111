//! One connection of the event loop: a socket that never blocks, the bytes of an operation that has
//! not arrived whole, and the bytes that wait to be written.
//!
//! Absent: what the bytes mean. The socket is reported ready once per change, so a caller that got
//! everything it asked for has to come again by itself.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::channel::{Channel, Got};
use crate::tls::TlsTarget;
use crate::tls::fault::TlsFault;
use crate::wire::Wire;

/// A socket with its buffers.
#[derive(Debug)]
pub struct Conn {
    /// What is spoken on it.
    pub wire: Wire,
    channel: Channel<TcpStream>,
    carried: Vec<u8>,
    /// Bytes to write; the first `written` of them are gone already.
    pub out: Vec<u8>,
    written: usize,
    /// Whether the last write was refused; the event loop clears it when the socket has room.
    pub is_blocked: bool,
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many bytes are in the buffer, carried ones included; more may be waiting.
    Full(usize),
    /// So many bytes are in the buffer, carried ones included, and the socket is empty.
    Drained(usize),
    /// The other side has closed.
    Closed,
}

impl Conn {
    /// Wraps a socket; `carried` was read from it already.
    pub fn new(wire: Wire, channel: Channel<TcpStream>, carried: Vec<u8>) -> Self {
        Self { wire, channel, carried, out: Vec::new(), written: 0, is_blocked: false }
    }

    /// The socket, for registering it.
    pub fn stream_mut(&mut self) -> &mut TcpStream {
        self.channel.socket_mut()
    }

    /// Our end's address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.channel.socket().local_addr().ok()
    }

    /// Goes on over TLS from now on; what waits in `out` goes when the handshake is over.
    pub fn secure(&mut self, target: &TlsTarget) -> Result<(), TlsFault> {
        self.channel.secure(target)
    }

    /// Speaks WebSocket from now on; what waits in `out` goes when the server has granted that.
    pub fn frame(&mut self, host: &str) {
        self.channel.frame(host);
    }

    /// Reads once, behind the carried bytes, into a buffer that is shared by the connections of a
    /// thread. The caller gives back what it could not use with [`Conn::carry`].
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<ReadOutcome> {
        let carried = self.carried.len();
        if carried * 2 > buffer.len() {
            buffer.resize(carried * 4, 0);
        }
        let (front, _) = buffer.split_at_mut(carried);
        front.copy_from_slice(&self.carried);
        self.carried.clear();
        match self.channel.read(buffer, carried) {
            Ok(Got::Closed) => Ok(ReadOutcome::Closed),
            Ok(Got::Bytes { count, may_have_more: true }) => Ok(ReadOutcome::Full(carried + count)),
            Ok(Got::Bytes { count, .. }) => Ok(ReadOutcome::Drained(carried + count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Ok(ReadOutcome::Drained(carried))
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(ReadOutcome::Closed),
            Err(error) => Err(error),
        }
    }

    /// Keeps the bytes of an operation that has not arrived whole.
    pub fn carry(&mut self, rest: &[u8]) {
        self.carried.extend_from_slice(rest);
    }

    /// Writes from `bytes` until all are gone or the socket has no room; returns how many went.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wrote = self.channel.write(bytes)?;
        self.is_blocked = wrote.is_blocked;
        Ok(wrote.count)
    }

    /// Writes what waits in `out`; returns whether all of it is gone.
    pub fn flush(&mut self) -> io::Result<bool> {
        if self.out.is_empty() {
            self.is_blocked = !self.channel.flush()?;
            return Ok(!self.is_blocked);
        }
        let out = std::mem::take(&mut self.out);
        let sent = self.write(out.get(self.written..).unwrap_or(&[]));
        self.out = out;
        self.written += sent?;
        if self.written < self.out.len() {
            return Ok(false);
        }
        self.out.clear();
        self.written = 0;
        Ok(!self.is_blocked)
    }
}
