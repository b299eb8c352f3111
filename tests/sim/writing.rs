//! The writes of a turn: carried out at once, or set aside and carried out together.
//!
//! Absent: what sockets take (`network`). Between two writes others do their micro-steps, while
//! some writes of the same phase still wait.

use fanfare::core::turn::{Aside, Turn, WriteOutcome, Writing};

use super::hosts::Stage;
use super::journal::{Violation, fail};
use super::mutations::Mutation;
use super::world::World;

impl World {
    pub(crate) fn write_one(
        &mut self,
        me: usize,
        mut turn: Turn<Writing>,
    ) -> Result<Stage, Violation> {
        if self.hosts[me].asides.len() >= ASIDES_MAX {
            return self.write_aside(me, turn);
        }
        let Some(id) = turn.poll_write() else {
            if !self.hosts[me].asides.is_empty() {
                return self.write_aside(me, turn);
            }
            if self.mutation == Mutation::WriteBeforeHandOff && self.release_one(me)? {
                return Ok(Stage::Writing(turn));
            }
            return Ok(Stage::Ticking(turn.tick()));
        };
        let client = self.hosts[me].clients[&id.token()];
        let pieces = turn.slices().count();
        if pieces > Turn::<Writing>::SLICES_MAX {
            fail("bounds", format!("{pieces} pieces in one write"))?;
        }
        let bytes = turn.bytes();
        if bytes != turn.slices().map(<[u8]>::len).sum::<usize>() {
            fail("bounds", format!("{bytes} bytes are announced, and others gathered"))?;
        }
        // In every other turn.
        if self.hosts[me].turns.is_multiple_of(2) && bytes <= ASIDE_BYTES_MAX {
            let bytes: Vec<u8> = turn.slices().flatten().copied().collect();
            let aside = turn.set_aside().filter(|aside| aside.client() == id);
            let Some(aside) = aside else {
                return Err(Violation { check: "aside", text: format!("{id:?} has no write") });
            };
            self.hosts[me].asides.push((aside, bytes));
            self.note_shard(me, "sets a write aside of client", client);
            return Ok(Stage::Writing(turn));
        }
        let outcome = self.clients[client].socket.write(turn.slices());
        turn.handle_written(outcome);
        self.written(me, client, outcome)?;
        Ok(Stage::Writing(turn))
    }

    /// Carries out the oldest write that was set aside.
    fn write_aside(&mut self, me: usize, mut turn: Turn<Writing>) -> Result<Stage, Violation> {
        let (aside, bytes): (Aside, Vec<u8>) = self.hosts[me].asides.remove(0);
        let client = self.hosts[me].clients[&aside.client().token()];
        let outcome = self.clients[client].socket.write(std::iter::once(&bytes[..]));
        turn.handle_aside(aside, outcome);
        self.written(me, client, outcome)?;
        Ok(Stage::Writing(turn))
    }

    fn written(
        &mut self,
        me: usize,
        client: usize,
        outcome: WriteOutcome,
    ) -> Result<(), Violation> {
        if let WriteOutcome::Bytes(1..) | WriteOutcome::Held(1..) = outcome {
            self.clients[client].last_taken = self.hosts[me].turn_time;
        }
        self.note_shard(me, "writes client", client);
        let is_stalled = self.clients[client].stalled_until > self.journal.step;
        if !self.is_calm && !is_stalled && self.rng.percent(self.swarm.eager_share) {
            self.receive(client, usize::MAX)?;
        }
        Ok(())
    }
}

/// Writes that wait at the same time.
const ASIDES_MAX: usize = 5;
/// Larger ones are never set aside.
const ASIDE_BYTES_MAX: usize = 4096;
