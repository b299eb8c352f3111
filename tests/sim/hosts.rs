//! Real shards in the middle of their turns: every turn is cut into micro-steps, between which all
//! other shards, clients and the network may do theirs.
//!
//! Absent: the choice of who steps next (`world`). The rings have the real bounds; a turn goes
//! through the real `Turn`, so that only what happens between its calls is the simulator's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fanfare::core::arrival::{Admission, Arrival, Transport};
use fanfare::core::auth::{Decision, Question, Refusal};
use fanfare::core::batch::{Batch, Lane};
use fanfare::core::close::CloseReason;
use fanfare::core::ids::{ClientNumber, ConnId, ShardId};
use fanfare::core::shard::{Closed, Shard};
use fanfare::core::time::Instant;
use fanfare::core::turn::{
    Aside, Draining, HandingOffData, HandingOffInterest, Polled, Reading, Ticking, Turn, Writing,
};

use super::journal::{Checked, Event, Violation, fail};
use super::moves::{Move, Order};
use super::mutations::Mutation;
use super::network::{Ending, Signal};
use super::world::World;

/// A shard between two micro-steps.
pub(crate) enum Stage {
    Asleep(Box<Shard>),
    Polled(Turn<Polled>),
    Reading(Turn<Reading>),
    Draining(Turn<Draining>, VecDeque<Ring>),
    HandingOffInterest(Turn<HandingOffInterest>, Vec<ShardId>),
    HandingOffData(Turn<HandingOffData>, Vec<ShardId>),
    Writing(Turn<Writing>),
    Ticking(Turn<Ticking>),
}

/// One ring that a drain still has to empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring {
    peer: ShardId,
    brings_back: bool,
    /// How much was in it when the drain came to it.
    left: Option<usize>,
}

/// A shard and what surrounds it.
pub(crate) struct Host {
    pub(crate) stage: Option<Stage>,
    pub(crate) signals: VecDeque<(ConnId, Signal)>,
    /// Clients that wait to be accepted.
    pub(crate) arrivals: VecDeque<(usize, Admission)>,
    /// Clients of which it is not known yet whether a layer will protect them.
    undecided: Vec<usize>,
    pub(crate) clients: BTreeMap<u64, usize>,
    /// Not scheduled before this step.
    pub(crate) asleep_until: u64,
    pub(crate) weight: u32,
    /// Is to close all its clients in its next turn.
    pub(crate) stops: bool,
    /// The last hand-off left no peer untold.
    pub(crate) settled: bool,
    pub(crate) turns: u64,
    /// Turns that took nothing in, because writes were behind.
    pub(crate) closed_turns: u64,
    /// Turns in a row that ended with something waiting for a batch, since faults ended.
    pub(crate) waiting_turns: u64,
    /// The time that the present turn was told.
    pub(crate) turn_time: Instant,
    /// Batches from peers, oldest first.
    pub(crate) inbound: Vec<VecDeque<Box<Batch>>>,
    /// Emptied batches on their way home.
    pub(crate) returned: Vec<VecDeque<Box<Batch>>>,
    /// What it has not been told about a move.
    pub(crate) orders: VecDeque<Order>,
    /// Decisions that the shard has not been told.
    pub(crate) decisions: Vec<(ConnId, Decision)>,
    /// Questions were handed back, and wait for another turn.
    pub(crate) has_questions: bool,
    /// Emptied batches that walks keep from going home.
    pub(crate) kept: Vec<(ShardId, Box<Batch>)>,
    /// Batches that a mutation keeps from being pushed in time.
    pub(crate) withheld: Vec<(ShardId, Box<Batch>)>,
    /// How many batches a drain may take from each peer, where a mutation looks too early.
    pub(crate) seen_early: Vec<usize>,
    /// Writes that were set aside in the present turn, with their bytes.
    pub(crate) asides: Vec<(Aside, Vec<u8>)>,
}

