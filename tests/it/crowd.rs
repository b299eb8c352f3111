//! Many connections on many shards: what one has been promised, all others see.
//!
//! Absent: interleavings that only a scheduler under control can bring about; the simulator has
//! them (`tests/sim`).

use crate::broker::Settings;
use crate::wire::Connection;

/// Shards, which is more than the machines that run tests have cores.
const SHARDS: u32 = 8;

#[test]
fn a_subscription_is_seen_by_everyone_once_its_fence_is_answered() {
    let broker = Settings::default().shards(SHARDS).start();
    let mut publishers: Vec<_> = (0..16).map(|_| broker.client()).collect();
    for round in 0..200 {
        let mut subscriber = broker.client();
        subscriber.send(format!("SUB fresh.{round} 1\r\n"));
        subscriber.fence("");
        let publisher = &mut publishers[round % 16];
        publisher.send(format!("PUB fresh.{round} 1\r\nx\r\n"));
        publisher.fence("");
        subscriber.fence(format!("MSG fresh.{round} 1 1\r\nx\r\n"));
        subscriber.send("UNSUB 1\r\n");
        subscriber.fence("");
        publisher.send(format!("PUB fresh.{round} 1\r\ny\r\n"));
        publisher.fence("");
        subscriber.fence("");
    }
}

#[test]
fn a_chain_of_messages_is_no_faster_than_the_subscription_behind_it() {
    let broker = Settings::default().shards(SHARDS).start();
    let mut middle = broker.client();
    middle.send("SUB go 1\r\n");
    middle.fence("");
    let mut ends: Vec<_> = (0..8).map(|_| broker.client()).collect();
    for round in 0..200 {
        // Without a fence: who hears `go` may publish to `next`, and it must arrive.
        let mut first = broker.client();
        first.send(format!("SUB next.{round} 1\r\nPUB go 1\r\nx\r\n"));
        middle.expect("MSG go 1 1\r\nx\r\n");
        ends[round % 8].send(format!("PUB next.{round} 1\r\ny\r\n"));
        first.expect(format!("MSG next.{round} 1 1\r\ny\r\n"));
    }
}

#[test]
fn every_subscriber_gets_every_message_of_every_publisher_in_its_order() {
    let broker = Settings::default().shards(SHARDS).start();
    let (publishers, subscribers, messages) = (8, 24, 300);
    let mut readers: Vec<_> = (0..subscribers).map(|_| broker.client()).collect();
    for (index, reader) in readers.iter_mut().enumerate() {
        reader.send(["SUB news.* 1\r\n", "SUB > 1\r\n", "SUB news.> 1\r\n"][index % 3]);
        reader.fence("");
    }
    let mut writers: Vec<_> = (0..publishers).map(|_| broker.client()).collect();
    for number in 0..messages {
        for (who, writer) in writers.iter_mut().enumerate() {
            writer.send(format!("PUB news.{who} 6\r\n{number:06}\r\n"));
        }
    }
    for writer in &mut writers {
        writer.fence("");
    }
    for reader in &mut readers {
        let mut next = vec![0; publishers];
        for _ in 0..publishers * messages {
            let head = reader.line();
            let who = head.strip_prefix("MSG news.").and_then(|rest| rest.strip_suffix(" 1 6"));
            let who: usize = who.unwrap_or_else(|| panic!("{head}")).parse().unwrap();
            assert_eq!(reader.line(), format!("{:06}", next[who]), "publisher {who}");
            next[who] += 1;
        }
        reader.fence("");
    }
}

#[test]
fn a_queue_group_over_all_shards_shares_every_message_evenly() {
    let broker = Settings::default().shards(SHARDS).start();
    let (members, messages) = (20, 4000);
    let mut group: Vec<_> = (0..members).map(|_| broker.client()).collect();
    for (index, member) in group.iter_mut().enumerate() {
        // Different filters, one group.
        member.send(["SUB work.a q 1\r\n", "SUB work.* q 1\r\n", "SUB > q 1\r\n"][index % 3]);
        member.fence("");
    }
    let mut writer = broker.client();
    for number in 0..messages {
        writer.send(format!("PUB work.a 6\r\n{number:06}\r\n"));
    }
    writer.fence("");
    let mut seen = vec![false; messages];
    for member in &mut group {
        member.send("PING\r\n");
        let mut count = 0;
        loop {
            let line = member.line();
            if line == "PONG" {
                break;
            }
            assert_eq!(line, "MSG work.a 1 6");
            let number: usize = member.line().parse().unwrap();
            assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
            count += 1;
        }
        // 200 is fair; seven standard deviations (14 each) either way are not chance.
        assert!((100..=300).contains(&count), "one member got {count} of {messages}");
    }
    assert!(seen.iter().all(|&came| came), "a message was lost");
}

#[test]
fn thousands_of_connections_come_and_go() {
    let broker = Settings::default().shards(SHARDS).start();
    for _ in 0..3 {
        let mut crowd: Vec<_> = (0..1500).map(|_| broker.client()).collect();
        for (index, client) in crowd.iter_mut().enumerate() {
            client.send(format!("SUB all 1\r\nSUB own.{index} 2\r\n"));
        }
        for client in &mut crowd {
            client.fence("");
        }
        crowd[7].send("PUB all 2\r\nhi\r\n");
        crowd[7].fence("MSG all 1 2\r\nhi\r\n");
        let others = |index: &usize| *index != 7;
        for index in (0..crowd.len()).filter(others) {
            crowd[index].fence("MSG all 1 2\r\nhi\r\n");
        }
        let count = crowd.len();
        for index in (0..count).step_by(97) {
            let to = (index * 31 + 5) % count;
            let talk: &mut Connection = &mut crowd[index];
            talk.send(format!("PUB own.{to} 1\r\nx\r\n"));
            if to == index {
                talk.fence(format!("MSG own.{to} 2 1\r\nx\r\n"));
            } else {
                talk.fence("");
                crowd[to].fence(format!("MSG own.{to} 2 1\r\nx\r\n"));
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_grow_with_connections() {
    let broker = Settings::default().shards(2).start();
    let mut first = broker.client();
    first.fence("");
    let before = broker.status("Threads");
    let mut crowd: Vec<_> = (0..500).map(|_| broker.client()).collect();
    for client in &mut crowd {
        client.fence("");
    }
    // The reference's runtime may start a few threads of its own.
    assert!(broker.status("Threads") <= before + 20);
}
