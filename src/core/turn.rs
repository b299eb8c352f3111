//! One turn of a shard, as types: a wrong order of phases does not compile.
//!
//! `poll → read → drain → route → hand off → write → tick`. The order of these words is the
//! broker's consistency model: it makes every fence hold without an acknowledgement between shards
//! (ARCHITECTURE, "The turn"). Absent: sockets and queues; the caller carries bytes and batches.

use std::sync::Arc;

use core::net::IpAddr;

use fanfare_protocol::error::ProtocolError;

use super::admission::Refused;
use super::arrival::{Arrival, Entrance};
use super::auth::{Decision, Question, TlsPeer};
use super::badge::Standing;
use super::batch::{Batch, Lane};
use super::clients::Client;
use super::close::CloseReason;
use super::farewell::SWEEP_PER_TURN;
use super::ids::{ConnId, ShardId, Slot};
use super::intake::read_size;
use super::review::Settings;
use super::shard::ip_of;
use super::shard::{Closed, Shard};
use super::time::Instant;

/// New causes may be noted; nothing is read yet.
#[derive(Debug)]
pub struct Polled(());
/// Bytes land in the arena, uninterpreted.
#[derive(Debug)]
pub struct Reading {
    client: Option<ConnId>,
    /// Sockets that may still be asked, whether they bring anything or not.
    left: usize,
    rest: usize,
    room: usize,
    /// Clients that have more to read, in a later turn.
    again: Vec<Slot>,
}
/// Everything that peers have pushed is taken in.
#[derive(Debug)]
pub struct Draining(());
/// Changes of interest go to all peers.
#[derive(Debug)]
pub struct HandingOffInterest(());
/// Messages go to peers.
#[derive(Debug)]
pub struct HandingOffData(());
/// Timers, sweeps and closed connections.
#[derive(Debug)]
pub struct Ticking {
    closes_left: usize,
}

impl Ticking {
    fn new() -> Self {
        Self { closes_left: CLOSES_PER_TURN }
    }
}

/// A shard in one phase of its turn.
#[derive(Debug)]
pub struct Turn<P> {
    pub(super) shard: Box<Shard>,
    phase: P,
}

/// What reading a socket brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// This many bytes, into the room.
    Bytes(usize),
    /// This many bytes, perhaps none, and whether more are waiting is not known: ask again.
    More(usize),
    /// Nothing now.
    WouldBlock,
    /// The peer sends no more.
    Ended,
    /// The socket is broken.
    Failed,
    /// What came is not acceptable to a layer below: the client is to be closed for this.
    Refused(CloseReason),
}

/// What writing a socket achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// This many bytes were taken.
    Bytes(usize),
    /// This many bytes were taken, but not all are on their way: nothing more is taken, and the
    /// client is not done, before it is writable again.
    Held(usize),
    /// The socket is broken.
    Failed,
}

impl Turn<Polled> {
    /// Begins a turn at a time that is not before the last one.
    pub fn begin(mut shard: Box<Shard>, now: Instant) -> Self {
        shard.now = shard.now.max(now);
        shard.clients.spool.reclaim();
        shard.sweeps_left = SWEEP_PER_TURN;
        shard.visits_left = shard.walks.begin_turn(shard.visits_per_turn, shard.now);
        shard.clients.relays.now = shard.now;
        Self { shard, phase: Polled(()) }
    }

    /// A new connection.
    pub fn handle_accept(&mut self, arrival: Arrival) -> ConnId {
        self.shard.accept(arrival)
    }

    /// The handshake of a connection that came undecided is through. Signals about its socket
    /// that were held back meanwhile are the caller's to give now.
    pub fn handle_secured(&mut self, client: ConnId, peer: Arc<TlsPeer>) {
        self.shard.secure(client, peer);
    }

    /// A proxy has said who a client's peer is.
    pub fn handle_peer(&mut self, client: ConnId, peer: Box<str>) {
        self.shard.name_peer(client, peer);
    }

    /// A connection that came undecided stays in clear.
    pub fn handle_in_clear(&mut self, client: ConnId) {
        self.shard.leave_clear(client);
    }

    /// A connection's transport failed or was not ready in time.
    pub fn handle_abandoned(
        &mut self,
        client: ConnId,
        reason: CloseReason,
        answer: Option<&ProtocolError>,
    ) {
        self.shard.abandon(client, reason, answer);
    }

    /// The listeners' facts have changed: later INFO lines say what is in here.
    pub fn handle_entrances(&mut self, entrances: Vec<Entrance>) {
        self.shard.entrances = entrances;
    }

    /// Learns how much memory for unsent messages the whole broker holds.
    pub fn handle_total_spool(&mut self, bytes: u64) {
        self.shard.handle_total_spool(bytes);
    }

