//! Shards with rings between them and sockets that are only numbers, driven by one thread.
//!
//! Absent: what clients do (`phases`). A turn here is what a shard's thread does in one turn, with
//! copies in place of system calls; only turns are timed, not what prepares their input.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use fanfare::config::Limits;
use fanfare::core::arrival::{Arrival, Entrance};
use fanfare::core::batch::{Batch, Lane};
use fanfare::core::ids::{ClientNumber, ConnId, ShardId};
use fanfare::core::policy::Policy;
use fanfare::core::shard::{Shard, ShardSetup};
use fanfare::core::time::Instant;
use fanfare::core::turn::{Polled, ReadOutcome, Turn, WriteOutcome};

use crate::meter::{self, Tally};

/// What a client's socket has to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) client: ConnId,
    pub(crate) bytes: &'a [u8],
    /// Whether the peer has gone, too.
    pub(crate) gone: bool,
}

/// What a turn begins with.
#[derive(Debug)]
pub(crate) enum Cause<'a> {
    /// Batches, timers, or work that was left.
    Nothing,
    /// New connections, with these numbers from the first one on; their ids are appended.
    Arrivals { first: u64, count: usize, ids: &'a mut Vec<ConnId> },
    /// These clients have sent something.
    Input(&'a [Said<'a>]),
    /// These clients' sockets take bytes again.
    Writable(&'a [ConnId]),
}

