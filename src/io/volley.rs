//! Small writes to many clients, handed to the kernel together.
//!
//! Absent: what is written to whom (`core::turn`), and the ring itself (`fanfare_uring`). The bytes
//! of each write are copied to here, so that the next client's can be gathered; the last of them
//! is on its way, or has been refused, before anything else happens to any of the clients.

use std::io;

use fanfare_uring::{Outcomes, Ring, Send};

use super::socket::{Sockets, outcome};
use crate::core::turn::{Aside, Turn, WriteOutcome, Writing};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Volley {
    ring: Ring,
    bytes: Vec<u8>,
    /// Writes that wait, and where the bytes of each end.
    asides: Vec<(Aside, usize)>,
    outcomes: Outcomes,
}

impl Volley {
    /// A volley, if the system has a ring for it.
    pub(crate) fn new() -> io::Result<Self> {
        let ring = Ring::new()?;
        Ok(Self { ring, bytes: Vec::new(), asides: Vec::new(), outcomes: Vec::new() })
    }

    /// Carries out a turn's writes while there are many. An error says that the ring is no more;
    /// nothing is lost by it.
    pub(super) fn write(
        &mut self,
        turn: &mut Turn<Writing>,
        sockets: &mut Sockets,
    ) -> io::Result<()> {
        let mut result = Ok(());
        while result.is_ok() && turn.waiting() >= WORTHWHILE {
            let mut is_last = true;
            while let Some(client) = turn.poll_write() {
                if turn.bytes() > SMALL || sockets.bare(client).is_none() {
                    let outcome = sockets.write(client, turn);
                    turn.handle_written(outcome);
                    continue;
                }
                for piece in turn.slices() {
                    self.bytes.extend_from_slice(piece);
                }
                self.asides.extend(turn.set_aside().map(|aside| (aside, self.bytes.len())));
                if self.asides.len() >= Ring::SENDS_MAX || self.bytes.len() >= BYTES {
                    is_last = false;
                    break;
                }
            }
            result = self.send(turn, sockets);
            if is_last {
                break;
            }
        }
        result
    }

    fn send(&mut self, turn: &mut Turn<Writing>, sockets: &Sockets) -> io::Result<()> {
        let (bytes, mut start) = (&self.bytes, 0);
        let sends = self.asides.iter().map(|(aside, end)| {
            let bytes = bytes.get(std::mem::replace(&mut start, *end)..*end)?;
            let socket = sockets.bare(aside.client())?.descriptor();
            Some(Send { socket, bytes })
        });
        let result = self.ring.send(sends, &mut self.outcomes);
        let mut start = 0;
        for ((aside, end), sent) in self.asides.drain(..).zip(self.outcomes.drain(..)) {
            let bytes = self.bytes.get(std::mem::replace(&mut start, end)..end).unwrap_or(&[]);
            let achieved = match sent {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    let socket = sockets.bare(aside.client());
                    socket.map_or(WriteOutcome::Failed, |it| outcome(it.write(bytes)))
                }
                sent => outcome(sent),
            };
            turn.handle_aside(aside, achieved);
        }
        self.bytes.clear();
        result
    }
}

/// Clients that have something to write from which on it is sent by the ring.
const WORTHWHILE: usize = 16;
/// Most bytes of one write that are copied instead of sent from where they stand.
const SMALL: usize = 4096;
/// Bytes of writes that wait, from which on they are sent.
const BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
