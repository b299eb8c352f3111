//! Two shards with sockets that take everything or nothing, in turns that are run one by one.
//!
//! Absent: counting. What is measured is in `memory`.

use std::sync::Arc;

use fanfare::config::Limits;
use fanfare::core::arrival::{Arrival, Entrance};
use fanfare::core::ids::{ClientNumber, ConnId, ShardId};
use fanfare::core::policy::Policy;
use fanfare::core::shard::{Shard, ShardSetup};
use fanfare::core::time::Instant;
use fanfare::core::turn::{Draining, Polled, ReadOutcome, Turn, WriteOutcome, Writing};

/// See the module's head.
pub(crate) struct World {
    pub(crate) shards: Vec<Option<Box<Shard>>>,
    clients: u64,
    now: u64,
    /// Whether sockets take nothing, and so leave what is written to them where it is.
    pub(crate) stalled: bool,
}

impl World {
    pub(crate) fn new() -> Self {
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
        Self { shards: (0..2).map(shard).collect(), clients: 0, now: 0, stalled: false }
    }

    fn begin(&mut self, shard: usize) -> Turn<Polled> {
        // Hardly any time passes, so that no timer is moved and takes room in another place.
        self.now += 1;
        let shard = self.shards[shard].take().expect("one turn at a time");
        Turn::begin(shard, Instant::from_ns(self.now))
    }

    pub(crate) fn connect(&mut self, shard: usize, filter: &str) -> ConnId {
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

    /// Timers of closed connections stay until they are due.
    pub(crate) fn let_timers_fire(&mut self) {
        self.now += 130_000_000_000;
        for shard in 0..2 {
            let turn = self.begin(shard);
            self.run(shard, turn, None);
        }
    }

    /// Turns until nobody has anything left to do.
    pub(crate) fn settle(&mut self) {
        for shard in [0, 1] {
            while self.shards[shard].as_ref().is_some_and(|shard| shard.has_work()) {
                let turn = self.begin(shard);
                self.run(shard, turn, None);
            }
        }
    }

    /// Sockets take everything again.
    pub(crate) fn release(&mut self, clients: &[(usize, ConnId)]) {
        self.stalled = false;
        for &(shard, client) in clients {
            let mut turn = self.begin(shard);
            turn.handle_writable(client);
            self.run(shard, turn, None);
        }
        self.settle();
    }

    pub(crate) fn send(&mut self, shard: usize, client: ConnId, bytes: &[u8]) {
        let mut turn = self.begin(shard);
        turn.handle_readable(client);
        self.run(shard, turn, Some((client, ReadOutcome::Bytes(bytes.len()), bytes)));
    }

    pub(crate) fn disconnect(&mut self, shard: usize, client: ConnId) {
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
        self.write(shard, data.write());
        for batch in batches {
            let mut turn = self.begin(1 - shard).read().drain();
            turn.handle_batch(me, &batch);
            self.finish(1 - shard, turn);
            let mut turn = self.begin(shard).read().drain();
            turn.handle_returned(peer, batch);
            self.finish(shard, turn);
        }
    }

    fn write(&mut self, shard: usize, mut writing: Turn<Writing>) {
        while writing.poll_write().is_some() {
            let bytes: usize = writing.slices().map(<[u8]>::len).sum();
            writing.handle_written(WriteOutcome::Bytes(if self.stalled { 0 } else { bytes }));
        }
        let mut tick = writing.tick();
        while tick.poll_closed().is_some() {}
        self.shards[shard] = Some(tick.finish());
    }

    fn finish(&mut self, shard: usize, turn: Turn<Draining>) {
        self.write(shard, turn.route().data().write());
    }
}

fn id(shard: usize) -> ShardId {
    ShardId::new(shard).expect("two shards")
}
