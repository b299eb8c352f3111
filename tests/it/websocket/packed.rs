//! Packed messages (permessage-deflate): agreed on, both ways, bounded.
//!
//! The cases with sizes and counts are those of the Autobahn test suite (12 and 13).

use super::client::{Request, Web, block, broker, masked, pack};
use crate::broker::{Broker, Kind, kind};
use crate::secure::configured;

fn entered(broker: &Broker) -> Web {
    let mut web = Request::default().packing().connect(broker);
    web.enter();
    web
}

fn publish(payload: &[u8]) -> Vec<u8> {
    [format!("PUB e {}\r\n", payload.len()).as_bytes(), payload, b"\r\n"].concat()
}

#[test]
fn packing_is_agreed_on_when_both_want_it() {
    let packing = broker("compression: true");
    let plain = broker("compression: false");
    let check = |broker: &Broker, offer: &str, is_taken: bool| {
        let request = Request::default().with("Sec-WebSocket-Extensions", offer);
        let (head, mut web) = request.ask(super::client::address(broker));
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let taken = "\r\nSec-WebSocket-Extensions: permessage-deflate; \
                     server_no_context_takeover; client_no_context_takeover\r\n";
        assert_eq!(head.contains(taken), is_taken, "{offer}: {head}");
        web.enter();
    };
    check(&packing, "permessage-deflate", true);
    check(&packing, "permessage-deflate; client_max_window_bits", true);
    check(&packing, "x-other, PERMESSAGE-DEFLATE; server_no_context_takeover", true);
    check(&packing, "x-other", false);
    check(&plain, "permessage-deflate", false);
    if kind() == Kind::Fanfare {
        // What cannot be kept is not promised.
        check(&packing, "permessage-deflate; server_max_window_bits=8", false);
        check(&packing, "permessage-deflate; nonsense", false);
        let twice = "permessage-deflate; server_max_window_bits=8, permessage-deflate";
        check(&packing, twice, true);
    }
}

#[test]
fn packed_messages_of_every_size_come_through() {
    let broker = broker("compression: true");
    let mut web = entered(&broker);
    web.send("SUB e 1\r\n");
    assert!(web.fence().is_empty());
    for length in [0, 16, 63, 64, 65, 256, 1024, 4096, 16_384, 65_536, 131_072, 900_000] {
        let text: Vec<u8> = (0..length).map(|n| b"{\"name\":\"fanfare\"}"[n % 18]).collect();
        for count in 0..3 {
            if count == 2 {
                web.send(publish(&text));
            } else {
                web.send_packed(publish(&text));
            }
            assert_eq!(web.line(), format!("MSG e 1 {length}"));
            assert!(web.bytes(length) == text, "{length} bytes come as they went");
            assert_eq!(web.line(), "");
        }
    }
    assert!(web.packed > 10, "most was packed: {}", web.packed);
}

#[test]
fn packed_messages_may_come_in_pieces_and_in_one_read() {
    let broker = broker("compression: true");
    let mut web = entered(&broker);
    web.send("SUB e 1\r\n");
    assert!(web.fence().is_empty());
    let text: Vec<u8> = (0..50_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let packed = pack(&publish(&text));
    let mut bytes = masked(0x42, &packed[..3]);
    bytes.extend(masked(0x89, b"between"));
    for piece in packed[3..].chunks(50) {
        bytes.extend(masked(0x00, piece));
    }
    bytes.extend(masked(0x80, b""));
    web.send_raw(&bytes);
    assert_eq!(web.news(), "MSG e 1 50000");
    assert!(web.bytes(50_000) == text);
    assert_eq!(web.line(), "");
    assert_eq!(web.control().payload, b"between");
    // Many messages in one write: what they hold is more than one read has room for.
    let sevens = vec![7; 20_000];
    let many = masked(0xc2, &pack(&publish(&sevens))).repeat(200);
    web.send_raw(&many);
    for n in 0..200 {
        assert_eq!(web.news(), "MSG e 1 20000", "message {n}");
        assert!(web.bytes(20_000) == sevens);
        assert_eq!(web.line(), "");
    }
}

/// Four bytes of a packed message stand for four thousand: no more is made of it than one message
/// may hold, and of a stranger's much less.
#[test]
fn a_bomb_ends_its_own_connection() {
    let broker = broker("compression: true");
    let bomb = masked(0xc2, &pack(&vec![b' '; 200 * 1024 * 1024]));
    let before = broker.status("VmHWM");
    let mut bystander = entered(&broker);
    for _ in 0..8 {
        let mut stranger = Request::default().packing().connect(&broker);
        stranger.line();
        stranger.send_raw(&bomb);
        stranger.rest();
        let mut client = entered(&broker);
        client.send_raw(&bomb);
        let (code, _) = client.rest();
        if kind() == Kind::Fanfare {
            assert_eq!(code, Some(1009));
        }
    }
    assert!(bystander.fence().is_empty());
    if kind() == Kind::Fanfare {
        let grown = broker.status("VmHWM") - before;
        assert!(grown < 32 * 1024, "grown by {grown} KiB");
        let mut stranger = Request::default().packing().connect(&broker);
        stranger.line();
        stranger.send_packed(vec![b' '; 100_000]);
        assert_eq!(stranger.rest().0, Some(1009), "strangers get little");
    }
}

#[test]
fn what_cannot_be_unpacked_ends_its_own_connection() {
    let broker = broker("compression: true");
    let mut bystander = entered(&broker);
    for bytes in [&[0xff; 20][..], &[0x06, 0x00], &[0xf2, 0x00, 0x11, 0x00, 0x00], &[0xf2, 0x48]] {
        for is_entered in [false, true] {
            let mut web = Request::default().packing().connect(&broker);
            if is_entered {
                web.enter();
            }
            web.send_frame(0xc2, bytes);
            let (code, _) = web.rest();
            if kind() == Kind::Fanfare {
                assert_eq!(code, Some(1007), "{bytes:x?}");
            }
        }
    }
    if kind() == Kind::Fanfare {
        let mut web = entered(&broker);
        web.send_frame(0xc1, &pack(&[b'+', 0xff]));
        assert_eq!(web.rest().0, Some(1007), "packed text is text");
    }
    assert!(bystander.fence().is_empty());
}

/// What a reader leaves unread stays in order when it reads at last, packed or not.
#[test]
fn a_reader_that_pauses_gets_everything_in_order() {
    let text = format!("max_pending: 512MB\n{}", block("compression: true"));
    let broker = configured(&text).start();
    let mut packed = entered(&broker);
    let mut plain = Request::default().connect(&broker);
    plain.enter();
    for web in [&mut packed, &mut plain] {
        web.send("SUB f 1\r\n");
        assert!(web.fence().is_empty());
    }
    let mut writer = broker.client();
    let body: Vec<u8> = (0..9_000_u32).map(|n| (n * 7919 % 251).to_le_bytes()[0]).collect();
    for n in 0..2_000 {
        let mut message = format!("PUB f {}\r\n{n:06}", body.len() + 6).into_bytes();
        message.extend_from_slice(&body);
        message.extend_from_slice(b"\r\n");
        writer.send(&message);
    }
    writer.fence("");
    for web in [&mut packed, &mut plain] {
        web.send_frame(0x89, b"still there");
        for n in 0..2_000 {
            assert_eq!(web.news(), format!("MSG f 1 {}", body.len() + 6));
            assert_eq!(web.bytes(6), format!("{n:06}").as_bytes());
            assert!(web.bytes(body.len()) == body);
            assert_eq!(web.line(), "");
        }
        assert_eq!(web.control().payload, b"still there");
    }
}
