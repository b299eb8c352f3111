//! Parcels: what is written is read as it was, and whatever else comes is refused.

use std::sync::Arc;

use super::*;
use crate::config::Limits;
use crate::core::arrival::{Arrival, Entrance};
use crate::core::ids::{ClientNumber, ConnId, ListenerId, ShardId};
use crate::core::policy::Policy;
use crate::core::shard::{Shard, ShardSetup};
use crate::core::time::Instant;
use crate::core::turn::{Polled, ReadOutcome, Turn, WriteOutcome};

fn shard() -> Box<Shard> {
    Box::new(Shard::new(ShardSetup {
        id: ShardId::new(0).expect("there is a first shard"),
        shards: 1,
        batches_per_peer: ShardSetup::BATCHES_PER_PEER,
        policy: Arc::new(Policy::open()),
        limits: Arc::new(Limits::default()),
        entrances: vec![Entrance::default()],
        seed: 1,
        first_generation: 0,
        trace: None,
        now: Instant::default(),
    }))
}

/// One turn: what `begin` does, then `bytes` from one client; sockets take nothing if `full`.
fn run(
    shard: Box<Shard>,
    begin: impl FnOnce(&mut Turn<Polled>),
    input: Option<(ConnId, &[u8])>,
    full: bool,
) -> (Box<Shard>, String) {
    let mut turn = Turn::begin(shard, Instant::from_ns(5));
    begin(&mut turn);
    if let Some((client, _)) = input {
        turn.handle_readable(client);
    }
    let mut turn = turn.read();
    while turn.poll_read().is_some() {
        let bytes = input.map_or(&b""[..], |(_, bytes)| bytes);
        turn.room()[..bytes.len()].copy_from_slice(bytes);
        turn.handle_read(ReadOutcome::Bytes(bytes.len()));
    }
    let mut turn = turn.drain().route().data().write();
    let mut written = Vec::new();
    while turn.poll_write().is_some() {
        let before = written.len();
        if !full {
            turn.slices().for_each(|slice| written.extend_from_slice(slice));
        }
        turn.handle_written(WriteOutcome::Bytes(written.len() - before));
    }
    (turn.tick().finish(), String::from_utf8(written).expect("all that is written is text"))
}

/// A shard at rest with two clients that have a bit of everything.
fn scene() -> (Box<Shard>, [ConnId; 2]) {
    let mut ids = Vec::new();
    let accept = |ids: &mut Vec<ConnId>, turn: &mut Turn<Polled>| {
        for number in [7, 8] {
            let arrival = Arrival::plain(ClientNumber(number), format!("10.0.0.{number}:1").into());
            ids.push(turn.handle_accept(arrival));
        }
    };
    let (shard, _) = run(shard(), |turn| accept(&mut ids, turn), None, false);
    let [a, b] = ids[..] else { panic!("two clients") };
    let first = b"CONNECT {\"verbose\":false,\"name\":\"n\",\"lang\":\"l\"}\r\nSUB foo x-1\r\n\
                  SUB bar q 2\r\nUNSUB x-1 5\r\nPUB foo 2\r\nhi\r\nPUB foo 20000\r\nabc";
    let (shard, _) = run(shard, |_| {}, Some((a, first)), false);
    let second = b"CONNECT {\"echo\":false}\r\nPUB foo 2\r\nyo\r\nPING\r\nPUB bar 1\r\nz\r\nSU";
    let (shard, _) = run(shard, |_| {}, Some((b, second)), true);
    let (shard, _) = run(shard, Turn::handle_quiesce, None, true);
    (shard, [a, b])
}

fn parcels(shard: &Shard) -> Vec<Parcel> {
    let mut freezing = shard.freeze(|_| true);
    std::iter::from_fn(|| shard.poll_parcel(&mut freezing)).collect()
}

fn waiting() -> Turn<Polled> {
    let mut turn = Turn::begin(shard(), Instant::from_ns(9));
    turn.handle_await(vec![ListenerId::default()]);
    turn
}

