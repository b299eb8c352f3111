//! The phase in which outboxes go to sockets.
//!
//! Absent: sockets. A write may be set aside, so that the caller can carry out several at once: the
//! client is named no more and its outbox stands still until it is told what came of it.

use super::super::close::CloseReason;
use super::super::ids::ConnId;
use super::super::outbox::{Extent, PARTS_MAX};
use super::{Ticking, Turn, WriteOutcome};

/// Outboxes go to sockets.
#[derive(Debug)]
pub struct Writing {
    left: usize,
    client: Option<ConnId>,
}

/// A write that was gathered and is carried out later in the same phase.
#[derive(Debug)]
#[must_use = "what came of it is to be told"]
pub struct Aside {
    client: ConnId,
    gathered: Extent,
}

impl Aside {
    /// Whose it is.
    pub fn client(&self) -> ConnId {
        self.client
    }
}

impl Turn<Writing> {
    /// The next client with bytes to write, within the turn's budget; its bytes are gathered.
    pub fn poll_write(&mut self) -> Option<ConnId> {
        if self.phase.left == 0 {
            return None;
        }
        self.phase.left -= 1;
        let slot = self.shard.clients.poll_dirty()?;
        self.shard.clients.gather(slot);
        let id = self.shard.clients.get(slot).id;
        self.phase.client = Some(id);
        Some(id)
    }

    /// The bytes of the client that [`Turn::poll_write`] named, in at most
    /// [`Turn::SLICES_MAX`] pieces.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.shard.clients.gather.slices(&self.shard.clients.spool)
    }

    /// How many bytes they are.
    pub fn bytes(&self) -> usize {
        self.shard.clients.gather.extent().total
    }

    /// Most pieces of one write.
    pub const SLICES_MAX: usize = PARTS_MAX;

    /// What the write achieved.
    pub fn handle_written(&mut self, outcome: WriteOutcome) {
        let Some(client) = self.phase.client.take() else { return };
        self.settle(&Aside { client, gathered: self.shard.clients.gather.extent() }, outcome);
    }

    /// Lets the write that [`Turn::poll_write`] named wait, whose bytes the caller has copied.
    pub fn set_aside(&mut self) -> Option<Aside> {
        let client = self.phase.client.take()?;
        Some(Aside { client, gathered: self.shard.clients.gather.extent() })
    }

    /// What a write achieved that was set aside.
    pub fn handle_aside(&mut self, aside: Aside, outcome: WriteOutcome) {
        self.settle(&aside, outcome);
    }

    /// How many clients may have something to write.
    pub fn waiting(&self) -> usize {
        self.shard.clients.dirty()
    }

    #[inline(always)]
    fn settle(&mut self, of: &Aside, outcome: WriteOutcome) {
        let Some(slot) = self.shard.clients.resolve(of.client) else { return };
        let (WriteOutcome::Bytes(written) | WriteOutcome::Held(written)) = outcome else {
            if self.shard.clients.get(slot).closing.is_some() {
                self.shard.clients.discard(slot);
                self.shard.finish_close(slot);
            } else {
                self.shard.clients.doom(slot, CloseReason::WriteError);
            }
            return;
        };
        self.shard.clients.advance(slot, of.gathered, written);
        if written > 0 {
            self.shard.note_progress(slot);
        }
        let held = matches!(outcome, WriteOutcome::Held(_));
        if written < of.gathered.total || held {
            self.shard.clients.get_mut(slot).places.held = held;
            self.shard.note_blocked(slot, written);
        } else if self.shard.clients.get(slot).outbox.is_empty() {
            self.shard.clients.get_mut(slot).places.waiting = false;
            self.shard.finish_close(slot);
        } else {
            self.shard.clients.mark_dirty(slot);
        }
    }

    /// On to the tick.
    pub fn tick(mut self) -> Turn<Ticking> {
        if self.shard.is_waiting() {
            // Nothing here may be heard of by anybody before its clients are its own.
            return Turn { shard: self.shard, phase: Ticking::new() };
        }
        self.shard.writes_first = self.shard.clients.has_writable_backlog();
        self.shard.settle_closings();
        self.shard.fire_timers();
        self.shard.shed();
        self.shard.settle_closings();
        self.shard.sweep_leaving();
        self.shard.review_clients();
        self.shard.tell_clients();
        self.shard.retire_own_client();
        // Not later: the clients that have gone leave their slots to others now.
        self.shard.end_finished();
        Turn { shard: self.shard, phase: Ticking::new() }
    }
}

impl Writing {
    /// A turn's budget of writes.
    pub(super) fn new() -> Self {
        Self { left: WRITES_PER_TURN, client: None }
    }
}

/// Writes of one turn, over all clients in turn: who has more comes back behind the others.
const WRITES_PER_TURN: usize = 512;
