//! A client's reading of a server: both readers agree, and an answer once given stands.
//!
//! Absent: what the right answers are.
#![no_main]

use fanfare_protocol::server_op::{self, ServerOp, ServerStep};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let mut given = None;
    for end in 0..=stream.len() {
        let input = &stream[..end];
        let answer = server_op::next(input);
        assert_eq!(answer, server_op::next_by_grammar(input));
        match &given {
            Some(given) => assert_eq!(&answer, given),
            None if !matches!(answer, Ok(ServerStep::More | ServerStep::Message { .. })) => {
                given = Some(answer);
            }
            None => {}
        }
        if let Ok(ServerStep::Op(op, used)) = answer {
            assert!(used > 0 && used <= end);
            if let ServerOp::Message(message) = op {
                let headers_len = message.headers.map_or(0, <[u8]>::len);
                assert!(headers_len + message.payload.len() < used);
            }
        }
    }
});
