//! What connections and subscriptions cost on the heap, counted by the allocator: two shards, no
//! sockets.
//!
//! Absent: the kernel's memory for a socket, layers such as TLS (`heap`), and the allocator's own
//! overhead. One test, so that nothing else allocates meanwhile. Each figure is printed as
//! `bytes NAME NUMBER`, which `benches/bytes` compares with the last accepted ones.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a test ends where its ground is gone")]

#[path = "memory/world.rs"]
mod world;

use std::alloc::System;

use fanfare::core::ids::ConnId;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::world::World;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Connections of a measurement; not a power of two, so that tables are as full as they are.
const CONNECTIONS: usize = 10_000;
/// Subscriptions of a measurement, however many clients they are spread over.
const SUBSCRIPTIONS: usize = 20_000;
/// Messages of the burst.
const BURST: usize = 100;

/// Bytes that shards keep once they have worked: rooms, and lists that have been long.
const KEPT_ONCE: usize = 128 * 1024;
/// Bytes of a connection with a filter of its own, its replica on the other shard included.
const OWN_FILTER_MAX: usize = 700;
/// Bytes of a connection whose filter others have too.
const SHARED_FILTER_MAX: usize = 450;
/// Bytes of a subscription more, the replica of its filter on the other shard included.
const FURTHER_MAX: usize = 210;
/// Bytes that a client more of one message costs while its socket takes nothing.
const HELD_MAX: usize = 64;
/// Bytes for each connection that a message to all leaves behind, what a shard has once among them.
const AFTER_MESSAGE_MAX: usize = 32;

#[test]
fn connections_and_subscriptions_are_small_and_give_everything_back() {
    // Measures with filters of their own first: the shared case then finds warm tables gone again.
    let own = idle("idle_own_filter", |n| format!("device.{n}.commands"));
    let shared = idle("idle_shared_filter", |_| "prices.all".to_owned());
    assert!(own <= OWN_FILTER_MAX, "own filter: {own} bytes");
    assert!(shared <= SHARED_FILTER_MAX, "shared filter: {shared} bytes");
    for each in [1, 10, 10_000] {
        let own = further(&format!("further_own_filter_{each}"), each, |client, n| {
            format!("device.{client}.commands.{n}")
        });
        let shared = further(&format!("further_shared_filter_{each}"), each, |_, n| {
            format!("prices.{n}.all")
        });
        assert!(own <= FURTHER_MAX, "{each} on own filters: {own} bytes each");
        assert!(shared <= FURTHER_MAX, "{each} on shared filters: {shared} bytes each");
    }
    let (held, after) = one_message_each();
    assert!(held <= HELD_MAX, "a message held back: {held} bytes each");
    assert!(after <= AFTER_MESSAGE_MAX, "after a message: {after} bytes each");
}

fn heap() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn told(name: &str, bytes: usize) -> usize {
    println!("bytes {name} {bytes}");
    bytes
}

/// Bytes of one idle connection; checks that a burst and the end return what they took.
fn idle(name: &str, filter: impl Fn(usize) -> String) -> usize {
    let mut world = World::new();
    // The first client brings what every shard has once: a segment, an arena, tables.
    let (first, second) = (world.connect(0, "warm.up"), world.connect(1, "warm.up"));
    let before = heap();
    let clients = crowd(&mut world, CONNECTIONS, &filter);
    let idle = heap() - before;
    burst(&mut world, &filter);
    let after_burst = heap() - before;
    assert!(after_burst < idle + idle / 10, "a burst is given back: {idle} -> {after_burst}");
    leave(&mut world, &clients);
    let left = heap().saturating_sub(before);
    assert!(left < idle / 10 + KEPT_ONCE, "closed connections are given back: {idle} -> {left}");
    world.disconnect(0, first);
    world.disconnect(1, second);
    assert!(world.shards.iter().flatten().all(|shard| shard.is_idle()));
    told(name, idle / CONNECTIONS)
}

/// Bytes of one subscription beyond the first, where each client has so many of them; checks that
/// their end returns what they took.
fn further(name: &str, each: usize, filter: impl Fn(usize, usize) -> String) -> usize {
    let mut world = World::new();
    // Some on each shard even where each has many, or no filter would be shared on a shard.
    let count = (SUBSCRIPTIONS / each).max(6);
    let clients = crowd(&mut world, count, &|_| "first".to_owned());
    let before = heap();
    for (index, &(shard, client)) in clients.iter().enumerate() {
        let lines: Vec<String> =
            (0..each).map(|n| format!("SUB {} {}\r\n", filter(index, n), n + 2)).collect();
        for some in lines.chunks(500) {
            world.send(shard, client, some.concat().as_bytes());
            world.settle();
        }
    }
    let taken = heap() - before;
    for &(shard, client) in &clients {
        let lines: Vec<String> = (0..each).map(|n| format!("UNSUB {}\r\n", n + 2)).collect();
        for some in lines.chunks(500) {
            world.send(shard, client, some.concat().as_bytes());
            world.settle();
        }
    }
    let left = heap().saturating_sub(before);
    assert!(left < taken / 10, "{name}: what was subscribed is given back: {taken} -> {left}");
    leave(&mut world, &clients);
    told(name, taken / (count * each))
}

/// Bytes for each client that one message to all costs while no socket takes it, and afterwards.
fn one_message_each() -> (usize, usize) {
    let mut world = World::new();
    let publisher = world.connect(0, "nothing");
    let clients = crowd(&mut world, CONNECTIONS, &|_| "prices.all".to_owned());
    let before = heap();
    world.stalled = true;
    world.send(0, publisher, format!("PUB prices.all 128\r\n{:128}\r\n", "x").as_bytes());
    world.settle();
    let held = (heap() - before) / CONNECTIONS;
    world.release(&clients);
    // Each had a deadline while it was behind, which takes its place until its time.
    world.let_timers_fire();
    let after = heap().saturating_sub(before) / CONNECTIONS;
    leave(&mut world, &clients);
    (told("one_message_held", held), told("after_one_message", after))
}

fn crowd(
    world: &mut World,
    count: usize,
    filter: &impl Fn(usize) -> String,
) -> Vec<(usize, ConnId)> {
    (0..count).map(|n| (n % 2, world.connect(n % 2, &filter(n)))).collect()
}

fn leave(world: &mut World, clients: &[(usize, ConnId)]) {
    for &(shard, client) in clients {
        world.disconnect(shard, client);
    }
    world.let_timers_fire();
}

/// Publishes to every filter from a client that then leaves.
fn burst(world: &mut World, filter: &impl Fn(usize) -> String) {
    let publisher = world.connect(0, "burst.publisher");
    for n in (0..CONNECTIONS).step_by(CONNECTIONS / BURST) {
        let input = format!("PUB {} 128\r\n{:128}\r\n", filter(n), "x");
        world.send(0, publisher, input.as_bytes());
    }
    world.disconnect(0, publisher);
}
