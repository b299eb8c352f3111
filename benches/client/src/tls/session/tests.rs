//! A session against the library's own server, without a socket, so that records can be cut
//! anywhere.
//!
//! Absent: certificates that are no good (see the parent's tests).

use std::io::{Read, Write};

use rustls::ServerConnection;

use super::*;
use crate::tls::tests::peer;

/// A client and the server that it talks to, with nothing between them.
struct Pair {
    client: Session,
    server: ServerConnection,
}

impl Pair {
    fn new(versions: &[&'static rustls::SupportedProtocolVersion]) -> Self {
        let (server, target) = peer(versions);
        Self { client: Session::new(&target).unwrap(), server }
    }

    /// Gives the server what the client has to say.
    fn tell_server(&mut self) {
        while !self.client.outgoing().is_empty() {
            let mut input = self.client.outgoing();
            let count = self.server.read_tls(&mut input).unwrap();
            self.server.process_new_packets().unwrap();
            self.client.note_sent(count);
        }
    }

    /// Gives the client what the server has to say, in pieces of one length, and returns what was
    /// in it.
    fn tell_client(&mut self, piece: usize) -> Vec<u8> {
        let mut records = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut records).unwrap();
        }
        let mut plain = Vec::new();
        for bytes in records.chunks(piece) {
            plain.extend(unseal(&mut self.client, bytes).unwrap());
        }
        plain
    }

    fn shake_hands(&mut self, piece: usize) {
        while !self.client.is_open() || self.server.is_handshaking() {
            self.tell_server();
            assert!(self.tell_client(piece).is_empty());
        }
    }
}

/// Reads as a channel does: what was carried in front of what has come.
fn unseal(client: &mut Session, bytes: &[u8]) -> Result<Vec<u8>, TlsFault> {
    let mut records = [client.carried(), bytes].concat();
    let mut opened = vec![0; records.len()];
    let len = client.unseal(&mut records, &mut opened)?;
    opened.truncate(len);
    Ok(opened)
}

const VERSIONS: [&[&rustls::SupportedProtocolVersion]; 2] =
    [&[&rustls::version::TLS12], &[&rustls::version::TLS13]];

#[test]
fn records_may_be_cut_anywhere() {
    let message: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for versions in VERSIONS {
        for piece in [1, 2, 5, 7, 1000, 16_401, 1 << 20] {
            let mut pair = Pair::new(versions);
            pair.shake_hands(piece);
            pair.server.set_buffer_limit(None);
            pair.server.writer().write_all(&message).unwrap();
            assert_eq!(pair.tell_client(piece), message, "{versions:?} in pieces of {piece}");
            // What the client says while a part of a record is waiting.
            pair.server.writer().write_all(b"late").unwrap();
            let mut records = Vec::new();
            pair.server.write_tls(&mut records).unwrap();
            let (front, back) = records.split_at(3);
            assert_eq!(unseal(&mut pair.client, front), Ok(Vec::new()));
            pair.client.seal(&message).unwrap();
            assert_eq!(unseal(&mut pair.client, back), Ok(b"late".to_vec()));
            let mut got = Vec::new();
            while got.len() < message.len() {
                let mut input = pair.client.outgoing();
                let count = pair.server.read_tls(&mut input).unwrap();
                pair.client.note_sent(count);
                pair.server.process_new_packets().unwrap();
                let mut part = vec![0; 1 << 17];
                let len = pair.server.reader().read(&mut part).unwrap_or(0);
                got.extend_from_slice(&part[..len]);
            }
            assert!(got == message, "{versions:?} in pieces of {piece}");
        }
    }
}

#[test]
fn an_idle_session_carries_nothing() {
    for versions in VERSIONS {
        let mut pair = Pair::new(versions);
        pair.shake_hands(1 << 20);
        assert!(pair.client.carried().is_empty() && pair.client.outgoing().is_empty());
    }
}

#[test]
fn keys_that_the_server_changes_are_followed() {
    let mut pair = Pair::new(&[&rustls::version::TLS13]);
    pair.shake_hands(1 << 20);
    for number in 0..3u8 {
        pair.server.refresh_traffic_keys().unwrap();
        pair.server.writer().write_all(&[number; 10]).unwrap();
        assert_eq!(pair.tell_client(11), [number; 10]);
        pair.client.seal(&[number; 20]).unwrap();
        pair.tell_server();
        let mut got = [0; 20];
        pair.server.reader().read_exact(&mut got).unwrap();
        assert_eq!(got, [number; 20]);
    }
}

#[test]
fn an_end_is_told_apart_from_what_came_before_it() {
    let mut pair = Pair::new(&[&rustls::version::TLS13]);
    pair.shake_hands(1 << 20);
    pair.server.writer().write_all(b"-ERR 'bye'\r\n").unwrap();
    pair.server.send_close_notify();
    assert_eq!(pair.tell_client(1 << 20), b"-ERR 'bye'\r\n");
    assert!(pair.client.is_closed());
}

#[test]
fn what_is_not_tls_is_a_fault_at_every_moment_and_never_a_panic() {
    for versions in VERSIONS {
        for garbage in [&b"INFO {}\r\n"[..], &[0x16; 50], &[0xFF; 9000], &[0x17, 3, 3, 0, 1, 0]] {
            let mut fresh = Pair::new(versions);
            assert!(unseal(&mut fresh.client, garbage).is_err(), "{garbage:?}");
            let mut open = Pair::new(versions);
            open.shake_hands(1 << 20);
            let error = unseal(&mut open.client, garbage).unwrap_err();
            assert!(matches!(error, TlsFault::Library { .. }), "{error:?}");
            // Whatever the reason, it is said once and the session says the same again.
            assert!(unseal(&mut open.client, garbage).is_err());
        }
    }
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    for versions in VERSIONS {
        let mut pair = Pair::new(versions);
        pair.shake_hands(1 << 20);
        pair.server.writer().write_all(b"MSG a 1 5\r\nhello\r\n").unwrap();
        let mut records = Vec::new();
        pair.server.write_tls(&mut records).unwrap();
        let last = records.len() - 1;
        records[last] ^= 1;
        let error = unseal(&mut pair.client, &records).unwrap_err();
        assert!(matches!(error, TlsFault::Library { error: rustls::Error::DecryptError, .. }));
    }
}

#[test]
fn a_bit_that_flips_in_the_handshake_ends_it_or_is_nothing_that_counts() {
    let (server, target) = peer(&[&rustls::version::TLS13]);
    let mut pair = Pair { client: Session::new(&target).unwrap(), server };
    pair.tell_server();
    let mut flight = Vec::new();
    while pair.server.wants_write() {
        pair.server.write_tls(&mut flight).unwrap();
    }
    // The client of the handshake that was recorded is the only one that it fits, so that all
    // others have to refuse it; the bit decides only where they do.
    let (mut refused, mut tried) = (0, 0);
    for position in (0..flight.len()).step_by(3) {
        let mut flipped = flight.clone();
        flipped[position] ^= 1 << (position % 8);
        let mut client = Session::new(&target).unwrap();
        tried += 1;
        for bytes in flipped.chunks(100) {
            if unseal(&mut client, bytes).is_err() {
                refused += 1;
                break;
            }
        }
        assert!(!client.is_open(), "a bit of byte {position}");
    }
    // A length that grew leaves a client that waits for the rest.
    assert!(refused * 10 > tried * 9, "{refused} of {tried}");
}
