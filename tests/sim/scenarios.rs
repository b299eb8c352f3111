//! Written-out worlds: one long draw that counts, and the mistakes that random worlds once found.
//!
//! Absent: random operations and faults; the interleaving of shards stays random. Seeds change
//! their meaning with every change of the simulator, these do not.

use std::sync::Arc;

use fanfare::config::Limits;
use fanfare::core::arrival::Admission;

use super::clients::{Choices, Op};
use super::dice::Dice;
use super::faults::Swarm;
use super::mutations::Mutation;
use super::world::World;

const CHOICES: Choices = Choices {
    connects: true,
    verbose: false,
    pedantic: false,
    echo: true,
    headers: true,
    no_responders: true,
    protocol: 1,
};

fn world(shards: usize, limits: Limits) -> World {
    let swarm = Swarm { limits: Arc::new(limits), ..Swarm::calm(shards) };
    World::with_swarm(swarm, Dice::new(1), Mutation::None, false)
}

/// Connects a client to each of the shards named.
fn connect(world: &mut World, shards: &[usize], choices: Choices) -> Vec<usize> {
    let clients = shards.iter().map(|shard| {
        let client = world.connect(*shard, choices, Admission::Admitted);
        world.introduce(client);
        client
    });
    let clients = clients.collect();
    settle(world);
    clients
}

fn settle(world: &mut World) {
    if let Err(violation) = world.settle() {
        panic!("{}\n{violation}", world.journal);
    }
}

/// Whatever happened, every promise was kept and nothing is left.
fn end(mut world: World) {
    if let Err(violation) = world.calm().and_then(|()| world.farewell()) {
        panic!("{}\n{violation}", world.journal);
    }
}

fn subscribe(world: &mut World, client: usize, filter: &str, queue: Option<&str>) {
    let sid = world.clients[client].new_sid(false);
    let queue = queue.map(|name| name.as_bytes().to_vec());
    world.say(client, Op::Subscribe { filter: filter.into(), queue, sid });
}

fn publish(world: &mut World, client: usize, subject: &str, asks: bool, size: usize) {
    world.say(client, Op::Publish { subject: subject.into(), asks, headers: None, size });
}

/// Publishes `count` messages to a group and says how many each of its members got.
fn draw(world: &mut World, publishers: &[usize], count: usize) -> Vec<u64> {
    for number in 0..count {
        publish(world, publishers[number % publishers.len()], "a.b", false, 8);
        if number % 200 == 199 {
            settle(world);
        }
    }
    settle(world);
    world.oracle.subs.iter().filter(|sub| sub.queue.is_some()).map(|sub| sub.seen).collect()
}

fn assert_fair(seen: &[u64], count: usize) {
    assert_eq!(seen.iter().sum::<u64>(), count as u64, "one member for each message");
    let share = 1.0 / seen.len() as f64;
    let mean = count as f64 * share;
    let sigma = (mean * (1.0 - share)).sqrt();
    for (member, seen) in seen.iter().enumerate() {
        let off = (*seen as f64 - mean).abs() / sigma;
        assert!(off < 5.0, "member {member} got {seen} of {count}, {off:.1} sigma from its share");
    }
}

#[test]
fn members_of_a_group_get_equal_shares_wherever_they_live() {
    let mut world = world(4, Limits::default());
    let members = connect(&mut world, &[0, 1, 1, 3, 3, 3, 3, 3], CHOICES);
    let filters = ["a.b", "a.*", ">", "a.b"];
    for (number, member) in members.iter().enumerate() {
        subscribe(&mut world, *member, filters[number % filters.len()], Some("q"));
    }
    // A plain subscriber changes nobody's share.
    subscribe(&mut world, members[0], "a.>", None);
    let publishers = connect(&mut world, &[0, 1, 2, 3], CHOICES);
    let seen = draw(&mut world, &publishers, FAIR_MESSAGES);
    assert_fair(&seen, FAIR_MESSAGES);
    end(world);
}

