//! One shard of the broker as a value: its clients, its interest, its part of the mesh.
//!
//! Absent: sockets, clocks, threads and queues. Causes come in through `handle_*`, effects go out
//! through `poll_*`, and `turn` says in which order. I12: outputs are a function of state, inputs,
//! the time that was handed in, and the seed. I13: a client never changes its shard.

mod check;

use std::collections::VecDeque;
use std::sync::Arc;

use fanfare_protocol::limits::DecodeLimits;

use super::account_events::Changed;
use super::admission::Refused;
use super::arrival::Entrance;
use super::auth::{Decision, Question};
use super::batch::{Batch, Entry, Lane};
use super::clients::Clients;
use super::close::CloseReason;
use super::delays::Delays;
use super::events::Events;
use super::farewell::SWEEP_PER_TURN;
use super::ids::{ClientNumber, ConnId, Generation, Handle, ListenerId, ShardId, Slot};
use super::intake::Arena;
use super::interest::{Change, Interest};
use super::lame_duck::LameDuck;
use super::legs::Legs;
use super::mesh::Mesh;
use super::message::Head;
use super::moving::Thawing;
use super::pace::Paces;
use super::past::Past;
use super::plan::Plan;
use super::policy::Policy;
use super::responses::Responses;
use super::rng::Rng;
use super::system_requests::SystemRequests;
use super::texts::TextId;
use super::time::Instant;
use super::timer::{TimerKind, Wheel};
use super::trace::{Trace, TraceLine};
use super::usage::Usage;
use super::walks::{VISITS_PER_TURN, Walks};
use crate::config::Limits;

/// What a shard is made from.
#[derive(Debug, Clone)]
pub struct ShardSetup {
    /// Which one it is.
    pub id: ShardId,
    /// How many there are.
    pub shards: usize,
    /// Batches of each ordered pair of shards; 8 unless a simulation wants fewer.
    pub batches_per_peer: usize,
    /// Bounds.
    pub limits: Arc<Limits>,
    /// What is known of each listener, by its number.
    pub entrances: Vec<Entrance>,
    /// Clients and accounts.
    pub policy: Arc<Policy>,
    /// Seeds hash tables and draws; secret in production, chosen in a simulation.
    pub seed: u64,
    /// The generation before the first one that is given out; simulations start near the wrap.
    pub first_generation: u32,
    /// Whether protocol lines are traced, and how much of a message is shown.
    pub trace: Option<usize>,
    /// The time at which it starts.
    pub now: Instant,
}

impl ShardSetup {
    /// Batches of each ordered pair of shards, unless a simulation wants fewer.
    pub const BATCHES_PER_PEER: usize = 8;
}

/// A connection that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Whose socket is to be closed.
    pub client: ConnId,
    /// The client's number.
    pub number: ClientNumber,
    /// `ip:port` of the peer.
    pub peer: Box<str>,
    /// The listener that it came through.
    pub listener: ListenerId,
    /// Why.
    pub reason: CloseReason,
}

