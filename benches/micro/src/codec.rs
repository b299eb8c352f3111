//! The wire alone: decoding what clients send and encoding what they are told.
//!
//! Absent: shards. What a decoded operation then costs is in `turns`.

use std::hint::black_box;

use fanfare_protocol::connect::ConnectOptions;
use fanfare_protocol::decode::{self, Step};
use fanfare_protocol::encode;
use fanfare_protocol::limits::DecodeLimits;
use fanfare_protocol::op::ClientOp;

use crate::{Scenario, repeat};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "parse_pub_16", run: || parse(&publish("subject.one", 16)) },
    Scenario { name: "parse_pub_1024", run: || parse(&publish("subject.one", 1024)) },
    Scenario { name: "parse_pub_varied_16", run: || parse(&varied()) },
    Scenario { name: "parse_hpub_128", run: || parse(&publish_with_headers(128)) },
    Scenario { name: "parse_sub", run: || parse(b"SUB device.12345.commands workers 17\r\n") },
    Scenario { name: "parse_ping", run: || parse(b"PING\r\n") },
    Scenario { name: "parse_connect", run: || parse(CONNECT) },
    Scenario { name: "encode_head", run: encode_head },
    Scenario { name: "encode_head_headers", run: encode_head_with_headers },
];

/// A CONNECT as client libraries send it.
pub(crate) const CONNECT: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\
\"tls_required\":false,\"name\":\"worker\",\"lang\":\"go\",\"version\":\"1.48.0\",\"protocol\":1,\
\"echo\":true,\"headers\":true,\"no_responders\":true}\r\n";

pub(crate) fn publish(subject: &str, size: usize) -> Vec<u8> {
    let mut one = format!("PUB {subject} {size}\r\n").into_bytes();
    one.extend(std::iter::repeat_n(b'x', size));
    one.extend_from_slice(b"\r\n");
    one
}

pub(crate) fn publish_with_headers(size: usize) -> Vec<u8> {
    let head = "NATS/1.0\r\nTrace: 0123456789abcdef\r\n\r\n";
    let mut one = format!("HPUB f {} {}\r\n{head}", head.len(), head.len() + size).into_bytes();
    one.extend(std::iter::repeat_n(b'x', size));
    one.extend_from_slice(b"\r\n");
    one
}

/// As many of these operations as fill about one read, and their number.
pub(crate) fn read_of(one: &[u8]) -> (Vec<u8>, u64) {
    let count = (READ / one.len()).max(1);
    (one.repeat(count), count as u64)
}

/// Messages whose control lines differ from one to the next.
fn varied() -> Vec<u8> {
    (0..100).flat_map(|n| publish(&format!("subject.{n}"), 16)).collect()
}

/// One unit is one operation.
fn parse(ops: &[u8]) -> u64 {
    let (input, _) = read_of(ops);
    let limits = DecodeLimits::default();
    let decode_all = || {
        let (mut rest, mut count) = (&input[..], 0);
        while let Ok(Step::Op(op, used)) = decode::next(black_box(rest), &limits) {
            if let ClientOp::Connect(json) = op {
                let _ = black_box(ConnectOptions::parse(json));
            }
            black_box(&op);
            rest = &rest[used..];
            count += 1;
        }
        count
    };
    let count: u64 = decode_all();
    assert!(count > 0, "the input has operations");
    repeat(ROUNDS, || {
        decode_all();
    });
    ROUNDS * count
}

fn encode_head() -> u64 {
    let mut out = Vec::with_capacity(256);
    repeat(ROUNDS * 100, || {
        out.clear();
        encode::message_prefix(&mut out, black_box(b"subject.one"), false);
        encode::message_suffix(&mut out, black_box(b""), None, black_box(128));
        black_box(&out);
    });
    ROUNDS * 100
}

fn encode_head_with_headers() -> u64 {
    let mut out = Vec::with_capacity(256);
    repeat(ROUNDS * 100, || {
        out.clear();
        encode::message_prefix(&mut out, black_box(b"subject.one"), true);
        encode::message_suffix(&mut out, black_box(b"_INBOX.1.2"), Some(40), black_box(168));
        black_box(&out);
    });
    ROUNDS * 100
}

/// About what one read brings.
const READ: usize = 60_000;
const ROUNDS: u64 = 20;