impl Host {
    pub(crate) fn new(shard: Box<Shard>, shards: usize, weight: u32) -> Self {
        Self {
            stage: Some(Stage::Asleep(shard)),
            signals: VecDeque::new(),
            arrivals: VecDeque::new(),
            undecided: Vec::new(),
            clients: BTreeMap::new(),
            asleep_until: 0,
            weight,
            stops: false,
            settled: true,
            turns: 0,
            closed_turns: 0,
            waiting_turns: 0,
            turn_time: Instant::default(),
            inbound: (0..shards).map(|_| VecDeque::new()).collect(),
            returned: (0..shards).map(|_| VecDeque::new()).collect(),
            orders: VecDeque::new(),
            decisions: Vec::new(),
            has_questions: false,
            kept: Vec::new(),
            withheld: Vec::new(),
            asides: Vec::new(),
            seen_early: vec![0; shards],
        }
    }

    /// The shard, to look at.
    pub(crate) fn shard(&self) -> Option<&Shard> {
        Some(match self.stage.as_ref()? {
            Stage::Asleep(shard) => shard,
            Stage::Polled(turn) => turn.shard(),
            Stage::Reading(turn) => turn.shard(),
            Stage::Draining(turn, _) => turn.shard(),
            Stage::HandingOffInterest(turn, _) => turn.shard(),
            Stage::HandingOffData(turn, _) => turn.shard(),
            Stage::Writing(turn) => turn.shard(),
            Stage::Ticking(turn) => turn.shard(),
        })
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.inbound.iter().any(|ring| !ring.is_empty())
    }

    /// Whether any batch is on its way to or from this shard.
    pub(crate) fn has_rings(&self) -> bool {
        self.has_mail() || self.has_returns() || !self.kept.is_empty()
    }

    pub(crate) fn has_returns(&self) -> bool {
        self.returned.iter().any(|ring| !ring.is_empty())
    }
}

impl World {
    /// Does one micro-step of a shard.
    pub(crate) fn step_shard(&mut self, me: usize) -> Checked {
        let Some(stage) = self.hosts[me].stage.take() else { return Ok(()) };
        let next = match stage {
            Stage::Asleep(shard) => self.begin_turn(me, shard),
            Stage::Polled(turn) => self.poll(me, turn),
            Stage::Reading(turn) => self.read_one(me, turn),
            Stage::Draining(turn, rings) => self.drain_one(me, turn, rings),
            Stage::HandingOffInterest(turn, peers) => self.push_interest(me, turn, peers)?,
            Stage::HandingOffData(turn, peers) => self.push_data(me, turn, peers)?,
            Stage::Writing(turn) => self.write_one(me, turn)?,
            Stage::Ticking(turn) => self.finish_turn(me, turn)?,
        };
        let about = match next {
            Stage::HandingOffInterest(..) | Stage::HandingOffData(..) => 4,
            _ => 1,
        };
        if !self.is_calm && self.rng.below(1_000) < about * self.swarm.hesitations {
            let most = *self.rng.pick(&[10, 60, 300]);
            let pause = self.rng.between(1, most);
            self.hosts[me].asleep_until = self.journal.step + u64::from(pause);
        }
        let is_writing = matches!(next, Stage::Writing(_));
        self.hosts[me].stage = Some(next);
        self.has_repicked |= self.hosts[me].shard().is_some_and(|shard| shard.stats().repicked > 0);
        self.checks_due = self.checks_due.wrapping_sub(1);
        // A failed write leaves its client marked until the tick, which `check` does not expect.
        if self.checks_due == 0 && !is_writing {
            self.checks_due = self.swarm.check_every;
            self.hosts[me].shard().inspect(|shard| shard.check());
        }
        self.checks_due = self.checks_due.max(1);
        Ok(())
    }

    pub(crate) fn note_shard(&mut self, shard: usize, phase: &'static str, about: usize) {
        self.journal.note(Event::Shard { shard, phase, about });
    }

