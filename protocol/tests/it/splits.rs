//! The decoder's answers are a function of the bytes: not of how they were cut into reads, not of
//! which of its two readers looked at them.
//!
//! Absent: what the right answer is (see `decode_table`).

use proptest::prelude::*;

use fanfare_protocol::decode::{self, LastLine, Step};
use fanfare_protocol::limits::DecodeLimits;

use crate::outcome;
use crate::streams;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Feeds the stream byte by byte and in random pieces.
    #[test]
    fn any_split_gives_the_same_operations_and_the_same_error(
        stream in streams::stream(),
        limits in streams::limits(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let whole = outcome::of(&stream, &limits);
        let by_byte = outcome::of_reads(stream.chunks(1), &limits);
        prop_assert_eq!(&by_byte, &whole);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(&outcome::of_reads(pieces, &limits), &whole);
    }

    /// Reads a stream in which every line stands three times, with and without the memory of the
    /// last publish line.
    #[test]
    fn remembering_the_last_line_changes_no_answer(
        stream in streams::stream(),
        limits in streams::limits(),
    ) {
        let stream = stream.repeat(3);
        let mut last = LastLine::default();
        let mut rest = &stream[..];
        loop {
            let remembered = decode::next_after(rest, &limits, &mut last);
            prop_assert_eq!(&remembered, &decode::next(rest, &limits));
            let Ok(Step::Op(_, used)) = remembered else { break };
            rest = &rest[used..];
        }
    }

    /// Compares with the grammar at every position of the stream, operation or not.
    #[test]
    fn the_fast_path_agrees_with_the_grammar(
        stream in streams::stream(),
        limits in streams::limits(),
    ) {
        for start in 0..stream.len() {
            let input = &stream[start..];
            prop_assert_eq!(
                decode::next(input, &limits),
                decode::next_by_grammar(input, &limits)
            );
        }
    }

    /// A longer input never changes an answer that was given.
    #[test]
    fn an_answer_once_given_stands(stream in streams::stream(), limits in streams::limits()) {
        let mut given = None;
        for end in 0..=stream.len() {
            let answer = decode::next(&stream[..end], &limits);
            let is_final = matches!(answer, Ok(Step::Op(..)) | Err(_));
            if let Some(given) = &given {
                prop_assert_eq!(&answer, given);
            }
            if is_final && given.is_none() {
                given = Some(answer);
            }
        }
    }

    /// Any bytes at all: the decoder takes what it says and goes on.
    #[test]
    fn no_bytes_make_it_panic(stream in prop::collection::vec(any::<u8>(), 0..64)) {
        outcome::of(&stream, &DecodeLimits::default());
    }
}

#[test]
fn extreme_limits_do_not_overflow() {
    let limits = DecodeLimits { control_line_max: usize::MAX, payload_max: usize::MAX };
    let outcome = outcome::of(b"PUB  a 999999999\r\nx", &limits);
    assert_eq!(outcome.end, "payload");
    let limits = DecodeLimits { control_line_max: 0, payload_max: 0 };
    let outcome = outcome::of(b"PING\r\n+OK\r\nCONNECT\r\nSUB a 1\r\n", &limits);
    assert_eq!(outcome.ops, ["PING", "ignored", "CONNECT []"]);
    assert_eq!(outcome.end, "-ERR maximum control line exceeded");
}
