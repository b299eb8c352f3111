//! From the bytes of a turn to executed operations, in byte order for each client.
//!
//! Absent: sockets, and what operations do (`session`). All of a turn's reads land in one arena,
//! and nothing in it is interpreted before the drain is over (I1). What is left of an operation
//! stays with its client (`inbox`).

use fanfare_protocol::decode::{self, DecodeError, LastLine, Step};
use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::limits::DecodeLimits;
use fanfare_protocol::op::{ClientOp, Publish};

use super::badge::Standing;
use super::clients::Client;
use super::ids::{ConnId, Slot};
use super::inbox::Assembly;
use super::message::Body;
use super::session::Flow;
use super::shard::Shard;
use super::timer::TimerKind;

/// Where one client's bytes of this turn are.
#[derive(Debug, Clone, Copy)]
struct Input {
    client: ConnId,
    start: usize,
    end: usize,
}

/// The bytes that one turn has read; the room is used again in the next.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
    used: usize,
    inputs: Vec<Input>,
}

impl Arena {
    /// Room for one read of so many bytes behind `rest`, which is put in front of it.
    pub(crate) fn room(&mut self, rest: &[u8], size: usize) -> &mut [u8] {
        let start = self.used + rest.len();
        let end = start + size;
        if self.bytes.len() < end {
            self.bytes.resize(end.max(2 * READ_BYTES), 0);
        }
        self.bytes[self.used..start].copy_from_slice(rest);
        &mut self.bytes[start..end]
    }

    /// Notes what the last room's read brought, the rest in front of it included.
    pub(crate) fn commit(&mut self, client: ConnId, length: usize) {
        let start = self.used;
        self.used += length;
        debug_assert!(self.used <= self.bytes.len(), "nobody reads more than there was room for");
        self.inputs.push(Input { client, start, end: self.used });
    }

    /// Whether this turn should read no more.
    pub(crate) fn is_full(&self) -> bool {
        self.inputs.len() >= READS_PER_TURN || self.used >= ARENA_BYTES_MAX
    }

    fn clear(&mut self) {
        self.inputs.clear();
        self.used = 0;
        if self.bytes.len() > ARENA_BYTES_KEPT {
            self.bytes.truncate(ARENA_BYTES_KEPT);
            self.bytes.shrink_to_fit();
        }
    }
}

/// Most bytes of one read from a client. Of one that is not in yet it is little, because what it
/// has sent behind its CONNECT is kept until it is.
pub(crate) fn read_size(client: &Client) -> usize {
    match client.standing {
        Standing::Stranger | Standing::Waiting => STRANGER_READ_BYTES,
        Standing::Bound if client.last_len < LARGE_FROM => READ_BYTES,
        Standing::Bound => LARGE_READ_BYTES,
    }
}

impl Shard {
    /// Resumes parked clients, oldest first, then executes what was read.
    pub(crate) fn route_all(&mut self) {
        self.relay_all();
        self.carry_out_decisions();
        self.resume_parked();
        let mut arena = std::mem::take(&mut self.arena);
        for input in &arena.inputs {
            if let Some(slot) = self.clients.resolve(input.client) {
                self.execute(slot, &arena.bytes[input.start..input.end]);
            }
        }
        arena.clear();
        self.arena = arena;
        self.relay_all();
    }

    /// Whether a client with a waiting command is worth a try.
    pub(crate) fn can_resume(&self) -> bool {
        !self.parked.is_empty()
            && !self.is_waiting()
            && (self.yielded || self.mesh.returned() != self.parked_at)
    }

    fn resume_parked(&mut self) {
        if !self.can_resume() {
            return;
        }
        self.parked_at = self.mesh.returned();
        self.yielded = false;
        for _ in 0..self.parked.len() {
            if self.visits_left == 0 && self.is_spent() {
                self.yielded = true;
                return;
            }
            let Some(id) = self.parked.pop_front() else { return };
            let Some(slot) = self.clients.resolve(id) else { continue };
            let client = self.clients.get_mut(slot);
            let places = client.places;
            if places.parked && places.walking && client.closing.is_none() {
                // It would only be parked again, with its bytes copied.
                self.parked.push_back(id);
                continue;
            }
            if !std::mem::replace(&mut client.places.parked, false) || client.closing.is_some() {
                continue;
            }
            let rest = std::mem::take(&mut client.inbox.rest);
            self.execute(slot, &rest);
            self.ready_again(slot);
        }
    }