/// See the module's head.
#[derive(Debug)]
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) shards: usize,
    pub(crate) limits: Arc<Limits>,
    pub(crate) decode_limits: DecodeLimits,
    pub(crate) clients: Clients,
    pub(crate) interest: Interest,
    pub(crate) mesh: Mesh,
    pub(crate) timers: Wheel,
    pub(crate) rng: Rng,
    pub(crate) now: Instant,
    pub(crate) arena: Arena,
    pub(crate) plan: Plan,
    pub(crate) head: Head,
    /// Scratch of a drain: a group's queues, and a peer's names for them.
    pub(crate) group_queues: Vec<(TextId, Slot)>,
    pub(crate) handles: Vec<Handle>,
    /// Clients whose next command waits for a batch, oldest first.
    pub(crate) parked: VecDeque<ConnId>,
    /// How many batches had been returned when the parked ones were last tried.
    pub(crate) parked_at: u64,
    /// Clients whose sockets may have bytes.
    pub(crate) ready: VecDeque<Slot>,
    /// Clients whose input ended in this turn.
    pub(crate) ended: Vec<ConnId>,
    /// Closing clients whose subscriptions are still being removed.
    pub(crate) leaving: VecDeque<Slot>,
    /// Clients whose sockets are to be closed.
    pub(crate) closed: VecDeque<Slot>,
    /// Memory for unsent messages of the whole broker, as last told.
    pub(crate) total_spool_bytes: u64,
    /// Whether clients are read no more, because the broker stops.
    pub(crate) quiescent: bool,
    /// Receivers that this turn may still look at; none while there are walks, which keep the
    /// count then.
    pub(crate) visits_left: usize,
    pub(crate) visits_per_turn: usize,
    pub(crate) walks: Walks,
    /// Subscriptions of closing clients that this turn may still remove.
    pub(crate) sweeps_left: usize,
    /// Whether a client waits only for a turn with a fresh budget.
    pub(crate) yielded: bool,
    /// Whether the next turn takes nothing in, because the last one could not write enough.
    pub(crate) writes_first: bool,
    pub(crate) entrances: Vec<Entrance>,
    pub(crate) policy: Arc<Policy>,
    /// Unix time in milliseconds, as last told.
    pub(crate) wall_ms: u64,
    /// What was decided and is not carried out yet.
    pub(crate) decisions: Vec<(ConnId, Decision)>,
    /// What somebody with time is to decide.
    pub(crate) questions: VecDeque<(ConnId, Question)>,
    /// Clients that were not let in, to be logged.
    pub(crate) refused: VecDeque<Refused>,
    pub(crate) responses: Responses,
    /// Scratch of a publish that crosses accounts, and of one whose subject is mapped.
    pub(crate) legs: Legs,
    pub(crate) mapped: Vec<u8>,
    /// Buckets that several clients share.
    pub(crate) paces: Paces,
    /// What flowed from bounded accounts and users, until peers know.
    pub(crate) usage: Usage,
    /// How many batches had been returned when relays were last carried on.
    relays_at: u64,
    sweep_armed: bool,
    /// Until when the client that was told to pause does so.
    pub(crate) pause_until: Instant,
    /// Where a review of all clients stands, after a change of the configuration.
    pub(crate) review: Option<usize>,
    /// How far the shard is with its clients before the broker leaves.
    pub(crate) lame_duck: Option<LameDuck>,
    pub(crate) past: Past,
    pub(crate) events: Events,
    pub(crate) system: SystemRequests,
    pub(crate) delays: Delays,
    /// What it keeps while it waits for the clients of another process.
    pub(crate) thawing: Option<Box<Thawing>>,
    pub(crate) changed: Changed,
    /// Scratch of a line to a client.
    pub(crate) text: Vec<u8>,
    /// Timers that are due, and how many of them have fired.
    due: (Vec<(ConnId, TimerKind)>, usize),
}

impl Shard {
    /// A shard without clients.
    pub fn new(setup: ShardSetup) -> Self {
        let ShardSetup { id, shards, limits, seed, .. } = setup;
        let mut seeds = Rng::new(seed);
        let trace = Trace::new(setup.trace.is_some(), setup.trace.unwrap_or(0));
        let mut clients = Clients::new(limits.pending_bytes_max, seeds.next_u64(), trace);
        let mut interest = Interest::new(id, shards, seeds.next_u64());
        clients.set_generation(Generation::from_value(setup.first_generation));
        interest.set_generation(Generation::from_value(setup.first_generation));
        Self {
            id,
            shards,
            decode_limits: DecodeLimits {
                control_line_max: limits.control_line_max,
                payload_max: limits.payload_max,
            },
            clients,
            interest,
            mesh: Mesh::new(shards, setup.batches_per_peer),
            timers: Wheel::new(setup.now),
            rng: Rng::new(seeds.next_u64()),
            now: setup.now,
            arena: Arena::default(),
            plan: Plan::new(shards),
            head: Head::new(),
            group_queues: Vec::new(),
            handles: Vec::new(),
            parked: VecDeque::new(),
            parked_at: 0,
            ready: VecDeque::new(),
            ended: Vec::new(),
            leaving: VecDeque::new(),
            closed: VecDeque::new(),
            total_spool_bytes: 0,
            quiescent: false,
            visits_left: VISITS_PER_TURN,
            visits_per_turn: VISITS_PER_TURN,
            sweeps_left: SWEEP_PER_TURN,
            walks: Walks::new(shards),
            yielded: false,
            writes_first: false,
            entrances: setup.entrances,
            policy: setup.policy,
            wall_ms: 0,
            decisions: Vec::new(),
            questions: VecDeque::new(),
            refused: VecDeque::new(),
            responses: Responses::new(id, seeds.next_u64()),
            legs: Legs::new(shards),
            mapped: Vec::new(),
            paces: Paces::default(),
            usage: Usage::default(),
            relays_at: 0,
            sweep_armed: false,
            pause_until: Instant::default(),
            review: None,
            lame_duck: None,
            past: Past::default(),
            events: Events::default(),
            system: SystemRequests::default(),
            delays: Delays::default(),
            thawing: None,
            changed: Changed::default(),
            text: Vec::new(),
            due: (Vec::new(), 0),
            limits,
        }
    }