#[test]
fn a_publisher_without_echo_leaves_its_share_to_the_others() {
    let mut world = world(3, Limits::default());
    let publisher = connect(&mut world, &[1], Choices { echo: false, ..CHOICES });
    let members = connect(&mut world, &[0, 1, 1, 2, 2], CHOICES);
    for member in publisher.iter().chain(&members) {
        subscribe(&mut world, *member, "a.*", Some("q"));
    }
    settle(&mut world);
    let seen = draw(&mut world, &publisher, FAIR_MESSAGES);
    assert_eq!(seen[0], 0, "the publisher's own member is not a candidate");
    assert_fair(&seen[1..], FAIR_MESSAGES);
    end(world);
}

#[test]
fn publishers_on_several_shards_race_for_an_exact_maximum() {
    let mut world = world(4, Limits::default());
    let subscriber = connect(&mut world, &[0], CHOICES)[0];
    subscribe(&mut world, subscriber, "a.b", None);
    let sid = b"2".to_vec();
    world.say(subscriber, Op::Unsubscribe { sid, max: Some(100) });
    settle(&mut world);
    let publishers = connect(&mut world, &[0, 1, 2, 3], CHOICES);
    for number in 0..400 {
        publish(&mut world, publishers[number % 4], "a.b", false, 8);
    }
    settle(&mut world);
    assert_eq!(world.oracle.subs[0].seen, 100);
    end(world);
}

/// A second CONNECT ended a client's receivers in one list while its subscriptions were already
/// forgotten, and removed a stranger's receiver in their stead.
#[test]
fn a_second_connect_ends_exactly_the_own_subscriptions() {
    let mut world = world(2, Limits::default());
    let clients = connect(&mut world, &[0, 0, 1], CHOICES);
    for _ in 0..4 {
        subscribe(&mut world, clients[0], "a.b", None);
        subscribe(&mut world, clients[1], "a.b", None);
        subscribe(&mut world, clients[0], "a.b", Some("q"));
    }
    settle(&mut world);
    world.say(clients[0], Op::Connect);
    world.say(clients[0], Op::Ping);
    settle(&mut world);
    publish(&mut world, clients[2], "a.b", false, 8);
    settle(&mut world);
    assert_eq!(world.oracle.publishes[0].delivered.len(), 4);
    end(world);
}

/// A subscription that ended in a tick was told to nobody until something else woke its shard.
#[test]
fn what_a_deadline_ends_is_told_to_sleeping_peers() {
    let limits = Limits { write_deadline_ns: 10_000_000, ..Limits::default() };
    let mut world = world(2, limits);
    let clients = connect(&mut world, &[0, 1], CHOICES);
    subscribe(&mut world, clients[0], "a.b", None);
    subscribe(&mut world, clients[1], "inbox.>", None);
    settle(&mut world);
    world.clients[clients[0]].stalled_until = u64::MAX;
    for _ in 0..20 {
        publish(&mut world, clients[1], "a.b", false, 20_000);
    }
    settle(&mut world);
    world.pass_time(30_000_000);
    settle(&mut world);
    assert!(world.clients[clients[0]].closed, "the deadline has passed");
    publish(&mut world, clients[1], "a.b", true, 8);
    settle(&mut world);
    let request = world.oracle.publishes.last().expect("was published");
    assert!(request.no_responders.is_some(), "nobody is there, and the requester hears it");
    end(world);
}

#[test]
fn a_crowd_that_keeps_up_is_written_before_more_is_taken_in() {
    let mut world = world(2, Limits::default());
    let crowd = connect(&mut world, &[0; 600], CHOICES);
    for member in &crowd {
        subscribe(&mut world, *member, "a.b", None);
    }
    let publishers = connect(&mut world, &[0, 1], CHOICES);
    for number in 0..24 {
        let publisher = publishers[number % 2];
        publish(&mut world, publisher, "a.b", false, 20_000);
        world.say(publisher, Op::Ping);
    }
    settle(&mut world);
    assert!(world.hosts[0].closed_turns > 0, "more is due than one turn writes");
    assert!(world.clients.iter().all(|client| !client.closed), "nobody was slow");
    end(world);
}

/// Messages of the draws that are counted: one percent off is one sigma off.
const FAIR_MESSAGES: usize = 16_000;
