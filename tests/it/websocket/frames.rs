//! Frames of every kind, good and bad: what the good ones carry, and that the bad ones end their
//! own connection with the right code and nobody else's.
//!
//! The cases are those of the Autobahn test suite (1 to 7 and 9), which expects an echo: here each
//! message is a PUB to a subject that its own connection subscribes.

use super::client::{Request, Web, broker, masked};
use crate::broker::{Broker, Kind, kind};

fn entered(broker: &Broker) -> Web {
    let mut web = Request::default().connect(broker);
    web.enter();
    web.send("SUB e 1\r\n");
    assert!(web.fence().is_empty());
    web
}

fn publish(payload: &[u8]) -> Vec<u8> {
    [format!("PUB e {}\r\n", payload.len()).as_bytes(), payload, b"\r\n"].concat()
}

#[track_caller]
fn echoed(web: &mut Web, payload: &[u8]) {
    assert_eq!(web.line(), format!("MSG e 1 {}", payload.len()));
    assert!(web.bytes(payload.len()) == payload, "{} bytes come as they went", payload.len());
    assert_eq!(web.line(), "");
}

/// Autobahn 1: messages of every size of header, of text and of bytes, whole and in pieces.
#[test]
fn messages_of_every_size_come_through() {
    let broker = broker("");
    let mut web = entered(&broker);
    for length in [0, 1, 100, 101, 102, 125, 126, 127, 128, 65_500, 65_535, 65_536, 300_000] {
        let text: Vec<u8> = (0..length).map(|n| b"*+-"[n % 3]).collect();
        for first in [0x81, 0x82] {
            web.send_frame(first, &publish(&text));
            echoed(&mut web, &text);
        }
        let bytes: Vec<u8> =
            (0..length).map(|n| (n * n % 256).try_into().expect("small")).collect();
        let frame = masked(0x82, &publish(&bytes));
        for piece in frame.chunks(997) {
            web.send_raw(piece);
        }
        echoed(&mut web, &bytes);
    }
    let frame = masked(0x82, &publish(b"octet by octet"));
    for byte in frame {
        web.send_raw(&[byte]);
    }
    echoed(&mut web, b"octet by octet");
    web.send_frame(0x82, b"");
    web.send_frame(0x81, b"");
    assert!(web.fence().is_empty());
}

/// Autobahn 2: pings are answered with what they carry, pongs are not answered.
#[test]
fn pings_are_answered_with_their_payload() {
    let broker = broker("");
    let mut web = entered(&broker);
    for payload in [&b""[..], b"Hello, world!", &[0, 0xff, 0xfe, 0xfd], &[b'x'; 125]] {
        web.send_frame(0x89, payload);
        let pong = web.control();
        assert_eq!((pong.first, &pong.payload[..]), (0x8a, payload));
    }
    for byte in masked(0x89, b"in single bytes") {
        web.send_raw(&[byte]);
    }
    assert_eq!(web.control().payload, b"in single bytes");
    web.send_frame(0x8a, b"unsolicited");
    web.send_frame(0x89, b"after it");
    assert_eq!(web.control().payload, b"after it");
    // Several at once: each is answered, in order.
    let many: Vec<u8> = (0..10).flat_map(|n| masked(0x89, &[n])).collect();
    web.send_raw(&many);
    for n in 0..10 {
        assert_eq!(web.control().payload, [n]);
    }
    assert!(web.fence().is_empty());
}

/// Autobahn 5: messages in pieces, control frames between them.
#[test]
fn messages_in_pieces_come_through() {
    let broker = broker("");
    let mut web = entered(&broker);
    web.send_frame(0x01, b"PUB e 4\r");
    web.send_frame(0x89, b"between");
    web.send_frame(0x00, b"");
    web.send_frame(0x00, b"\nfo");
    web.send_frame(0x8a, b"");
    web.send_frame(0x80, b"ur\r\n");
    assert_eq!(web.control().payload, b"between");
    echoed(&mut web, b"four");
    web.send_frame(0x02, b"");
    web.send_frame(0x80, b"");
    let large = vec![7; 200_000];
    let text = publish(&large);
    let (front, back) = text.split_at(1000);
    web.send_frame(0x02, front);
    for piece in back.chunks(4096) {
        web.send_frame(0x00, piece);
    }
    web.send_frame(0x80, b"");
    echoed(&mut web, &large);
    // One frame may hold many operations, and one operation may stand in many messages.
    web.send([publish(b"a"), publish(b"b"), b"PUB e 1\r\n".to_vec()].concat());
    web.send(b"c\r\n");
    for payload in [b"a", b"b", b"c"] {
        echoed(&mut web, payload);
    }
}

/// The connection ends with this code. nats-server may reset it, so that its code is lost.
#[track_caller]
fn ended(web: &mut Web, expected: u16, what: &str) {
    match web.rest().0 {
        None if kind() == Kind::Reference => {}
        code => assert_eq!(code, Some(expected), "{what}"),
    }
}

