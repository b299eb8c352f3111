//! PROXY headers, good and bad, whole and in pieces.
//!
//! Absent: connections.

use fanfare_protocol::proxy::{LENGTH_MAX, PREFIX_MAX, ProxyError, ProxyStep, parse};
use proptest::prelude::*;

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend_from_slice(&[command, family]);
    header.extend_from_slice(&u16::try_from(body.len()).expect("a short body").to_be_bytes());
    header.extend_from_slice(body);
    header
}

/// Two addresses, two ports, and what may follow.
fn body(width: usize, rest: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 2 * width];
    (body[0], body[width - 1]) = (10, 1);
    body.extend_from_slice(&[0x30, 0x39, 0x10, 0x7e]);
    body.extend_from_slice(rest);
    body
}

fn check(header: &[u8], source: Option<&str>) {
    let source = source.map(|source| source.parse().expect("an address"));
    let expected = Ok(ProxyStep::Header { source, length: header.len() });
    assert_eq!(parse(header), expected, "{}", header.escape_ascii());
    let behind = [header, b"CONNECT {}\r\n"].concat();
    assert_eq!(parse(&behind), expected, "{}", behind.escape_ascii());
    let prefix = &header[..header.len().min(PREFIX_MAX)];
    assert_eq!(parse(prefix), expected, "the first bytes say it all");
}

#[test]
fn good_headers_name_their_source() {
    check(b"PROXY TCP4 192.0.2.1 198.51.100.2 12345 4222\r\n", Some("192.0.2.1:12345"));
    check(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", Some("[2001:db8::1]:1"));
    check(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", Some("192.0.2.1:1"));
    check(b"PROXY UNKNOWN\r\n", None);
    check(b"PROXY UNKNOWN ffff::1 what ever 77\r\n", None);
    check(&v2(0x21, 0x11, &body(4, b"")), Some("10.0.0.1:12345"));
    check(&v2(0x21, 0x11, &body(4, &[0x20; 900])), Some("10.0.0.1:12345"));
    check(&v2(0x21, 0x21, &body(16, b"\x04\0\x01x")), Some("[a00::1]:12345"));
    check(&v2(0x20, 0x00, b""), None);
    check(&v2(0x20, 0x11, &body(4, b"")), None);
    check(&v2(0x20, 0xFF, b"whatever"), None);
    check(&v2(0x21, 0x01, b"tlv"), None);
    check(&v2(0x21, 0x31, &[b'/'; 216]), None);
    check(&v2(0x21, 0x11, &body(4, &vec![0; 0xFFFF - 12])), Some("10.0.0.1:12345"));
    assert_eq!(v2(0x21, 0x11, &body(4, &vec![0; 0xFFFF - 12])).len(), LENGTH_MAX);
}

#[test]
fn what_begins_like_a_header_must_be_one() {
    let check = |header: &[u8], error| {
        assert_eq!(parse(header), Err(error), "{}", header.escape_ascii());
    };
    check(b"PROXY \r\n", ProxyError::Line);
    check(b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError::Line);
    check(b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", ProxyError::Line);
    check(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", ProxyError::Line);
    check(b"PROXY TCP4 \xff 1.2.3.4 1 2\r\n", ProxyError::Line);
    check(b"PROXY TCP4 ::1 1.2.3.4 1 2\r\n", ProxyError::Address);
    check(b"PROXY TCP6 ::1 1.2.3.4 1 2\r\n", ProxyError::Address);
    check(b"PROXY TCP4 1.2.3.400 1.2.3.4 1 2\r\n", ProxyError::Address);
    check(b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", ProxyError::Port);
    check(b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", ProxyError::Port);
    check(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n", ProxyError::Port);
    check(&[b"PROXY TCP4 ", &[b'1'; 200][..]].concat(), ProxyError::LineTooLong);
    check(b"\r\n\r\n\0\r\nQUIET", ProxyError::Signature);
    check(&v2(0x11, 0x11, &body(4, b"")), ProxyError::Version);
    check(&v2(0x22, 0x11, &body(4, b"")), ProxyError::Command);
    check(&v2(0x21, 0x12, &body(4, b"")), ProxyError::Family);
    check(&v2(0x21, 0x41, &body(4, b"")), ProxyError::Family);
    check(&v2(0x21, 0x11, &[0; 11]), ProxyError::TooShort);
    check(&v2(0x21, 0x21, &[0; 35]), ProxyError::TooShort);
}

#[test]
fn other_beginnings_are_no_headers() {
    for bytes in
        [&b"CONNECT {}\r\n"[..], b"PING\r\n", b"PUB a 1\r\n", b"\x16\x03\x01", b"\r\n\n", b"x"]
    {
        assert_eq!(parse(bytes), Ok(ProxyStep::Absent), "{}", bytes.escape_ascii());
    }
    for bytes in [&b""[..], b"P", b"PROXY", b"PROXY ", b"\r\n\r\n", b"PROXY TCP4 1.2.3.4\r"] {
        assert_eq!(parse(bytes), Ok(ProxyStep::More), "{}", bytes.escape_ascii());
    }
}

proptest! {
    /// More bytes never take an answer back, and enough bytes always bring one.
    #[test]
    fn answers_stay(
        start in proptest::sample::select(vec![
            &b"PROXY TCP4 "[..],
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
            b"",
        ]),
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &rest].concat();
        let mut last = Ok(ProxyStep::More);
        for end in 0..=bytes.len() {
            let next = parse(&bytes[..end]);
            prop_assert!(last == Ok(ProxyStep::More) || next == last);
            prop_assert!(end < PREFIX_MAX || next != Ok(ProxyStep::More));
            last = next;
        }
    }
}
