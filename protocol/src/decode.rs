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
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgumentCount => "wrong number of arguments",
            Self::Size => "bad or missing message size",
            Self::HeaderSize => "bad or missing header size",
            Self::CarriageReturn => "carriage return inside an argument",
            Self::ErrorFromClient => "-ERR from a client",
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
    next_by_grammar(input, limits)
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
            if usize::try_from(publish.total_len).is_ok_and(|len| len > limits.payload_max) {
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
    // INVARIANT: a size has at most nine digits, so it fits 32 bits and its sum cannot overflow.
    let total_len = line.total_len as usize;
    let body = input.get(line_len..).unwrap_or_default();
    match body.get(..total_len + 2) {
        Some(framed) if framed.ends_with(b"\r\n") => {
            let op = ClientOp::Publish(Publish { line, framed });
            Ok(Step::Op(op, line_len + framed.len()))
        }
        Some(_) => Err(ProtocolError::UnknownOperation.into()),
        None if body.get(total_len).is_some_and(|byte| *byte != b'\r') => {
            Err(ProtocolError::UnknownOperation.into())
        }
        None => Ok(Step::Payload { line, line_len }),
    }
}

/// The usual spelling of a publish: one blank between arguments, CR LF behind them, all limits
/// kept. `None` says nothing about the line but that the grammar must look at it.
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
    let subject_end = word_end(input, start)?;
    if subject_end == start || input.get(subject_end) != Some(&b' ') {
        return None;
    }
    let subject = input.get(start..subject_end)?;
    let mut at = subject_end + 1;
    let mut reply: &[u8] = b"";
    let sizes = match sizes(input, at, has_headers) {
        Some(sizes) => sizes,
        None => {
            let end = word_end(input, at)?;
            if end == at || input.get(end) != Some(&b' ') {
                return None;
            }
            reply = input.get(at..end)?;
            at = end + 1;
            self::sizes(input, at, has_headers)?
        }
    };
    let fits = sizes.line_end - start - 2 <= limits.control_line_max
        && sizes.total_len as usize <= limits.payload_max
        && sizes.header_len.is_none_or(|len| len <= sizes.total_len);
    let Sizes { header_len, total_len, line_end } = sizes;
    fits.then_some((PublishLine { subject, reply, header_len, total_len }, line_end))
}

/// The sizes at the end of a publish line, and where the line ends.
struct Sizes {
    header_len: Option<u32>,
    total_len: u32,
    line_end: usize,
}

#[inline]
fn sizes(input: &[u8], at: usize, has_headers: bool) -> Option<Sizes> {
    let (first, end) = number(input, at)?;
    let (header_len, total_len, end) = if has_headers {
        if input.get(end) != Some(&b' ') {
            return None;
        }
        let (total, end) = number(input, end + 1)?;
        (Some(first), total, end)
    } else {
        (None, first, end)
    };
    let line_end = end + 2;
    (input.get(end..line_end)? == b"\r\n").then_some(Sizes { header_len, total_len, line_end })
}

/// A run of 1 to 9 digits and where it ends; the caller checks what stands there.
#[inline]
fn number(input: &[u8], start: usize) -> Option<(u32, usize)> {
    let mut value = 0_u32;
    let mut at = start;
    while at - start < crate::limits::MAX_SIZE_DIGITS {
        let digit = input.get(at)?.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value * 10 + u32::from(digit);
        at += 1;
    }
    (at > start).then_some((value, at))
}

/// Where the first byte that is a blank or a control character stands, eight bytes at a time.
#[inline]
fn word_end(input: &[u8], mut at: usize) -> Option<usize> {
    while let Some(chunk) = input.get(at..)?.first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        // The lowest set high bit marks the first byte below 0x21; borrows only reach bytes
        // above it.
        let small = word.wrapping_sub(EACH_BYTE * 0x21) & !word & (EACH_BYTE * 0x80);
        if small != 0 {
            return Some(at + (small.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let tail = input.get(at..)?;
    tail.iter().position(|byte| *byte <= b' ').map(|offset| at + offset)
}

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
const PUB: u32 = u32::from_le_bytes(*b"PUB ");
const PUB_MASK: u32 = u32::from_le_bytes([0xDF, 0xDF, 0xDF, 0xFF]);
const HPUB: u32 = u32::from_le_bytes(*b"HPUB");
const HPUB_MASK: u32 = u32::from_le_bytes([0xDF; 4]);