    fn begin_turn(&mut self, me: usize, mut shard: Box<Shard>) -> Stage {
        self.hosts[me].turns += 1;
        self.hosts[me].turn_time = self.now;
        while shard.poll_trace().is_some() {}
        if self.swarm.tells_total_spool {
            let others = self.hosts.iter().filter_map(Host::shard);
            let total: u64 = others.map(|shard| shard.stats().spool_bytes).sum();
            shard.handle_total_spool(total + shard.stats().spool_bytes);
        }
        self.note_shard(me, "begins", 0);
        Stage::Polled(Turn::begin(shard, self.now))
    }

    /// Somebody decides about a client, whichever has waited how long.
    pub(crate) fn answer_question(&mut self) {
        let Some(realm) = self.oracle.realm.clone() else { return };
        let index = self.rng.index(self.questions.len());
        let (host, client, question) = self.questions.swap_remove(index);
        let decision = match question {
            Question::Enter(request) => realm.policy.authority.decide(&request),
            Question::Answer { .. } => Decision::Refuse(Refusal::Callout),
        };
        self.hosts[host].decisions.push((client, decision));
    }

    /// Some handshakes are through, or not wanted, and a few fail.
    fn decide_transports(&mut self, me: usize, turn: &mut Turn<Polled>) {
        for client in std::mem::take(&mut self.hosts[me].undecided) {
            let Some(id) = self.clients[client].id else { continue };
            match self.rng.below(40) {
                0 if !self.is_calm && self.swarm.resets => {
                    self.clients[client].abandoned = true;
                    self.end_client(client, Ending::Broken);
                    turn.handle_abandoned(id, CloseReason::TlsHandshakeError, None);
                }
                0..10 => turn.handle_in_clear(id),
                10..20 => turn.handle_secured(id, Arc::default()),
                _ => self.hosts[me].undecided.push(client),
            }
        }
    }

    fn poll(&mut self, me: usize, mut turn: Turn<Polled>) -> Stage {
        self.give_orders(me, &mut turn);
        // A broker whose clients are on their way lets nobody in.
        let is_open = !matches!(self.moving, Some(Move::Arriving));
        while is_open && let Some((client, admission)) = self.hosts[me].arrivals.pop_front() {
            let number = ClientNumber(client as u64 + 1);
            let peer = format!("10.0.0.{client}:4000").into_boxed_str();
            let undecided = admission == Admission::Admitted && self.rng.percent(25);
            let transport = if undecided { Transport::Undecided } else { Transport::Clear };
            let plain = Arrival::plain(number, peer);
            let id = turn.handle_accept(Arrival { admission, transport, ..plain });
            if undecided {
                self.hosts[me].undecided.push(client);
            }
            self.clients[client].id = Some(id);
            self.hosts[me].clients.insert(id.token(), client);
            let signal = self.clients[client].socket.first_signal();
            self.hosts[me].signals.push_back((id, signal));
        }
        self.decide_transports(me, &mut turn);
        for (client, decision) in std::mem::take(&mut self.hosts[me].decisions) {
            turn.handle_decided(client, decision);
        }
        while let Some((id, signal)) = self.hosts[me].signals.pop_front() {
            match signal {
                Signal::Readable => turn.handle_readable(id),
                Signal::Writable => turn.handle_writable(id),
                Signal::Hangup => turn.handle_hangup(id),
            }
        }
        if std::mem::take(&mut self.hosts[me].stops) {
            turn.handle_shutdown();
        }
        let host = &mut self.hosts[me];
        host.seen_early = host.inbound.iter().map(VecDeque::len).collect();
        self.note_shard(me, "polled", 0);
        Stage::Reading(turn.read())
    }

