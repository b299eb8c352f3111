//! What a listener in the system account hears of clients, with the reference's members and types.
//!
//! Absent: requests (`system_requests`) and traces (`message_traces`).

use rustix::process::Signal;

use crate::broker::{Kind, Settings, kind, scratch};
use crate::system::{User, broker, broker_with, members, of_server, shape};

const CLIENT: [&str; 13] = [
    "client.acc: text",
    "client.client_type: text",
    "client.host: text",
    "client.id: number",
    "client.kind: text",
    "client.lang: text",
    "client.name: text",
    "client.name_tag: text",
    "client.start: text",
    "client.ver: text",
    "id: text",
    "timestamp: text",
    "type: text",
];

const ENDING: [&str; 6] = [
    "client.stop: text",
    "reason: text",
    "received.bytes: number",
    "received.msgs: number",
    "sent.bytes: number",
    "sent.msgs: number",
];

#[test]
fn who_comes_and_goes_is_told() {
    for shards in [1, 3] {
        let broker = broker(shards);
        let mut listener = User::enter(&broker, "sys");
        listener.subscribe("$SYS.ACCOUNT.A.CONNECT");
        listener.subscribe("$SYS.ACCOUNT.A.DISCONNECT");
        for _ in 0..shards * 20 {
            let mut client = User::enter(&broker, "a");
            let came = listener.hear();
            assert_eq!(came.subject, "$SYS.ACCOUNT.A.CONNECT");
            let came = came.json();
            assert_eq!(shape(&came), members(&[&CLIENT[..], &["client.user: text"]].concat()));
            assert_eq!(came["client"]["id"], client.number());
            assert_eq!(came["client"]["name"], "of a");
            assert_eq!(came["type"], "io.nats.server.advisory.v1.client_connect");
            client.publish("x", "", "", "hello");
            client.wire.fence("");
            drop(client);
            let left = listener.hear().json();
            let ending = [&CLIENT[..], &ENDING, &["client.user: text", "client.rtt: number"]];
            assert_eq!(shape(&left), members(&ending.concat()));
            assert_eq!(
                (&left["sent"]["bytes"], &left["reason"]),
                (&5.into(), &"Client Closed".into())
            );
            assert_eq!(left["type"], "io.nats.server.advisory.v1.client_disconnect");
        }
    }
}

#[test]
fn who_is_refused_is_told_without_its_secret() {
    let broker = broker(2);
    let mut listener = User::enter(&broker, "sys");
    listener.subscribe("$SYS.SERVER.*.CLIENT.AUTH.ERR");
    let mut stranger = User::knock(&broker, "a", "s3cret-guess");
    stranger.wire.expect("-ERR 'Authorization Violation'\r\n");
    let heard = listener.hear();
    assert_eq!(heard.subject, format!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", listener.server()));
    let told = heard.json();
    assert_eq!(told["reason"], "Authentication Failure");
    assert_eq!(told["client"]["user"], "a");
    assert_eq!(told["client"]["acc"], "$G");
    let mut expected = members(&[&CLIENT[..], &ENDING, &["client.user: text"]].concat());
    if kind() == Kind::Reference {
        expected.insert("client.rtt: number".to_owned());
    }
    assert_eq!(shape(&told), expected);
    assert!(!String::from_utf8_lossy(&heard.payload).contains("s3cret"));
}

/// The account that clients without one are in hears of refused ones, too.
#[test]
fn the_global_account_hears_of_refused_clients() {
    let file = scratch("global.conf");
    let text = "authorization { users: [ { user: a, password: a } ] }\n";
    std::fs::write(&file, text).expect("the build directory is writable");
    let file = file.to_str().expect("a plain path");
    let broker = Settings::default().shards(3).arguments(&["-c", file]).start();
    let mut listener = User::enter(&broker, "a");
    listener.subscribe("$SYS.>");
    let mut stranger = User::knock(&broker, "b", "s3cret-guess");
    stranger.wire.expect("-ERR 'Authorization Violation'\r\n");
    let heard = listener.hear();
    assert_eq!(heard.subject, "$SYS.ACCOUNT.CLIENT.AUTH.ERR");
    let told = heard.json();
    assert_eq!((&told["client"]["user"], &told["client"]["acc"]), (&"b".into(), &"$G".into()));
    assert_eq!(listener.hear_all().len(), 0);
}

/// Nobody but the system account has these events, whatever it subscribes to.
#[test]
fn other_accounts_hear_nothing() {
    let broker = broker(2);
    let mut listener = User::enter(&broker, "sys");
    let mut curious = User::enter(&broker, "b");
    for filter in [">", "$SYS.>", "$SYS.ACCOUNT.A.CONNECT", "$SYS.ACCOUNT.*.*"] {
        curious.subscribe(filter);
    }
    listener.subscribe("$SYS.ACCOUNT.A.*");
    let client = User::enter(&broker, "a");
    listener.hear_to("$SYS.ACCOUNT.A.CONNECT");
    drop(client);
    listener.hear_to("$SYS.ACCOUNT.A.DISCONNECT");
    curious.wire.fence("");
    // Nor can they write what would be taken for one.
    curious.publish("$SYS.ACCOUNT.A.CONNECT", "", "", "forged");
    for _ in 0..4 {
        assert_eq!(curious.hear().payload, b"forged");
    }
    listener.wire.fence("");
}

/// A storm of connections is told of at the rate that is set; what was left out is a number.
#[test]
fn a_storm_of_connections_is_no_storm_of_events() {
    if kind() == Kind::Reference {
        return;
    }
    let broker = broker_with(2, "max_system_events: 20\n");
    let mut listener = User::enter(&broker, "sys");
    listener.subscribe("$SYS.ACCOUNT.A.CONNECT");
    let mut clients: Vec<User> = (0..600).map(|_| User::enter(&broker, "a")).collect();
    let (mut heard, mut untold) = (0, 0);
    while heard + untold < clients.len() as u64 {
        // Some time after the storm one more event says how many there were.
        clients.push(User::enter(&broker, "a"));
        for event in listener.hear_all() {
            heard += 1;
            untold += event.json()["untold"].as_u64().unwrap_or(0);
        }
    }
    // Two shards, a burst of 20 each and 20 a second.
    assert!(untold > 100, "{heard} events, {untold} left out");
}

#[test]
fn the_broker_says_when_it_leaves() {
    for (signal, word) in [(Signal::USR2, "LAMEDUCK"), (Signal::TERM, "SHUTDOWN")] {
        leave(signal, word);
    }
}

fn leave(signal: Signal, word: &str) {
    let broker = broker_with(2, "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\"\n");
    let mut listener = User::enter(&broker, "sys");
    listener.subscribe("$SYS.SERVER.*.*");
    broker.signal(signal);
    let heard = listener.hear_to(&format!("$SYS.SERVER.{}.{word}", listener.server()));
    assert_eq!(shape(&heard.json()), of_server(""));
}
