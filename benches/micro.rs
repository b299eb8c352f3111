//! Whole turns of the core without sockets, and the codec alone: fixed work for counting
//! instructions.
//!
//! Absent: time. `benches/instructions` runs each scenario under valgrind at two lengths and
//! divides the difference, so that set-up costs cancel out and the figures repeat on any machine.
//!
//! Usage: `micro SCENARIO ROUNDS` prints how many units of work the rounds were.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a benchmark ends where its ground is gone")]

use std::hint::black_box;
use std::sync::Arc;

use fanfare::config::Limits;
use fanfare::core::arrival::{Arrival, Entrance};
use fanfare::core::ids::{ClientNumber, ConnId, ShardId};
use fanfare::core::policy::Policy;
use fanfare::core::shard::{Shard, ShardSetup};
use fanfare::core::time::Instant;
use fanfare::core::turn::{ReadOutcome, Turn, WriteOutcome};
use fanfare_protocol::decode::{self, Step};
use fanfare_protocol::encode;
use fanfare_protocol::limits::DecodeLimits;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let rounds = args.get(2).and_then(|text| text.parse().ok());
    let (Some(name), Some(rounds)) = (args.get(1), rounds) else {
        // `cargo bench` and `cargo test --benches` come without a scenario: one short round each.
        for scenario in SCENARIOS {
            report(scenario, 1);
        }
        return;
    };
    if let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) {
        report(scenario, rounds);
        return;
    }
    let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    println!("no scenario {name}; there are: {}", names.join(" "));
    std::process::exit(2);
}

fn report(scenario: &Scenario, rounds: u64) {
    println!("{} {} units", scenario.name, (scenario.run)(rounds));
}

struct Scenario {
    name: &'static str,
    /// Runs so many rounds and says how many units of work they were.
    run: fn(u64) -> u64,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "parse_pub_16", run: |rounds| parse(rounds, 16) },
    Scenario { name: "parse_pub_1024", run: |rounds| parse(rounds, 1024) },
    Scenario { name: "encode_head", run: encode_head },
    Scenario { name: "publish_only_16", run: |rounds| local(rounds, 16, 0, "SUB f 1") },
    Scenario { name: "publish_only_128", run: |rounds| local(rounds, 128, 0, "SUB f 1") },
    Scenario { name: "one_to_one_16", run: |rounds| local(rounds, 16, 1, "SUB f 1") },
    Scenario { name: "one_to_one_128", run: |rounds| local(rounds, 128, 1, "SUB f 1") },
    Scenario { name: "one_to_one_1024", run: |rounds| local(rounds, 1024, 1, "SUB f 1") },
    Scenario { name: "one_to_ten_128", run: |rounds| local(rounds, 128, 10, "SUB f 1") },
    Scenario { name: "one_to_thousand_128", run: |rounds| local(rounds, 128, 1000, "SUB f 1") },
    Scenario { name: "wildcard_128", run: |rounds| local(rounds, 128, 1, "SUB * 1") },
    Scenario { name: "queue_of_eight_128", run: |rounds| local(rounds, 128, 8, "SUB f q 1") },
    Scenario { name: "match_hot", run: |rounds| many_filters(rounds, 256) },
    Scenario { name: "match_cold", run: |rounds| many_filters(rounds, 65_536) },
    Scenario { name: "across_shards_16", run: |rounds| across(rounds, 16) },
    Scenario { name: "across_shards_128", run: |rounds| across(rounds, 128) },
    Scenario { name: "single_message_turn", run: single },
    Scenario { name: "connect_and_subscribe", run: connections },
];

/// Publishes that fill about one read.
fn publishes(subject: &str, size: usize) -> (Vec<u8>, u64) {
    let mut one = format!("PUB {subject} {size}\r\n").into_bytes();
    one.extend(std::iter::repeat_n(b'x', size));
    one.extend_from_slice(b"\r\n");
    let count = (60_000 / one.len()).max(1);
    (one.repeat(count), count as u64)
}

fn parse(rounds: u64, size: usize) -> u64 {
    let (input, count) = publishes("subject.one", size);
    let limits = DecodeLimits::default();
    for _ in 0..rounds {
        let mut rest = &input[..];
        while let Ok(Step::Op(op, used)) = decode::next(black_box(rest), &limits) {
            black_box(&op);
            rest = &rest[used..];
        }
    }
    rounds * count
}

fn encode_head(rounds: u64) -> u64 {
    let mut out = Vec::with_capacity(256);
    for _ in 0..rounds * 1000 {
        out.clear();
        encode::message_prefix(&mut out, black_box(b"subject.one"), false);
        encode::message_suffix(&mut out, black_box(b""), None, black_box(128));
        black_box(&out);
    }
    rounds * 1000
}

fn local(rounds: u64, size: usize, subscribers: usize, subscribe: &str) -> u64 {
    let mut world = World::new(1);
    for _ in 0..subscribers {
        let client = world.connect(0);
        world.send(0, &[(client, format!("{subscribe}\r\n").as_bytes())]);
    }
    let publisher = world.connect(0);
    let (input, count) = publishes("f", size);
    for _ in 0..rounds {
        world.send(0, &[(publisher, &input)]);
    }
    rounds * count * subscribers.max(1) as u64
}

