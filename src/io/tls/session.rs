//! TLS of one connection: the handshake, and records opened and sealed.
//!
//! Absent: sockets' events and the order of things (`layer`). Between two calls a session holds
//! bytes only of a record that has not come whole, and of one that the socket has not taken whole.
//! What a peer sends may end its session and nothing else.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};

use super::super::stream::{Stream, would_block};
use super::{Acceptor, names};
use crate::core::auth::TlsPeer;
use crate::core::turn::{ReadOutcome, WriteOutcome};

/// Rooms that all connections of a shard use in turn; they are made when first needed.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    incoming: Vec<u8>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    /// What handshakes without a client's certificate have shown: few different things.
    peers: Vec<Arc<TlsPeer>>,
}

/// What a step of a handshake led to.
#[derive(Debug)]
pub(crate) enum Shake {
    /// The peer is to send, or to take, more.
    Wait,
    /// There may be more to do at once.
    Again,
    /// The handshake is through.
    Done(Arc<TlsPeer>),
    /// It will never be.
    Failed(ShakeError),
}

/// Why a handshake failed.
#[derive(Debug)]
pub(crate) enum ShakeError {
    /// The peer ended the connection.
    Ended,
    /// What the peer speaks is something else.
    NotTls,
    /// The socket failed.
    Socket(io::Error),
    /// What the peer sent is not acceptable.
    Tls(rustls::Error),
    /// The peer's certificate is none of those that are let in.
    NotPinned,
}

impl fmt::Display for ShakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("EOF"),
            Self::NotTls => f.write_str("first record does not look like a TLS handshake"),
            Self::Socket(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::NotPinned => f.write_str("certificate not pinned"),
        }
    }
}

/// See the module's head.
pub(crate) struct Session {
    connection: UnbufferedServerConnection,
    /// The beginning of something that has not come whole.
    incoming: Vec<u8>,
    /// What the socket has not taken yet.
    outgoing: Vec<u8>,
    /// Plaintext that came with the handshake's last message.
    early: Vec<u8>,
    /// Whether the peer said that it sends no more.
    ended: bool,
    /// Whether a record could not be opened: what came before it is still good.
    failed: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = (self.incoming.len(), self.outgoing.len());
        f.debug_struct("Session").field("pending", &pending).finish_non_exhaustive()
    }
}

/// What went wrong inside a session, when it matters what.
enum Fault {
    Tls(rustls::Error),
    /// Something that cannot be: a state that the library does not promise.
    Unforeseen,
}

