//! One connection's TLS: records in, bytes out, and the other way round.
//!
//! Absent: the socket. Records are read into a buffer that all connections of a thread share, so
//! that an idle connection holds nothing but a part of a record that has not arrived whole.

use std::fmt;

use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};

use crate::tls::TlsTarget;
use crate::tls::fault::TlsFault;

/// The TLS of one connection.
pub struct Session {
    tls: UnbufferedClientConnection,
    target: TlsTarget,
    /// The beginning of a record.
    carried: Vec<u8>,
    /// Records to be written are `outgoing[sent..filled]`.
    outgoing: Vec<u8>,
    sent: usize,
    filled: usize,
    is_open: bool,
    is_closed: bool,
    /// What ended it. The library must not be asked again after that.
    fault: Option<TlsFault>,
}

/// What a session is given to seal, and where it puts what it has opened.
struct Bytes<'a> {
    to_seal: Option<&'a [u8]>,
    opened: &'a mut [u8],
    opened_len: usize,
}

impl Session {
    /// A session that is about to begin; its first record waits to be written.
    pub fn new(target: &TlsTarget) -> Result<Self, TlsFault> {
        let config = target.client.config.clone();
        let tls = UnbufferedClientConnection::new(config, target.name.clone());
        let mut session = Self {
            tls: tls.map_err(|error| library(target, error))?,
            target: target.clone(),
            carried: Vec::new(),
            outgoing: Vec::new(),
            sent: 0,
            filled: 0,
            is_open: false,
            is_closed: false,
            fault: None,
        };
        session.unseal(&mut [], &mut [])?;
        Ok(session)
    }

    /// Whether the handshake is over.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the server has said that it sends no more.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The beginning of a record, which has to stand in front of the bytes that are read next.
    pub fn carried(&self) -> &[u8] {
        &self.carried
    }

    /// Records that wait to be written.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.get(self.sent..self.filled).unwrap_or(&[])
    }

    /// So many bytes of the waiting records are written.
    pub fn note_sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.filled {
            (self.sent, self.filled) = (0, 0);
        }
    }

    /// Opens records, the carried bytes included, and returns how many bytes were in them. `opened`
    /// has to be as long as `records`.
    pub fn unseal(&mut self, records: &mut [u8], opened: &mut [u8]) -> Result<usize, TlsFault> {
        self.carried.clear();
        let mut bytes = Bytes { to_seal: None, opened, opened_len: 0 };
        let used = self.turn(records, &mut bytes)?;
        let opened_len = bytes.opened_len;
        let rest = records.get(used..).unwrap_or(&[]);
        if rest.len() > CARRIED_MAX {
            return Err(TlsFault::Flood);
        }
        self.carried.extend_from_slice(rest);
        Ok(opened_len)
    }

    /// Makes records of the bytes; the handshake has to be over.
    pub fn seal(&mut self, plain: &[u8]) -> Result<(), TlsFault> {
        // The library wants to see the same beginning of a record again and again.
        let mut carried = std::mem::take(&mut self.carried);
        let mut bytes = Bytes { to_seal: Some(plain), opened: &mut [], opened_len: 0 };
        let turned = self.turn(&mut carried, &mut bytes);
        self.carried = carried;
        turned.map(|_| ())
    }

    /// Goes on until the library needs more records; returns how many bytes it has used up.
    fn turn(&mut self, records: &mut [u8], bytes: &mut Bytes<'_>) -> Result<usize, TlsFault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mut used = 0;
        loop {
            let input = input_behind(records, used);
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(input);
            let mut is_over = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| library(&self.target, error))?;
                        bytes.take(record.payload)?;
                        used += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut handshake)) => {
                    let len = match handshake.encode(&mut []) {
                        Err(EncodeError::InsufficientSize(size)) => size.required_size,
                        Err(EncodeError::AlreadyEncoded) | Ok(_) => 0,
                    };
                    let room = room(&mut self.outgoing, self.filled, len);
                    self.filled += handshake.encode(room).map_err(|_| broken(&self.target))?;
                }
                // Whatever is written goes through the same buffer, so the order is kept.
                Ok(ConnectionState::TransmitTlsData(transmit)) => transmit.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    self.is_open = true;
                    is_over = true;
                    if let Some(plain) = bytes.to_seal.take() {
                        let len = plain.len() + (plain.len() / RECORD_LEN + 1) * RECORD_OVERHEAD;
                        let room = room(&mut self.outgoing, self.filled, len);
                        let sealed = traffic.encrypt(plain, room);
                        self.filled += sealed.map_err(|_| broken(&self.target))?;
                    }
                }
                Ok(ConnectionState::PeerClosed) => self.is_closed = true,
                Ok(_) => is_over = true,
                Err(error) => {
                    let rest = input_behind(records, used + discard);
                    self.queue_alert(rest);
                    let fault = library(&self.target, error);
                    self.fault = Some(fault.clone());
                    return Err(fault);
                }
            }
            used += discard;
            if is_over {
                return Ok(used);
            }
        }
    }

    /// Tells the server why, if the library has something to say. The library may still refer to
    /// the records, so it gets them again; it must not go on to look at them, though.
    fn queue_alert(&mut self, records: &mut [u8]) {
        while self.tls.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(mut alert)) =
                self.tls.process_tls_records(records).state
        {
            let room = room(&mut self.outgoing, self.filled, ALERT_LEN_MAX);
            let Ok(len) = alert.encode(room) else { return };
            self.filled += len;
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what waits, and not the keys.
        f.debug_struct("Session").field("is_open", &self.is_open).finish_non_exhaustive()
    }
}

impl Bytes<'_> {
    fn take(&mut self, payload: &[u8]) -> Result<(), TlsFault> {
        let end = self.opened_len + payload.len();
        // A record is always longer than what is in it, so that the room is there.
        let Some(room) = self.opened.get_mut(self.opened_len..end) else {
            return Err(TlsFault::Flood);
        };
        room.copy_from_slice(payload);
        self.opened_len = end;
        Ok(())
    }
}

fn input_behind(records: &mut [u8], used: usize) -> &mut [u8] {
    records.get_mut(used..).unwrap_or_default()
}

/// So much room behind what is filled.
fn room(buffer: &mut Vec<u8>, filled: usize, len: usize) -> &mut [u8] {
    if buffer.len() < filled + len {
        buffer.resize(filled + len, 0);
    }
    buffer.get_mut(filled..).unwrap_or_default()
}

fn library(target: &TlsTarget, error: rustls::Error) -> TlsFault {
    TlsFault::Library { error, begin: target.begin(), has_certificate: target.has_certificate() }
}

fn broken(target: &TlsTarget) -> TlsFault {
    library(target, rustls::Error::EncryptError)
}

/// Bytes that a record holds at most.
const RECORD_LEN: usize = 16 * 1024;
/// More than any cipher suite adds to a record.
const RECORD_OVERHEAD: usize = 64;
/// An alert has seven bytes in clear, and some more when it is sealed.
const ALERT_LEN_MAX: usize = 128;
/// A handshake message has 64 KiB at most, and comes in records.
const CARRIED_MAX: usize = 128 * 1024;

#[cfg(test)]
mod tests;
