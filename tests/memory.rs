//! What idle connections cost on the heap, counted by the allocator: two shards, no sockets.
//!
//! Absent: the kernel's memory for a socket, and the allocator's own overhead. One test, so that
//! nothing else allocates meanwhile.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a test ends where its ground is gone")]

use std::alloc::System;
use std::sync::Arc;

use fanfare::config::Limits;
use fanfare::core::arrival::{Arrival, Entrance};
use fanfare::core::ids::{ClientNumber, ConnId, ShardId};
use fanfare::core::policy::Policy;
use fanfare::core::shard::{Shard, ShardSetup};
use fanfare::core::time::Instant;
use fanfare::core::turn::{Polled, ReadOutcome, Turn, WriteOutcome};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Connections of each measurement; not a power of two, so that tables are as full as they are.
const CONNECTIONS: usize = 10_000;
/// Messages of the burst.
const BURST: usize = 100;
/// Bytes of a connection with a filter of its own, its replica on the other shard included.
const OWN_FILTER_MAX: usize = 700;
/// Bytes of a connection whose filter others have too.
const SHARED_FILTER_MAX: usize = 450;

#[test]
fn idle_connections_are_small_and_give_everything_back() {
    // Measures with filters of their own first: the shared case then finds warm tables gone again.
    let own = measure(|n| format!("device.{n}.commands"));
    let shared = measure(|_| "prices.all".to_owned());
    println!("heap of an idle connection: {own} bytes, with a shared filter {shared} bytes");
    assert!(own <= OWN_FILTER_MAX, "own filter: {own} bytes");
    assert!(shared <= SHARED_FILTER_MAX, "shared filter: {shared} bytes");
}

fn heap() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Heap bytes of one idle connection; checks that a burst and the end return what they took.
fn measure(filter: impl Fn(usize) -> String) -> usize {
    let mut world = World::new();
    // The first client brings what every shard has once: a segment, an arena, tables.
    let first = world.connect(0, "warm.up");
    let second = world.connect(1, "warm.up");
    let before = heap();
    let clients: Vec<_> =
        (0..CONNECTIONS).map(|n| (n % 2, world.connect(n % 2, &filter(n)))).collect();
    let idle = heap() - before;
    world.burst(&filter);
    let after_burst = heap() - before;
    assert!(after_burst < idle + idle / 10, "a burst is given back: {idle} -> {after_burst}");
    for (shard, client) in clients {
        world.disconnect(shard, client);
    }
    world.let_timers_fire();
    let left = heap().saturating_sub(before);
    assert!(left < idle / 10, "closed connections are given back: {idle} -> {left}");
    world.disconnect(0, first);
    world.disconnect(1, second);
    assert!(world.shards.iter().flatten().all(|shard| shard.is_idle()));
    idle / CONNECTIONS
}

struct World {
    shards: Vec<Option<Box<Shard>>>,
    clients: u64,
    now: u64,
}

impl World {
    fn new() -> Self {
        let shard = |n| {
            Some(Box::new(Shard::new(ShardSetup {
                id: ShardId::new(n)?,
                shards: 2,
                batches_per_peer: ShardSetup::BATCHES_PER_PEER,
                policy: Arc::new(Policy::open()),
                // Those who have left are remembered, so many of them; that is not measured here.
                limits: Arc::new(Limits { closed_clients_max: 0, ..Limits::default() }),
                entrances: vec![Entrance::default()],
                seed: 1,
                first_generation: 0,
                trace: None,
                now: Instant::default(),
            })))
        };
        Self { shards: (0..2).map(shard).collect(), clients: 0, now: 0 }
    }

    fn begin(&mut self, shard: usize) -> Turn<Polled> {
        self.now += 1000;
        let shard = self.shards[shard].take().expect("one turn at a time");
        Turn::begin(shard, Instant::from_ns(self.now))
    }

    fn connect(&mut self, shard: usize, filter: &str) -> ConnId {
        self.clients += 1;
        let mut turn = self.begin(shard);
        let peer = format!("127.0.0.1:{}", 10_000 + self.clients).into();
        let client = turn.handle_accept(Arrival::plain(ClientNumber(self.clients), peer));
        self.run(shard, turn, None);
        let hello = "CONNECT {\"verbose\":false,\"lang\":\"go\",\"version\":\"1.2.3\"}\r\n";
        let input = format!("{hello}SUB {filter} 1\r\nPING\r\n");
        self.send(shard, client, input.as_bytes());
        client
    }

    /// Publishes to every filter from a client that then leaves.
    fn burst(&mut self, filter: &impl Fn(usize) -> String) {
        let publisher = self.connect(0, "burst.publisher");
        for n in (0..CONNECTIONS).step_by(CONNECTIONS / BURST) {
            let input = format!("PUB {} 128\r\n{:128}\r\n", filter(n), "x");
            self.send(0, publisher, input.as_bytes());
        }
        self.disconnect(0, publisher);
    }

    /// Timers of closed connections stay until they are due.
    fn let_timers_fire(&mut self) {
        self.now += 130_000_000_000;
        for shard in 0..2 {
            let turn = self.begin(shard);
            self.run(shard, turn, None);
        }
    }

    fn send(&mut self, shard: usize, client: ConnId, bytes: &[u8]) {
        let mut turn = self.begin(shard);
        turn.handle_readable(client);
        self.run(shard, turn, Some((client, ReadOutcome::Bytes(bytes.len()), bytes)));
    }

    fn disconnect(&mut self, shard: usize, client: ConnId) {
        let mut turn = self.begin(shard);
        turn.handle_readable(client);
        self.run(shard, turn, Some((client, ReadOutcome::Ended, &[])));
    }

    /// One turn, and those of the other shard that its batches cause.
    fn run(
        &mut self,
        shard: usize,
        turn: Turn<Polled>,
        input: Option<(ConnId, ReadOutcome, &[u8])>,
    ) {
        let mut turn = turn.read();
        while let Some(client) = turn.poll_read() {
            let (of, outcome, bytes) = input.expect("only one client was readable");
            assert_eq!(of, client);
            turn.room()[..bytes.len()].copy_from_slice(bytes);
            turn.handle_read(outcome);
        }
        let (me, peer) = (id(shard), id(1 - shard));
        let mut interest = turn.drain().route();
        let mut batches = Vec::new();
        batches.extend(std::iter::from_fn(|| interest.poll_batch(peer)));
        let mut data = interest.data();
        batches.extend(std::iter::from_fn(|| data.poll_batch(peer)));
        let mut writing = data.write();
        while writing.poll_write().is_some() {
            let bytes = writing.slices().map(<[u8]>::len).sum();
            writing.handle_written(WriteOutcome::Bytes(bytes));
        }
        let mut tick = writing.tick();
        while tick.poll_closed().is_some() {}
        self.shards[shard] = Some(tick.finish());
        for batch in batches {
            let mut turn = self.begin(1 - shard).read().drain();
            turn.handle_batch(me, &batch);
            self.finish(1 - shard, turn);
            let mut turn = self.begin(shard).read().drain();
            turn.handle_returned(peer, batch);
            self.finish(shard, turn);
        }
    }

    fn finish(&mut self, shard: usize, turn: Turn<fanfare::core::turn::Draining>) {
        let mut writing = turn.route().data().write();
        while writing.poll_write().is_some() {
            let bytes = writing.slices().map(<[u8]>::len).sum();
            writing.handle_written(WriteOutcome::Bytes(bytes));
        }
        self.shards[shard] = Some(writing.tick().finish());
    }
}

fn id(shard: usize) -> ShardId {
    ShardId::new(shard).expect("two shards")
}