impl Session {
    pub(crate) fn new(acceptor: &Acceptor) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(Arc::clone(&acceptor.config))?,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            early: Vec::new(),
            ended: false,
            failed: false,
        })
    }

    /// One step of the handshake.
    pub(crate) fn shake(
        &mut self,
        stream: &Stream,
        acceptor: &Acceptor,
        rooms: &mut Rooms,
    ) -> Shake {
        match self.flush(stream) {
            Ok(true) => {}
            Ok(false) => return Shake::Wait,
            Err(error) => return Shake::Failed(ShakeError::Socket(error)),
        }
        let came = match self.fill(stream, SHAKE_READ, rooms) {
            Ok(came) => came,
            Err(error) => return Shake::Failed(ShakeError::Socket(error)),
        };
        let mut early = std::mem::take(&mut self.early);
        let opened = self.open(came.filled, &mut rooms.incoming, |plain| {
            early.extend_from_slice(plain);
            early.len() <= EARLY_MAX
        });
        self.early = early;
        if let Err(fault) = opened {
            self.say_why(stream);
            return Shake::Failed(match fault {
                Fault::Tls(error) => ShakeError::Tls(error),
                Fault::Unforeseen => ShakeError::Ended,
            });
        }
        if let Err(error) = self.flush(stream) {
            return Shake::Failed(ShakeError::Socket(error));
        }
        if !self.connection.is_handshaking() {
            return self.finish(acceptor, rooms);
        }
        if came.is_end || self.ended {
            return Shake::Failed(ShakeError::Ended);
        }
        if self.incoming.len() >= INCOMING_MAX {
            let error = rustls::Error::General("handshake message too large".to_owned());
            return Shake::Failed(ShakeError::Tls(error));
        }
        if came.read == 0 { Shake::Wait } else { Shake::Again }
    }

    fn finish(&self, acceptor: &Acceptor, rooms: &mut Rooms) -> Shake {
        let chain = self.connection.peer_certificates().unwrap_or_default();
        if !acceptor.is_pinned(chain.first()) {
            return Shake::Failed(ShakeError::NotPinned);
        }
        let peer = TlsPeer {
            version: self.connection.protocol_version().map_or("", names::version_of).into(),
            cipher: self
                .connection
                .negotiated_cipher_suite()
                .map_or("", |suite| names::name_of(suite.suite()))
                .into(),
            chain: chain.iter().map(|certificate| certificate.as_ref().into()).collect(),
        };
        if let Some(known) = rooms.peers.iter().find(|known| ***known == peer) {
            return Shake::Done(Arc::clone(known));
        }
        let is_anonymous = peer.chain.is_empty();
        let peer = Arc::new(peer);
        if is_anonymous {
            // One for each version and suite.
            rooms.peers.push(Arc::clone(&peer));
        }
        Shake::Done(peer)
    }

    /// Reads once, and opens what has come whole. The plaintext of what is read always fits the
    /// room, because ciphertext is longer.
    pub(crate) fn read(
        &mut self,
        stream: &Stream,
        room: &mut [u8],
        rooms: &mut Rooms,
    ) -> ReadOutcome {
        if self.failed {
            return ReadOutcome::Failed;
        }
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            let Some(place) = room.get_mut(..early.len()) else { return ReadOutcome::Failed };
            place.copy_from_slice(&early);
            return ReadOutcome::More(early.len());
        }
        let most = room.len().min(INCOMING_MAX);
        let Ok(came) = self.fill(stream, most, rooms) else { return ReadOutcome::Failed };
        let mut length = 0;
        let opened = self.open(came.filled, &mut rooms.incoming, |plain| {
            let Some(place) = room.get_mut(length..length + plain.len()) else { return false };
            place.copy_from_slice(plain);
            length += plain.len();
            true
        });
        if opened.is_err() {
            self.say_why(stream);
            self.failed = true;
        } else if self.flush(stream).is_err() {
            self.failed = true;
        }
        let is_over = came.is_end || self.ended;
        match length {
            0 if self.failed => ReadOutcome::Failed,
            0 if is_over => ReadOutcome::Ended,
            0 if came.read == 0 => ReadOutcome::WouldBlock,
            _ if came.is_full || is_over || self.failed => ReadOutcome::More(length),
            _ => ReadOutcome::Bytes(length),
        }
    }

    /// Seals pieces of plaintext and writes them, as long as the socket takes everything.
    pub(crate) fn write<'a>(
        &mut self,
        stream: &Stream,
        pieces: impl Iterator<Item = &'a [u8]>,
        rooms: &mut Rooms,
    ) -> WriteOutcome {
        if self.failed {
            return WriteOutcome::Failed;
        }
        match self.flush(stream) {
            Ok(true) => {}
            Ok(false) => return WriteOutcome::Bytes(0),
            Err(_) => return WriteOutcome::Failed,
        }
        let mut pieces = pieces.flat_map(|piece| piece.chunks(SEALED_AT_ONCE)).peekable();
        let mut plain = std::mem::take(&mut rooms.plain);
        let mut taken = 0;
        let outcome = loop {
            // One record for many small pieces: each costs a tag, a nonce and a copy.
            plain.clear();
            while let Some(piece) =
                pieces.next_if(|piece| plain.len() + piece.len() <= SEALED_AT_ONCE)
            {
                plain.extend_from_slice(piece);
            }
            if plain.is_empty() {
                break WriteOutcome::Bytes(taken);
            }
            let Ok(sealed) = self.seal(&plain, &mut rooms.sealed) else {
                break WriteOutcome::Failed;
            };
            taken += plain.len();
            // INVARIANT: `seal` says how much of the room it has filled.
            match self.send(stream, &rooms.sealed[..sealed]) {
                Ok(true) => {}
                Ok(false) => break WriteOutcome::Held(taken),
                Err(_) => break WriteOutcome::Failed,
            }
        };
        rooms.plain = plain;
        outcome
    }

    /// Writes what the socket did not take before. Says whether all of it is gone.
    pub(crate) fn flush(&mut self, stream: &Stream) -> io::Result<bool> {
        if self.outgoing.is_empty() {
            return Ok(true);
        }
        let outgoing = std::mem::take(&mut self.outgoing);
        self.send(stream, &outgoing)
    }

    /// Says goodbye, as far as the socket takes it.
    pub(crate) fn close(&mut self, stream: &Stream) {
        if self.failed || !matches!(self.flush(stream), Ok(true)) {
            return;
        }
        let mut room = [0; ALERT_ROOM];
        let status = self.connection.process_tls_records(&mut self.incoming);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state
            && let Ok(length) = traffic.queue_close_notify(&mut room)
        {
            // Whoever does not hear it sees the socket's end.
            let _ = stream.write(&room[..length.min(ALERT_ROOM)]);
        }
    }

    /// Sends bytes, and keeps those that the socket does not take.
    fn send(&mut self, stream: &Stream, bytes: &[u8]) -> io::Result<bool> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if would_block(&error) => {
                    self.outgoing = rest.to_vec();
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Puts what is left from before and one read into the room for incoming bytes.
    fn fill(&mut self, stream: &Stream, most: usize, rooms: &mut Rooms) -> io::Result<Came> {
        let kept = self.incoming.len();
        let most = most.max(kept + SHAKE_READ);
        if rooms.incoming.len() < most {
            rooms.incoming.resize(most, 0);
        }
        let (front, space) = rooms.incoming.split_at_mut(kept);
        front.copy_from_slice(&self.incoming);
        let space = space.get_mut(..most - kept).unwrap_or_default();
        match stream.read(space) {
            Ok(read) => Ok(Came {
                read,
                filled: kept + read,
                is_full: read == most - kept,
                is_end: read == 0,
            }),
            Err(error) if would_block(&error) => {
                Ok(Came { read: 0, filled: kept, is_full: false, is_end: false })
            }
            Err(error) => Err(error),
        }
    }

    /// Works on the first `filled` bytes of the room; keeps what is not whole, and what is to be
    /// answered. `take` gets the plaintext, and may refuse it.
    fn open(
        &mut self,
        filled: usize,
        room: &mut [u8],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Fault> {
        let mut used = 0;
        let result = loop {
            let bytes = room.get_mut(used..filled).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(bytes);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let Ok(record) = record else { return Err(Fault::Unforeseen) };
                        used += record.discard;
                        if !take(record.payload) {
                            return Err(Fault::Unforeseen);
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let at = self.outgoing.len();
                    append(&mut self.outgoing, at, |place| {
                        data.encode(place).map_err(size_of_message)
                    })?;
                }
                // It is in `outgoing`, which goes out before anything else does.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    break Ok(());
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    break Ok(());
                }
                // Early data is not offered, and other states are not known.
                Ok(_) => break Err(Fault::Unforeseen),
                Err(error) => break Err(Fault::Tls(error)),
            }
        };
        self.incoming = match room.get(used..filled) {
            Some(rest) if !rest.is_empty() => rest.to_vec(),
            Some(_) | None => Vec::new(),
        };
        result
    }

    /// Seals plaintext into the room; says how much of it is filled.
    fn seal(&mut self, plain: &[u8], room: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut length = 0;
        loop {
            // What is here has been looked at: only the beginning of something.
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.incoming);
            let mut sealed = None;
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let written = append(room, length, |place| {
                        traffic.encrypt(plain, place).map_err(size_of_record)
                    })?;
                    sealed = Some(length + written);
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    length +=
                        append(room, length, |place| data.encode(place).map_err(size_of_message))?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        self.early.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(_) => return Err(Fault::Unforeseen),
                Err(error) => return Err(Fault::Tls(error)),
            }
            self.incoming.drain(..discard.min(self.incoming.len()));
            if let Some(sealed) = sealed {
                return Ok(sealed);
            }
        }
    }

    /// Tells the peer what was wrong, as far as the socket takes it. Only what is already written
    /// is asked for: the library must not see the bytes again that it has refused.
    fn say_why(&mut self, stream: &Stream) {
        while self.connection.wants_write() {
            let status = self.connection.process_tls_records(&mut []);
            let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state else { break };
            let at = self.outgoing.len();
            let encode = |place: &mut [u8]| data.encode(place).map_err(size_of_message);
            if append(&mut self.outgoing, at, encode).is_err() {
                break;
            }
        }
        // The connection is at its end either way.
        let _ = self.flush(stream);
    }
}

