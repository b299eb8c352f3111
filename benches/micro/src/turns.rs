//! Whole turns: what a message, a subscription or a connection costs the core.
//!
//! Absent: sockets and the kernel. Units are messages delivered (published, where nobody
//! subscribes), requests, subscriptions or connections, as each scenario's name says.

use std::fmt::Write as _;

use fanfare::core::ids::ConnId;

use crate::codec::{publish, publish_with_headers, read_of};
use crate::world::World;
use crate::{Scenario, WARM_UP, measured, repeat};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "publish_only_16", run: || local(0, "", &publish("f", 16)) },
    Scenario { name: "publish_only_128", run: || local(0, "", &publish("f", 128)) },
    Scenario { name: "one_to_one_16", run: || local(1, "SUB f 1", &publish("f", 16)) },
    Scenario { name: "one_to_one_128", run: || local(1, "SUB f 1", &publish("f", 128)) },
    Scenario { name: "one_to_one_1024", run: || local(1, "SUB f 1", &publish("f", 1024)) },
    Scenario { name: "one_to_one_16384", run: || local(1, "SUB f 1", &publish("f", 16_384)) },
    Scenario { name: "one_to_one_65536", run: || local(1, "SUB f 1", &publish("f", 65_536)) },
    Scenario { name: "headers_128", run: || local(1, "SUB f 1", &publish_with_headers(128)) },
    Scenario { name: "one_to_ten_128", run: || local(10, "SUB f 1", &publish("f", 128)) },
    Scenario { name: "one_to_thousand_128", run: || local(1000, "SUB f 1", &publish("f", 128)) },
    Scenario { name: "wildcard_128", run: || local(1, "SUB * 1", &publish("f", 128)) },
    Scenario { name: "queue_of_eight_128", run: || local(8, "SUB f q 1", &publish("f", 128)) },
    Scenario { name: "across_shards_16", run: || across(16) },
    Scenario { name: "across_shards_128", run: || across(128) },
    Scenario { name: "match_hot", run: || many_filters(256) },
    Scenario { name: "match_cold", run: || many_filters(65_536) },
    Scenario { name: "match_overlapping", run: match_overlapping },
    Scenario { name: "plan_alternating", run: || plan("SUB f 1\r\nSUB g 2\r\n", 1) },
    Scenario { name: "plan_ten_groups", run: || plan(&groups(), 10) },
    Scenario { name: "outbox_backlog_128", run: || backlog("f", "f") },
    Scenario { name: "outbox_interleaved_128", run: || backlog("f", "g") },
    Scenario { name: "single_message_turn", run: single_message_turn },
    Scenario { name: "request_reply_turns", run: request_reply },
    Scenario { name: "ping_turn", run: ping_turn },
    Scenario { name: "subscribe_unsubscribe", run: || subscriptions(1) },
    Scenario { name: "subscribe_unsubscribe_across", run: || subscriptions(2) },
    Scenario { name: "connect_and_subscribe", run: connections },
    Scenario { name: "connect_subscribe_close", run: churn },
];

/// A publisher on the only shard, with so many subscribers beside it.
fn local(subscribers: usize, subscribe: &str, message: &[u8]) -> u64 {
    let mut world = World::new(1);
    for _ in 0..subscribers {
        world.connect(0, &format!("{subscribe}\r\n"));
    }
    let publisher = world.connect(0, "");
    let (input, count) = read_of(message);
    // Where each message is a thousand deliveries, a few rounds tell as much.
    let rounds = if subscribers > 100 { 2 } else { ROUNDS };
    world.send(0, publisher, &input);
    world.settle(0);
    measured(&mut || {
        for _ in 0..rounds {
            world.send(0, publisher, &input);
            world.settle(0);
        }
    });
    rounds * count * subscribers.max(1) as u64
}

fn across(size: usize) -> u64 {
    let mut world = World::new(2);
    world.connect(1, "SUB f 1\r\n");
    let publisher = world.connect(0, "");
    let (input, count) = read_of(&publish("f", size));
    repeat(ROUNDS, || {
        world.send(0, publisher, &input);
        world.settle(1);
        world.settle(0);
    });
    ROUNDS * count
}

/// 100 000 literal and 10 000 wildcard filters; messages go round over some of the subjects.
fn many_filters(subjects: usize) -> u64 {
    let mut world = World::new(1);
    let subscriber = world.connect(0, "");
    let literals = (0..100_000).map(|n| format!("SUB a.{}.b.{n} {n}\r\n", n % 100));
    let wildcards =
        (0..10_000).map(|n| format!("SUB a.{}.*.{} {}\r\n", n % 100, 200_000 + n, 100_000 + n));
    let lines: Vec<String> = literals.chain(wildcards).collect();
    for some in lines.chunks(500) {
        world.send(0, subscriber, some.concat().as_bytes());
    }
    let publisher = world.connect(0, "");
    let inputs: Vec<Vec<u8>> = (0..subjects.div_ceil(500)).map(|i| batch_of(i, subjects)).collect();
    let mut next = inputs.iter().cycle();
    repeat(ROUNDS, || world.send(0, publisher, next.next().map_or(&[], |input| input)));
    ROUNDS * 500
}

