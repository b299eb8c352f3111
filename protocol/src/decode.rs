//! Finds a client's operations in a stream of bytes, however it was cut into reads.
//!
//! Absent: state and buffers. A caller that is told to wait calls again with the same bytes and
//! more behind them, so an answer is a function of the bytes alone. Nothing here may allocate, and
//! no line may grow without bound, read or ignored.

use core::fmt;

use memchr::memchr;

use crate::error::ProtocolError;
use crate::grammar::{self, ControlLine, Verb, is_blank};
use crate::limits::DecodeLimits;
use crate::op::{ClientOp, Publish, PublishLine};
use crate::scan::{self, Tail};

/// What the bytes amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// One whole operation and how many bytes of the input it took.
    Op(ClientOp<'a>, usize),
    /// A publish whose control line is complete and whose message is not.
    Payload {
        /// The control line.
        line: PublishLine<'a>,
        /// Its length with its end; the whole operation takes `line_len + total_len + 2` bytes.
        line_len: usize,
    },
    /// Not even a whole control line.
    More,
}

/// Why a connection must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// Answer with the error, then close.
    Protocol(ProtocolError),
    /// Close without a word; the violation is for the log.
    Silent(Violation),
}

/// Mistakes that nats-server answers by closing, without an `-ERR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Too many or too few arguments.
    ArgumentCount,
    /// A message size that is not 1 to 9 digits.
    Size,
    /// A header size that is not 1 to 9 digits or is more than the message's size.
    HeaderSize,
    /// A carriage return inside an argument.
    CarriageReturn,
    /// `-ERR` from a client.
    ErrorFromClient,
    /// `INFO` whose argument is not a JSON object.
    InfoJson,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgumentCount => "wrong number of arguments",
            Self::Size => "bad or missing message size",
            Self::HeaderSize => "bad or missing header size",
            Self::CarriageReturn => "carriage return inside an argument",
            Self::ErrorFromClient => "-ERR from a client",
            Self::InfoJson => "INFO without a JSON object",
        })
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Silent(violation) => violation.fmt(f),
        }
    }
}

impl core::error::Error for DecodeError {}

impl From<ProtocolError> for DecodeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<Violation> for DecodeError {
    fn from(violation: Violation) -> Self {
        Self::Silent(violation)
    }
}

/// Reads the operation at the start of the input.
#[inline]
pub fn next<'a>(input: &'a [u8], limits: &DecodeLimits) -> Result<Step<'a>, DecodeError> {
    if let Some((line, line_len)) = fast_publish(input, limits) {
        return with_payload(input, line, line_len);
    }
    if let Some(step) = fast_ping(input) {
        return Ok(step);
    }
    next_by_grammar(input, limits)
}

/// The last publish line of a stream. Publishers repeat themselves: the same line again has the
/// same meaning, and comparing costs a fraction of reading it.
#[derive(Debug, Default, Clone, Copy)]
pub struct LastLine<'a>(Option<(&'a [u8], PublishLine<'a>)>);

/// Reads the operation at the start of the input, which follows `last` in the same stream.
///
/// The answers are those of [`next`].
#[inline]
pub fn next_after<'a>(
    input: &'a [u8],
    limits: &DecodeLimits,
    last: &mut LastLine<'a>,
) -> Result<Step<'a>, DecodeError> {
    if let Some((text, line)) = last.0
        && input.starts_with(text)
    {
        return with_payload(input, line, text.len());
    }
    if let Some((line, line_len)) = fast_publish(input, limits) {
        last.0 = input.get(..line_len).map(|text| (text, line));
        return with_payload(input, line, line_len);
    }
    next(input, limits)
}

/// Checks the two bytes behind a message whose payload was assembled elsewhere.
pub fn check_frame_end(tail: [u8; 2]) -> Result<(), DecodeError> {
    if tail == *b"\r\n" { Ok(()) } else { Err(ProtocolError::UnknownOperation.into()) }
}

/// Reads the operation at the start of the input by the grammar alone, without the fast path.
///
/// [`next`] gives the same answers, sooner; tests hold it to this function.
pub fn next_by_grammar<'a>(
    input: &'a [u8],
    limits: &DecodeLimits,
) -> Result<Step<'a>, DecodeError> {
    let (verb, name_len) = match grammar::verb(input) {
        Ok((rest, verb)) => (verb, input.len() - rest.len()),
        Err(nom::Err::Incomplete(_)) => return Ok(Step::More),
        Err(_) => return Err(ProtocolError::UnknownOperation.into()),
    };
    let rest = input.get(name_len..).unwrap_or_default();
    let Some(line) = line_of(verb, rest, limits)? else { return Ok(Step::More) };
    let line_len = name_len + line.len;
    match grammar::arguments(verb, line.text)? {
        ControlLine::Op(op) => Ok(Step::Op(op, line_len)),
        ControlLine::Publish(publish) => {
            if byte_count(publish.total_len) > limits.payload_max {
                return Err(ProtocolError::MaxPayload.into());
            }
            with_payload(input, publish, line_len)
        }
    }
}

