//! TLS as clients know it: when the handshake begins, what it shows, and what travels in it.
//!
//! Absent: real client libraries over TLS, which the scenarios of `tests/parity` play, broken
//! peers (`tls_faults`) and broken files (`tls_files`).

use std::io::{Read, Write};

use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, SupportedProtocolVersion};

use crate::broker::{Kind, kind};
use crate::secure::{Offer, Secure, configured, file, greeted, opened, tls};
use crate::wire::Connection;

const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// Messages for a reader that pauses.
const COUNT: usize = 2_000;

/// A payload that no compression and no shift could hide in.
fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n * n % 251).expect("below 251")).collect()
}

#[test]
fn both_versions_carry_messages_of_every_size() {
    let broker = configured(&tls("")).start();
    for versions in [ONLY_12, ONLY_13] {
        let offer = Offer { versions, ..Offer::default() };
        let mut client = offer.connect(broker.address()).expect("a handshake");
        client.connect();
        client.send("SUB f 1\r\n");
        for length in [0, 1, 100, 16_000, 16_384, 70_000, 1_000_000] {
            let payload = payload(length);
            client.send(format!("PUB f {length}\r\n"));
            client.send(&payload);
            client.send("\r\n");
            assert_eq!(client.line(), format!("MSG f 1 {length}"));
            assert!(client.bytes(length) == payload, "{length} bytes come as they went");
            assert_eq!(client.line(), "");
        }
        client.send("nonsense\r\n");
        let last = String::from_utf8(client.rest()).expect("text");
        assert_eq!(last, "-ERR 'Unknown Protocol Operation'\r\n");
    }
}

/// What a reader leaves unread fills the socket, then the layer, then the outbox; all of it comes.
#[test]
fn a_reader_that_pauses_gets_everything_in_order() {
    let broker = configured(&tls("")).start();
    let offer = Offer::default();
    let mut reader = offer.connect(broker.address()).expect("a handshake");
    reader.connect();
    reader.send("SUB f 1\r\n");
    reader.fence();
    let mut writer = offer.connect(broker.address()).expect("a handshake");
    writer.connect();
    let body = payload(9_000);
    for n in 0..COUNT {
        writer.send(format!("PUB f.{n} 1\r\nx\r\nPUB f {}\r\n", body.len() + 8));
        writer.send(format!("{n:08}"));
        writer.send(&body);
        writer.send("\r\n");
    }
    writer.fence();
    for n in 0..COUNT {
        assert_eq!(reader.line(), format!("MSG f 1 {}", body.len() + 8));
        assert_eq!(reader.bytes(8), format!("{n:08}").as_bytes());
        assert!(reader.bytes(body.len()) == body);
        assert_eq!(reader.line(), "");
    }
    reader.fence();
}

#[test]
fn keys_may_change_on_the_way() {
    let broker = configured(&tls("")).start();
    let offer = Offer { versions: ONLY_13, ..Offer::default() };
    let mut client = offer.connect(broker.address()).expect("a handshake");
    client.connect();
    client.send("SUB f 1\r\n");
    for n in 0..20 {
        client.stream.conn.refresh_traffic_keys().expect("version 1.3");
        client.send(format!("PUB f 2\r\n{n:02}\r\n"));
        assert_eq!(client.line(), "MSG f 1 2");
        assert_eq!(client.line(), format!("{n:02}"));
    }
}

#[test]
fn a_session_is_resumed_on_whatever_shard() {
    let broker = configured(&tls("")).start();
    for versions in [ONLY_12, ONLY_13] {
        let offer = Offer { versions, ..Offer::default() };
        let config = offer.config();
        let kinds: Vec<_> = (0..8)
            .map(|_| {
                let (stream, _) = greeted(broker.address());
                let host = "localhost";
                let mut client = Secure::shake(stream, config.clone(), host).expect("a handshake");
                client.connect();
                client.stream.conn.handshake_kind().expect("it is through")
            })
            .collect();
        assert_ne!(kinds[0], HandshakeKind::Resumed);
        assert!(kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed), "{kinds:?}");
    }
}

#[test]
fn the_oldest_version_can_be_raised() {
    let broker = configured(&tls("min_version: \"1.3\"")).start();
    let old = Offer { versions: ONLY_12, ..Offer::default() };
    let error = old.connect(broker.address()).expect_err("too old");
    assert!(error.contains("ProtocolVersion"), "{error}");
    Offer::default().connect(broker.address()).expect("a handshake").connect();
}

