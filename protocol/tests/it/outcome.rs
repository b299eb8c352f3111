//! What a whole stream decodes to, as one line of text that a table can state.
//!
//! Absent: any judgement; tables and properties compare.

use fanfare_protocol::decode::{self, DecodeError, Step};
use fanfare_protocol::limits::DecodeLimits;
use fanfare_protocol::op::ClientOp;

/// The operations of a stream, and how it ended: `more`, `payload` or the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ops: Vec<String>,
    pub(crate) end: String,
}

/// Decodes everything in one go.
pub(crate) fn of(stream: &[u8], limits: &DecodeLimits) -> Outcome {
    of_reads([stream], limits)
}

/// Decodes a stream that arrives in pieces, keeping what is incomplete as a connection does.
pub(crate) fn of_reads<'a>(
    reads: impl IntoIterator<Item = &'a [u8]>,
    limits: &DecodeLimits,
) -> Outcome {
    let mut ops = Vec::new();
    let mut pending = Vec::new();
    let mut end = "more".to_owned();
    for read in reads {
        pending.extend_from_slice(read);
        loop {
            match decode::next(&pending, limits) {
                Ok(Step::Op(op, used)) => {
                    ops.push(op_text(&op));
                    pending.drain(..used);
                }
                Ok(Step::Payload { line, line_len }) => {
                    let whole = line_len + line.total_len as usize + 2;
                    assert!(pending.len() < whole, "a whole operation was not recognised");
                    "payload".clone_into(&mut end);
                    break;
                }
                Ok(Step::More) => {
                    "more".clone_into(&mut end);
                    break;
                }
                Err(error) => return Outcome { ops, end: error_text(&error) },
            }
        }
    }
    Outcome { ops, end }
}

/// `-ERR …` for an error that is answered, `silent: …` for one that is not.
pub(crate) fn error_text(error: &DecodeError) -> String {
    match error {
        DecodeError::Protocol(error) => {
            assert!(error.closes(), "every decode error ends the connection");
            format!("-ERR {error}")
        }
        DecodeError::Silent(violation) => format!("silent: {violation}"),
    }
}

/// An operation in a form that shows where each argument begins and ends.
fn op_text(op: &ClientOp<'_>) -> String {
    let show = |bytes: &[u8]| format!("[{}]", bytes.escape_ascii());
    match *op {
        ClientOp::Connect(json) => format!("CONNECT {}", show(json)),
        ClientOp::Publish(publish) => {
            let line = publish.line;
            let message = publish.framed.strip_suffix(b"\r\n").expect("framed ends in CR LF");
            assert_eq!(message.len(), line.total_len as usize, "framed is the message and CR LF");
            let header = line.header_len.map_or(String::new(), |len| format!("h{len} "));
            let (subject, reply) = (show(line.subject), show(line.reply));
            format!("PUB {subject} {reply} {header}{}", show(message))
        }
        ClientOp::Subscribe { filter, queue, sid } => {
            let queue = queue.map_or("-".to_owned(), show);
            format!("SUB {} {queue} {}", show(filter), show(sid))
        }
        ClientOp::Unsubscribe { sid, max } => {
            let max = max.map_or("-".to_owned(), |max| max.to_string());
            format!("UNSUB {} {max}", show(sid))
        }
        ClientOp::Ping => "PING".to_owned(),
        ClientOp::Pong => "PONG".to_owned(),
        ClientOp::Ignored => "ignored".to_owned(),
    }
}
