//! A socket, blocking or not, that talks in clear or over TLS, in frames of WebSocket or not.
//!
//! Absent: events and time-outs, which are the owner's.

use std::io::{self, Read, Write};

use crate::framing::Framing;
use crate::tls::TlsTarget;
use crate::tls::fault::TlsFault;
use crate::tls::session::Session;

/// A socket with the TLS on it, if there is any.
#[derive(Debug)]
pub struct Channel<S> {
    socket: S,
    tls: Option<Box<Session>>,
    framing: Option<Box<Framing>>,
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// Bytes; over TLS it may be none, though records came.
    Bytes {
        /// How many.
        count: usize,
        /// Whether the socket may have more at once.
        may_have_more: bool,
    },
    /// The other side has closed.
    Closed,
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrote {
    /// Bytes that need not be given again.
    pub count: usize,
    /// Whether the socket has no more room.
    pub is_blocked: bool,
}

impl<S> Channel<S> {
    /// A channel that talks in clear.
    pub fn plain(socket: S) -> Self {
        Self { socket, tls: None, framing: None }
    }

    /// The same conversation over another form of the socket.
    pub fn map<T>(self, change: impl FnOnce(S) -> T) -> Channel<T> {
        Channel { socket: change(self.socket), tls: self.tls, framing: self.framing }
    }

    /// Goes on over TLS from now on; the first record waits to be written.
    pub fn secure(&mut self, target: &TlsTarget) -> Result<(), TlsFault> {
        self.tls = Some(Box::new(Session::new(target)?));
        Ok(())
    }

    /// Speaks WebSocket from now on; the request to this host waits to be written.
    pub fn frame(&mut self, host: &str) {
        self.framing = Some(Box::new(Framing::new(host)));
    }

    /// Whether bytes can be written: there is no handshake under way, and no request.
    pub fn is_open(&self) -> bool {
        self.is_secured() && self.framing.as_ref().is_none_or(|framing| framing.is_open())
    }

    fn is_secured(&self) -> bool {
        self.tls.as_ref().is_none_or(|session| session.is_open())
    }

    /// The socket.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket, for registering it.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }
}

impl<S: Read + Write> Channel<S> {
    /// Reads once into the buffer, from `at` on. The buffer grows where that is needed.
    pub fn read(&mut self, buffer: &mut Vec<u8>, at: usize) -> io::Result<Got> {
        if self.framing.as_ref().is_some_and(|framing| framing.is_closed()) {
            return Ok(Got::Closed);
        }
        let got = self.read_below(buffer, at)?;
        let (Some(framing), Got::Bytes { count, may_have_more }) = (&mut self.framing, got) else {
            return Ok(got);
        };
        let bytes = buffer.get_mut(at..at + count).unwrap_or_default();
        let count = framing.unwrap_frames(bytes)?;
        let is_closed = framing.is_closed();
        // Answers to pings; what does not go now goes with the next write.
        self.flush()?;
        match count {
            0 if is_closed => Ok(Got::Closed),
            count => Ok(Got::Bytes { count, may_have_more: may_have_more || is_closed }),
        }
    }

    fn read_below(&mut self, buffer: &mut Vec<u8>, at: usize) -> io::Result<Got> {
        let Some(session) = &mut self.tls else {
            let free = buffer.get_mut(at..).unwrap_or_default();
            let count = read_once(&mut self.socket, free)?;
            return Ok(match count {
                0 => Got::Closed,
                count => Got::Bytes { count, may_have_more: count == free.len() },
            });
        };
        if session.is_closed() {
            return Ok(Got::Closed);
        }
        // Records go into the second half of what is free, and what is in them into the first,
        // which is never too short, because a record is longer than its content.
        let carried = session.carried().len();
        let needed = at + 2 * (carried + RECORDS_ROOM_MIN);
        if buffer.len() < needed {
            buffer.resize(needed, 0);
        }
        let middle = buffer.len() - (buffer.len() - at) / 2;
        let (opened, records) = buffer.split_at_mut(middle);
        let opened = opened.get_mut(at..).unwrap_or_default();
        let (front, free) = records.split_at_mut(carried);
        front.copy_from_slice(session.carried());
        let read = read_once(&mut self.socket, free)?;
        if read == 0 {
            return if session.is_open() { Ok(Got::Closed) } else { Err(TlsFault::Closed.into()) };
        }
        let may_have_more = read == free.len();
        let records = records.get_mut(..carried + read).unwrap_or_default();
        let unsealed = session.unseal(records, opened);
        let is_closed = session.is_closed();
        // Answers of the handshake, or the alert that says what is wrong.
        let flushed = self.flush_below();
        match unsealed? {
            0 if is_closed => Ok(Got::Closed),
            count => flushed.map(|_| Got::Bytes { count, may_have_more }),
        }
    }

