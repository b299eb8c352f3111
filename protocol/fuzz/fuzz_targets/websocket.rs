//! Frames mean the same wherever their bytes are cut, and what is kept of them is bounded.
//!
//! Absent: which frames are refused (the tables of the tests say so). The first byte chooses the
//! terms, the second where the bytes are cut.
#![no_main]

use fanfare_protocol::websocket::{Close, Masking, Reader, Step, Terms, Violation};
use libfuzzer_sys::fuzz_target;

/// What frames held, and how they ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    data: Vec<u8>,
    ends: Vec<usize>,
    controls: Vec<Vec<u8>>,
    violation: Option<Violation>,
}

fn hear(terms: Terms, bytes: &[u8], piece: usize) -> Heard {
    let mut reader = Reader::new(terms);
    let mut heard = Heard::default();
    for part in bytes.chunks(piece.max(1)) {
        let (mut input, mut at) = (part.to_vec(), 0);
        loop {
            match reader.next(&mut input, &mut at) {
                Ok(Step::More) => break,
                Ok(Step::Data(piece)) => {
                    assert!(terms.compression || !piece.compressed);
                    heard.data.extend_from_slice(&input[piece.range]);
                    if piece.last {
                        heard.ends.push(heard.data.len());
                    }
                }
                Ok(Step::Ping(payload)) => heard.controls.push(payload.as_bytes().to_vec()),
                Ok(Step::Pong) => heard.controls.push(Vec::new()),
                Ok(Step::Close(payload)) => {
                    let _ = Close::parse(payload.as_bytes());
                    heard.controls.push(payload.as_bytes().to_vec());
                }
                Err(violation) => {
                    heard.violation = Some(violation);
                    return heard;
                }
            }
        }
        assert_eq!(at, input.len(), "everything was looked at");
    }
    heard
}

fuzz_target!(|bytes: &[u8]| {
    let [choice, piece, bytes @ ..] = bytes else { return };
    let masking = if choice & 1 == 0 { Masking::Required } else { Masking::Optional };
    let terms = Terms { masking, compression: choice & 2 != 0 };
    let whole = hear(terms, bytes, usize::MAX);
    let cut = hear(terms, bytes, usize::from(*piece));
    assert_eq!(whole.violation, cut.violation);
    assert_eq!((&whole.ends, &whole.controls), (&cut.ends, &cut.controls));
    // Data in front of a violation in its own frame may have been handed on already.
    assert!(cut.data.starts_with(&whole.data));
    assert!(whole.violation.is_some() || whole.data == cut.data);
});
