//! What a server sends, read from its stream by a client.
//!
//! Absent: state and buffers, as in [`crate::decode`]: a caller that is told to wait calls again
//! with the same bytes and more behind them.

use memchr::memchr;
use nom::branch::alt;
use nom::bytes::streaming::tag_no_case;
use nom::combinator::value;
use nom::{IResult, Parser};

use crate::decode::byte_count;
use crate::grammar::{self, is_blank};
use crate::scan::{self, Tail};
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
    match fast_head(input) {
        Some((head, line_len)) => with_payload(input, &head, line_len),
        None => next_by_grammar(input),
    }
}

/// Reads the operation at the start of the input by the grammar alone, without the fast path.
///
/// [`next`] gives the same answers, sooner; tests hold it to this function.
pub fn next_by_grammar(input: &[u8]) -> Result<ServerStep<'_>, ServerError> {
    let (name_len, verb) = match verb(input) {
        Ok((rest, verb)) => (input.len() - rest.len(), verb),
        Err(nom::Err::Incomplete(_)) => return Ok(ServerStep::More),
        Err(_) => return Err(ServerError),
    };
    let rest = input.get(name_len..).unwrap_or_default();
    if let (Verb::Message { .. }, Some(byte)) = (verb, rest.first())
        && !is_blank(*byte)
    {
        return Err(ServerError);
    }
    let Some((text, text_len)) = line(rest)? else { return Ok(ServerStep::More) };
    let line_len = name_len + text_len;
    let op = match verb {
        Verb::Message { has_headers } => {
            let head = head(text, has_headers).ok_or(ServerError)?;
            return with_payload(input, &head, line_len);
        }
        Verb::Info => ServerOp::Info(text.trim_ascii()),
        Verb::Error => ServerOp::Error(unquote(text.trim_ascii())),
        Verb::Ping => ServerOp::Ping,
        Verb::Pong => ServerOp::Pong,
        Verb::Ok => ServerOp::Ok,
    };
    Ok(ServerStep::Op(op, line_len))
}

/// The first word of a server's line.
#[derive(Clone, Copy)]
enum Verb {
    Message { has_headers: bool },
    Ping,
    Pong,
    Ok,
    Error,
    Info,
}

fn verb(input: &[u8]) -> IResult<&[u8], Verb> {
    alt((
        value(Verb::Message { has_headers: false }, tag_no_case("MSG")),
        value(Verb::Message { has_headers: true }, tag_no_case("HMSG")),
        value(Verb::Ping, tag_no_case("PING")),
        value(Verb::Pong, tag_no_case("PONG")),
        value(Verb::Ok, tag_no_case("+OK")),
        value(Verb::Error, tag_no_case("-ERR")),
        value(Verb::Info, tag_no_case("INFO")),
    ))
    .parse(input)
}

/// The arguments of a message's control line.
struct Head<'a> {
    subject: &'a [u8],
    sid: &'a [u8],
    reply: &'a [u8],
    header_len: Option<u32>,
    total_len: u32,
}

/// A message's control line in its usual spelling, and its length.
#[inline]
fn fast_head(input: &[u8]) -> Option<(Head<'_>, usize)> {
    let (start, has_headers) = match input.first_chunk::<5>()? {
        b"HMSG " => (5, true),
        [b'M', b'S', b'G', b' ', _] => (4, false),
        _ => return None,
    };
    let (subject, at) = scan::word(input, start)?;
    let (sid, at) = scan::word(input, at)?;
    let Tail { reply, header_len, total_len, end } = scan::tail(input, at, has_headers)?;
    let is_valid =
        header_len.is_none_or(|len| len <= total_len) && end - start < limits::MAX_SERVER_LINE;
    is_valid.then_some((Head { subject, sid, reply, header_len, total_len }, end))
}

fn head(line: &[u8], has_headers: bool) -> Option<Head<'_>> {
    let words = grammar::words(line);
    let [subject, sid, ref rest @ ..] = *words.as_slice() else { return None };
    let (reply, header, total) = match (has_headers, rest) {
        (false, &[total]) => (NO_REPLY, None, total),
        (false, &[reply, total]) => (reply, None, total),
        (true, &[header, total]) => (NO_REPLY, Some(header), total),
        (true, &[reply, header, total]) => (reply, Some(header), total),
        _ => return None,
    };
    let total_len = decimal::read(total)?;
    let header_len = match header {
        Some(text) => Some(decimal::read(text).filter(|len| *len <= total_len)?),
        None => None,
    };
    Some(Head { subject, sid, reply, header_len, total_len })
}

#[inline]
fn with_payload<'a>(
    input: &'a [u8],
    head: &Head<'a>,
    line_len: usize,
) -> Result<ServerStep<'a>, ServerError> {
    let total_len = byte_count(head.total_len);
    let body = input.get(line_len..).unwrap_or_default();
    let total = line_len + total_len + 2;
    let Some((content, end)) = body.split_at_checked(total_len) else {
        return Ok(ServerStep::Message { total });
    };
    match end {
        [b'\r', b'\n', ..] => {}
        [] | [b'\r'] => return Ok(ServerStep::Message { total }),
        _ => return Err(ServerError),
    }
    let (headers, payload) = match head.header_len.map(byte_count) {
        Some(len) => {
            let (headers, payload) = content.split_at_checked(len).ok_or(ServerError)?;
            (Some(headers), payload)
        }
        None => (None, content),
    };
    let Head { subject, sid, reply, .. } = *head;
    let message = Message { subject, sid, reply, headers, payload };
    Ok(ServerStep::Op(ServerOp::Message(message), total))
}

/// The first line without its end, and its length with it.
fn line(input: &[u8]) -> Result<Option<(&[u8], usize)>, ServerError> {
    let window = input.get(..limits::MAX_SERVER_LINE).unwrap_or(input);
    let Some(end) = memchr(b'\n', window) else {
        let is_full = window.len() == limits::MAX_SERVER_LINE;
        return if is_full { Err(ServerError) } else { Ok(None) };
    };
    let line = input.get(..end).unwrap_or_default();
    Ok(Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1)))
}

fn unquote(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"'").unwrap_or(text);
    text.strip_suffix(b"'").unwrap_or(text)
}

const NO_REPLY: &[u8] = b"";
