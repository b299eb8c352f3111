//! The hand-written reading of usual lines gives the grammar's answers, at every position.
//!
//! Absent: what the right answers are. The input is two bytes (the limits) and the stream.
#![no_main]

use fanfare_protocol::decode;
use fanfare_protocol::limits::DecodeLimits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[line, payload], stream)) = data.split_first_chunk() else { return };
    let limits =
        DecodeLimits { control_line_max: usize::from(line), payload_max: usize::from(payload) };
    for start in 0..=stream.len() {
        let input = &stream[start..];
        assert_eq!(decode::next(input, &limits), decode::next_by_grammar(input, &limits));
    }
});
