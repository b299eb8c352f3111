//! One connection of the bare relay: its socket, what has not arrived whole, what has not gone.
//!
//! Absent: what the bytes mean.

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;

/// See the module's head.
pub(super) struct Seat {
    stream: TcpStream,
    carried: Vec<u8>,
    /// Bytes to write, the first `gone` of which are gone already.
    out: Vec<u8>,
    gone: usize,
}

/// What a read brought.
pub(super) enum Went {
    /// So many bytes are in the buffer, carried ones included.
    Bytes { filled: usize, may_have_more: bool },
    /// Nothing was there.
    Blocked,
    /// The other side has closed, or sends an operation that is too long.
    Away,
}

impl Seat {
    /// A connection that has said nothing.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, carried: Vec::new(), out: Vec::new(), gone: 0 }
    }

    /// Reads once, behind what was carried over.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Went {
        let carried = self.carried.len();
        if carried > CARRIED_MAX {
            return Went::Away;
        }
        if carried * 2 > buffer.len() {
            buffer.resize(carried * 4, 0);
        }
        let (front, free) = buffer.split_at_mut(carried);
        let free_len = free.len();
        match self.stream.read(free) {
            Ok(0) => Went::Away,
            Ok(count) => {
                front.copy_from_slice(&self.carried);
                self.carried.clear();
                Went::Bytes { filled: carried + count, may_have_more: count == free_len }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Went::Blocked,
            Err(_) => Went::Away,
        }
    }

    /// Keeps what has not arrived whole.
    pub(super) fn carry(&mut self, rest: &[u8]) {
        self.carried.extend_from_slice(rest);
    }

    /// Puts bytes behind what is to be written; returns whether there was nothing before.
    #[inline]
    pub(super) fn put(&mut self, parts: &[&[u8]]) -> bool {
        let is_first = self.out.is_empty();
        for part in parts {
            self.out.extend_from_slice(part);
        }
        is_first
    }

    /// Writes as much as goes; returns whether the connection may stay.
    pub(super) fn write(&mut self) -> bool {
        while let Some(rest) = self.out.get(self.gone..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => self.gone += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return rest.len() <= OUT_MAX;
                }
                Err(_) => return false,
            }
        }
        self.out.clear();
        self.gone = 0;
        if self.out.capacity() > KEPT_MAX {
            self.out = Vec::new();
        }
        true
    }
}

/// The longest operation that is waited for: the largest payload that INFO allows, and its line.
const CARRIED_MAX: usize = 64 * 1024 * 1024 + 4096;
/// What may wait for a reader before it is cut off.
const OUT_MAX: usize = 64 * 1024 * 1024;
/// Room that a connection keeps from one turn to the next.
const KEPT_MAX: usize = 512 * 1024;