#[test]
fn a_shard_that_was_moved_says_the_same_of_itself() {
    let (old, clients) = scene();
    assert!(old.rest().is_calm);
    let told = parcels(&old);
    assert_eq!(told, parcels(&old), "writing it down changes nothing");
    let mut turn = waiting();
    let mut moved = Vec::new();
    for parcel in &told {
        let came = turn.handle_parcel(&parcel.bytes).expect("it was just written");
        assert_eq!(came.len(), parcel.clients.len());
        moved.extend(came);
    }
    assert_eq!(moved.len(), clients.len());
    let shard = turn.read().drain().route().data().write().tick().finish();
    shard.check();
    // Before the clients are its own, nothing of it can be heard.
    let (shard, written) = run(shard, |_| {}, None, false);
    assert_eq!(written, "");
    assert_eq!(parcels(&shard)[1..], told[1..], "the same messages and clients");
    let own = |turn: &mut Turn<Polled>| {
        turn.handle_moved_in();
        for client in &moved {
            turn.handle_writable(*client);
        }
    };
    let (shard, written) = run(shard, own, None, false);
    shard.check();
    assert!(written.contains("MSG foo x-1 2\r\nyo\r\nMSG bar 2 1\r\nz\r\n"), "{written}");
    assert!(written.contains("PONG\r\n"), "{written}");
    // The operations that were half there go on where they were.
    let rest = [vec![b'-'; 19_997], b"\r\n".to_vec()].concat();
    let (shard, written) = run(shard, |_| {}, Some((moved[0], &rest)), false);
    assert!(written.starts_with("MSG foo x-1 20000\r\nabc---"), "{}", &written[..40]);
    let (shard, written) =
        run(shard, |_| {}, Some((moved[1], b"B a 1\r\nPUB foo 1\r\n1\r\n")), false);
    assert!(written.contains("MSG foo x-1 1\r\n1\r\n"), "{written}");
    let (_, written) = run(shard, |_| {}, Some((moved[1], b"PUB foo 1\r\n2\r\n")), false);
    assert_eq!(written.matches("MSG foo").count(), 1, "the fifth is the last: {written}");
}

#[test]
fn a_parcel_that_was_cut_or_changed_is_refused_or_harmless() {
    let (old, _) = scene();
    for parcel in parcels(&old) {
        for cut in 0..parcel.bytes.len() {
            let mut turn = waiting();
            let _ = turn.handle_parcel(&parcel.bytes[..cut]);
        }
        for at in 0..parcel.bytes.len() {
            for change in [0xff, 1, 0x80] {
                let mut bytes = parcel.bytes.to_vec();
                bytes[at] ^= change;
                let mut turn = waiting();
                let _ = turn.handle_parcel(&bytes);
            }
        }
        let mut turn = waiting();
        let longer = [&parcel.bytes[..], b"\0"].concat();
        assert!(turn.handle_parcel(&longer).is_err());
    }
    assert_eq!(waiting().handle_parcel(b""), Err(MovingError::Short));
    assert_eq!(waiting().handle_parcel(&[99]), Err(MovingError::Word));
    assert_eq!(waiting().handle_parcel(&[CLIENTS, 1]), Err(MovingError::Short));
}

#[test]
fn who_leaves_is_not_moved_and_who_was_moved_vanishes() {
    let (old, [a, b]) = scene();
    let leave = |turn: &mut Turn<Polled>| turn.handle_moved_out(&[a]);
    let mut turn = Turn::begin(old, Instant::from_ns(6));
    leave(&mut turn);
    assert_eq!(turn.shard().freeze(|_| true).clients(), [b]);
    let mut turn = turn.read().drain().route().data().write().tick();
    let closed = turn.poll_closed().expect("it is gone");
    assert_eq!((closed.client, closed.reason.flushes()), (a, false));
    assert_eq!(turn.finish().clients_outside(), 1);
}