    /// Writes until all is gone or the socket has no more room. Nothing goes while a handshake or a
    /// request is under way.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Wrote> {
        if self.framing.is_none() {
            return self.write_below(bytes);
        }
        let mut count = 0;
        loop {
            if !self.flush()? {
                return Ok(Wrote { count, is_blocked: true });
            }
            let rest = bytes.get(count..).unwrap_or(&[]);
            let is_open = self.is_open();
            let Some(framing) = self.framing.as_mut().filter(|_| is_open && !rest.is_empty())
            else {
                return Ok(Wrote { count, is_blocked: false });
            };
            let piece = rest.get(..SEALED_AT_ONCE).unwrap_or(rest);
            framing.wrap(piece);
            count += piece.len();
        }
    }

    fn write_below(&mut self, bytes: &[u8]) -> io::Result<Wrote> {
        if self.tls.is_none() {
            return write_plain(&mut self.socket, bytes);
        }
        let mut count = 0;
        loop {
            if !self.flush_below()? {
                return Ok(Wrote { count, is_blocked: true });
            }
            let rest = bytes.get(count..).unwrap_or(&[]);
            let Some(session) = &mut self.tls else {
                return Ok(Wrote { count, is_blocked: false });
            };
            if rest.is_empty() || !session.is_open() {
                return Ok(Wrote { count, is_blocked: false });
            }
            let piece = rest.get(..SEALED_AT_ONCE).unwrap_or(rest);
            session.seal(piece)?;
            count += piece.len();
        }
    }

    /// Writes the frames and records that wait; returns whether none is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        if !self.flush_below()? {
            return Ok(false);
        }
        let Some(mut framing) = self.framing.take() else { return Ok(true) };
        let wrote = if framing.outgoing().is_empty() || !self.is_secured() {
            Ok(Wrote { count: 0, is_blocked: false })
        } else {
            self.write_below(framing.outgoing())
        };
        if let Ok(wrote) = &wrote {
            framing.note_sent(wrote.count);
        }
        self.framing = Some(framing);
        Ok(!wrote?.is_blocked)
    }

    fn flush_below(&mut self) -> io::Result<bool> {
        let Some(session) = &mut self.tls else { return Ok(true) };
        if session.outgoing().is_empty() {
            return Ok(true);
        }
        let wrote = write_plain(&mut self.socket, session.outgoing())?;
        session.note_sent(wrote.count);
        Ok(!wrote.is_blocked)
    }
}

fn read_once(socket: &mut impl Read, free: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(free) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn write_plain(socket: &mut impl Write, bytes: &[u8]) -> io::Result<Wrote> {
    let mut count = 0;
    while let Some(rest) = bytes.get(count..).filter(|rest| !rest.is_empty()) {
        match socket.write(rest) {
            Ok(written) => {
                count += written;
                // A short write says that the socket has no more room, so asking again would
                // only cost a system call; it is reported writable when that changes.
                if written < rest.len() {
                    return Ok(Wrote { count, is_blocked: true });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Wrote { count, is_blocked: true });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Wrote { count, is_blocked: false })
}

/// A whole record, and a little more.
const RECORDS_ROOM_MIN: usize = 20 * 1024;
/// Few enough records that a socket takes them together, as a rule.
const SEALED_AT_ONCE: usize = 64 * 1024;

#[cfg(test)]
mod tests;