    /// Which shard it is.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The oldest traced line.
    pub fn poll_trace(&mut self) -> Option<TraceLine> {
        self.clients.trace.poll()
    }

    /// Whether a turn would find something to do without any new cause.
    pub fn has_work(&self) -> bool {
        (!self.ready.is_empty() && !self.quiescent)
            || !self.leaving.is_empty()
            || !self.closed.is_empty()
            || !self.walks.is_empty()
            || !self.due.0.is_empty()
            || self.clients.has_dirty()
            || self.can_resume()
            || self.can_tell()
            || self.can_relay()
            || self.review.is_some()
            || self.has_clients_to_tell()
            || !self.events.is_empty()
            || self.system.can_answer(self.mesh.returned())
            || !self.decisions.is_empty()
    }

    /// Whether a change of interest waits that a batch at hand could carry: what a tick ends was
    /// staged by no hand-off yet, and a sleeping shard would leave its peers in the wrong belief.
    fn can_tell(&self) -> bool {
        let tells_usage = !self.usage.has_settled()
            && self.peers().all(|peer| self.mesh.has_interest_room(peer.bit(), 0));
        let tells_interest = !self.interest.has_settled()
            && self.peers().any(|peer| {
                self.interest.is_dirty(peer) && self.mesh.has_interest_room(peer.bit(), 0)
            });
        tells_usage || tells_interest
    }

    /// Whether a returned batch would let something go on: a peer that returns one should say so.
    pub fn wants_batches(&self) -> bool {
        !self.parked.is_empty()
            || !self.interest.has_settled()
            || !self.usage.has_settled()
            || !self.clients.relays.is_empty()
            || self.system.has_answers()
    }

    /// Whether answers wait that batches at hand may carry on.
    fn can_relay(&self) -> bool {
        !self.clients.relays.is_empty() && self.mesh.returned() != self.relays_at
    }

    /// Carries answers on, as far as batches reach.
    pub(crate) fn relay_all(&mut self) {
        if !self.clients.relays.is_empty() {
            self.relays_at = self.mesh.returned();
            if self.carry_relays() {
                // Not for want of a batch: the next turn goes on.
                self.relays_at = self.relays_at.wrapping_sub(1);
            }
        }
    }

    /// Lets the table of awaited answers be looked through, some time from now.
    pub(crate) fn arm_sweep(&mut self) {
        if !self.sweep_armed {
            self.sweep_armed = true;
            let nobody = ConnId::from_token(u64::MAX);
            self.timers.insert(nobody, TimerKind::Sweep, self.now.after_ns(SWEEP_NS));
        }
    }

    fn sweep_due(&mut self) {
        self.sweep_armed = false;
        let dropped = self.responses.expire(self.now);
        self.clients.stats.answers_expired += dropped as u64;
        if self.expire_traces() || self.responses.len() > 0 {
            self.arm_sweep();
        }
    }

    /// When the shard wants to be called again, whatever happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Takes a batch back that a peer has emptied.
    pub fn handle_returned(&mut self, peer: ShardId, batch: Box<Batch>) {
        self.mesh.handle_returned(peer, batch);
    }

    /// Learns how much memory for unsent messages the whole broker holds.
    pub fn handle_total_spool(&mut self, bytes: u64) {
        self.total_spool_bytes = bytes;
    }
}

/// What the phases of a turn do (`turn` gives them their order).
impl Shard {
    pub(crate) fn drain_batch(&mut self, peer: ShardId, batch: &Batch) {
        let queued = self.clients.stats.messages_out;
        let first_head = self.clients.spool.name_heads(batch.heads());
        for entry in batch.entries(first_head) {
            match entry {
                Entry::Change(Change::Usage { account, user, used }) => {
                    self.apply_usage(account, user, used);
                }
                Entry::Change(change) => self.interest.apply(peer, change),
                Entry::Message(message, to) => self.deliver_for_peer(message, to),
            }
            if self.clients.has_doomed() || !self.leaving.is_empty() {
                // Walking the receivers of a client that is to go costs more than removing them.
                self.settle_closings();
                self.sweep_leaving();
            }
        }
        self.delays.note(&self.clients, batch.read_at, queued);
    }