/// 100 000 literal and 10 000 wildcard filters; messages go round over some of the subjects.
fn many_filters(rounds: u64, subjects: usize) -> u64 {
    let mut world = World::new(1);
    let subscriber = world.connect(0);
    for n in 0..100_000 {
        world.send(0, &[(subscriber, format!("SUB a.{}.b.{n} {n}\r\n", n % 100).as_bytes())]);
    }
    for n in 0..10_000 {
        let line = format!("SUB a.{}.*.{} {}\r\n", n % 100, 200_000 + n, 100_000 + n);
        world.send(0, &[(subscriber, line.as_bytes())]);
    }
    let publisher = world.connect(0);
    let inputs: Vec<Vec<u8>> = (0..subjects.div_ceil(500)).map(|i| batch_of(i, subjects)).collect();
    for (_, input) in (0..rounds).zip(inputs.iter().cycle()) {
        world.send(0, &[(publisher, input)]);
    }
    rounds * 500
}

fn batch_of(index: usize, subjects: usize) -> Vec<u8> {
    let line = |n: usize| {
        let n = (index * 500 + n) * 7919 % subjects;
        format!("PUB a.{}.b.{n} 2\r\nhi\r\n", n % 100).into_bytes()
    };
    (0..500).flat_map(line).collect()
}

fn across(rounds: u64, size: usize) -> u64 {
    let mut world = World::new(2);
    let subscriber = world.connect(1);
    world.send(1, &[(subscriber, b"SUB f 1\r\n")]);
    world.send(0, &[]);
    let publisher = world.connect(0);
    let (input, count) = publishes("f", size);
    for _ in 0..rounds {
        world.send(0, &[(publisher, &input)]);
        world.send(1, &[]);
        world.send(0, &[]);
    }
    rounds * count
}

fn single(rounds: u64) -> u64 {
    let mut world = World::new(1);
    let (subscriber, publisher) = (world.connect(0), world.connect(0));
    world.send(0, &[(subscriber, b"SUB f 1\r\n")]);
    for _ in 0..rounds * 100 {
        world.send(0, &[(publisher, b"PUB f 2\r\nhi\r\n")]);
    }
    rounds * 100
}

fn connections(rounds: u64) -> u64 {
    let mut world = World::new(1);
    for _ in 0..rounds * 100 {
        let client = world.connect(0);
        world.send(0, &[(client, b"CONNECT {\"verbose\":false}\r\nSUB f 1\r\nPING\r\n")]);
    }
    rounds * 100
}

/// Shards, and sockets that take everything.
struct World {
    shards: Vec<Option<Box<Shard>>>,
    clients: u64,
    now: u64,
}

impl World {
    fn new(shards: usize) -> Self {
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
        Self { shards: (0..shards).map(shard).collect(), clients: 0, now: 0 }
    }

    fn connect(&mut self, shard: usize) -> ConnId {
        self.clients += 1;
        let mut turn = self.begin(shard);
        let peer = "127.0.0.1:1000".into();
        let client = turn.handle_accept(Arrival::plain(ClientNumber(self.clients), peer));
        self.finish(shard, turn);
        self.send(shard, &[(client, b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")]);
        client
    }

    fn begin(&mut self, shard: usize) -> Turn<fanfare::core::turn::Polled> {
        self.now += 1000;
        let shard = self.shards[shard].take().expect("a shard is in one turn at a time");
        Turn::begin(shard, Instant::from_ns(self.now))
    }

    /// One turn in which these clients have sent these bytes.
    fn send(&mut self, shard: usize, inputs: &[(ConnId, &[u8])]) {
        let mut turn = self.begin(shard);
        for (client, _) in inputs {
            turn.handle_readable(*client);
        }
        let mut turn = turn.read();
        while let Some(client) = turn.poll_read() {
            let bytes = inputs.iter().find(|input| input.0 == client).map_or(&[][..], |i| i.1);
            turn.room()[..bytes.len()].copy_from_slice(bytes);
            turn.handle_read(ReadOutcome::Bytes(bytes.len()));
        }
        self.rest_of_turn(shard, turn);
    }

    fn finish(&mut self, shard: usize, turn: Turn<fanfare::core::turn::Polled>) {
        self.rest_of_turn(shard, turn.read());
    }

    fn rest_of_turn(&mut self, shard: usize, turn: Turn<fanfare::core::turn::Reading>) {
        let me = ShardId::new(shard).expect("few shards");
        let turn = turn.drain();
        let mut interest = turn.route();
        let mut carried = Vec::new();
        let peers: Vec<_> = interest.shard().peers().collect();
        for peer in &peers {
            while let Some(batch) = interest.poll_batch(*peer) {
                carried.push((*peer, batch));
            }
        }
        let mut data = interest.data();
        for peer in &peers {
            while let Some(batch) = data.poll_batch(*peer) {
                carried.push((*peer, batch));
            }
        }
        let mut writing = data.write();
        while writing.poll_write().is_some() {
            let bytes = writing.slices().map(|slice| black_box(slice).len()).sum();
            writing.handle_written(WriteOutcome::Bytes(bytes));
        }
        self.shards[shard] = Some(writing.tick().finish());
        for (peer, batch) in carried {
            let mut turn = self.begin(peer.index()).read().drain();
            turn.handle_batch(me, &batch);
            self.finish_drained(peer.index(), turn);
            let mut turn = self.begin(shard).read().drain();
            turn.handle_returned(peer, batch);
            self.finish_drained(shard, turn);
        }
    }

    fn finish_drained(&mut self, shard: usize, turn: Turn<fanfare::core::turn::Draining>) {
        let mut writing = turn.route().data().write();
        while writing.poll_write().is_some() {
            let bytes = writing.slices().map(|slice| black_box(slice).len()).sum();
            writing.handle_written(WriteOutcome::Bytes(bytes));
        }
        self.shards[shard] = Some(writing.tick().finish());
    }
}