    /// Learns what time it is outside, in milliseconds of Unix time.
    pub fn handle_wall_clock(&mut self, ms: u64) {
        self.shard.wall_ms = ms;
    }

    /// Where a client comes from; `None` for one that is gone, or of a Unix socket.
    pub fn address_of(&self, client: ConnId) -> Option<IpAddr> {
        let slot = self.shard.clients.resolve(client)?;
        ip_of(&self.shard.clients.get(slot).peer).parse().ok()
    }

    /// Learns what was decided about a client. Says whether the client is still there; if not, the
    /// caller gives back what it has counted for it.
    pub fn handle_decided(&mut self, client: ConnId, decision: Decision) -> bool {
        self.shard.decisions.push((client, decision));
        self.shard.clients.resolve(client).is_some()
    }

    /// Swaps a changed configuration in.
    pub fn handle_settings(&mut self, settings: Settings) {
        self.shard.apply_settings(settings);
    }

    /// A socket may have bytes.
    pub fn handle_readable(&mut self, client: ConnId) {
        if let Some(slot) = self.shard.clients.resolve(client) {
            self.shard.clients.get_mut(slot).places.readable = true;
            self.shard.mark_ready(slot);
        }
    }

    /// A socket's peer has ended its side: reads go on until they meet the end.
    pub fn handle_hangup(&mut self, client: ConnId) {
        if let Some(slot) = self.shard.clients.resolve(client) {
            self.shard.clients.get_mut(slot).places.hangup = true;
        }
        self.handle_readable(client);
    }

    /// A socket takes bytes again.
    pub fn handle_writable(&mut self, client: ConnId) {
        if let Some(slot) = self.shard.clients.resolve(client) {
            self.shard.note_writable(slot);
        }
    }

    /// On to reading.
    pub fn read(self) -> Turn<Reading> {
        Turn {
            shard: self.shard,
            phase: Reading {
                client: None,
                left: LOOKS_PER_TURN,
                rest: 0,
                room: 0,
                again: Vec::new(),
            },
        }
    }
}

impl Turn<Reading> {
    /// The next client to read, within the turn's budget.
    pub fn poll_read(&mut self) -> Option<ConnId> {
        let is_full = self.phase.left == 0 || self.shard.arena.is_full();
        if self.shard.writes_first || self.shard.quiescent || is_full {
            return None;
        }
        while let Some(slot) = self.shard.ready.pop_front() {
            if !self.shard.clients.contains(slot) {
                continue;
            }
            let client = self.shard.clients.get_mut(slot);
            let was_ready = std::mem::replace(&mut client.places.ready, false);
            if was_ready && can_read(client) {
                self.phase.client = Some(client.id);
                self.phase.left -= 1;
                return Some(client.id);
            }
        }
        None
    }

    /// Room for the bytes of the client that [`Turn::poll_read`] named.
    pub fn room(&mut self) -> &mut [u8] {
        let slot = self.phase.client.and_then(|client| self.shard.clients.resolve(client));
        let (rest, size) = match slot {
            Some(slot) => {
                let client = self.shard.clients.get_mut(slot);
                (std::mem::take(&mut client.inbox.rest), read_size(client))
            }
            None => (Box::default(), 0),
        };
        self.phase.rest = rest.len();
        let room = self.shard.arena.room(&rest, size);
        self.phase.room = room.len();
        room
    }

    /// Whether the client that [`Turn::poll_read`] named has said who it is: a layer below may
    /// then hold more for it.
    pub fn has_entered(&self) -> bool {
        let slot = self.phase.client.and_then(|client| self.shard.clients.resolve(client));
        slot.is_some_and(|slot| {
            let client = self.shard.clients.get(slot);
            client.connected && client.standing == Standing::Bound
        })
    }

    /// What the read into the room brought.
    pub fn handle_read(&mut self, outcome: ReadOutcome) {
        let Some(id) = self.phase.client.take() else { return };
        let Some(slot) = self.shard.clients.resolve(id) else { return };
        let bytes = match outcome {
            ReadOutcome::Bytes(bytes) | ReadOutcome::More(bytes) => bytes,
            ReadOutcome::WouldBlock
            | ReadOutcome::Ended
            | ReadOutcome::Failed
            | ReadOutcome::Refused(_) => 0,
        };
        if self.phase.rest + bytes > 0 {
            self.shard.arena.commit(id, self.phase.rest + bytes);
        }
        let client = self.shard.clients.get_mut(slot);
        match outcome {
            ReadOutcome::Bytes(bytes) if bytes == self.phase.room || client.places.hangup => {
                // Not in this turn: a client's bytes stand in the arena in one piece.
                self.phase.again.push(slot);
            }
            ReadOutcome::More(_) => self.phase.again.push(slot),
            // Less than there was room for: the socket is empty and will say when it is not.
            ReadOutcome::Bytes(_) | ReadOutcome::WouldBlock => client.places.readable = false,
            ReadOutcome::Ended => {
                client.places.input_ended = true;
                self.shard.ended.push(id);
            }
            ReadOutcome::Failed => self.shard.clients.doom(slot, CloseReason::ReadError),
            ReadOutcome::Refused(reason) => {
                if reason.flushes() && !self.shard.walks.is_empty() {
                    self.shard.catch_up(slot);
                }
                self.shard.clients.doom(slot, reason);
            }
        }
    }

