//! Messages that ask to be told where they go, on one shard and on several, as the reference tells.
//!
//! Absent: what headers ask in every form, which the unit tests of `core::msg_trace` go through.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::broker::{Broker, Kind, kind};
use crate::system::{Heard, User, broker, of_server, shape};

const TO: &str = "Nats-Trace-Dest: trace.to";
const ONLY: &str = "Nats-Trace-Dest: trace.to\r\nNats-Trace-Only: true";

/// A user of an account that hears its traces.
fn listener(broker: &Broker, name: &str) -> User {
    let mut user = User::enter(broker, name);
    user.subscribe("trace.to");
    user
}

/// The events of a trace behind the first, without their times: kinds and what else is told.
fn events(heard: &Heard) -> Vec<Value> {
    let trace = heard.json();
    assert_eq!(shape(&trace["server"]), of_server(""));
    let list = trace["events"].as_array().expect("a list").clone();
    let mut list: Vec<Value> = list.into_iter().skip(1).collect();
    for event in &mut list {
        let members = event.as_object_mut().expect("an object");
        assert!(members.remove("ts").is_some_and(|time| time.is_string()));
    }
    list
}

/// How many receivers there are by kind of event, queue and error.
fn counted(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        let text = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
        let key = format!("{} {} {}", text("type"), text("queue"), text("error"));
        *counts.entry(key).or_default() += 1;
    }
    counts
}

#[test]
fn a_trace_names_every_receiver_on_every_shard() {
    for shards in [1, 2, 4] {
        let broker = broker(shards);
        let mut heard = listener(&broker, "a");
        let mut readers: Vec<User> = (0..20).map(|_| User::enter(&broker, "a")).collect();
        for reader in &mut readers {
            reader.subscribe("x");
            reader.wire.send("SUB x workers 9\r\n");
            reader.wire.fence("");
        }
        let mut sender = User::enter(&broker, "a");
        for headers in [TO, ONLY] {
            sender.publish("x", "", headers, "hello");
            let told = heard.hear();
            let trace = told.json();
            let block = format!("NATS/1.0\r\n{headers}\r\n\r\n").len();
            assert_eq!(trace["request"]["msgsize"], block + 5);
            assert_eq!(trace["request"]["header"]["Nats-Trace-Dest"][0], "trace.to");
            let first = &trace["events"][0];
            assert_eq!((&first["type"], &first["kind"]), (&"in".into(), &0.into()));
            assert_eq!(first["cid"], sender.number());
            assert_eq!((&first["acc"], &first["subj"]), (&"A".into(), &"x".into()));
            assert_eq!(first["name"], "of a");
            let events = events(&told);
            let counts = counted(&events);
            assert_eq!(counts.get("eg - -"), Some(&20), "{counts:?}");
            assert_eq!(counts.get("eg workers -"), Some(&1), "{counts:?}");
            let mut numbers: Vec<u64> = events.iter().filter_map(|it| it["cid"].as_u64()).collect();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers, readers.iter().map(User::number).collect::<Vec<_>>());
            // Whom the trace names in the group is who gets it.
            let member = events.iter().find(|event| event["queue"] == "workers");
            let member = member.expect("a member")["cid"].as_u64();
            for reader in &mut readers {
                let all = reader.hear_all();
                let own = usize::from(Some(reader.number()) == member);
                let expected = if headers == ONLY { 0 } else { 1 + own };
                assert_eq!(all.len(), expected, "{all:?}");
                assert!(all.iter().all(|it| it.payload == b"hello" && it.headers.contains(TO)));
            }
        }
    }
}

/// The event of a request that A serves.
fn service(from: &str, to: &str) -> Value {
    serde_json::json!({ "type": "si", "acc": "A", "from": from, "to": to })
}

#[test]
fn a_trace_follows_mappings_streams_and_services() {
    for shards in [1, 3] {
        let broker = broker(shards);
        let (mut of_a, mut of_b) = (listener(&broker, "a"), listener(&broker, "b"));
        let (mut server, mut reader) = (User::enter(&broker, "a"), User::enter(&broker, "b"));
        server.subscribe("svc.*");
        server.subscribe("m.to");
        reader.subscribe("lit.st.*");
        let mut sender = User::enter(&broker, "a");
        sender.publish("m.from", "", TO, "1");
        let told = events(&of_a.hear());
        assert_eq!((&told[0]["type"], &told[0]["to"]), (&"sm".into(), &"m.to".into()));
        assert_eq!((&told[1]["type"], &told[1]["cid"]), (&"eg".into(), &server.number().into()));
        sender.publish("st.1", "", TO, "2");
        let told = events(&of_a.hear());
        assert_eq!(told[0], serde_json::json!({"type": "se", "acc": "B", "to": "lit.st.1"}));
        assert_eq!((&told[1]["acc"], &told[1]["cid"]), (&"B".into(), &reader.number().into()));
        assert_eq!(told.len(), 2);
        let mut asker = User::enter(&broker, "b");
        asker.publish("to.light", "", TO, "3");
        let told = events(&of_b.hear());
        assert_eq!(told[0], service("to.light", "svc.light"));
        assert_eq!((&told[1]["acc"], &told[1]["cid"]), (&"A".into(), &server.number().into()));
        // Where the exporter does not allow it, it ends at the border, and nobody is told more.
        asker.publish("to.dark", "", TO, "4");
        assert_eq!(events(&of_b.hear()), [service("to.dark", "svc.dark")]);
        asker.publish("to.dark", "", ONLY, "5");
        assert_eq!(events(&of_b.hear()), [service("to.dark", "svc.dark")]);
        let heard = server.hear_all();
        let payloads: Vec<&[u8]> = heard.iter().map(|heard| &heard.payload[..]).collect();
        assert_eq!(payloads, [b"1", b"3", b"4"]);
        assert!(heard[1].headers.contains(TO));
        assert!(heard[2].headers.contains("Nats-Trace-Dest: trace disabled"), "{heard:?}");
        assert_eq!(reader.hear_all().len(), 1);
        // The exporter has heard nothing of what B traces.
        assert_eq!(of_a.hear_all().len(), 0);
    }
}

