//! What one shard has to say to each of its peers: recycled batches of records, filled here.
//!
//! Absent: the queues that carry them and every wait. A free batch is the credit to send one: who
//! finds none parks (I4), so that nothing here is unbounded. Two lanes keep the law that interest
//! goes out before data (I3); each has batches of its own, so that data cannot starve it.

use std::collections::VecDeque;

use super::batch::{Batch, DeliverTo, Lane};
use super::ids::ShardId;
use super::interest::Change;
use super::message::Message;
use super::time::Instant;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Mesh {
    peers: Vec<Peer>,
    returned: u64,
    shrink_at: Instant,
}

#[derive(Debug)]
struct Peer {
    interest: LaneState,
    data: LaneState,
}

#[derive(Debug)]
struct LaneState {
    lane: Lane,
    #[expect(clippy::vec_box, reason = "batches move through queues as one pointer")]
    free: Vec<Box<Batch>>,
    staged: VecDeque<Box<Batch>>,
    made: usize,
    made_max: usize,
    /// The fewest batches that were free at any moment since [`Mesh::shrink`] last looked.
    idle: usize,
}

impl LaneState {
    fn new(lane: Lane, made_max: usize) -> Self {
        Self { lane, free: Vec::new(), staged: VecDeque::new(), made: 0, made_max, idle: 0 }
    }

    /// Whether one more record of this size can be staged now.
    #[inline]
    fn has_room(&self, bytes: usize) -> bool {
        self.staged.back().is_some_and(|batch| batch.has_room(bytes))
            || !self.free.is_empty()
            || self.made < self.made_max
    }

    /// The batch that takes the next record; the caller has asked [`LaneState::has_room`].
    fn open(&mut self, bytes: usize) -> Option<&mut Batch> {
        if !self.staged.back().is_some_and(|batch| batch.has_room(bytes)) {
            let batch = self.free.pop().or_else(|| {
                let may_make = self.made < self.made_max;
                self.made += usize::from(may_make);
                may_make.then(|| Box::new(Batch::new(self.lane)))
            })?;
            self.idle = self.idle.min(self.free.len());
            self.staged.push_back(batch);
        }
        self.staged.back_mut().map(|batch| &mut **batch)
    }

    /// Gives up the batches that were free all the time since the last look.
    fn shrink(&mut self) {
        // The last one that came back is the next one to go: the idle ones are the first.
        self.free.drain(..self.idle);
        self.made -= self.idle;
        self.idle = self.free.len();
        if self.made == 0 {
            (self.free, self.staged) = (Vec::new(), VecDeque::new());
        }
    }
}

impl Mesh {
    /// `batches` is how many batches each ordered pair of shards owns, both lanes together.
    pub(crate) fn new(shards: usize, batches: usize) -> Self {
        let interest = Self::INTEREST_BATCHES.min(batches.div_ceil(2));
        let data = batches.saturating_sub(interest).max(1);
        let peer = || Peer {
            interest: LaneState::new(Lane::Interest, interest),
            data: LaneState::new(Lane::Data, data),
        };
        Self {
            peers: (0..shards).map(|_| peer()).collect(),
            returned: 0,
            shrink_at: Instant::default(),
        }
    }

    #[inline]
    pub(crate) fn has_data_room(&self, peer: ShardId, bytes: usize) -> bool {
        self.peers[peer.index()].data.has_room(bytes)
    }

    /// Whether a change of this size can be staged to each peer in a set.
    pub(crate) fn has_interest_room(&self, peers: u64, bytes: usize) -> bool {
        each(peers).all(|peer| self.peers[peer.index()].interest.has_room(bytes))
    }

    /// Stages a change to one peer that has room for it.
    pub(crate) fn stage_change(&mut self, peer: ShardId, change: &Change<'_>) {
        let bytes = Batch::change_bytes(change);
        let batch = self.peers[peer.index()].interest.open(bytes);
        debug_assert!(batch.is_some(), "room was reserved (I4)");
        if let Some(batch) = batch {
            batch.push_change(change);
        }
    }

    /// Stages a message to one peer that has room for it.
    pub(crate) fn stage_message(
        &mut self,
        peer: ShardId,
        message: &Message<'_>,
        to: DeliverTo<'_>,
    ) {
        let bytes = Batch::message_bytes(message);
        let batch = self.peers[peer.index()].data.open(bytes);
        debug_assert!(batch.is_some(), "room was reserved (I4)");
        if let Some(batch) = batch {
            batch.push_message(message, to);
        }
    }

    /// Opens the batch towards a peer that takes the messages staged next, whatever their number.
    pub(crate) fn open_data(&mut self, peer: ShardId, bytes: usize) {
        let batch = self.peers[peer.index()].data.open(bytes);
        debug_assert!(batch.is_some(), "room was reserved (I4)");
    }