fn batch_of(index: usize, subjects: usize) -> Vec<u8> {
    let line = |n: usize| {
        let n = (index * 500 + n) * 7919 % subjects;
        format!("PUB a.{}.b.{n} 2\r\nhi\r\n", n % 100).into_bytes()
    };
    (0..500).flat_map(line).collect()
}

/// Sixteen filters match each subject; the subjects differ, so that each is matched anew.
fn match_overlapping() -> u64 {
    let mut world = World::new(1);
    let tokens = [["a", "*"], ["b", "*"], ["c", "*"]];
    let mut lines = String::from("SUB a.> 8\r\nSUB a.b.> 9\r\nSUB *.b.> 10\r\nSUB > 11\r\n");
    lines.push_str("SUB a.*.> 12\r\nSUB *.*.> 13\r\nSUB *.> 14\r\nSUB a.b.c.> 15\r\n");
    for n in 0..8 {
        let [a, b, c] = [tokens[0][n & 1], tokens[1][n >> 1 & 1], tokens[2][n >> 2]];
        let _ = write!(lines, "SUB {a}.{b}.{c}.* {n}\r\n");
    }
    world.connect(0, &lines);
    let publisher = world.connect(0, "");
    let input: Vec<u8> = (0..500).flat_map(|n| publish(&format!("a.b.c.{n}"), 2)).collect();
    repeat(ROUNDS, || world.send(0, publisher, &input));
    ROUNDS * 500 * 16
}

fn groups() -> String {
    let of = |n: u32| format!("SUB f q{n} {n}\r\nSUB g q{n} {}\r\n", n + 10);
    (0..10).map(of).collect()
}

/// Every message has another subject than the one before, so that each is planned anew.
fn plan(subscriptions: &str, deliveries: u64) -> u64 {
    let mut world = World::new(1);
    world.connect(0, subscriptions);
    let publisher = world.connect(0, "");
    let input: Vec<u8> = (0..500).flat_map(|n| publish(["f", "g"][n % 2], 16)).collect();
    repeat(ROUNDS, || world.send(0, publisher, &input));
    ROUNDS * 500 * deliveries
}

/// A reader takes nothing while four reads of messages wait for it, then everything.
fn backlog(one: &str, other: &str) -> u64 {
    let mut world = World::new(1);
    let reader = world.connect(0, "SUB f 1\r\nSUB g 2\r\n");
    let publisher = world.connect(0, "");
    let input: Vec<u8> =
        (0..400).flat_map(|n| publish(if n % 2 == 0 { one } else { other }, 128)).collect();
    repeat(ROUNDS, || {
        world.stalled = Some(reader);
        for _ in 0..4 {
            world.send(0, publisher, &input);
        }
        world.release(0);
    });
    ROUNDS * 4 * 400
}

fn single_message_turn() -> u64 {
    let mut world = World::new(1);
    world.connect(0, "SUB f 1\r\n");
    let publisher = world.connect(0, "");
    repeat(ROUNDS * 10, || world.send(0, publisher, b"PUB f 2\r\nhi\r\n"));
    ROUNDS * 10
}

/// One request in flight: a turn for the request, one for its answer.
fn request_reply() -> u64 {
    let mut world = World::new(1);
    let service = world.connect(0, "SUB service workers 1\r\n");
    let client = world.connect(0, "SUB _INBOX.x.* 1\r\n");
    repeat(ROUNDS * 10, || {
        world.send(0, client, b"PUB service _INBOX.x.1 2\r\nhi\r\n");
        world.send(0, service, b"PUB _INBOX.x.1 2\r\nhi\r\n");
    });
    ROUNDS * 10
}

fn ping_turn() -> u64 {
    let mut world = World::new(1);
    let client = world.connect(0, "");
    repeat(ROUNDS * 10, || world.send(0, client, b"PING\r\n"));
    ROUNDS * 10
}

/// Filters of their own, a hundred to a read, subscribed and unsubscribed.
fn subscriptions(shards: usize) -> u64 {
    let mut world = World::new(shards);
    let client = world.connect(0, "");
    let (mut sub, mut unsub) = (String::new(), String::new());
    for n in 0..100 {
        let _ = write!(sub, "SUB device.{n}.commands {n}\r\n");
        let _ = write!(unsub, "UNSUB {n}\r\n");
    }
    repeat(ROUNDS, || {
        world.send(0, client, sub.as_bytes());
        world.send(0, client, unsub.as_bytes());
    });
    ROUNDS * 100
}

fn connections() -> u64 {
    let mut world = World::new(1);
    let some = |world: &mut World, count: u64| {
        (0..count).for_each(|_| {
            world.connect(0, "SUB f 1\r\nPING\r\n");
        });
    };
    some(&mut world, WARM_UP);
    measured(&mut || some(&mut world, ROUNDS * 50));
    ROUNDS * 50
}

fn churn() -> u64 {
    let mut world = World::new(1);
    let once = |world: &mut World| {
        let client: ConnId = world.connect(0, "SUB device.1.commands 1\r\nPING\r\n");
        world.disconnect(0, client);
    };
    repeat(ROUNDS * 10, || once(&mut world));
    ROUNDS * 10
}

const ROUNDS: u64 = 20;
