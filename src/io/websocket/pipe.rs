//! A socket with or without TLS on it, as the frames above see it.
//!
//! Absent: frames. It is made for one call, from what the layer and the shard own.

use std::io::{self, IoSlice};

use super::super::socket;
use super::super::stream::{Stream, would_block};
use super::super::tls;
use crate::core::turn::{ReadOutcome, WriteOutcome};

/// See the module's head.
#[derive(Debug)]
pub(in crate::io) struct Pipe<'a> {
    pub(in crate::io) stream: &'a Stream,
    pub(in crate::io) tls: Option<&'a mut tls::Session>,
    pub(in crate::io) rooms: &'a mut tls::Rooms,
}

impl Pipe<'_> {
    pub(super) fn read(&mut self, room: &mut [u8]) -> ReadOutcome {
        match &mut self.tls {
            None => socket::read(self.stream, room),
            Some(session) => session.read(self.stream, room, self.rooms),
        }
    }

    /// Writes pieces, [`PIECES_MAX`] at most.
    pub(super) fn write(&mut self, pieces: &[&[u8]]) -> WriteOutcome {
        if let Some(session) = &mut self.tls {
            return session.write(self.stream, pieces.iter().copied(), self.rooms);
        }
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let mut used = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            used += 1;
        }
        match self.stream.write_vectored(slices.get(..used).unwrap_or_default()) {
            Ok(bytes) => WriteOutcome::Bytes(bytes),
            Err(error) if would_block(&error) => WriteOutcome::Bytes(0),
            Err(_) => WriteOutcome::Failed,
        }
    }

    /// Writes what TLS has kept; says whether nothing is left of it.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        match &mut self.tls {
            None => Ok(true),
            Some(session) => session.flush(self.stream),
        }
    }

    /// Says goodbye below the frames.
    pub(in crate::io) fn close(&mut self) {
        if let Some(session) = &mut self.tls {
            session.close(self.stream);
        }
    }
}

/// Pieces of one write: those of the core, and the few that stand between them.
pub(super) const PIECES_MAX: usize = 72;
