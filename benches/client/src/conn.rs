//! One connection of the event loop: a socket that never blocks, the bytes of an operation that has
//! not arrived whole, and the bytes that wait to be written.
//!
//! Absent: what the bytes mean. The socket is reported ready once per change, so a caller that got
//! everything it asked for has to come again by itself.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

/// A socket with its buffers.
#[derive(Debug)]
pub struct Conn {
    stream: TcpStream,
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
    pub fn new(stream: TcpStream, carried: Vec<u8>) -> Self {
        Self { stream, carried, out: Vec::new(), written: 0, is_blocked: false }
    }

    /// The socket, for registering it.
    pub fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Our end's address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.stream.local_addr().ok()
    }

    /// Reads once, behind the carried bytes, into a buffer that is shared by the connections of a
    /// thread. The caller gives back what it could not use with [`Conn::carry`].
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<ReadOutcome> {
        let carried = self.carried.len();
        if carried * 2 > buffer.len() {
            buffer.resize(carried * 4, 0);
        }
        let (front, free) = buffer.split_at_mut(carried);
        front.copy_from_slice(&self.carried);
        self.carried.clear();
        let outcome = loop {
            match self.stream.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        match outcome {
            Ok(0) => Ok(ReadOutcome::Closed),
            Ok(read) if read == free.len() => Ok(ReadOutcome::Full(carried + read)),
            Ok(read) => Ok(ReadOutcome::Drained(carried + read)),
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
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => {
                    sent += count;
                    // A short write says that the socket has no more room, so asking again would
                    // only cost a system call; it is reported writable when that changes.
                    self.is_blocked = count < rest.len();
                    if self.is_blocked {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Writes what waits in `out`; returns whether all of it is gone.
    pub fn flush(&mut self) -> io::Result<bool> {
        if self.out.is_empty() {
            return Ok(true);
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
        Ok(true)
    }
}