/// The hole that was GHSA-p3j5: a trace is a message, and goes only where its asker may publish.
#[test]
fn a_trace_goes_only_where_its_asker_may_publish() {
    let broker = broker(3);
    let mut heard = listener(&broker, "a");
    let mut few = User::enter(&broker, "few");
    heard.subscribe("x");
    heard.subscribe("t.*");
    let error =
        |subject: &str| format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n");
    for dest in ["trace.to", "t.denied", "$SYS.REQ.SERVER.PING"] {
        few.publish("x", "", &format!("Nats-Trace-Dest: {dest}"), "");
        few.wire.expect(error(dest));
    }
    let mut any = User::enter(&broker, "a");
    for dest in ["_GR_.x.y", "$NRG.x"] {
        any.publish("x", "", &format!("Nats-Trace-Dest: {dest}"), "");
        any.wire.expect(error(dest));
    }
    assert_eq!(heard.hear_all().len(), 0);
    // Where it may, it learns even why it may not send the message.
    few.publish("forbidden", "", "Nats-Trace-Dest: t.x", "");
    few.wire.expect(error("forbidden"));
    let told = heard.hear().json();
    assert_eq!(told["events"][0]["error"], "Permissions Violation for Publish to \"forbidden\"");
}

#[test]
fn tracing_systems_ask_where_the_account_says() {
    let broker = broker(2);
    let mut heard = User::enter(&broker, "a");
    heard.subscribe("account.trace");
    let (mut sender, mut other) = (User::enter(&broker, "a"), User::enter(&broker, "b"));
    let parent = |flags: &str| format!("TraceParent: 00-4bf92f3577b34da6-00f067aa0ba902b7-{flags}");
    sender.publish("nobody", "", &parent("00"), "");
    sender.publish("nobody", "", &parent("01"), "");
    other.publish("nobody", "", &parent("01"), "");
    other.wire.fence("");
    let told = heard.hear().json();
    assert_eq!(
        told["request"]["header"]["TraceParent"][0].as_str().map(|it| it.ends_with("-01")),
        Some(true)
    );
    assert_eq!(heard.hear_all().len(), 0);
}

/// What is no destination asks for nothing, and delivers nothing where only a trace is wanted.
#[test]
fn odd_destinations_change_nothing() {
    let broker = broker(2);
    let mut reader = User::enter(&broker, "a");
    reader.subscribe("x");
    let mut sender = User::enter(&broker, "a");
    for headers in [
        "Nats-Trace-Dest: a.*",
        "Nats-Trace-Dest: ",
        "Nats-Trace-Dest: trace disabled",
        "nats-trace-dest: a.b",
        "Nats-Trace-Only: true",
        "X-Nats-Trace-Dest: a.b",
    ] {
        sender.publish("x", "", headers, "");
        assert_eq!(reader.hear().subject, "x", "{headers}");
    }
    sender.publish("x", "", "Nats-Trace-Dest: a.*\r\nNats-Trace-Only: true", "");
    sender.wire.fence("");
    assert_eq!(reader.hear_all().len(), 0);
}

/// Large bodies travel between shards by reference; a traced one arrives as whole as any.
#[test]
fn large_messages_are_traced_and_arrive_whole() {
    if kind() == Kind::Reference {
        return;
    }
    let broker = broker(4);
    let mut heard = listener(&broker, "a");
    let mut readers: Vec<User> = (0..8).map(|_| User::enter(&broker, "a")).collect();
    for reader in &mut readers {
        reader.subscribe("x");
    }
    let mut sender = User::enter(&broker, "a");
    for size in [0, 1, 4_000, 40_000, 400_000] {
        let payload = "p".repeat(size);
        sender.publish("x", "", TO, &payload);
        for reader in &mut readers {
            assert_eq!(reader.hear().payload.len(), size);
        }
        assert_eq!(events(&heard.hear()).len(), readers.len());
    }
}
