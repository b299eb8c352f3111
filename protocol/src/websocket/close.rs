//! The end of a conversation: codes, and what a close frame carries.
//!
//! Absent: when to close, which the two ends decide.

use alloc::vec::Vec;

use super::frame::{Header, Kind, Payload};
use super::reader::Violation;

/// Why an end closes; RFC 6455, section 7.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// Everything is said.
    Normal,
    /// This end leaves.
    GoingAway,
    /// The other end broke the protocol of frames.
    Protocol,
    /// A message is not what it says it is.
    InvalidPayload,
    /// The other end broke a rule of what is inside.
    Policy,
    /// A message is larger than this end takes.
    TooBig,
    /// Something is wrong at this end.
    Internal,
    /// What the other end said, to be said back.
    Echo(u16),
}

impl CloseCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::InvalidPayload => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::Echo(code) => code,
        }
    }
}

/// What a close frame of the other end says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// Its code, if it gives one.
    pub code: Option<u16>,
}

impl Close {
    /// Reads a close frame's payload.
    pub fn parse(payload: &[u8]) -> Result<Self, Violation> {
        let Some((high, rest)) = payload.split_first() else { return Ok(Self { code: None }) };
        let Some((low, reason)) = rest.split_first() else {
            return Err(Violation::ShortClose);
        };
        let code = u16::from_be_bytes([*high, *low]);
        if !is_valid(code) {
            return Err(Violation::CloseCode(code));
        }
        if core::str::from_utf8(reason).is_err() {
            return Err(Violation::CloseText);
        }
        Ok(Self { code: Some(code) })
    }

    /// A whole close frame, unmasked, with its reason cut to what fits.
    pub fn frame(code: CloseCode, reason: &str) -> Vec<u8> {
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let reason = reason.get(..end).unwrap_or_default();
        let length = CODE_BYTES + reason.len();
        let mut frame = Vec::with_capacity(Header::BYTES_MAX + length);
        let header = Header::new(Kind::Close, length as u64, false, None);
        frame.extend_from_slice(header.as_bytes());
        frame.extend_from_slice(&code.number().to_be_bytes());
        frame.extend_from_slice(reason.as_bytes());
        frame
    }

    /// A whole close frame that says nothing.
    pub fn silent_frame() -> Vec<u8> {
        Header::new(Kind::Close, 0, false, None).as_bytes().to_vec()
    }
}

/// Codes that may stand in a frame.
fn is_valid(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

const CODE_BYTES: usize = 2;
const REASON_BYTES_MAX: usize = Payload::BYTES_MAX - CODE_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_the_standard_may_be_sent() {
        for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(Close::parse(&u16::to_be_bytes(code)), Ok(Close { code: Some(code) }));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert_eq!(Close::parse(&u16::to_be_bytes(code)), Err(Violation::CloseCode(code)));
        }
        assert_eq!(Close::parse(b""), Ok(Close { code: None }));
        assert_eq!(Close::parse(&[3]), Err(Violation::ShortClose));
        assert_eq!(Close::parse(&[3, 0xe8, 0xff]), Err(Violation::CloseText));
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let frame = Close::frame(CloseCode::Policy, &"é".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert_eq!(frame.get(..4), Some(&[0x88, 124, 0x03, 0xf0][..]));
        assert!(Close::parse(&frame[2..]).is_ok());
        assert_eq!(Close::silent_frame(), [0x88, 0]);
    }
}
