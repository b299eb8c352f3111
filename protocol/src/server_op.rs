//! What a server sends, read from its stream by a client.
//!
//! Absent: state and buffers, as in [`crate::decode`]: a caller that is told to wait calls again
//! with the same bytes and more behind them.

use memchr::memchr;

use crate::grammar::is_blank;
use crate::{decimal, limits};

/// One operation of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerOp<'a> {
    /// `INFO`, its JSON unread.
    Info(&'a [u8]),
    /// `MSG` or `HMSG`.
    Message(Message<'a>),
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`.
    Ok,
    /// `-ERR`, without the quotes around its text.
    Error(&'a [u8]),
}

/// A delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The subject it was published to.
    pub subject: &'a [u8],
    /// The subscription it was delivered to.
    pub sid: &'a [u8],
    /// The reply subject, empty when there is none.
    pub reply: &'a [u8],
    /// The header block; `None` for `MSG`.
    pub headers: Option<&'a [u8]>,
    /// The payload.
    pub payload: &'a [u8],
}

/// What the bytes amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerStep<'a> {
    /// One whole operation and how many bytes of the input it took.
    Op(ServerOp<'a>, usize),
    /// A message whose control line is complete and whose payload is not.
    Message {
        /// Bytes of the whole operation.
        total: usize,
    },
    /// Not even a whole control line yet.
    More,
}

/// The bytes are not what a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerError;

impl core::fmt::Display for ServerError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the server sent bytes that are not the NATS protocol")
    }
}

impl core::error::Error for ServerError {}

/// Reads the operation at the start of the input.
#[inline]
pub fn next(input: &[u8]) -> Result<ServerStep<'_>, ServerError> {
    match input.first() {
        Some(b'M' | b'm' | b'H' | b'h') => message(input),
        Some(_) => other(input),
        None => Ok(ServerStep::More),
    }
}

/// A message's control line.
struct Head<'a> {
    subject: &'a [u8],
    sid: &'a [u8],
    reply: &'a [u8],
    header_len: Option<u32>,
    total_len: u32,
}

fn message(input: &[u8]) -> Result<ServerStep<'_>, ServerError> {
    let Some((line, line_len)) = line(input)? else {
        let name: &[u8] = if is_letter(input.first(), b'H') { b"HMSG " } else { b"MSG " };
        let seen = input.get(..name.len()).unwrap_or(input);
        let expected = name.get(..seen.len()).unwrap_or_default();
        return if seen.eq_ignore_ascii_case(expected) {
            Ok(ServerStep::More)
        } else {
            Err(ServerError)
        };
    };
    let head = head(line).ok_or(ServerError)?;
    // INVARIANT: a size has at most nine digits, so it fits 32 bits and its sum cannot overflow.
    let total_len = head.total_len as usize;
    let total = line_len + total_len + 2;
    let Some(body) = input.get(line_len..total) else {
        return Ok(ServerStep::Message { total });
    };
    let (content, end) = body.split_at_checked(total_len).ok_or(ServerError)?;
    if end != b"\r\n" {
        return Err(ServerError);
    }
    let (headers, payload) = match head.header_len {
        // INVARIANT: at most nine digits, as above.
        Some(len) => {
            let (headers, payload) = content.split_at_checked(len as usize).ok_or(ServerError)?;
            (Some(headers), payload)
        }
        None => (None, content),
    };
    let Head { subject, sid, reply, .. } = head;
    Ok(ServerStep::Op(ServerOp::Message(Message { subject, sid, reply, headers, payload }), total))
}

fn head(line: &[u8]) -> Option<Head<'_>> {
    let (name, has_headers) =
        if is_letter(line.first(), b'H') { (&b"HMSG"[..], true) } else { (&b"MSG"[..], false) };
    let (verb, rest) = line.split_at_checked(name.len())?;
    if !verb.eq_ignore_ascii_case(name) || !rest.first().is_some_and(|byte| is_blank(*byte)) {
        return None;
    }
    let mut words = rest.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    let subject = words.next()?;
    let sid = words.next()?;
    let first = words.next()?;
    let second = words.next();
    let third = words.next();
    if words.next().is_some() {
        return None;
    }
    let (reply, header, total) = match (has_headers, second, third) {
        (false, None, None) => (&b""[..], None, first),
        (false, Some(total), None) => (first, None, total),
        (true, Some(total), None) => (&b""[..], Some(first), total),
        (true, Some(header), Some(total)) => (first, Some(header), total),
        _ => return None,
    };
    let total_len = decimal::read(total)?;
    let header_len = match header {
        Some(text) => Some(decimal::read(text).filter(|len| *len <= total_len)?),
        None => None,
    };
    Some(Head { subject, sid, reply, header_len, total_len })
}

fn other(input: &[u8]) -> Result<ServerStep<'_>, ServerError> {
    const NAMES: [&[u8]; 5] = [b"PING", b"PONG", b"+OK", b"-ERR ", b"INFO "];
    let starts = |name: &&&[u8]| {
        let seen = input.get(..name.len()).unwrap_or(input);
        name.get(..seen.len()).is_some_and(|name| name.eq_ignore_ascii_case(seen))
    };
    let name = NAMES.iter().find(starts).ok_or(ServerError)?;
    let Some((line, len)) = line(input)? else { return Ok(ServerStep::More) };
    let rest = line.get(name.len()..).ok_or(ServerError)?.trim_ascii();
    let op = match *name {
        b"PING" => ServerOp::Ping,
        b"PONG" => ServerOp::Pong,
        b"+OK" => ServerOp::Ok,
        b"-ERR " => {
            let text = rest.strip_prefix(b"'").unwrap_or(rest);
            ServerOp::Error(text.strip_suffix(b"'").unwrap_or(text))
        }
        _ => ServerOp::Info(rest),
    };
    Ok(ServerStep::Op(op, len))
}

/// The first line without its end, and its length with it.
#[inline]
fn line(input: &[u8]) -> Result<Option<(&[u8], usize)>, ServerError> {
    let window = input.get(..limits::MAX_SERVER_LINE).unwrap_or(input);
    let Some(end) = memchr(b'\n', window) else {
        let is_full = window.len() == limits::MAX_SERVER_LINE;
        return if is_full { Err(ServerError) } else { Ok(None) };
    };
    let line = input.get(..end).unwrap_or_default();
    Ok(Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1)))
}

fn is_letter(byte: Option<&u8>, letter: u8) -> bool {
    byte.is_some_and(|byte| byte.eq_ignore_ascii_case(&letter))
}
