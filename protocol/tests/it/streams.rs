//! Generated client streams: operations in many spellings, broken in many places.
//!
//! Absent: expectations.

use proptest::collection::vec;
use proptest::prelude::*;

use fanfare_protocol::limits::DecodeLimits;

/// Any bytes, most of them close to the protocol.
pub(crate) fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => operation(),
        2 => (operation(), any::<prop::sample::Index>(), byte()).prop_map(|(mut op, at, byte)| {
            let at = at.index(op.len());
            op[at] = byte;
            op
        }),
        1 => vec(byte(), 0..6),
    ];
    vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// Limits that ordinary streams meet now and then, down to nothing at all.
pub(crate) fn limits() -> impl Strategy<Value = DecodeLimits> {
    prop_oneof![
        Just(DecodeLimits::default()),
        (0..24_usize, 0..12_usize).prop_map(|(control_line_max, payload_max)| DecodeLimits {
            control_line_max,
            payload_max
        }),
    ]
}

/// One line, mostly well formed, with its message when it announces one.
fn operation() -> impl Strategy<Value = Vec<u8>> {
    let publish = (spelled("PUB"), words(1..3), vec(byte(), 0..12), line_end()).prop_map(
        |(verb, words, payload, end)| {
            let size = payload.len().to_string();
            [&verb[..], &words, b" ", size.as_bytes(), &end, &payload, b"\r\n"].concat()
        },
    );
    let publish_headers =
        (spelled("HPUB"), words(1..3), vec(byte(), 0..12), 0..14_usize, line_end()).prop_map(
            |(verb, words, payload, header, end)| {
                let sizes = format!(" {header} {}", payload.len());
                [&verb[..], &words, sizes.as_bytes(), &end, &payload, b"\r\n"].concat()
            },
        );
    let line = (prop::sample::select(VERBS).prop_flat_map(spelled), words(0..5), line_end())
        .prop_map(|(verb, words, end)| [&verb[..], &words, &end].concat());
    let json = (prop::sample::select(&["CONNECT", "INFO"][..]).prop_flat_map(spelled), line_end())
        .prop_map(|(verb, end)| [&verb[..], b" {\"verbose\":false}", &end].concat());
    prop_oneof![4 => publish, 3 => publish_headers, 4 => line, 1 => json]
}

const VERBS: &[&str] =
    &["PUB", "HPUB", "SUB", "UNSUB", "PING", "PONG", "CONNECT", "INFO", "+OK", "-ERR"];

/// A verb, usually in capitals.
fn spelled(verb: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let mixed = vec(any::<bool>(), verb.len()).prop_map(move |lower| {
        let letter = |(byte, lower): (u8, &bool)| {
            if *lower { byte.to_ascii_lowercase() } else { byte }
        };
        verb.bytes().zip(&lower).map(letter).collect()
    });
    prop_oneof![3 => Just(verb.as_bytes().to_vec()), 1 => mixed]
}

/// Words with blanks before and between them.
fn words(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => "[a-c.*>]{1,9}",
        2 => "[0-9]{1,10}",
        1 => "[a-z\u{e9}\u{7f}]{8,20}",
    ];
    let blank = || prop::sample::select(&[" ", " ", " ", " ", "\t", "  ", " \t "][..]);
    (blank(), vec((word, blank()), count)).prop_map(|(first, words)| {
        let mut text = first.to_owned();
        for (word, blank) in words {
            text.push_str(&word);
            text.push_str(blank);
        }
        // Usually nothing follows the last word.
        if text.len().is_multiple_of(4) { text.into_bytes() } else { text.trim_end().into() }
    })
}

fn line_end() -> impl Strategy<Value = Vec<u8>> {
    let ends =
        ["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\n", "\r\r\n"].map(|end| end.as_bytes().to_vec());
    prop::sample::select(ends.to_vec())
}

/// Mostly the bytes that mean something.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => prop::sample::select(&b"\r\n \tPpUuBbHhSs019.*>+-\0"[..]),
        1 => any::<u8>(),
    ]
}
