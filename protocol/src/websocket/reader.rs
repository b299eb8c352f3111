//! From the bytes of one end to pieces of messages and control frames, in place.
//!
//! Absent: buffers of messages: a piece is reported as soon as it is there, unmasked where it
//! stands. What is kept between two calls is a header, or a control frame, that has not come whole.

use core::fmt;
use core::ops::Range;

use alloc::vec::Vec;

use super::close::CloseCode;
use super::frame::{
    COMPRESSED, FINAL, Kind, LENGTH_OF_EIGHT, LENGTH_OF_TWO, MASKED, Payload, RESERVED, mask,
};
use super::utf8::Utf8;

/// What the other end may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Whether its frames are masked.
    pub masking: Masking,
    /// Whether its messages may be compressed.
    pub compression: bool,
}

/// Whether frames are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masking {
    /// They must be: a server reads a client.
    Required,
    /// They need not be: both ends agreed, or a client reads a server.
    Optional,
}

/// See the module's head.
#[derive(Debug)]
pub struct Reader {
    terms: Terms,
    /// The beginning of a header, or of a control frame, that has not come whole.
    held: Vec<u8>,
    /// The data frame whose payload is coming.
    frame: Option<Frame>,
    /// The message whose last frame has not begun.
    message: Option<Message>,
}

/// A data frame whose header has come.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: u64,
    key: [u8; 4],
    phase: u8,
    last: bool,
    message: Message,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    text: Option<Utf8>,
    compressed: bool,
}

/// What the next bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Everything was looked at.
    More,
    /// A piece of a message.
    Data(Piece),
    /// A ping, to be answered with its payload.
    Ping(Payload),
    /// The answer to a ping.
    Pong,
    /// The other end closes.
    Close(Payload),
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it stands, unmasked.
    pub range: Range<usize>,
    /// Whether its message is compressed.
    pub compressed: bool,
    /// Whether its message is text. What is not compressed has been looked at; the rest is to be
    /// looked at by whoever unpacks it.
    pub text: bool,
    /// Whether the message ends behind it.
    pub last: bool,
}

/// How the other end broke the rules. The texts are those that nats-server closes with, where it
/// has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Reserved bits that nobody agreed on.
    Reserved,
    /// A compressed frame where compression was not agreed on.
    Compression,
    /// A client's frame without a mask.
    Unmasked,
    /// A control frame above 125 bytes.
    LongControl,
    /// A control frame in pieces.
    SplitControl,
    /// A compressed control frame.
    CompressedControl,
    /// A new message inside another.
    Interleaved,
    /// A continuation of nothing, or a compressed one.
    Continuation,
    /// A kind of frame that does not exist.
    Opcode(u8),
    /// A length above 63 bits.
    Length,
    /// A close frame with half a code.
    ShortClose,
    /// A close frame with a code that may not be sent.
    CloseCode(u16),
    /// A close frame whose reason is no text.
    CloseText,
    /// A message of text that is none.
    Text,
    /// What was compressed cannot be unpacked.
    Packed,
    /// More in one message than is taken.
    TooBig,
}

impl Violation {
    /// What the other end is told.
    pub fn code(self) -> CloseCode {
        match self {
            Self::CloseText | Self::Text | Self::Packed => CloseCode::InvalidPayload,
            Self::TooBig => CloseCode::TooBig,
            Self::Reserved
            | Self::Compression
            | Self::Unmasked
            | Self::LongControl
            | Self::SplitControl
            | Self::CompressedControl
            | Self::Interleaved
            | Self::Continuation
            | Self::Opcode(_)
            | Self::Length
            | Self::ShortClose
            | Self::CloseCode(_) => CloseCode::Protocol,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Reserved => "RSV2 and RSV3 must be clear",
            Self::Compression => "compressed frame received without negotiated permessage-deflate",
            Self::Unmasked => "mask bit missing",
            Self::LongControl => "control frame length bigger than maximum allowed of 125 bytes",
            Self::SplitControl => "control frame does not have final bit set",
            Self::CompressedControl => "control frame must not be compressed",
            Self::Interleaved => {
                "new message started before final frame for previous message was received"
            }
            Self::Continuation => "invalid continuation frame",
            Self::Opcode(code) => return write!(f, "unknown opcode {code}"),
            Self::Length => "invalid 64-bit payload length",
            Self::ShortClose => "close frame payload cannot be 1 byte",
            Self::CloseCode(code) => return write!(f, "invalid close status code {code}"),
            Self::CloseText => "invalid utf8 body in close frame",
            Self::Text => "invalid utf8 in text message",
            Self::Packed => "invalid compressed message",
            Self::TooBig => "message too big",
        };
        f.write_str(text)
    }
}

impl core::error::Error for Violation {}

impl Reader {
    /// A reader before the first frame.
    pub fn new(terms: Terms) -> Self {
        Self { terms, held: Vec::new(), frame: None, message: None }
    }

    /// Whether compression was agreed on.
    pub fn may_unpack(&self) -> bool {
        self.terms.compression
    }

    /// Looks at the next bytes of `input`, from `at` on, and moves `at` behind them. Must be called
    /// until it says [`Step::More`].
    pub fn next(&mut self, input: &mut [u8], at: &mut usize) -> Result<Step, Violation> {
        if let Some(frame) = self.frame.take() {
            return self.go_on(frame, input, at);
        }
        let Some(head) = self.find_head(input, at)? else { return Ok(Step::More) };
        self.begin(head)?;
        match (head.control, self.frame.take()) {
            (Some(Control::Ping(payload)), _) => Ok(Step::Ping(payload)),
            (Some(Control::Pong), _) => Ok(Step::Pong),
            (Some(Control::Close(payload)), _) => Ok(Step::Close(payload)),
            (None, Some(frame)) => self.go_on(frame, input, at),
            (None, None) => Ok(Step::More),
        }
    }

