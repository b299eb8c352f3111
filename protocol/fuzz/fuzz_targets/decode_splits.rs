//! A client's stream gives the same operations and the same error however it is cut into reads.
//!
//! Absent: what the right operations are. The input is three bytes (both limits and a stride) and
//! the stream.
#![no_main]

use fanfare_protocol::decode::{self, DecodeError, Step};
use fanfare_protocol::limits::DecodeLimits;
use fanfare_protocol::op::ClientOp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[line, payload, stride], stream)) = data.split_first_chunk() else { return };
    let limits =
        DecodeLimits { control_line_max: usize::from(line), payload_max: usize::from(payload) };
    let whole = decode_in_reads(stream, stream.len().max(1), &limits);
    assert_eq!(decode_in_reads(stream, 1, &limits), whole);
    assert_eq!(decode_in_reads(stream, usize::from(stride).max(1), &limits), whole);
});

type Answer<'a> = (Vec<ClientOp<'a>>, usize, Option<DecodeError>);

/// The operations of a stream that arrives in pieces of `read_len`, the bytes that they took, and
/// the error that ended it.
fn decode_in_reads<'a>(stream: &'a [u8], read_len: usize, limits: &DecodeLimits) -> Answer<'a> {
    let mut ops = Vec::new();
    let mut taken = 0;
    let mut received = 0;
    while received < stream.len() {
        received = stream.len().min(received + read_len);
        loop {
            match decode::next(&stream[taken..received], limits) {
                Ok(Step::Op(op, used)) => {
                    assert!(used > 0 && taken + used <= received);
                    ops.push(op);
                    taken += used;
                }
                Ok(Step::Payload { line, line_len }) => {
                    assert!(line_len + line.total_len as usize + 2 > received - taken);
                    break;
                }
                Ok(Step::More) => break,
                Err(error) => return (ops, taken, Some(error)),
            }
        }
    }
    (ops, taken, None)
}