    fn park(&mut self, slot: Slot, rest: &[u8]) {
        let now = self.now;
        let client = self.clients.get_mut(slot);
        client.inbox.keep(rest);
        client.places.parked = true;
        // What waits here is no fault of the client's.
        client.operated = true;
        client.last_input = now;
        let id = client.id;
        self.parked.push_back(id);
        self.clients.stats.parked += 1;
    }

    /// Whether a client has come so far that its operations are executed. While it waits to be let
    /// in, its bytes are kept; of one that is to go they are dropped.
    fn may_execute(&mut self, slot: Slot, bytes: &[u8]) -> bool {
        let client = self.clients.get(slot);
        if client.closing.is_some() {
            return false;
        }
        let next = match client.standing {
            Standing::Waiting => Flow::Wait,
            Standing::Stranger if bytes.is_empty() => Flow::Stop,
            Standing::Stranger => self.meets_first_rule(slot, bytes),
            Standing::Bound => Flow::Done,
        };
        match next {
            Flow::Done => true,
            Flow::Wait => {
                self.hold(slot, bytes);
                false
            }
            Flow::Park | Flow::Pause | Flow::Stop => false,
        }
    }

    pub(crate) fn execute(&mut self, slot: Slot, bytes: &[u8]) {
        if !self.may_execute(slot, bytes) {
            return;
        }
        let decode_limits = self.decode_limits_of(slot);
        let mut rest = bytes;
        if self.clients.get(slot).inbox.assembly.is_some() {
            match self.continue_assembly(slot, &mut rest) {
                Flow::Done => {}
                Flow::Park => return self.park(slot, rest),
                Flow::Pause => return self.pause(slot, rest),
                Flow::Wait | Flow::Stop => return,
            }
        }
        let mut operated = false;
        let mut last_line = LastLine::default();
        while !rest.is_empty() {
            if self.visits_left == 0 && self.must_yield(slot) {
                return self.park(slot, rest);
            }
            match decode::next_after(rest, &decode_limits, &mut last_line) {
                Ok(Step::Op(op, used)) => match self.apply(slot, &op) {
                    Flow::Done => {
                        // An answer to our own PING is no sign that the client wants anything.
                        operated |= !matches!(op, ClientOp::Pong);
                        rest = &rest[used..];
                    }
                    Flow::Park => return self.park(slot, rest),
                    Flow::Pause => return self.pause(slot, rest),
                    Flow::Wait => return self.hold(slot, &rest[used..]),
                    Flow::Stop => return,
                },
                Ok(Step::Payload { line, line_len }) => {
                    if line.header_len.is_some() && !self.clients.get(slot).choices.headers {
                        self.violation(slot);
                        return;
                    }
                    if line.total_len as usize >= ASSEMBLED_FROM {
                        let mut assembly = Box::new(Assembly::new(&line));
                        assembly.take(&rest[line_len..]);
                        self.clients.get_mut(slot).inbox.assembly = Some(assembly);
                        rest = &[];
                    }
                    break;
                }
                Ok(Step::More) => break,
                Err(error) => return self.refuse(slot, error),
            }
            if self.clients.has_doomed() {
                self.settle_closings();
            }
            if self.clients.get(slot).closing.is_some() {
                return;
            }
        }
        let client = self.clients.get_mut(slot);
        if operated {
            client.operated = true;
            client.last_input = self.now;
        }
        client.inbox.keep(rest);
    }

    /// Lets a client wait, unread, until it may go on.
    fn pause(&mut self, slot: Slot, rest: &[u8]) {
        let (now, until) = (self.now, self.pause_until);
        let client = self.clients.get_mut(slot);
        client.inbox.keep(rest);
        client.places.parked = true;
        client.places.paused = true;
        client.operated = true;
        client.last_input = now;
        let id = client.id;
        self.timers.insert(id, TimerKind::Pause, until);
        self.clients.stats.paused += 1;
    }

