//! Redis' publish/subscribe as a client speaks it: RESP2.
//!
//! Absent: every command but PUBLISH, SUBSCRIBE and PING, and arrays in arrays, which no answer to
//! them has. Strings are at most as long as a server allows them to be.

use fanfare_protocol::server_op::{Message, ServerError, ServerOp, ServerStep};

/// Appends `PUBLISH channel message`.
#[inline]
pub(super) fn publish(out: &mut Vec<u8>, channel: &[u8], message: &[u8]) {
    out.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n");
    string(out, channel);
    string(out, message);
}

/// Appends `SUBSCRIBE channel`.
pub(super) fn subscribe(out: &mut Vec<u8>, channel: &[u8]) {
    out.extend_from_slice(b"*2\r\n$9\r\nSUBSCRIBE\r\n");
    string(out, channel);
}

/// What a message is delivered with, up to its payload.
pub(super) fn delivery_head(channel: &[u8], size: usize) -> Vec<u8> {
    let mut head = b"*3\r\n$7\r\nmessage\r\n".to_vec();
    string(&mut head, channel);
    length(&mut head, size);
    head
}

/// Reads the answer or message at the start of the input.
#[inline]
pub(super) fn next(input: &[u8]) -> Result<ServerStep<'_>, ServerError> {
    let Some(Line { kind, text, len }) = line(input)? else { return Ok(ServerStep::More) };
    let op = match kind {
        b'+' if text == b"PONG" => ServerOp::Pong,
        b'+' | b':' => ServerOp::Ok,
        b'-' => ServerOp::Error(text),
        b'*' => return array(input, number(text)?, len),
        _ => return Err(ServerError),
    };
    Ok(ServerStep::Op(op, len))
}

/// Reads an array of so many strings and numbers, whose own line has `start` bytes.
fn array(input: &[u8], count: usize, start: usize) -> Result<ServerStep<'_>, ServerError> {
    if count > ELEMENTS_MAX {
        return Err(ServerError);
    }
    let mut elements: [&[u8]; ELEMENTS_MAX] = [b""; ELEMENTS_MAX];
    let mut at = start;
    for element in elements.iter_mut().take(count) {
        let rest = input.get(at..).unwrap_or(&[]);
        let Some(Line { kind, text, len }) = line(rest)? else { return Ok(ServerStep::More) };
        at += len;
        *element = text;
        if kind == b':' {
            continue;
        }
        let size = if kind == b'$' { number(text)? } else { return Err(ServerError) };
        let Some(string) = input.get(at..at + size + LINE_END.len()) else {
            return Ok(ServerStep::More);
        };
        *element = string.strip_suffix(LINE_END).ok_or(ServerError)?;
        at += string.len();
    }
    let op = match elements {
        [b"message", subject, payload] if count == 3 => {
            ServerOp::Message(Message { subject, sid: b"", reply: b"", headers: None, payload })
        }
        [b"pong", ..] => ServerOp::Pong,
        [b"subscribe", ..] => ServerOp::Ok,
        _ => return Err(ServerError),
    };
    Ok(ServerStep::Op(op, at))
}

/// A line: its first byte, the rest of its text, and its length with its end.
struct Line<'a> {
    kind: u8,
    text: &'a [u8],
    len: usize,
}

/// The line at the start, or nothing before all of it has come.
fn line(input: &[u8]) -> Result<Option<Line<'_>>, ServerError> {
    let Some(end) = input.iter().take(LINE_MAX).position(|byte| *byte == b'\n') else {
        return if input.len() < LINE_MAX { Ok(None) } else { Err(ServerError) };
    };
    let line = input.get(..end).unwrap_or(&[]).strip_suffix(b"\r").ok_or(ServerError)?;
    let (kind, text) = line.split_first().ok_or(ServerError)?;
    Ok(Some(Line { kind: *kind, text, len: end + 1 }))
}

fn number(text: &[u8]) -> Result<usize, ServerError> {
    let text = std::str::from_utf8(text).map_err(|_| ServerError)?;
    let number = text.parse::<usize>().map_err(|_| ServerError)?;
    if number > STRING_MAX { Err(ServerError) } else { Ok(number) }
}

#[inline]
fn string(out: &mut Vec<u8>, text: &[u8]) {
    length(out, text.len());
    out.extend_from_slice(text);
    out.extend_from_slice(LINE_END);
}

fn length(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(format!("${len}\r\n").as_bytes());
}

const LINE_END: &[u8] = b"\r\n";
/// A message has three elements, and no answer has more.
const ELEMENTS_MAX: usize = 3;
/// Longer than any error that a server reports.
const LINE_MAX: usize = 64 * 1024;
/// The server's own limit, `proto-max-bulk-len`.
const STRING_MAX: usize = 512 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn op(input: &[u8]) -> ServerOp<'_> {
        match next(input) {
            Ok(ServerStep::Op(op, len)) if len == input.len() => op,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_answer_is_told_in_the_words_of_nats() {
        assert_eq!(op(b"+PONG\r\n"), ServerOp::Pong);
        assert_eq!(op(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"), ServerOp::Pong);
        assert_eq!(op(b":12\r\n"), ServerOp::Ok);
        assert_eq!(op(b"*3\r\n$9\r\nsubscribe\r\n$3\r\na.b\r\n:1\r\n"), ServerOp::Ok);
        assert_eq!(op(b"-NOAUTH no\r\n"), ServerOp::Error(b"NOAUTH no"));
    }

    #[test]
    fn what_no_server_says_is_refused() {
        for input in [
            &b"INFO {}\r\n"[..],
            b"*9\r\n",
            b"*-1\r\n",
            b"*3\r\n$99999999999\r\n",
            b"*3\r\n$7\r\nmessageXX",
            b"*1\r\n$5\r\nother\r\n",
            b"+PONG\n",
        ] {
            assert_eq!(next(input), Err(ServerError), "{}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn a_publish_is_an_array_of_strings() {
        let mut out = Vec::new();
        publish(&mut out, b"a.b", b"hi");
        assert_eq!(out, b"*3\r\n$7\r\nPUBLISH\r\n$3\r\na.b\r\n$2\r\nhi\r\n");
    }
}
