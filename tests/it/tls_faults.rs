//! Peers that break TLS: junk, silence, floods. They end their own connections and no other.
//!
//! Absent: what time it takes, which `benches` measure. That others are served is shown by a fence.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, pki_types::ServerName};

use crate::broker::Broker;
use crate::secure::{Offer, Secure, configured, greeted, opened, tls};
use crate::wire::Connection;

/// The first flight of a good client.
fn hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut conn = ClientConnection::new(Offer::default().config(), name).expect("a client");
    let mut hello = Vec::new();
    conn.write_tls(&mut hello).expect("memory takes it");
    hello
}

/// An established client, to see that others are served.
fn bystander(broker: &Broker) -> Secure {
    let mut client = Offer::default().connect(broker.address()).expect("a handshake");
    client.connect();
    client
}

/// Sends bytes behind the greeting, ends the sending side, and takes what comes.
fn after(broker: &Broker, bytes: &[u8]) -> Vec<u8> {
    let (mut stream, _) = greeted(broker.address());
    // A broker that has seen enough may have closed.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    rest
}

#[test]
fn junk_ends_its_own_connection() {
    let broker = configured(&tls("")).start();
    let mut bystander = bystander(&broker);
    let hello = hello();
    let mut longer = hello.clone();
    longer[3] = 0x7F;
    let mut wrong = hello.clone();
    wrong[5] = 0x55;
    let mut torn = hello.clone();
    torn.truncate(hello.len() / 2);
    let repeated = [&hello[..], &hello[..]].concat();
    let junk: &[&[u8]] = &[
        b"CONNECT {\"verbose\":false}\r\nPING\r\n",
        b"\x16",
        b"\x16\x03\x01",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x14\x03\x01\x00\x01\x01",
        b"\x17\x03\x03\x00\x05hello",
        b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x01\x00\x80",
        &vec![0; 40_000],
        &vec![0x16; 70_000],
        &[0xFF; 3],
        &longer,
        &wrong,
        &torn,
        &repeated,
    ];
    for bytes in junk {
        after(&broker, bytes);
        bystander.fence();
    }
    // Every byte of a good beginning, spoiled.
    for at in 0..hello.len() {
        let mut spoiled = hello.clone();
        spoiled[at] ^= 0x41;
        after(&broker, &spoiled);
    }
    bystander.fence();
}

/// Junk behind the handshake: records that cannot be opened.
#[test]
fn a_spoiled_record_ends_its_own_connection() {
    let broker = configured(&tls("")).start();
    let mut bystander = bystander(&broker);
    for junk in [
        &b"\x17\x03\x03\x00\x20abcdefghijklmnopqrstuvwxyzabcdef"[..],
        b"\x17\x03\x03\xff\xff",
        b"PUB a 1\r\nx\r\n",
        b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",
        b"\x15\x03\x03\x00\x02\x02\x00",
    ] {
        let mut client = Offer::default().connect(broker.address()).expect("a handshake");
        client.connect();
        client.send("PUB f 1\r\ny\r\n");
        client.stream.sock.write_all(junk).expect("sent");
        client.rest();
        bystander.fence();
    }
}

/// The closing alert directly behind the beginning, as one known bug of others wanted it.
#[test]
fn an_end_inside_the_handshake_does_not_spin() {
    let broker = configured(&tls("timeout: 20")).start();
    let mut bystander = bystander(&broker);
    let bytes = [&hello()[..], b"\x15\x03\x03\x00\x02\x01\x00"].concat();
    let streams: Vec<TcpStream> = (0..20)
        .map(|_| {
            let (mut stream, _) = greeted(broker.address());
            stream.write_all(&bytes).expect("sent");
            stream
        })
        .collect();
    bystander.fence();
    let before = broker.processor_ticks();
    // The time that 2 000 fences take is short; a thread that spins would use all of it.
    for _ in 0..2_000 {
        bystander.fence();
    }
    let used = broker.processor_ticks() - before;
    drop(streams);
    assert!(used < 300, "{used} ticks for two thousand fences");
    bystander.fence();
}

#[test]
fn a_beginning_may_come_in_any_pieces() {
    let broker = configured(&tls("")).start();
    for size in [1, 2, 7, 100] {
        let (mut stream, _) = greeted(broker.address());
        let name = ServerName::try_from("localhost").expect("a name");
        let config = Offer::default().config();
        let mut conn = ClientConnection::new(config, name).expect("a client");
        while conn.is_handshaking() {
            let mut bytes = Vec::new();
            while conn.wants_write() {
                conn.write_tls(&mut bytes).expect("memory takes it");
            }
            for piece in bytes.chunks(size) {
                stream.write_all(piece).expect("sent");
            }
            if conn.is_handshaking() {
                assert!(conn.read_tls(&mut stream).expect("an answer") > 0);
                conn.process_new_packets().expect("a good answer");
            }
        }
    }
}

#[test]
fn thousands_of_half_open_connections_stop_nobody() {
    let broker = configured(&tls("timeout: 1.5")).descriptors(20_000).start();
    let mut bystander = bystander(&broker);
    let before = broker.status("VmRSS");
    let hello = hello();
    // Some say nothing, some a byte, some a whole beginning without an end.
    let mut half: Vec<TcpStream> = Vec::new();
    for n in 0..3_000 {
        let mut stream = opened(broker.address());
        let part = match n % 3 {
            0 => 0,
            1 => 1,
            _ => hello.len(),
        };
        stream.write_all(&hello[..part]).expect("sent");
        half.push(stream);
        if n % 100 == 0 {
            bystander.fence();
        }
    }
    bystander.fence();
    let grown = broker.status("VmRSS").saturating_sub(before);
    assert!(grown < 3_000 * 24, "{grown} KiB for 3000 half-open connections");
    // Each ends at its time, without anybody's help.
    for mut stream in half {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("an orderly end");
        assert!(rest.starts_with(b"INFO {"));
    }
    bystander.fence();
}

#[test]
fn silence_ends_with_the_time_for_a_handshake() {
    let broker = configured(&tls("timeout: 0.3")).start();
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00", &hello()[..50]] {
        let mut connection = Connection::open(broker.address());
        assert!(connection.line().starts_with("INFO {"));
        connection.send(bytes);
        assert_eq!(connection.line(), "-ERR 'Secure Connection - TLS Required'");
        assert_eq!(connection.rest(), b"");
    }
}