/// What stands in front of one shard.
#[derive(Debug, Default)]
struct Rings {
    batches: VecDeque<(ShardId, Box<Batch>)>,
    returned: Vec<(ShardId, Box<Batch>)>,
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct World {
    shards: Vec<Option<Box<Shard>>>,
    rings: Vec<Rings>,
    now: u64,
    pub(crate) tally: Tally,
    /// Whether time is taken: valgrind has no clock that the call for it would find.
    pub(crate) is_timed: bool,
    /// Sockets that take nothing, all of them.
    pub(crate) stalled: bool,
    /// Clients whose last bytes of all were a PING that they have not answered.
    pub(crate) pinged: Vec<ConnId>,
}

impl World {
    pub(crate) fn new(shards: usize) -> Self {
        let shard = |n| {
            Some(Box::new(Shard::new(ShardSetup {
                id: ShardId::new(n)?,
                shards,
                batches_per_peer: ShardSetup::BATCHES_PER_PEER,
                policy: Arc::new(Policy::open()),
                limits: Arc::new(Limits {
                    // Those who have left are remembered, so many of them: not measured here.
                    closed_clients_max: 0,
                    connections_max: usize::MAX,
                    filters_max: usize::MAX,
                    ..Limits::default()
                }),
                entrances: vec![Entrance::default()],
                seed: 1,
                first_generation: 0,
                trace: None,
                now: Instant::default(),
            })))
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            rings: (0..shards).map(|_| Rings::default()).collect(),
            now: 0,
            tally: Tally::default(),
            is_timed: true,
            stalled: false,
            pinged: Vec::new(),
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    pub(crate) fn shard(&self, shard: usize) -> &Shard {
        self.shards[shard].as_ref().expect("no turn is under way")
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now += seconds * 1_000_000_000;
    }

    /// One turn of one shard.
    pub(crate) fn turn(&mut self, shard: usize, cause: Cause<'_>) {
        let began = self.spent();
        self.one_turn(shard, cause);
        let ns = self.spent() - began;
        self.tally.spent_ns += ns;
        self.tally.turns += 1;
        self.tally.longest_ns = self.tally.longest_ns.max(ns);
    }

    /// Turns of all shards, in turn, until nobody has anything to do.
    pub(crate) fn settle(&mut self) {
        loop {
            let due = |world: &Self, shard: usize| {
                let rings = &world.rings[shard];
                !rings.batches.is_empty()
                    || !rings.returned.is_empty()
                    || world.shard(shard).has_work()
            };
            let busy: Vec<usize> = (0..self.shards()).filter(|at| due(self, *at)).collect();
            if busy.is_empty() {
                return;
            }
            for shard in busy {
                self.turn(shard, Cause::Nothing);
            }
        }
    }

    fn spent(&self) -> u64 {
        if self.is_timed { meter::spent() } else { 0 }
    }

    /// What `benches/curves` counts the instructions of: its name is known there.
    #[inline(never)]
    fn one_turn(&mut self, at: usize, cause: Cause<'_>) {
        self.now += 1_000;
        let shard = self.shards[at].take().expect("a shard is in one turn at a time");
        let mut turn = Turn::begin(shard, Instant::from_ns(self.now));
        let turn = match cause {
            Cause::Nothing => turn.read(),
            Cause::Arrivals { first, count, ids } => {
                ids.extend((first..).take(count).map(|number| {
                    turn.handle_accept(Arrival::plain(ClientNumber(number), address(number)))
                }));
                turn.read()
            }
            Cause::Input(said) => read(turn, said),
            Cause::Writable(clients) => {
                for client in clients {
                    turn.handle_writable(*client);
                }
                turn.read()
            }
        };
        let mut turn = turn.drain();
        for (peer, batch) in self.rings[at].returned.drain(..) {
            turn.handle_returned(peer, batch);
        }
        let me = id(at);
        while turn.may_drain()
            && let Some((peer, batch)) = self.rings[at].batches.pop_front()
        {
            turn.handle_batch(peer, &batch);
            self.rings[peer.index()].returned.push((me, batch));
        }
        let mut turn = turn.route();
        for peer in turn.shard().peers() {
            while let Some(batch) = turn.poll_batch(peer) {
                self.carry(me, peer, batch);
            }
        }
        let mut turn = turn.data();
        for peer in turn.shard().peers() {
            while let Some(batch) = turn.poll_batch(peer) {
                self.carry(me, peer, batch);
            }
        }
        let mut turn = turn.write();
        while let Some(client) = turn.poll_write() {
            let bytes = if self.stalled { 0 } else { self.take(client, turn.slices()) };
            turn.handle_written(WriteOutcome::Bytes(bytes));
        }
        let mut turn = turn.tick();
        while let Some(closed) = turn.poll_closed() {
            black_box(closed);
        }
        self.shards[at] = Some(turn.finish());
    }

    fn carry(&mut self, from: ShardId, to: ShardId, batch: Box<Batch>) {
        let (batches, records) = match batch.lane() {
            Lane::Interest => (&mut self.tally.interest_batches, &mut self.tally.interest_records),
            Lane::Data => (&mut self.tally.data_batches, &mut self.tally.data_records),
        };
        *batches += 1;
        *records += batch.len() as u64;
        self.rings[to.index()].batches.push_back((from, batch));
    }

    /// A socket takes all bytes: each piece is looked at once, and not kept.
    fn take<'a>(&mut self, client: ConnId, slices: impl Iterator<Item = &'a [u8]>) -> usize {
        let (mut bytes, mut last) = (0, &[][..]);
        for slice in slices {
            bytes += black_box(slice).len();
            last = slice;
        }
        if last.ends_with(b"PING\r\n") {
            self.pinged.push(client);
        }
        self.tally.written += bytes as u64;
        bytes
    }
}

/// Clients' sockets are read in the order in which they said something.
fn read(mut turn: Turn<Polled>, said: &[Said<'_>]) -> Turn<fanfare::core::turn::Reading> {
    for said in said {
        turn.handle_readable(said.client);
    }
    let mut turn = turn.read();
    let mut next = 0;
    while let Some(client) = turn.poll_read() {
        // A client that has more to read is asked again, and has no more.
        let heard = said.get(next).filter(|said| said.client == client);
        let Some(said) = heard else {
            turn.handle_read(ReadOutcome::WouldBlock);
            continue;
        };
        next += 1;
        turn.room()[..said.bytes.len()].copy_from_slice(said.bytes);
        let outcome =
            if said.gone { ReadOutcome::Ended } else { ReadOutcome::Bytes(said.bytes.len()) };
        turn.handle_read(outcome);
    }
    assert_eq!(next, said.len(), "all of them fit into one turn");
    turn
}

/// An address of its own for each client.
fn address(number: u64) -> Box<str> {
    let [.., a, b, c] = number.to_be_bytes();
    format!("10.{a}.{b}.{c}:{}", 10_000 + number % 50_000).into()
}

fn id(shard: usize) -> ShardId {
    ShardId::new(shard).expect("at most 64 shards")
}