    fn read_one(&mut self, me: usize, mut turn: Turn<Reading>) -> Stage {
        let Some(id) = turn.poll_read() else {
            let mut rings: Vec<Ring> = Vec::new();
            for peer in turn.shard().peers() {
                rings.push(Ring { peer, brings_back: false, left: None });
                rings.push(Ring { peer, brings_back: true, left: None });
            }
            self.rng.shuffle(&mut rings);
            return Stage::Draining(turn.drain(), rings.into());
        };
        let client = self.hosts[me].clients[&id.token()];
        let outcome = self.clients[client].socket.read(turn.room());
        turn.handle_read(outcome);
        self.note_shard(me, "reads client", client);
        Stage::Reading(turn)
    }

    fn drain_one(
        &mut self,
        me: usize,
        mut turn: Turn<Draining>,
        mut rings: VecDeque<Ring>,
    ) -> Stage {
        let Some(ring) = rings.front_mut() else {
            self.hosts[me].closed_turns += u64::from(!turn.may_drain());
            if turn.may_return(Lane::Data) {
                for (peer, batch) in std::mem::take(&mut self.hosts[me].kept) {
                    self.hosts[peer.index()].returned[me].push_back(batch);
                }
            }
            self.note_shard(me, "routes", 0);
            let turn = turn.route();
            let peers = self.peers_of(turn.shard());
            return Stage::HandingOffInterest(turn, peers);
        };
        let peer = ring.peer;
        let host = &mut self.hosts[me];
        let available = if ring.brings_back {
            host.returned[peer.index()].len()
        } else if !turn.may_drain() {
            0
        } else if self.mutation == Mutation::DrainBeforeRead {
            host.seen_early[peer.index()]
        } else {
            host.inbound[peer.index()].len()
        };
        let left = ring.left.get_or_insert(available);
        if *left == 0 {
            rings.pop_front();
            return Stage::Draining(turn, rings);
        }
        *left -= 1;
        if ring.brings_back {
            if let Some(batch) = host.returned[peer.index()].pop_front() {
                turn.handle_returned(peer, batch);
            }
            self.note_shard(me, "takes a batch back from", peer.index());
        } else if let Some(batch) = host.inbound[peer.index()].pop_front() {
            let times = self.mutation.drains(&batch, &mut self.mutation_rng);
            for _ in 0..times {
                turn.handle_batch(peer, &batch);
            }
            if !turn.may_return(batch.lane()) {
                self.hosts[me].kept.push((peer, batch));
            } else if self.mutation != Mutation::KeepBatch || self.mutation_rng.below(8) > 0 {
                self.hosts[peer.index()].returned[me].push_back(batch);
            }
            self.note_shard(me, "drains a batch of", peer.index());
        }
        Stage::Draining(turn, rings)
    }

    fn peers_of(&mut self, shard: &Shard) -> Vec<ShardId> {
        let mut peers: Vec<ShardId> = shard.peers().collect();
        self.rng.shuffle(&mut peers);
        peers
    }

    fn push_interest(
        &mut self,
        me: usize,
        mut turn: Turn<HandingOffInterest>,
        mut peers: Vec<ShardId>,
    ) -> Result<Stage, Violation> {
        let Some(peer) = peers.last().copied() else {
            let turn = turn.data();
            let peers = self.peers_of(turn.shard());
            return Ok(Stage::HandingOffData(turn, peers));
        };
        match turn.poll_batch(peer) {
            None => {
                peers.pop();
            }
            Some(batch) if self.mutation.withholds_interest() => {
                self.hosts[me].withheld.push((peer, batch));
            }
            Some(batch) => self.push(me, peer, batch)?,
        }
        Ok(Stage::HandingOffInterest(turn, peers))
    }

