//! What turns do for readers and publishers, one shard at a time.
//!
//! Absent: sockets and peers. A turn's input and what its sockets take are written out here.

use super::super::ids::ClientNumber;
use super::super::policy::Policy;
use super::super::shard::ShardSetup;
use super::*;
use crate::config::Limits;

fn shard(limits: Limits) -> Box<Shard> {
    Box::new(Shard::new(ShardSetup {
        id: ShardId::new(0).expect("there is a first shard"),
        shards: 1,
        batches_per_peer: ShardSetup::BATCHES_PER_PEER,
        policy: Arc::new(Policy::open()),
        limits: Arc::new(limits),
        entrances: vec![Entrance::default()],
        seed: 1,
        first_generation: 0,
        trace: None,
        now: Instant::default(),
    }))
}

fn accept(shard: Box<Shard>, number: u64) -> (Box<Shard>, ConnId) {
    let mut turn = Turn::begin(shard, Instant::default());
    let peer = "127.0.0.1:1".into();
    let client = turn.handle_accept(Arrival::plain(ClientNumber(number), peer));
    (turn.read().drain().route().data().write().tick().finish(), client)
}

/// One turn in which sockets have these bytes and take all they are given. Says whether the
/// bytes were read, and whom it closed.
fn turn(shard: Box<Shard>, input: &[(ConnId, &[u8])]) -> (Box<Shard>, usize, Vec<Closed>) {
    let mut turn = Turn::begin(shard, Instant::default());
    for (client, _) in input {
        turn.handle_readable(*client);
    }
    let (mut turn, mut reads) = (turn.read(), 0);
    while let Some(client) = turn.poll_read() {
        let bytes = input.iter().find(|(of, _)| *of == client).map_or(&[][..], |(_, b)| b);
        turn.room()[..bytes.len()].copy_from_slice(bytes);
        turn.handle_read(ReadOutcome::Bytes(bytes.len()));
        reads += 1;
    }
    let mut writing = turn.drain().route().data().write();
    while writing.poll_write().is_some() {
        let bytes = writing.slices().map(<[u8]>::len).sum();
        writing.handle_written(WriteOutcome::Bytes(bytes));
    }
    let mut tick = writing.tick();
    let closed = std::iter::from_fn(|| tick.poll_closed()).collect();
    (tick.finish(), reads, closed)
}

/// Many clients publish as much as a turn reads; one takes whatever it is given.
#[test]
fn a_reader_that_takes_everything_is_never_slow() {
    let limits = Limits { pending_bytes_max: 64 << 20, ..Limits::default() };
    let (mut shard, reader) = accept(shard(limits), 1);
    // More than a turn writes.
    shard.set_visits_per_turn(1 << 20);
    let mut hello = b"CONNECT {\"verbose\":false}\r\n".to_vec();
    for n in 1..=40 {
        hello.extend_from_slice(format!("SUB f {n}\r\n").as_bytes());
    }
    (shard, _, _) = turn(shard, &[(reader, &hello)]);
    let mut publishers = Vec::new();
    for number in 2..20 {
        let publisher;
        (shard, publisher) = accept(shard, number);
        let hello = &b"CONNECT {\"verbose\":false}\r\n"[..];
        (shard, _, _) = turn(shard, &[(publisher, hello)]);
        publishers.push(publisher);
    }
    let flood = format!("PUB f 256\r\n{:256}\r\n", "x").repeat(240).into_bytes();
    let input: Vec<_> = publishers.iter().map(|client| (*client, &flood[..])).collect();
    let (mut reads, mut turns_without) = (0, 0);
    for _ in 0..8 {
        let (seen, closed);
        (shard, seen, closed) = turn(shard, &input);
        assert_eq!(closed, [], "the reader takes all it is given");
        shard.check();
        reads += seen;
        turns_without += usize::from(seen == 0);
    }
    assert!(reads > 0 && turns_without > 0, "input waits while output is behind");
}