    /// Lets a paused client go on, in the next turn's route phase.
    pub(crate) fn pause_due(&mut self, slot: Slot) {
        let client = self.clients.get_mut(slot);
        let id = client.id;
        if std::mem::replace(&mut client.places.paused, false) {
            self.parked.push_back(id);
            self.yielded = true;
        }
    }

    /// Keeps what a client has sent behind the question who it is.
    fn hold(&mut self, slot: Slot, rest: &[u8]) {
        let client = self.clients.get_mut(slot);
        client.operated = true;
        client.inbox.keep(rest);
    }

    /// Bounds of what a client may send: its account or user may have narrower ones.
    fn decode_limits_of(&self, slot: Slot) -> DecodeLimits {
        let mut limits = self.decode_limits;
        if self.clients.get(slot).checks.ruled {
            limits.payload_max = self.payload_max(slot);
        }
        limits
    }

    /// Bytes of one message that a client may publish.
    pub(crate) fn payload_max(&self, slot: Slot) -> usize {
        let client = self.clients.get(slot);
        let of_account = self.policy.accounts.get(client.account).limits.payload_max;
        let of_user = client.badge.as_ref().and_then(|badge| badge.payload_max());
        let narrower = [of_account, of_user].into_iter().flatten().min();
        narrower.map_or(self.limits.payload_max, |most| self.limits.payload_max.min(most as usize))
    }

    /// Feeds a large message; executes it when it is whole.
    fn continue_assembly(&mut self, slot: Slot, rest: &mut &[u8]) -> Flow {
        let client = self.clients.get_mut(slot);
        let Some(mut assembly) = client.inbox.assembly.take() else { return Flow::Done };
        let taken = assembly.take(rest);
        *rest = &rest[taken..];
        if !assembly.is_whole() {
            if assembly.breaks_frame() {
                self.refuse(slot, ProtocolError::UnknownOperation.into());
                return Flow::Stop;
            }
            client.inbox.assembly = Some(assembly);
            return Flow::Done;
        }
        if let Err(error) = decode::check_frame_end(assembly.frame_end()) {
            self.refuse(slot, error);
            return Flow::Stop;
        }
        let body = assembly.take_body();
        if self.clients.trace.enabled {
            let publish = Publish { line: assembly.line(), framed: &body };
            self.clients.trace_operation(slot, &ClientOp::Publish(publish));
        }
        let flow = self.publish(slot, &assembly.line(), Body::Shared(&body));
        let client = self.clients.get_mut(slot);
        client.operated = true;
        client.last_input = self.now;
        if matches!(flow, Flow::Park | Flow::Pause) {
            assembly.restore_body(body);
            client.inbox.assembly = Some(assembly);
        } else if client.closing.is_some() {
            return Flow::Stop;
        }
        flow
    }

    fn refuse(&mut self, slot: Slot, error: DecodeError) {
        match error {
            DecodeError::Protocol(error) => self.answer(slot, &error),
            DecodeError::Silent(_) => self.violation(slot),
        };
    }
}

/// Most bytes of one read: fairness between clients, and what it brings stays in a core's
/// second-level cache until it is written (256 KiB cost 1:1 of 128 B half as much again).
const READ_BYTES: usize = 64 * 1024;
/// Most bytes of one read from a client that sends large messages, which are copied once and not
/// looked at: fewer system calls count for more than the cache (a quarter less at 16 KiB).
const LARGE_READ_BYTES: usize = 256 * 1024;
/// Most bytes of one read from a client that is not in yet: room for one TLS record of any size,
/// and little more.
const STRANGER_READ_BYTES: usize = 18 * 1024;
/// Messages from this size on are large to this end.
const LARGE_FROM: u32 = 4 * 1024;
/// Most reads of one turn.
const READS_PER_TURN: usize = 64;
/// Bytes of a turn's reads after which it reads no more.
const ARENA_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the arena that a calm shard keeps.
const ARENA_BYTES_KEPT: usize = 256 * 1024;
/// Messages from this size on are collected in a buffer of their own when they come in pieces.
const ASSEMBLED_FROM: usize = 16 * 1024;
