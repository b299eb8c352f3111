//! Greetings to many clients: by a ring that works, and by one that has failed.
//!
//! Absent: the ring's own faults (`fanfare_uring`). Where the system refuses rings there is nothing
//! to test, and a line says so.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::*;
use crate::config::Limits;
use crate::core::arrival::{Arrival, Entrance};
use crate::core::ids::{ClientNumber, ShardId};
use crate::core::policy::Policy;
use crate::core::shard::{Shard, ShardSetup};
use crate::core::time::Instant;

/// More than one call of the ring takes.
const CLIENTS: usize = Ring::SENDS_MAX + 40;
/// The one whose peer has gone.
const GONE: usize = 21;

fn volley() -> Option<Volley> {
    Volley::new().inspect_err(|error| eprintln!("skipped: no ring here: {error}")).ok()
}

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

/// Greets everybody; says what the writing came to.
fn greet(volley: &mut Volley) -> io::Result<()> {
    let mut turn = Turn::begin(shard(), Instant::default());
    let (mut sockets, mut peers) = (Sockets::default(), Vec::new());
    let mut gone = None;
    for n in 0..CLIENTS {
        let client = turn.handle_accept(Arrival::plain(ClientNumber(1), "unix".into()));
        let (ours, theirs) = UnixStream::pair().expect("two ends");
        ours.set_nonblocking(true).expect("a setting");
        sockets.insert(client, OwnedFd::from(ours).into(), None);
        if n == GONE {
            gone = Some(client);
        } else {
            peers.push(theirs);
        }
    }
    let mut turn = turn.read().drain().route().data().write();
    let result = volley.write(&mut turn, &mut sockets);
    while let Some(client) = turn.poll_write() {
        let outcome = sockets.write(client, &turn);
        turn.handle_written(outcome);
    }
    assert_eq!(turn.waiting(), 0);
    for peer in &mut peers {
        peer.set_nonblocking(true).expect("a setting");
        let mut room = [0; 8192];
        let read = peer.read(&mut room).expect("a greeting");
        let text = String::from_utf8_lossy(&room[..read]);
        assert!(text.starts_with("INFO {") && text.ends_with("\r\n"), "{text}");
        assert_eq!(text.matches("INFO").count(), 1, "{text}");
    }
    let mut tick = turn.tick();
    let closed = std::iter::from_fn(|| tick.poll_closed()).map(|closed| closed.client);
    assert_eq!(closed.collect::<Vec<_>>(), gone.into_iter().collect::<Vec<_>>());
    result
}

#[test]
fn everybody_is_sent_to_and_who_has_gone_is_closed() {
    let Some(mut volley) = volley() else { return };
    for _ in 0..2 {
        greet(&mut volley).expect("the ring works");
    }
}

#[test]
fn a_ring_that_fails_costs_nobody_a_message() {
    let Some(mut volley) = volley() else { return };
    let broken = catch_unwind(AssertUnwindSafe(|| {
        let sends = std::iter::once_with(|| -> Option<Send<'static>> {
            panic!("a ring does not survive this")
        });
        let _ = volley.ring.send(sends, &mut volley.outcomes);
    }));
    assert!(broken.is_err());
    greet(&mut volley).expect_err("the ring has failed");
}