    fn push_data(
        &mut self,
        me: usize,
        mut turn: Turn<HandingOffData>,
        mut peers: Vec<ShardId>,
    ) -> Result<Stage, Violation> {
        if let Some(peer) = peers.last().copied() {
            match turn.poll_batch(peer) {
                None => {
                    peers.pop();
                }
                Some(batch) if self.mutation == Mutation::WriteBeforeHandOff => {
                    self.hosts[me].withheld.push((peer, batch));
                }
                Some(batch) => self.push(me, peer, batch)?,
            }
            return Ok(Stage::HandingOffData(turn, peers));
        }
        if self.mutation != Mutation::WriteBeforeHandOff && self.release_one(me)? {
            return Ok(Stage::HandingOffData(turn, peers));
        }
        self.hosts[me].settled = !turn.shard().wants_batches();
        if self.hosts[me].settled {
            self.oracle.settled(me, self.journal.step);
        }
        Ok(Stage::Writing(turn.write()))
    }

    /// Pushes one batch that a mutation held back.
    pub(crate) fn release_one(&mut self, me: usize) -> Result<bool, Violation> {
        if self.hosts[me].withheld.is_empty() {
            return Ok(false);
        }
        let (peer, batch) = self.hosts[me].withheld.remove(0);
        self.push(me, peer, batch)?;
        Ok(true)
    }

    fn push(&mut self, me: usize, peer: ShardId, batch: Box<Batch>) -> Checked {
        self.note_shard(me, "pushes a batch to", peer.index());
        let swaps = self.mutation == Mutation::SwapBatches;
        let ring = &mut self.hosts[peer.index()].inbound[me];
        ring.push_back(batch);
        let length = ring.len();
        if swaps && length > 1 {
            ring.swap(length - 1, length - 2);
        }
        if length > self.swarm.batches_per_peer.max(2) {
            return fail("bounds", format!("{length} batches from shard {me} to {}", peer.index()));
        }
        Ok(())
    }

    fn finish_turn(&mut self, me: usize, mut turn: Turn<Ticking>) -> Result<Stage, Violation> {
        self.hosts[me].has_questions = false;
        while turn.poll_refused().is_some() {}
        while let Some((client, question)) = turn.poll_question() {
            if !self.is_calm && self.rng.percent(10) {
                turn.handle_undecided(client, question);
                self.hosts[me].has_questions = true;
                break;
            }
            self.questions.push((me, client, question));
        }
        while let Some(closed) = turn.poll_closed() {
            self.shard_closed(me, &closed)?;
        }
        self.note_shard(me, "ends", 0);
        let shard = turn.finish();
        self.check_sleep(me, &shard)?;
        let waits = self.is_calm && shard.wants_batches();
        self.hosts[me].waiting_turns = if waits { self.hosts[me].waiting_turns + 1 } else { 0 };
        // A turn that may look at next to nothing executes next to nothing, too.
        let most = WAITING_TURNS_MAX * self.swarm.visits_per_turn.map_or(1, |_| 100);
        if self.hosts[me].waiting_turns > most {
            return Err(Violation { check: "liveness", text: format!("shard {me} stays parked") });
        }
        if shard.stats().spool_bytes > self.swarm.limits.shard_spool_bytes_max {
            let held = shard.stats().spool_bytes;
            fail("bounds", format!("shard {me} holds {held} bytes of unsent messages"))?;
        }
        Ok(Stage::Asleep(shard))
    }

    fn shard_closed(&mut self, me: usize, closed: &Closed) -> Checked {
        let token = closed.client.token();
        let Some(client) = self.hosts[me].clients.remove(&token) else {
            return fail("close", format!("shard {me} closes {closed:?}, which is not its client"));
        };
        if closed.number != ClientNumber(client as u64 + 1) {
            return fail("close", format!("c{client} is closed under another number"));
        }
        let reason = closed.reason;
        self.journal.note(Event::Closes { client, reason: reason.to_string() });
        self.clients[client].socket.closed = true;
        self.clients[client].closed = true;
        self.check_reason(client, reason)?;
        let graceful = reason == fanfare::core::close::CloseReason::ClientClosed;
        self.oracle.closed(client, self.journal.step, graceful);
        Ok(())
    }
}

/// Turns in which what waits for a batch gets one, once faults have ended: far more than are ever
/// needed for the few hundred operations of a world.
const WAITING_TURNS_MAX: u64 = 40;
