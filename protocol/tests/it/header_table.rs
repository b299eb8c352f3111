//! Header blocks, good and bad, and what is found in them.
//!
//! Absent: who looks.

use proptest::prelude::*;

use fanfare_protocol::encode;
use fanfare_protocol::header::Headers;

fn pairs(block: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    Headers::new(block).iter().map(|(key, value)| (text(key), text(value))).collect()
}

fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn keys_keep_their_order_case_and_repetitions() {
    let block = b"NATS/1.0\r\nA: 1\r\nb:2\r\nA:  3 \r\n\r\n";
    assert_eq!(pairs(block), owned(&[("A", "1"), ("b", "2"), ("A", "3 ")]));
    let headers = Headers::new(block);
    assert!(headers.is_known_version());
    assert_eq!(headers.get(b"A"), Some(&b"1"[..]));
    assert_eq!(headers.get(b"b"), Some(&b"2"[..]));
    assert_eq!(headers.get(b"a"), None);
    assert_eq!(headers.get(b""), None);
    assert_eq!(headers.status(), None);
}

#[test]
fn a_status_is_three_digits_with_a_text_behind() {
    let check = |line: &str, status: Option<u16>, text: Option<&str>| {
        let block = format!("{line}\r\n\r\n");
        let headers = Headers::new(block.as_bytes());
        assert_eq!(headers.status(), status, "{line}");
        assert_eq!(headers.description(), text.map(str::as_bytes), "{line}");
    };
    check("NATS/1.0 503", Some(503), None);
    check("NATS/1.0 404 No Messages", Some(404), Some("No Messages"));
    check("NATS/1.0   100 Idle", Some(100), Some("Idle"));
    check("NATS/1.0", None, None);
    check("NATS/1.0 50", None, None);
    check("NATS/1.0 5033", None, None);
    check("NATS/1.0503", None, None);
    check("NATS/1.0 abc", None, None);
    check("NATS/2.0 503", None, None);
}

#[test]
fn garbage_has_no_headers() {
    for block in ["", "ABCDE", "\r\n", "NATS/1.0", "NATS/1.0\r\n\r\nA: 1\r\n", "NATS/1.0\r\nA\r\n"]
    {
        assert_eq!(pairs(block.as_bytes()), [], "{block:?}");
    }
    // The first line is never a header, whatever it says.
    assert_eq!(pairs(b"A: 1\r\nB: 2\r\n\r\n"), owned(&[("B", "2")]));
    let block = b"NATS/1.0\r\n: empty\r\nno colon\r\nk:\r\nlast: cut off";
    assert_eq!(pairs(block), owned(&[("k", "")]));
}

#[test]
fn the_no_responders_block_reads_back() {
    let mut block = Vec::new();
    encode::no_responders_block(&mut block, b"svc");
    let headers = Headers::new(&block);
    assert_eq!(headers.status(), Some(503));
    assert_eq!(headers.description(), None);
    assert_eq!(headers.get(b"Nats-Subject"), Some(&b"svc"[..]));
}

proptest! {
    /// Reads everything from blocks of meaningful bytes.
    #[test]
    fn any_block_can_be_looked_at(block in "(NATS/1\\.0)?[ 0-9a:\r\n\t]{0,40}") {
        let headers = Headers::new(block.as_bytes());
        for (key, value) in headers.iter() {
            prop_assert!(!key.is_empty());
            prop_assert!(headers.get(key).is_some());
            prop_assert!(value.len() + key.len() < block.len());
        }
        prop_assert!(headers.status().is_none_or(|status| status <= 999));
        prop_assert!(headers.description().is_none() || headers.status().is_some());
    }
}
