//! Shards with sockets that take what they are told to take, in turns that are run one by one.
//!
//! Absent: threads and a clock. A batch that a turn hands off is taken in by its peer and comes
//! back before the next turn begins.

use std::hint::black_box;
use std::sync::Arc;

use fanfare::config::Limits;
use fanfare::core::arrival::{Arrival, Entrance};
use fanfare::core::ids::{ClientNumber, ConnId, ShardId};
use fanfare::core::policy::Policy;
use fanfare::core::shard::{Shard, ShardSetup};
use fanfare::core::time::Instant;
use fanfare::core::turn::{Draining, Polled, ReadOutcome, Reading, Turn, WriteOutcome, Writing};

use crate::codec::CONNECT;

/// See the module's head.
pub(crate) struct World {
    shards: Vec<Option<Box<Shard>>>,
    clients: u64,
    now: u64,
    /// Whose socket takes nothing.
    pub(crate) stalled: Option<ConnId>,
}

impl World {
    pub(crate) fn new(shards: usize) -> Self {
        let shard = |n| {
            Some(Box::new(Shard::new(ShardSetup {
                id: ShardId::new(n)?,
                shards,
                batches_per_peer: ShardSetup::BATCHES_PER_PEER,
                policy: Arc::new(Policy::open()),
                limits: Arc::new(Limits::default()),
                entrances: vec![Entrance::default()],
                seed: 1,
                first_generation: 0,
                trace: None,
                now: Instant::default(),
            })))
        };
        Self { shards: (0..shards).map(shard).collect(), clients: 0, now: 0, stalled: None }
    }

    /// A client that has said CONNECT and this.
    pub(crate) fn connect(&mut self, shard: usize, then: &str) -> ConnId {
        self.clients += 1;
        let mut turn = self.begin(shard);
        let peer = "127.0.0.1:1000".into();
        let client = turn.handle_accept(Arrival::plain(ClientNumber(self.clients), peer));
        self.rest_of_turn(shard, turn.read());
        let mut hello = CONNECT.to_vec();
        hello.extend_from_slice(then.as_bytes());
        self.send(shard, client, &hello);
        client
    }

    /// One turn in which this client has sent these bytes.
    pub(crate) fn send(&mut self, shard: usize, client: ConnId, bytes: &[u8]) {
        let mut turn = self.begin(shard);
        turn.handle_readable(client);
        let mut turn = turn.read();
        let mut rest = bytes;
        while turn.poll_read().is_some() {
            let room = turn.room();
            let taken = rest.len().min(room.len());
            room[..taken].copy_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            turn.handle_read(ReadOutcome::Bytes(taken));
        }
        self.rest_of_turn(shard, turn);
        while !rest.is_empty() {
            // More than a read takes: the next turns bring the rest.
            let mut turn = self.begin(shard).read();
            while turn.poll_read().is_some() {
                let room = turn.room();
                let taken = rest.len().min(room.len());
                room[..taken].copy_from_slice(&rest[..taken]);
                rest = &rest[taken..];
                turn.handle_read(ReadOutcome::Bytes(taken));
            }
            self.rest_of_turn(shard, turn);
        }
    }

    /// Turns until nothing waits to be written.
    pub(crate) fn settle(&mut self, shard: usize) {
        while self.shards[shard].as_ref().is_some_and(|shard| shard.has_work()) {
            let turn = self.begin(shard);
            self.rest_of_turn(shard, turn.read());
        }
    }

    /// The stalled socket takes everything again.
    pub(crate) fn release(&mut self, shard: usize) {
        let Some(client) = self.stalled.take() else { return };
        let mut turn = self.begin(shard);
        turn.handle_writable(client);
        self.rest_of_turn(shard, turn.read());
        self.settle(shard);
    }

    /// One turn in which the client's socket ends.
    pub(crate) fn disconnect(&mut self, shard: usize, client: ConnId) {
        let mut turn = self.begin(shard);
        turn.handle_readable(client);
        let mut turn = turn.read();
        while turn.poll_read().is_some() {
            turn.handle_read(ReadOutcome::Ended);
        }
        self.rest_of_turn(shard, turn);
    }

    fn begin(&mut self, shard: usize) -> Turn<Polled> {
        self.now += 1000;
        // INVARIANT: every turn ends by putting its shard back.
        let shard = self.shards[shard].take().expect("a shard is in one turn at a time");
        Turn::begin(shard, Instant::from_ns(self.now))
    }

    fn rest_of_turn(&mut self, shard: usize, turn: Turn<Reading>) {
        // INVARIANT: a world has two shards at most.
        let me = ShardId::new(shard).expect("few shards");
        let mut interest = turn.drain().route();
        let mut carried = Vec::new();
        let peers: Vec<_> = interest.shard().peers().collect();
        for peer in &peers {
            carried.extend(std::iter::from_fn(|| interest.poll_batch(*peer)).map(|b| (*peer, b)));
        }
        let mut data = interest.data();
        for peer in &peers {
            carried.extend(std::iter::from_fn(|| data.poll_batch(*peer)).map(|b| (*peer, b)));
        }
        self.write(shard, data.write());
        for (peer, batch) in carried {
            let mut turn = self.begin(peer.index()).read().drain();
            turn.handle_batch(me, &batch);
            self.finish_drained(peer.index(), turn);
            let mut turn = self.begin(shard).read().drain();
            turn.handle_returned(peer, batch);
            self.finish_drained(shard, turn);
        }
    }

    fn finish_drained(&mut self, shard: usize, turn: Turn<Draining>) {
        self.write(shard, turn.route().data().write());
    }

    fn write(&mut self, shard: usize, mut writing: Turn<Writing>) {
        while let Some(client) = writing.poll_write() {
            let gathered = writing.slices().map(|slice| black_box(slice).len()).sum();
            let taken = if self.stalled == Some(client) { 0 } else { gathered };
            writing.handle_written(WriteOutcome::Bytes(taken));
        }
        let mut tick = writing.tick();
        while tick.poll_closed().is_some() {}
        self.shards[shard] = Some(tick.finish());
    }
}
