//! The grammar of a client's control line, in nom.
//!
//! Absent: payloads, limits and partial input, which are [`crate::decode`]'s. Its hand-written path
//! for `PUB` and `HPUB` must agree with this grammar on every line; tests and a fuzz target hold it
//! to that. No parser here may allocate.

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::bytes::streaming::tag_no_case;
use nom::combinator::value;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::connect::is_object;
use crate::decimal;
use crate::decode::Violation;
use crate::op::{ClientOp, PublishLine};

/// The first word of a control line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `CONNECT`.
    Connect,
    /// `PUB`.
    Publish,
    /// `HPUB`.
    PublishHeaders,
    /// `SUB`.
    Subscribe,
    /// `UNSUB`.
    Unsubscribe,
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `INFO`.
    Info,
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Error,
}

impl Verb {
    /// Whether a blank must stand between the verb and its arguments.
    pub fn needs_blank(self) -> bool {
        match self {
            Self::Publish
            | Self::PublishHeaders
            | Self::Subscribe
            | Self::Unsubscribe
            | Self::Error => true,
            Self::Connect | Self::Ping | Self::Pong | Self::Info | Self::Ok => false,
        }
    }

    /// Whether everything up to the line's end is skipped unread.
    pub fn ignores_rest(self) -> bool {
        matches!(self, Self::Ping | Self::Pong | Self::Ok)
    }
}

/// What a control line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlLine<'a> {
    /// A publish, whose message follows the line.
    Publish(PublishLine<'a>),
    /// An operation that the line completes.
    Op(ClientOp<'a>),
}

/// Recognises a verb at the start of a stream, in any case of its letters.
///
/// `Incomplete` means that more bytes may still make it a verb; any other error is final.
pub fn verb(input: &[u8]) -> IResult<&[u8], Verb> {
    alt((
        value(Verb::Publish, tag_no_case("PUB")),
        value(Verb::PublishHeaders, tag_no_case("HPUB")),
        value(Verb::Subscribe, tag_no_case("SUB")),
        value(Verb::Unsubscribe, tag_no_case("UNSUB")),
        value(Verb::Ping, tag_no_case("PING")),
        value(Verb::Pong, tag_no_case("PONG")),
        value(Verb::Connect, tag_no_case("CONNECT")),
        value(Verb::Info, tag_no_case("INFO")),
        value(Verb::Ok, tag_no_case("+OK")),
        value(Verb::Error, tag_no_case("-ERR")),
    ))
    .parse(input)
}

/// Reads the arguments of one whole line: the text behind the verb, without the line's end.
pub fn arguments(verb: Verb, text: &[u8]) -> Result<ControlLine<'_>, Violation> {
    match verb {
        Verb::Publish => publish(text).map(ControlLine::Publish),
        Verb::PublishHeaders => publish_headers(text).map(ControlLine::Publish),
        Verb::Subscribe => subscribe(text).map(ControlLine::Op),
        Verb::Unsubscribe => unsubscribe(text).map(ControlLine::Op),
        Verb::Connect => Ok(ControlLine::Op(ClientOp::Connect(skip_blanks(text)))),
        Verb::Ping => Ok(ControlLine::Op(ClientOp::Ping)),
        Verb::Pong => Ok(ControlLine::Op(ClientOp::Pong)),
        Verb::Info if !is_object(text) => Err(Violation::InfoJson),
        Verb::Info | Verb::Ok => Ok(ControlLine::Op(ClientOp::Ignored)),
        Verb::Error => Err(Violation::ErrorFromClient),
    }
}

fn publish(text: &[u8]) -> Result<PublishLine<'_>, Violation> {
    let (subject, reply, total) = match *words(text).as_slice() {
        [subject, total] => (subject, NO_REPLY, total),
        [subject, reply, total] => (subject, reply, total),
        _ => return Err(Violation::ArgumentCount),
    };
    let total_len = decimal::read(total).ok_or(Violation::Size)?;
    Ok(PublishLine { subject, reply, header_len: None, total_len })
}

fn publish_headers(text: &[u8]) -> Result<PublishLine<'_>, Violation> {
    let (subject, reply, header, total) = match *words(text).as_slice() {
        [subject, header, total] => (subject, NO_REPLY, header, total),
        [subject, reply, header, total] => (subject, reply, header, total),
        _ => return Err(Violation::ArgumentCount),
    };
    let header_len = decimal::read(header).ok_or(Violation::HeaderSize)?;
    let total_len = decimal::read(total).ok_or(Violation::Size)?;
    if header_len > total_len {
        return Err(Violation::HeaderSize);
    }
    Ok(PublishLine { subject, reply, header_len: Some(header_len), total_len })
}

fn subscribe(text: &[u8]) -> Result<ClientOp<'_>, Violation> {
    match *words(text).as_slice() {
        [filter, sid] => Ok(ClientOp::Subscribe { filter, queue: None, sid }),
        [filter, queue, sid] => Ok(ClientOp::Subscribe { filter, queue: Some(queue), sid }),
        _ => Err(Violation::ArgumentCount),
    }
}

fn unsubscribe(text: &[u8]) -> Result<ClientOp<'_>, Violation> {
    let (sid, max) = match *words(text).as_slice() {
        [sid] => (sid, None),
        [sid, max] => (sid, decimal::read(max)),
        _ => return Err(Violation::ArgumentCount),
    };
    Ok(ClientOp::Unsubscribe { sid, max: max.filter(|max| *max > 0).map(u64::from) })
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let skipped: IResult<&[u8], &[u8]> = take_while(is_blank).parse(text);
    skipped.map_or(text, |(rest, _)| rest)
}

/// The words of a line, blanks around them skipped.
pub(crate) fn words(text: &[u8]) -> Words<'_> {
    let mut words = Words::default();
    let mut rest = text;
    while let Ok((behind, found)) = word(rest) {
        words.push(found);
        rest = behind;
    }
    words
}

fn word(text: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(take_while(is_blank), take_while1(|byte| !is_blank(byte))).parse(text)
}

/// The words of a line, and how many there were, also of those that found no room.
#[derive(Default)]
pub(crate) struct Words<'a> {
    list: [&'a [u8]; WORDS_MAX],
    count: usize,
}

impl<'a> Words<'a> {
    fn push(&mut self, word: &'a [u8]) {
        if let Some(slot) = self.list.get_mut(self.count) {
            *slot = word;
        }
        self.count += 1;
    }

    /// The words, or none at all when there are too many for any operation.
    pub(crate) fn as_slice(&self) -> &[&'a [u8]] {
        self.list.get(..self.count).unwrap_or_default()
    }
}

/// Whether arguments are separated at this byte.
#[inline]
pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The most words of any operation: `HMSG subject sid reply header_len total_len`.
const WORDS_MAX: usize = 5;

const NO_REPLY: &[u8] = b"";