    /// Takes what has come of a data frame's payload.
    fn go_on(
        &mut self,
        mut frame: Frame,
        input: &mut [u8],
        at: &mut usize,
    ) -> Result<Step, Violation> {
        let start = *at;
        let here = input.len().saturating_sub(start);
        let length = usize::try_from(frame.left).map_or(here, |left| left.min(here));
        if length == 0 && frame.left > 0 {
            self.frame = Some(frame);
            return Ok(Step::More);
        }
        let bytes = input.get_mut(start..start + length).unwrap_or_default();
        mask(bytes, frame.key, usize::from(frame.phase));
        if let Some(text) = &mut frame.message.text
            && !frame.message.compressed
            && !text.take(bytes)
        {
            return Err(Violation::Text);
        }
        *at = start + length;
        frame.left -= length as u64;
        // INVARIANT: the remainder of a division by four fits a byte.
        #[expect(clippy::cast_possible_truncation)]
        let phase = ((usize::from(frame.phase) + length) % 4) as u8;
        frame.phase = phase;
        let ends = frame.left == 0;
        let last = ends && frame.last;
        let Message { text, compressed } = frame.message;
        if last && text.is_some_and(|text| !text.is_whole()) {
            return Err(Violation::Text);
        }
        if !ends {
            self.frame = Some(frame);
        } else if !frame.last {
            self.message = Some(frame.message);
        }
        let range = start..start + length;
        Ok(Step::Data(Piece { range, compressed, text: text.is_some(), last }))
    }

    /// The next header, with a control frame's payload, if it has come whole.
    fn find_head(&mut self, input: &[u8], at: &mut usize) -> Result<Option<Head>, Violation> {
        let here = input.get(*at..).unwrap_or_default();
        if self.held.is_empty() {
            if let Some(head) = self.look(here)? {
                *at += head.length;
                return Ok(Some(head));
            }
            self.held.extend_from_slice(here);
            *at = input.len();
            return Ok(None);
        }
        for byte in here {
            self.held.push(*byte);
            *at += 1;
            if let Some(head) = self.look(&self.held)? {
                self.held = Vec::new();
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Reads a header at the beginning of some bytes; `None` if there are too few of them.
    fn look(&self, bytes: &[u8]) -> Result<Option<Head>, Violation> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let kind = self.judge(first)?;
        let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
        let masked = second & MASKED != 0;
        if !masked && self.terms.masking == Masking::Required {
            return Err(Violation::Unmasked);
        }
        let short = second & !MASKED;
        if kind.is_control() && usize::from(short) > Payload::BYTES_MAX {
            return Err(Violation::LongControl);
        }
        let (payload, rest) = match short {
            LENGTH_OF_TWO => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            LENGTH_OF_EIGHT => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        if payload >> 63 != 0 {
            return Err(Violation::Length);
        }
        let (key, rest) = match (masked, rest.split_first_chunk::<4>()) {
            (false, _) => ([0; 4], rest),
            (true, Some((key, rest))) => (*key, rest),
            (true, None) => return Ok(None),
        };
        let mut head = Head {
            length: bytes.len() - rest.len(),
            kind,
            last: first & FINAL != 0,
            compressed: first & COMPRESSED != 0,
            payload,
            key,
            control: None,
        };
        if kind.is_control() {
            let Some(body) = rest.get(..usize::from(short)) else { return Ok(None) };
            head.length += body.len();
            let body = Payload::unmasked(body, key);
            head.control = match kind {
                Kind::Ping => Some(Control::Ping(body)),
                Kind::Pong => Some(Control::Pong),
                Kind::Close => Some(Control::Close(body)),
                Kind::Continuation | Kind::Text | Kind::Binary => None,
            };
        }
        Ok(Some(head))
    }

    /// Whether a frame with this first byte may come now.
    fn judge(&self, first: u8) -> Result<Kind, Violation> {
        if first & RESERVED != 0 {
            return Err(Violation::Reserved);
        }
        let compressed = first & COMPRESSED != 0;
        if compressed && !self.terms.compression {
            return Err(Violation::Compression);
        }
        let code = first & 0x0f;
        let kind = Kind::of(code).ok_or(Violation::Opcode(code))?;
        let is_inside = self.message.is_some();
        match kind {
            _ if kind.is_control() && first & FINAL == 0 => Err(Violation::SplitControl),
            _ if kind.is_control() && compressed => Err(Violation::CompressedControl),
            Kind::Text | Kind::Binary if is_inside => Err(Violation::Interleaved),
            Kind::Continuation if !is_inside || compressed => Err(Violation::Continuation),
            _ => Ok(kind),
        }
    }

    /// Lets a data frame begin.
    fn begin(&mut self, head: Head) -> Result<(), Violation> {
        let message = match head.kind {
            Kind::Close | Kind::Ping | Kind::Pong => return Ok(()),
            Kind::Continuation => self.message.take().ok_or(Violation::Continuation)?,
            Kind::Text => Message { text: Some(Utf8::default()), compressed: head.compressed },
            Kind::Binary => Message { text: None, compressed: head.compressed },
        };
        let Head { payload: left, key, last, .. } = head;
        self.frame = Some(Frame { left, key, phase: 0, last, message });
        Ok(())
    }
}

/// A header.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// Its bytes, and those of a control frame's payload.
    length: usize,
    kind: Kind,
    last: bool,
    compressed: bool,
    payload: u64,
    key: [u8; 4],
    control: Option<Control>,
}

#[derive(Debug, Clone, Copy)]
enum Control {
    Ping(Payload),
    Pong,
    Close(Payload),
}

#[cfg(test)]
mod tests;
