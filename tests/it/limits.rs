//! Limits of connections, life signs and places, as a client meets them.
//!
//! Absent: limits of the text (`transcripts/`), of pending output (`slow`) and of file descriptors
//! (`descriptors`).

use std::time::Instant;

use crate::broker::{Broker, Kind, Settings, kind};
use crate::wire::{Connection, DEADLINE};

/// Connects until the broker has a place again; the broker, not a clock, decides when.
fn until_accepted(broker: &Broker) -> Connection {
    let limit = Instant::now() + DEADLINE;
    loop {
        let mut connection = broker.connect();
        connection.send("CONNECT {\"verbose\":false}\r\nPING\r\n");
        match &connection.line()[..] {
            "PONG" => return connection,
            refusal => assert_eq!(refusal, "-ERR 'maximum connections exceeded'"),
        }
        assert!(Instant::now() < limit, "no place was freed");
    }
}

#[test]
fn a_connection_too_many_is_refused_and_a_freed_place_is_given_again() {
    let broker = Settings::default().limit("max_connections", 10).start();
    let mut places: Vec<_> = (0..10).map(|_| broker.client()).collect();
    for client in &mut places {
        client.fence("");
    }
    for _ in 0..20 {
        let mut refused = broker.connect();
        assert_eq!(refused.rest(), b"-ERR 'maximum connections exceeded'\r\n");
    }
    // Refusals take no place, and the others notice nothing.
    for client in &mut places {
        client.fence("");
    }
    for index in 0..10 {
        // In turn: an orderly end, a reset, an error.
        let mut leaving = places.remove(0);
        match index % 3 {
            0 => drop(leaving),
            1 => leaving.reset(),
            _ => {
                leaving.send("BOGUS\r\n");
                assert_eq!(leaving.rest(), b"-ERR 'Unknown Protocol Operation'\r\n");
            }
        }
        places.push(until_accepted(&broker));
    }
    for client in &mut places {
        client.fence("");
    }
}

#[test]
fn a_silent_client_is_pinged_and_then_cut() {
    let settings = Settings::default().limit("ping_interval", "150ms").limit("ping_max", 2);
    let broker = settings.start();
    let mut silent = broker.client();
    assert_eq!(silent.rest(), b"PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
}

#[test]
fn a_client_that_never_said_connect_is_cut_as_well() {
    let settings = Settings::default().limit("ping_interval", "150ms").limit("ping_max", 1);
    let broker = settings.start();
    let mut silent = broker.connect();
    assert_eq!(silent.rest(), b"PING\r\n-ERR 'Stale Connection'\r\n");
}

#[test]
fn a_client_that_answers_stays() {
    let settings = Settings::default().limit("ping_interval", "100ms").limit("ping_max", 1);
    let broker = settings.start();
    let mut client = broker.client();
    for _ in 0..10 {
        client.expect("PING\r\n");
        client.send("PONG\r\n");
    }
}

#[test]
fn an_unfinished_message_is_no_life_sign() {
    let settings = Settings::default().limit("ping_interval", "150ms").limit("ping_max", 2);
    let broker = settings.start();
    let mut witness = broker.client();
    witness.send("SUB foo 1\r\n");
    let mut half = broker.client();
    half.send("PUB foo 1000\r\nonly the beginning");
    let told = half.rest();
    assert!(told.ends_with(b"-ERR 'Stale Connection'\r\n"), "{:?}", told.escape_ascii());
    // What was begun is never delivered.
    let told = witness.rest();
    assert!(!told.windows(3).any(|text| text == b"MSG"), "{:?}", told.escape_ascii());
}

#[test]
fn places_of_subscriptions_return_with_their_connection() {
    let broker = Settings::default().limit("max_subscriptions", 100).start();
    for _ in 0..3 {
        let mut client = broker.client();
        for sid in 0..100 {
            client.send(format!("SUB foo.{sid} {sid}\r\n"));
        }
        client.fence("");
        client.send("SUB one.more 100\r\n");
        client.fence("-ERR 'maximum subscriptions exceeded'\r\n");
    }
}

#[test]
fn a_connection_that_says_nothing_whole_is_cut() {
    if kind() == Kind::Reference {
        return; // It waits for ever when it demands no credentials.
    }
    let broker = Settings::default().own_limit("connect_timeout", "300ms").start();
    let mut speaking = broker.client();
    speaking.fence("");
    let beginnings = ["", "C", "CONNECT {\"verbose\":", "PIN", "PUB foo 5\r\nhel"];
    let mut silent = beginnings.map(|_| broker.connect());
    for (connection, beginning) in silent.iter_mut().zip(beginnings) {
        connection.send(beginning);
    }
    for connection in &mut silent {
        assert_eq!(connection.rest(), b"-ERR 'Authentication Timeout'\r\n");
    }
    // Who has said something once may be silent.
    speaking.fence("");
}