/// What one read brought.
struct Came {
    read: usize,
    filled: usize,
    is_full: bool,
    is_end: bool,
}

/// Lets something be written at a place in a room, which grows if it must; says how much it was.
fn append(
    room: &mut Vec<u8>,
    at: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<usize, Fault> {
    loop {
        match write(room.get_mut(at..).unwrap_or_default()) {
            Ok(length) => return Ok(length),
            Err(Some(size)) if room.len() < at + size => room.resize(at + size, 0),
            Err(_) => return Err(Fault::Unforeseen),
        }
    }
}

fn size_of_message(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Some(required_size)
        }
        EncodeError::AlreadyEncoded => None,
    }
}

fn size_of_record(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Some(required_size)
        }
        EncryptError::EncryptExhausted => None,
    }
}

/// Bytes that one read of a handshake takes at most.
const SHAKE_READ: usize = 16 * 1024;
/// Bytes that may be waiting to become whole; a message of a handshake may span records.
const INCOMING_MAX: usize = 64 * 1024;
/// Plaintext that may come with the handshake's last message.
const EARLY_MAX: usize = 2 * SHAKE_READ;
/// Plaintext that is sealed before the socket is asked: what a client that takes nothing may leave
/// with us, beside what its outbox holds.
const SEALED_AT_ONCE: usize = 32 * 1024;
/// Room for an alert.
const ALERT_ROOM: usize = 256;