#[test]
fn suites_and_curves_can_be_chosen() {
    let suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    let more = format!("cipher_suites: [\"{suite}\"], curve_preferences: [\"CurveP384\"]");
    let broker = configured(&tls(&more)).start();
    let old = Offer { versions: ONLY_12, ..Offer::default() };
    let mut client = old.connect(broker.address()).expect("a handshake");
    client.connect();
    let conn = &client.stream.conn;
    let chosen = conn.negotiated_cipher_suite().expect("it is through").suite();
    assert_eq!(format!("{chosen:?}"), suite);
    let group = conn.negotiated_key_exchange_group().expect("it is through").name();
    assert_eq!(format!("{group:?}"), "secp384r1");
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let pair = |name: &str| {
        let (cert, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
        format!("{{ cert_file: \"{cert}\", key_file: \"{key}\" }}")
    };
    let text = format!("tls {{ certs: [ {}, {} ] }}\n", pair("server"), pair("second"));
    let broker = configured(&text).start();
    for (host, name) in [("localhost", "server"), ("second.example", "second")] {
        let offer = Offer { host, ..Offer::default() };
        let client = offer.connect(broker.address()).expect("a handshake");
        let shown = client.stream.conn.peer_certificates().expect("a certificate")[0].to_vec();
        let pem = std::fs::read_to_string(file(&format!("{name}.pem"))).expect("a file of ours");
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let known = data_encoding::BASE64.decode(body.as_bytes()).expect("PEM");
        assert!(shown == known, "{host} gets the certificate {name}");
    }
}

#[test]
fn only_pinned_certificates_are_let_in() {
    let pin = crate::parity::Certificates::get().public_key_hash("alice");
    let (ca, more) = (file("ca.pem"), format!("pinned_certs: [\"{pin}\"]"));
    let broker = configured(&tls(&format!("verify: true, ca_file: \"{ca}\", {more}"))).start();
    let shown = |certificate| Offer { certificate: Some(certificate), ..Offer::default() };
    shown("alice").connect(broker.address()).expect("a handshake").connect();
    // In version 1.3 the client learns of it behind its own end of the handshake.
    let mut bob = shown("bob").connect(broker.address()).expect("its half of the handshake");
    assert_eq!(bob.rest(), b"");
    broker.log().find("certificate not pinned").expect("it is told");
}

#[test]
fn a_handshake_may_come_first() {
    let broker = configured(&tls("handshake_first: true")).start();
    let offer = Offer::default();
    let config = offer.config();
    let mut client =
        Secure::shake(opened(broker.address()), config, "localhost").expect("a handshake");
    assert!(client.line().starts_with("INFO {"), "the greeting is inside");
    client.connect();
    // Who waits for a greeting gets none, and is told at the end of the handshake's time.
    let mut late = Connection::open(broker.address());
    assert_eq!(late.line(), "-ERR 'Secure Connection - TLS Required'");
    assert_eq!(late.rest(), b"");
}

#[test]
fn a_handshake_may_come_first_for_those_who_begin() {
    let broker = configured(&tls("handshake_first: \"300ms\"")).start();
    let offer = Offer::default();
    let first = Secure::shake(opened(broker.address()), offer.config(), "localhost");
    let mut first = first.expect("a handshake");
    assert!(first.line().starts_with("INFO {"), "the greeting is inside");
    first.connect();
    offer.connect(broker.address()).expect("a handshake behind the greeting").connect();
}

/// Who sends its first flight without waiting still finds the greeting first.
#[test]
fn the_greeting_comes_first_for_those_who_do_not_wait() {
    let broker = configured(&tls("")).start();
    for _ in 0..50 {
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        let config = Offer::default().config();
        let mut conn = rustls::ClientConnection::new(config, name).expect("a client");
        let mut stream = opened(broker.address());
        conn.write_tls(&mut stream).expect("sent");
        let mut beginning = [0; 5];
        stream.read_exact(&mut beginning).expect("a greeting");
        assert_eq!(&beginning, b"INFO ");
    }
}

#[test]
fn clear_text_may_be_allowed() {
    let text = format!("allow_non_tls: true\n{}", tls(""));
    let broker = configured(&text).start();
    let mut plain = Connection::open(broker.address());
    let greeting = plain.line();
    assert!(greeting.contains("\"tls_available\":true"), "{greeting}");
    assert!(!greeting.contains("tls_required"), "{greeting}");
    plain.send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
    plain.fence("");
    let mut secure = Offer::default().connect(broker.address()).expect("a handshake");
    secure.connect();
    secure.send("PUB a 1\r\nx\r\n");
    plain.expect("MSG a 1 1\r\nx\r\n");
    // Half-closed before its first byte.
    let mut silent = Connection::open(broker.address());
    assert!(silent.line().starts_with("INFO {"));
    silent.finish();
    assert_eq!(silent.rest(), b"");
}

#[test]
fn handshakes_may_be_limited_in_number() {
    let broker = configured(&tls("connection_rate_limit: 2, timeout: 30")).start();
    let mut throttled = 0;
    // More than two seconds' worth in much less than that.
    let sockets: Vec<_> = (0..12)
        .map(|_| {
            let mut connection = Connection::open(broker.address());
            assert!(connection.line().starts_with("INFO {"));
            connection
        })
        .collect();
    for mut connection in sockets {
        connection.finish();
        let text = String::from_utf8_lossy(&connection.rest()).into_owned();
        if text == "-ERR 'Connection throttling is active. Please try again later.'\r\n" {
            throttled += 1;
        } else {
            assert_eq!(text, "");
        }
    }
    assert!(throttled >= 4, "{throttled} of 12 are throttled");
}

#[test]
fn a_farewell_is_said_inside() {
    let mut broker = configured(&tls("")).start();
    let mut client = Offer::default().connect(broker.address()).expect("a handshake");
    client.connect();
    let (mut half, _) = greeted(broker.address());
    half.write_all(&[0x16]).expect("sent");
    broker.signal(rustix::process::Signal::TERM);
    let mut chunk = [0; 100];
    let end = client.stream.read(&mut chunk).expect("an orderly end");
    assert_eq!(end, 0, "the end is authenticated");
    let status = broker.ended();
    if kind() == Kind::Fanfare {
        assert!(status.success());
    }
}