/// The text between a verb and its line's end, and how many bytes lead to the byte after that end.
struct Line<'a> {
    text: &'a [u8],
    len: usize,
}

/// Finds the end of a line within its bound. An error is judged by where the bytes decide it, so
/// that a longer input never changes it.
fn line_of<'a>(
    verb: Verb,
    rest: &'a [u8],
    limits: &DecodeLimits,
) -> Result<Option<Line<'a>>, DecodeError> {
    if verb.needs_blank() {
        match rest.first() {
            None => return Ok(None),
            Some(byte) if is_blank(*byte) => {}
            Some(_) => return Err(ProtocolError::UnknownOperation.into()),
        }
    }
    let max = limits.control_line_max;
    let blanks = if verb.ignores_rest() {
        0
    } else {
        rest.iter().take(max.saturating_add(1)).take_while(|byte| is_blank(**byte)).count()
    };
    if blanks > max {
        return Err(ProtocolError::MaxControlLine.into());
    }
    let rest = rest.get(blanks..).unwrap_or_default();
    let window = rest.get(..max.saturating_add(2)).unwrap_or(rest);
    let end = memchr(b'\n', window);
    let text = end.and_then(|end| window.get(..end)).unwrap_or(window);
    if !verb.ignores_rest() {
        let bounded = text.get(..=max).unwrap_or(text);
        if memchr(b'\r', bounded).is_some_and(|at| at + 1 < text.len()) {
            return Err(Violation::CarriageReturn.into());
        }
    }
    let trimmed = text.strip_suffix(b"\r").unwrap_or(text);
    if trimmed.len() > max {
        return Err(ProtocolError::MaxControlLine.into());
    }
    Ok(end.map(|end| Line { text: trimmed, len: blanks + end + 1 }))
}

/// Completes a publish with its message, as far as that has arrived.
#[inline]
fn with_payload<'a>(
    input: &'a [u8],
    line: PublishLine<'a>,
    line_len: usize,
) -> Result<Step<'a>, DecodeError> {
    let total_len = byte_count(line.total_len);
    let body = input.get(line_len..).unwrap_or_default();
    match body.get(..total_len + CR_LF_LEN) {
        Some(framed) if framed.ends_with(b"\r\n") => {
            let op = ClientOp::Publish(Publish { line, framed });
            Ok(Step::Op(op, line_len + framed.len()))
        }
        Some(_) => Err(ProtocolError::UnknownOperation.into()),
        // Decided before the last byte arrives.
        None if body.get(total_len).is_some_and(|byte| *byte != b'\r') => {
            Err(ProtocolError::UnknownOperation.into())
        }
        None => Ok(Step::Payload { line, line_len }),
    }
}

/// A publish in its usual spelling, within all limits.
#[inline]
fn fast_publish<'a>(input: &'a [u8], limits: &DecodeLimits) -> Option<(PublishLine<'a>, usize)> {
    let verb = u32::from_le_bytes(*input.first_chunk::<4>()?);
    let (start, has_headers) = if verb & PUB_MASK == PUB {
        (4, false)
    } else if verb & HPUB_MASK == HPUB && input.get(4) == Some(&b' ') {
        (5, true)
    } else {
        return None;
    };
    let (subject, at) = scan::word(input, start)?;
    let Tail { reply, header_len, total_len, end } = scan::tail(input, at, has_headers)?;
    let fits = end - start - CR_LF_LEN <= limits.control_line_max
        && byte_count(total_len) <= limits.payload_max
        && header_len.is_none_or(|len| len <= total_len);
    fits.then_some((PublishLine { subject, reply, header_len, total_len }, end))
}

/// `PING` and `PONG` in their usual spelling.
#[inline]
fn fast_ping(input: &[u8]) -> Option<Step<'static>> {
    match input.first_chunk::<6>()? {
        b"PING\r\n" => Some(Step::Op(ClientOp::Ping, 6)),
        b"PONG\r\n" => Some(Step::Op(ClientOp::Pong, 6)),
        _ => None,
    }
}

/// A size from the wire, which has at most nine digits, as a count of bytes.
#[inline]
pub(crate) fn byte_count(size: u32) -> usize {
    // INVARIANT: pointers have at least 32 bits on every platform that the crate builds for.
    size as usize
}

const _: () = assert!(usize::BITS >= u32::BITS);

const CR_LF_LEN: usize = 2;
const PUB: u32 = u32::from_le_bytes(*b"PUB ");
/// Folds the case of three letters and keeps the blank.
const PUB_MASK: u32 = u32::from_le_bytes([0xDF, 0xDF, 0xDF, 0xFF]);
const HPUB: u32 = u32::from_le_bytes(*b"HPUB");
/// Folds the case of four letters.
const HPUB_MASK: u32 = u32::from_le_bytes([0xDF; 4]);