    /// Stages a message into the batch that [`Mesh::open_data`] opened.
    pub(crate) fn stage_into_open(
        &mut self,
        peer: ShardId,
        message: &Message<'_>,
        to: DeliverTo<'_>,
    ) {
        let batch = self.peers[peer.index()].data.staged.back_mut();
        debug_assert!(batch.is_some(), "the batch was opened");
        if let Some(batch) = batch {
            batch.push_message(message, to);
        }
    }

    /// The next batch to push into the ring towards a peer.
    pub(crate) fn poll_batch(&mut self, peer: ShardId, lane: Lane) -> Option<Box<Batch>> {
        self.lane(peer, lane).staged.pop_front()
    }

    /// Takes a batch back that its receiver has emptied.
    pub(crate) fn handle_returned(&mut self, peer: ShardId, mut batch: Box<Batch>) {
        batch.clear();
        self.returned += 1;
        let lane = self.lane(peer, batch.lane());
        debug_assert!(lane.free.len() < lane.made, "returned at most as often as lent");
        lane.free.push(batch);
    }

    /// Counts returned batches: a parked client is worth a try when it has changed.
    pub(crate) fn returned(&self) -> u64 {
        self.returned
    }

    /// Batches that are neither free nor staged: those that peers still hold.
    pub(crate) fn lent(&self) -> usize {
        let lanes = self.peers.iter().flat_map(|peer| [&peer.interest, &peer.data]);
        lanes.map(|lane| lane.made - lane.free.len() - lane.staged.len()).sum()
    }

    /// Batches that wait to be handed off.
    pub(crate) fn staged(&self) -> usize {
        let lanes = self.peers.iter().flat_map(|peer| [&peer.interest, &peer.data]);
        lanes.map(|lane| lane.staged.len()).sum()
    }

    /// Returns the memory of a burst, some seconds after it: what all pairs of many shards hold
    /// together is gigabytes.
    pub(crate) fn shrink(&mut self, now: Instant) {
        if now < self.shrink_at {
            return;
        }
        self.shrink_at = now.after_ns(CALM_NS);
        let lanes = self.peers.iter_mut().flat_map(|peer| [&mut peer.interest, &mut peer.data]);
        lanes.for_each(LaneState::shrink);
    }

    fn lane(&mut self, peer: ShardId, lane: Lane) -> &mut LaneState {
        let peer = &mut self.peers[peer.index()];
        match lane {
            Lane::Interest => &mut peer.interest,
            Lane::Data => &mut peer.data,
        }
    }

    /// Batches of each pair that carry interest only.
    const INTEREST_BATCHES: usize = 2;
}

/// Nanoseconds after which a batch that was not needed is given up.
const CALM_NS: u64 = 5_000_000_000;

/// The shards in a set.
pub(crate) fn each(mut peers: u64) -> impl Iterator<Item = ShardId> {
    std::iter::from_fn(move || {
        if peers == 0 {
            return None;
        }
        let lowest = peers.trailing_zeros();
        peers &= peers - 1;
        ShardId::new(lowest as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::super::ids::{AccountId, Generation, Handle, Slot};
    use super::*;

    const PEER: usize = 1;
    const SECOND: u64 = 1_000_000_000;

    /// Stages changes until nothing more fits, and says how many batches that were.
    #[expect(clippy::vec_box, reason = "batches travel in their boxes")]
    fn fill(mesh: &mut Mesh) -> Vec<Box<Batch>> {
        let peer = ShardId::new(PEER).expect("two shards");
        let filter = [b'f'; 4000];
        let handle = Handle { slot: Slot::from_key(0), generation: Generation::default() };
        let change =
            Change::Filter { account: AccountId::GLOBAL, filter: &filter, handle, present: true };
        while mesh.has_interest_room(peer.bit(), Batch::change_bytes(&change)) {
            mesh.stage_change(peer, &change);
        }
        std::iter::from_fn(|| mesh.poll_batch(peer, Lane::Interest)).collect()
    }

    #[test]
    fn batches_of_a_burst_are_given_up_when_it_is_over() {
        let peer = ShardId::new(PEER).expect("two shards");
        let mut mesh = Mesh::new(2, 8);
        let mut now = Instant::default();
        mesh.shrink(now);
        let lent = fill(&mut mesh);
        assert_eq!((lent.len(), mesh.lent()), (Mesh::INTEREST_BATCHES, Mesh::INTEREST_BATCHES));
        for batch in lent {
            mesh.handle_returned(peer, batch);
        }
        for expected in [2, 2, 2, 0] {
            assert_eq!(mesh.peers[PEER].interest.made, expected);
            mesh.shrink(now);
            mesh.shrink(now.after_ns(SECOND));
            now = now.after_ns(6 * SECOND);
        }
        let again = fill(&mut mesh);
        assert_eq!((again.len(), mesh.lent()), (Mesh::INTEREST_BATCHES, Mesh::INTEREST_BATCHES));
        for batch in again {
            mesh.handle_returned(peer, batch);
        }
        assert_eq!((mesh.lent(), mesh.staged()), (0, 0));
    }
}