    /// Stages what has become due to be told (I5).
    pub(crate) fn stage_dirty_interest(&mut self) {
        self.stage_usage();
        if self.interest.has_settled() {
            return;
        }
        let peers = (0..self.shards).filter_map(ShardId::new).filter(|peer| *peer != self.id);
        for peer in peers {
            while let Some(list) = self.interest.poll_dirty(peer) {
                let change = self.interest.change(list);
                if !self.mesh.has_interest_room(peer.bit(), Batch::change_bytes(&change)) {
                    break;
                }
                self.mesh.stage_change(peer, &change);
                self.interest.settle(peer);
            }
        }
    }

    pub(crate) fn poll_batch(&mut self, peer: ShardId, lane: Lane) -> Option<Box<Batch>> {
        let mut batch = self.mesh.poll_batch(peer, lane)?;
        batch.read_at = self.now;
        Some(batch)
    }

    /// Ends clients whose peer will send no more, once all they sent is executed.
    pub(crate) fn end_inputs(&mut self) {
        while let Some(client) = self.ended.pop() {
            let Some(slot) = self.clients.resolve(client) else { continue };
            if !self.clients.get(slot).places.parked {
                self.catch_up(slot);
                self.clients.doom(slot, CloseReason::ClientClosed);
            }
        }
    }

    /// After a parked client ran: reads on, or ends with its input.
    pub(crate) fn ready_again(&mut self, slot: Slot) {
        let client = self.clients.get(slot);
        if client.places.parked || client.closing.is_some() {
            return;
        }
        if client.places.input_ended {
            self.catch_up(slot);
            self.clients.doom(slot, CloseReason::ClientClosed);
        } else if client.places.readable {
            self.mark_ready(slot);
        }
    }

    pub(crate) fn mark_ready(&mut self, slot: Slot) {
        let client = self.clients.get_mut(slot);
        let places = &mut client.places;
        if !places.ready && !places.parked && client.closing.is_none() && !places.input_ended {
            places.ready = true;
            self.ready.push_back(slot);
        }
    }

    /// Fires the timers that are due, a bounded number in a turn.
    pub(crate) fn fire_timers(&mut self) {
        let (mut due, mut fired) = std::mem::take(&mut self.due);
        if due.is_empty() {
            self.timers.advance(self.now, &mut due);
        }
        let fire = fired..due.len().min(fired + TIMERS_PER_TURN);
        fired = fire.end;
        for (client, kind) in due.get(fire).unwrap_or(&[]).iter().copied() {
            match kind {
                TimerKind::Sweep => self.sweep_due(),
                TimerKind::Changed => self.changed_due(),
                _ => {}
            }
            let Some(slot) = self.clients.resolve(client) else { continue };
            match kind {
                TimerKind::Ping => self.ping_due(slot),
                TimerKind::Deadline => self.deadline_due(slot),
                TimerKind::Expiry => self.expiry_due(slot),
                TimerKind::Pause => self.pause_due(slot),
                TimerKind::Entry => self.entry_due(slot),
                TimerKind::Sweep | TimerKind::Changed => {}
            }
        }
        if fired == due.len() {
            fired = 0;
            due.clear();
            due.shrink_to(DUE_KEPT);
        }
        self.due = (due, fired);
    }

    /// A random share of `most` nanoseconds, so that a million clients do not act at once.
    pub(crate) fn jitter(&mut self, most: u64) -> u64 {
        self.rng.next_u64() % most.max(1)
    }

    /// Peers of this shard.
    pub fn peers(&self) -> impl Iterator<Item = ShardId> + use<> {
        let me = self.id;
        (0..self.shards).filter_map(ShardId::new).filter(move |peer| *peer != me)
    }
}

/// The address in `ip:port`, without the brackets of an IPv6 one; nothing for peers without one.
pub(crate) fn ip_of(peer: &str) -> &str {
    // What a proxy said of it stands in front.
    let own = peer.rsplit_once('/').map_or(peer, |(_, own)| own);
    let Some((ip, port)) = own.rsplit_once(':') else { return "" };
    if port.parse::<u16>().is_err() {
        return "";
    }
    ip.trim_start_matches('[').trim_end_matches(']')
}

/// How long after an answer was awaited the table is looked through, in nanoseconds.
const SWEEP_NS: u64 = 1_000_000_000;
/// Timers that one turn fires.
const TIMERS_PER_TURN: usize = 4096;
/// Room for due timers that is kept.
const DUE_KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ip_is_what_stands_before_the_port() {
        assert_eq!(ip_of("127.0.0.1:80"), "127.0.0.1");
        assert_eq!(ip_of("[::1]:80"), "::1");
        assert_eq!(ip_of("unix"), "");
    }
}