    /// On to draining (I1: a drain that begins after the last read).
    pub fn drain(mut self) -> Turn<Draining> {
        for slot in std::mem::take(&mut self.phase.again) {
            self.shard.mark_ready(slot);
        }
        Turn { shard: self.shard, phase: Draining(()) }
    }
}

impl Turn<Draining> {
    /// Whether this turn takes in what peers have pushed. While readers that take everything are
    /// behind, it does not: the batches wait, and so do those who would fill more.
    pub fn may_drain(&self) -> bool {
        !self.shard.writes_first
    }

    /// Takes in one batch of a peer; the caller then returns the batch to it.
    pub fn handle_batch(&mut self, peer: ShardId, batch: &Batch) {
        self.shard.drain_batch(peer, batch);
    }

    /// Takes back one batch that a peer has emptied.
    pub fn handle_returned(&mut self, peer: ShardId, batch: Box<Batch>) {
        self.shard.handle_returned(peer, batch);
    }

    /// Executes everything that was read and may run.
    pub fn route(mut self) -> Turn<HandingOffInterest> {
        self.shard.settle_closings();
        self.shard.leave_for_commands();
        let queued = self.shard.clients.stats.messages_out;
        self.shard.route_all();
        let shard = &mut *self.shard;
        shard.delays.note(&shard.clients, shard.now, queued);
        self.shard.walk_on();
        self.shard.end_finished();
        self.shard.end_inputs();
        self.shard.settle_closings();
        self.shard.speak();
        self.shard.stage_dirty_interest();
        Turn { shard: self.shard, phase: HandingOffInterest(()) }
    }
}

impl Turn<HandingOffInterest> {
    /// The next batch of interest for a peer.
    pub fn poll_batch(&mut self, peer: ShardId) -> Option<Box<Batch>> {
        self.shard.poll_batch(peer, Lane::Interest)
    }

    /// On to messages: all interest is visible to all peers (I3).
    pub fn data(self) -> Turn<HandingOffData> {
        Turn { shard: self.shard, phase: HandingOffData(()) }
    }
}

impl Turn<HandingOffData> {
    /// The next batch of messages for a peer.
    pub fn poll_batch(&mut self, peer: ShardId) -> Option<Box<Batch>> {
        self.shard.poll_batch(peer, Lane::Data)
    }

    /// On to writing: everything staged is visible to peers (I2).
    pub fn write(self) -> Turn<Writing> {
        debug_assert_eq!(self.shard.mesh.staged(), 0, "everything staged is handed off (I2)");
        Turn { shard: self.shard, phase: Writing::new() }
    }
}

impl Turn<Ticking> {
    /// The next question about a client that takes hashes or signatures to answer.
    pub fn poll_question(&mut self) -> Option<(ConnId, Question)> {
        self.shard.poll_question()
    }

    /// Takes a question back that nobody had room for.
    pub fn handle_undecided(&mut self, client: ConnId, question: Question) {
        self.shard.handle_undecided(client, question);
    }

    /// Whether questions wait that nobody has taken.
    pub fn has_questions(&self) -> bool {
        !self.shard.questions.is_empty()
    }

    /// The next client that was not let in.
    pub fn poll_refused(&mut self) -> Option<Refused> {
        self.shard.poll_refused()
    }

    /// The next connection whose socket is to be closed.
    pub fn poll_closed(&mut self) -> Option<Closed> {
        self.phase.closes_left = self.phase.closes_left.checked_sub(1)?;
        self.shard.take_closed()
    }

    /// Ends the turn.
    pub fn finish(mut self) -> Box<Shard> {
        if !self.shard.has_work() {
            self.shard.clients.shrink();
            self.shard.interest.shrink();
            let now = self.shard.now;
            self.shard.mesh.shrink(now);
        }
        self.shard
    }
}

impl<P> Turn<P> {
    /// The shard, to look at.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }
}

fn can_read(client: &Client) -> bool {
    !client.places.parked && client.closing.is_none() && !client.places.input_ended
}

/// Sockets that one turn asks for bytes, those included that have none or have ended.
const LOOKS_PER_TURN: usize = 256;
/// Sockets that one turn closes.
const CLOSES_PER_TURN: usize = 512;

pub use writing::{Aside, Writing};

mod writing;

#[cfg(test)]
mod tests;
