//! PROXY headers: whose address a client has.
//!
//! Absent: the headers' grammar, which the protocol crate tests.

use std::io::Write;

use crate::broker::{Broker, CONNECT, Kind, kind};
use crate::secure::{Offer, Secure, configured, greeted, opened, tls};
use crate::wire::Connection;

/// A header of version 2 with an IPv4 address and `more` bytes behind it.
fn v2(more: usize) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    header.extend_from_slice(&u16::try_from(12 + more).expect("short").to_be_bytes());
    header.extend_from_slice(&[192, 0, 2, 9, 10, 0, 0, 1, 0x30, 0x39, 0x10, 0x7e]);
    header.resize(header.len() + more, 0);
    header
}

fn broker() -> Broker {
    configured("proxy_protocol: true\n").start()
}

/// The address that the INFO behind the first PONG names.
fn address_after(broker: &Broker, header: &[u8], pieces: usize) -> String {
    let mut connection = Connection::open(broker.address());
    let greeting = connection.line();
    assert!(!greeting.contains("client_ip"), "{greeting}");
    let hello = "CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n";
    let bytes = [header, hello.as_bytes()].concat();
    for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
        connection.send(piece);
    }
    assert_eq!(connection.line(), "PONG");
    let info = connection.line();
    let (_, ip) = info.split_once("\"client_ip\":\"").expect("an address");
    ip.split('"').next().expect("an address").to_owned()
}

#[test]
fn a_header_names_the_client() {
    let broker = broker();
    let address = |header: &[u8]| {
        let whole = address_after(&broker, header, 1);
        assert_eq!(address_after(&broker, header, 50), whole, "in pieces");
        whole
    };
    assert_eq!(address(b"PROXY TCP4 192.0.2.7 10.0.0.1 5555 4222\r\n"), "192.0.2.7");
    assert_eq!(address(b"PROXY TCP6 2001:db8::7 2001:db8::1 5555 4222\r\n"), "2001:db8::7");
    assert_eq!(address(b"PROXY UNKNOWN\r\n"), "127.0.0.1");
    assert_eq!(address(&v2(0)), "192.0.2.9");
    assert_eq!(address(&v2(50_000)), "192.0.2.9");
    assert_eq!(address(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"), "127.0.0.1");
    assert_eq!(address(b""), "127.0.0.1", "as nats-server has it, a header may be missing");
}

#[test]
fn a_bad_header_ends_its_connection_alone() {
    let broker = broker();
    for header in [
        &b"PROXY TCP4 192.0.2.7 10.0.0.1 5555\r\n"[..],
        b"PROXY TCP4 ::1 ::2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x00",
        b"\r\n\r\n\0\r\nNOPE\n\x21\x11\x00\x00",
    ] {
        let mut connection = Connection::open(broker.address());
        assert!(connection.line().starts_with("INFO {"));
        connection.send(header);
        assert_eq!(connection.rest(), b"");
    }
    broker.log().find("Error reading PROXY protocol header").expect("it is told");
    let mut client = Connection::open(broker.address());
    assert!(client.line().starts_with("INFO {"));
    client.send(CONNECT);
    client.fence("");
}

#[test]
fn the_header_stands_before_the_handshake() {
    let broker = configured(&format!("proxy_protocol: true\n{}", tls(""))).start();
    let (mut stream, _) = greeted(broker.address());
    stream.write_all(&v2(9)).expect("sent");
    let offer = Offer::default();
    let mut client = Secure::shake(stream, offer.config(), "localhost").expect("a handshake");
    client.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    assert_eq!(client.line(), "PONG");
    let info = client.line();
    assert!(info.contains("\"client_ip\":\"192.0.2.9\""), "{info}");
}

#[test]
fn the_header_stands_before_a_handshake_that_comes_first() {
    let text = format!("proxy_protocol: true\n{}", tls("handshake_first: true"));
    let broker = configured(&text).start();
    let mut stream = opened(broker.address());
    stream.write_all(&v2(0)).expect("sent");
    let offer = Offer::default();
    let mut client = Secure::shake(stream, offer.config(), "localhost").expect("a handshake");
    let info = client.line();
    assert!(info.starts_with("INFO {") && info.contains("\"client_ip\":\"192.0.2.9\""), "{info}");
    client.connect();
    if kind() == Kind::Fanfare {
        broker.log().find("Server is ready").expect("it goes on");
    }
}
