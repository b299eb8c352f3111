//! Connections that end at any byte of what they say, in an orderly way or not.
//!
//! Absent: brokers that vanish (`lifecycle`).

use crate::broker::Broker;
use crate::wire::Connection;

/// What the vanishing client says; the ends of its two complete messages are known.
const SAID: &str = "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB own.* 1\r\n\
    PUB foo re.ply 5\r\nhello\r\nHPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n";

/// What each of its messages looks like to a subscriber.
const HEARD: [&str; 2] =
    ["MSG foo 1 re.ply 5\r\nhello\r\n", "HMSG foo 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"];

/// How many messages are complete within the first bytes of `SAID`.
fn complete(length: usize) -> usize {
    let ends = ["hello\r\n", "\r\n\r\nhi\r\n"].map(|end| SAID.find(end).unwrap() + end.len());
    ends.iter().filter(|&&end| end <= length).count()
}

/// A subscriber that sees what the vanishing clients said.
fn witness(broker: &Broker) -> Connection {
    let mut witness = broker.client();
    witness.send("SUB foo 1\r\n");
    witness.fence("");
    witness
}

#[test]
fn what_was_said_before_an_orderly_end_is_delivered() {
    let broker = Broker::start();
    let mut witness = witness(&broker);
    for length in 0..=SAID.len() {
        let mut leaving = broker.connect();
        leaving.send(&SAID[..length]);
        leaving.finish();
        // The broker closes when it has executed everything.
        let answer = leaving.rest();
        let pong: &[u8] = if length == SAID.len() { b"PONG\r\n" } else { b"" };
        assert_eq!(answer.escape_ascii().to_string(), pong.escape_ascii().to_string());
        witness.fence(HEARD[..complete(length)].concat());
    }
}

#[test]
fn a_reset_at_any_byte_leaves_nothing_behind() {
    let broker = Broker::start();
    let mut witness = witness(&broker);
    for length in 0..=SAID.len() {
        let mut leaving = broker.connect();
        leaving.send(&SAID[..length]);
        leaving.reset();
    }
    // A reset may overtake bytes that were not yet read, but tears no message apart: whatever
    // arrives is one of the two messages as a whole. An orderly client tells when all is over.
    let mut last = broker.client();
    last.send("PUB foo 3\r\nend\r\n");
    last.fence("");
    let end = "MSG foo 1 3\r\nend\r\n";
    let mut heard = 0;
    loop {
        let came = String::from_utf8_lossy(witness.pending()).into_owned();
        if let Some(whole) = HEARD.iter().find(|message| came.starts_with(**message)) {
            witness.consume(whole.len());
            heard += 1;
        } else if came.starts_with(end) {
            witness.consume(end.len());
            break;
        } else {
            let possible = HEARD.iter().chain([&end]).any(|message| message.starts_with(&came));
            assert!(possible, "{came:?}");
            assert!(witness.fill());
        }
    }
    let said: usize = (0..=SAID.len()).map(complete).sum();
    assert!(heard <= said, "{heard} heard of {said}");
}

#[test]
fn subscriptions_end_with_their_connection() {
    let broker = Broker::start();
    for round in 0..50 {
        let mut leaving = broker.client();
        leaving.send("SUB service 1\r\nSUB service queue 2\r\n");
        leaving.fence("");
        let mut asking = broker.client();
        asking.send("SUB answer 1\r\n");
        if round % 2 == 0 {
            leaving.reset();
        } else {
            drop(leaving);
        }
        // Nobody tells when the broker has noticed; it answers 503 from then on.
        let text = "HMSG answer 1 39 39\r\nNATS/1.0 503\r\nNats-Subject: service\r\n\r\n\r\n";
        let limit = std::time::Instant::now() + crate::wire::DEADLINE;
        loop {
            asking.send("PUB service answer 0\r\n\r\nPING\r\n");
            match &asking.line()[..] {
                "PONG" => assert!(std::time::Instant::now() < limit, "still subscribed"),
                line => {
                    assert_eq!(line, text.lines().next().unwrap());
                    let rest = &text[line.len() + 2..];
                    asking.expect(format!("{rest}PONG\r\n"));
                    break;
                }
            }
        }
    }
}

#[test]
fn half_a_connection_still_receives_what_it_asked_for() {
    let broker = Broker::start();
    let mut half = broker.client();
    half.send("SUB foo 1\r\nPUB foo 2\r\nhi\r\nPING\r\n");
    half.finish();
    assert_eq!(half.rest(), b"MSG foo 1 2\r\nhi\r\nPONG\r\n");
}

#[test]
fn connections_that_never_speak_cost_nobody_anything() {
    let broker = Broker::start();
    for round in 0..300 {
        let silent = Connection::open(broker.address());
        if round % 2 == 0 {
            silent.reset();
        }
    }
    broker.client().fence("");
}