/// What ends a connection, and with which code.
fn malformed() -> Vec<(&'static str, Vec<u8>, u16)> {
    let two = |a: Vec<u8>, b: Vec<u8>| [a, b].concat();
    let mut cases = vec![
        ("a frame without a mask", vec![0x82, 0x01, b'x'], 1002),
        ("a ping above 125 bytes", masked(0x89, &[0; 126]), 1002),
        ("a ping in pieces", masked(0x09, b""), 1002),
        ("a pong in pieces", masked(0x0a, b""), 1002),
        ("a close in pieces", masked(0x08, b""), 1002),
        ("a continuation of nothing", masked(0x80, b"x"), 1002),
        ("a continuation of nothing, not the last", masked(0x00, b"x"), 1002),
        ("two messages at once", two(masked(0x02, b"+"), masked(0x82, b"+")), 1002),
        ("a packed frame", masked(0xc2, b"x"), 1002),
        ("a giant length", [&[0x82, 0xff][..], &[0xff; 8], &[0; 4]].concat(), 1002),
        ("a close with half a code", masked(0x88, &[3]), 1002),
        ("a close whose reason is no text", masked(0x88, &[3, 0xe8, 0xff]), 1007),
        ("a close above 125 bytes", masked(0x88, &[3; 126]), 1002),
    ];
    for bits in [0x10, 0x20, 0x30, 0x50, 0x60, 0x70] {
        cases.push(("reserved bits", masked(0x82 | bits, b"x"), 1002));
        cases.push(("reserved bits of a ping", masked(0x89 | bits, b"x"), 1002));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push(("a reserved opcode", masked(0x80 | opcode, b"x"), 1002));
    }
    for code in [0u16, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(("a close with a bad code", masked(0x88, &code.to_be_bytes()), 1002));
    }
    if kind() == Kind::Fanfare {
        // nats-server does not look whether text is text.
        for text in [&[0xff][..], &[0xc3], &[0xed, 0xa0, 0x80], &[0xf4, 0x90, 0x80, 0x80]] {
            let text = [b"+OK ", text].concat();
            cases.push(("text that is none", masked(0x81, &text), 1007));
        }
        let parts = two(masked(0x01, b"+OK \xce\xba\xe1"), masked(0x80, b"A"));
        cases.push(("text that is none, in pieces", parts, 1007));
    }
    cases
}

/// Autobahn 3, 4, 5, 6 and 7: before CONNECT and after it.
#[test]
fn a_broken_rule_ends_its_own_connection_alone() {
    let broker = broker("");
    let mut bystander = Request::default().connect(&broker);
    bystander.enter();
    bystander.send("SUB b 1\r\n");
    for (what, bytes, code) in malformed() {
        let mut stranger = Request::default().connect(&broker);
        stranger.line();
        stranger.send_raw(&bytes);
        ended(&mut stranger, code, &format!("{what}, before CONNECT"));
        let mut client = entered(&broker);
        client.send("PUB e 1\r\nx\r\n");
        echoed(&mut client, b"x");
        client.send_raw(&bytes);
        ended(&mut client, code, &format!("{what}, after CONNECT"));
        let mut client = entered(&broker);
        for byte in &bytes {
            client.send_raw(&[*byte]);
        }
        ended(&mut client, code, &format!("{what}, in single bytes"));
        bystander.send("PUB b 2\r\nok\r\n");
        assert_eq!(bystander.fence(), ["MSG b 1 2", "ok"], "{what}");
    }
    broker.client().fence("");
}

/// What came before the broken rule counts.
#[test]
fn operations_before_a_broken_rule_are_executed() {
    let broker = broker("");
    let mut reader = broker.client();
    reader.send("SUB e 9\r\n");
    reader.fence("");
    let mut web = entered(&broker);
    web.send_raw(&[masked(0x82, &publish(b"last")), masked(0x83, b"")].concat());
    ended(&mut web, 1002, "an opcode that does not exist");
    reader.expect("MSG e 9 4\r\nlast\r\n");
}

/// Autobahn 6.4: text that cannot become text any more is refused at once.
#[test]
fn bad_text_is_refused_before_its_message_ends() {
    if kind() == Kind::Reference {
        return;
    }
    let broker = broker("");
    let mut web = entered(&broker);
    web.send_frame(0x01, "+OK κόσμε".as_bytes());
    web.send_frame(0x00, &[0xf4, 0x90]);
    assert_eq!(web.rest().0, Some(1007));
}

/// A connection that is cut anywhere in a frame leaves nothing behind that could harm.
#[test]
fn a_frame_may_end_with_its_connection() {
    let broker = broker("");
    let frame = masked(0x82, &publish(&vec![9; 70_000]));
    for cut in [0, 1, 2, 5, 9, 13, 14, 15, 40_000] {
        let mut web = entered(&broker);
        web.send_raw(&frame[..cut]);
        drop(web);
    }
    let mut web = entered(&broker);
    assert!(web.fence().is_empty());
}

/// Autobahn 9: large messages, in one frame and in many.
#[test]
fn large_messages_come_through() {
    let broker = broker("");
    let mut web = entered(&broker);
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    web.send(publish(&large));
    echoed(&mut web, &large);
    for size in [64, 256, 1024, 4096, 65_536] {
        let text = publish(&large[..200_000]);
        let mut bytes = masked(0x02, b"");
        bytes.extend(text.chunks(size).flat_map(|piece| masked(0x00, piece)));
        bytes.extend(masked(0x80, b""));
        web.send_raw(&bytes);
        echoed(&mut web, &large[..200_000]);
    }
    web.send("PUB e 9000000\r\n");
    let (code, said) = web.rest();
    assert!(said.contains("-ERR 'Maximum Payload Violation'"), "{said}");
    assert_eq!(code, Some(1009));
}
