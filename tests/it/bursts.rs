//! What a burst took is given back: resident memory of the real broker before and after.
//!
//! Absent: how much it is in between, which `tests/memory.rs` and the load client tell. Sizes that
//! pass quickly by default; `FANFARE_TEST_SUBSCRIPTIONS` and `FANFARE_TEST_CONNECTIONS` set others,
//! up to what the descriptors of this process allow.

use std::time::Instant;

use crate::broker::{Broker, Kind, kind};
use crate::secure::configured;
use crate::wire::{Connection, DEADLINE};

/// KiB that may remain of a burst beyond a tenth of what was resident before: a page here and
/// there in each of the allocator's size classes.
const ODD_PAGES_KIB: u64 = 512;

fn size(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn subscriptions() -> usize {
    size("FANFARE_TEST_SUBSCRIPTIONS", 100_000)
}

fn connections() -> usize {
    size("FANFARE_TEST_CONNECTIONS", 2_000)
}

/// The broker, and a client whose commands give every shard a turn.
struct Watched {
    broker: Broker,
    clients: Vec<Connection>,
}

impl Watched {
    fn start() -> Self {
        // Who has left is remembered, so many of them: that is no burst. Nor does anybody here
        // answer PINGs while somebody else is busy.
        let settings = configured("max_closed_clients: 100\nping_interval: \"1h\"\n");
        let broker = settings.shards(2).descriptors(20_000).start();
        // More than one group of the placement, so that both shards have some.
        let mut clients: Vec<_> = (0..40).map(|_| broker.client()).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(format!("SUB watched.{n} 1\r\n"));
            client.fence("");
        }
        Self { broker, clients }
    }

    /// A little traffic for everybody, as a broker that is alive has.
    fn stir(&mut self) {
        for (n, client) in self.clients.iter_mut().enumerate() {
            client.send(format!("PUB watched.{n} 2\r\nhi\r\n"));
            client.fence(format!("MSG watched.{n} 1 2\r\nhi\r\n"));
        }
    }

    fn resident_kib(&mut self) -> u64 {
        self.stir();
        self.broker.status("VmRSS")
    }

    /// Waits until the memory is back, or is certain not to come.
    fn returns_to(&mut self, before_kib: u64, burst: &str) {
        let peak = self.broker.status("VmRSS");
        let limit = Instant::now() + DEADLINE;
        let most = before_kib + before_kib / 10 + ODD_PAGES_KIB;
        let mut now = self.resident_kib();
        while now > most && Instant::now() < limit {
            now = self.resident_kib();
        }
        println!("{burst}: {before_kib} KiB before, {peak} after, {now} in the end");
        // The reference's collector gives memory back after minutes.
        if kind() == Kind::Fanfare {
            assert!(now <= most, "{burst}: {before_kib} KiB became {now}, not {most} or less");
        }
    }
}

/// Subscribes to this many filters and ends the subscriptions again.
fn subscribe(client: &mut Connection, count: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(1_000) {
        let line = |n: &usize| format!("SUB device.{n}.commands {}\r\n", n + 1);
        client.send(some.iter().map(line).collect::<Vec<_>>().concat());
        client.fence("");
    }
}

fn unsubscribe(client: &mut Connection, count: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(1_000) {
        let line = |n: &usize| format!("UNSUB {}\r\n", n + 1);
        client.send(some.iter().map(line).collect::<Vec<_>>().concat());
        client.fence("");
    }
}

/// Clients with a subscription of their own each.
fn crowd(broker: &Broker, count: usize) -> Vec<Connection> {
    let mut crowd: Vec<_> = (0..count).map(|_| broker.client()).collect();
    for (n, client) in crowd.iter_mut().enumerate() {
        client.send(format!("SUB crowd.{n}.commands 1\r\n"));
    }
    for client in &mut crowd {
        client.fence("");
    }
    crowd
}

#[test]
fn subscriptions_that_have_ended_leave_no_memory_behind() {
    let mut watched = Watched::start();
    // What is made once, such as batches and their queues, is there before it is measured.
    let mut client = watched.broker.client();
    subscribe(&mut client, 2_000);
    unsubscribe(&mut client, 2_000);
    let before = watched.resident_kib();
    subscribe(&mut client, subscriptions());
    // Whoever comes now stands behind all others in the tables, and stays.
    watched.clients.extend((0..2).map(|_| watched.broker.client()));
    for n in 40..42 {
        watched.clients[n].send(format!("SUB watched.{n} 1\r\n"));
    }
    watched.stir();
    unsubscribe(&mut client, subscriptions());
    watched.returns_to(before, "subscriptions");
}

#[test]
fn a_message_to_every_client_leaves_no_memory_behind() {
    let mut watched = Watched::start();
    let mut crowd = crowd(&watched.broker, connections());
    let before = watched.resident_kib();
    let mut publisher = watched.broker.client();
    for n in 0..crowd.len() {
        publisher.send(format!("PUB crowd.{n}.commands 128\r\n{n:0128}\r\n"));
    }
    publisher.fence("");
    for (n, client) in crowd.iter_mut().enumerate() {
        client.fence(format!("MSG crowd.{n}.commands 1 128\r\n{n:0128}\r\n"));
    }
    watched.returns_to(before, "a message to each");
}

#[test]
fn clients_that_have_gone_leave_no_memory_behind() {
    let mut watched = Watched::start();
    drop(crowd(&watched.broker, 200));
    let before = watched.resident_kib();
    let crowd = crowd(&watched.broker, connections());
    watched.clients.extend((0..2).map(|_| watched.broker.client()));
    for n in 40..42 {
        watched.clients[n].send(format!("SUB watched.{n} 1\r\n"));
    }
    watched.stir();
    drop(crowd);
    watched.returns_to(before, "clients");
}
