//! One frame's header, the mask, and the answer to a client's key.
//!
//! Absent: what may follow what (`reader`).

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The next piece of a message.
    Continuation,
    /// A message of text, or its first piece.
    Text,
    /// A message of bytes, or its first piece.
    Binary,
    /// The end of the conversation.
    Close,
    /// Is to be answered.
    Ping,
    /// The answer.
    Pong,
}

impl Kind {
    pub(super) fn of(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn code(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    /// Whether it may stand between the pieces of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The bytes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    bytes: [u8; Self::BYTES_MAX],
    length: u8,
}

impl Header {
    /// The longest header: a length of eight bytes, and a mask.
    pub const BYTES_MAX: usize = 14;

    /// The header of a frame that is a whole message, or a control frame; masked if there is a key.
    pub fn new(kind: Kind, payload: u64, compressed: bool, key: Option<[u8; 4]>) -> Self {
        let mut header = Self { bytes: [0; Self::BYTES_MAX], length: 0 };
        let first = FINAL | kind.code() | if compressed { COMPRESSED } else { 0 };
        let masked = if key.is_some() { MASKED } else { 0 };
        match (u8::try_from(payload), u16::try_from(payload)) {
            (Ok(short), _) if short < SHORT_LENGTHS => header.push(&[first, masked | short]),
            (_, Ok(medium)) => {
                header.push(&[first, masked | LENGTH_OF_TWO]);
                header.push(&medium.to_be_bytes());
            }
            (_, Err(_)) => {
                header.push(&[first, masked | LENGTH_OF_EIGHT]);
                header.push(&payload.to_be_bytes());
            }
        }
        if let Some(key) = key {
            header.push(&key);
        }
        header
    }

    fn push(&mut self, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(usize::from(self.length)).zip(bytes) {
            *place = *byte;
            self.length += 1;
        }
    }

    /// The bytes to send.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// What a control frame carries: 125 bytes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    bytes: [u8; Self::BYTES_MAX],
    length: u8,
}

impl Payload {
    /// The longest payload of a control frame.
    pub const BYTES_MAX: usize = 125;

    pub(super) fn unmasked(bytes: &[u8], key: [u8; 4]) -> Self {
        let mut payload = Self { bytes: [0; Self::BYTES_MAX], length: 0 };
        for (place, byte) in payload.bytes.iter_mut().zip(bytes) {
            *place = *byte;
            payload.length += 1;
        }
        mask(&mut payload.bytes, key, 0);
        payload
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// Masks bytes, or unmasks them; `phase` bytes of the same payload came before.
pub fn mask(bytes: &mut [u8], key: [u8; 4], phase: usize) {
    if key == [0; 4] {
        return;
    }
    let mut turned = key;
    turned.rotate_left(phase % 4);
    let wide = u64::from_ne_bytes([
        turned[0], turned[1], turned[2], turned[3], turned[0], turned[1], turned[2], turned[3],
    ]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}

pub(super) const FINAL: u8 = 0x80;
pub(super) const COMPRESSED: u8 = 0x40;
pub(super) const RESERVED: u8 = 0x30;
pub(super) const MASKED: u8 = 0x80;
/// Lengths below this stand in one byte.
const SHORT_LENGTHS: u8 = 126;
pub(super) const LENGTH_OF_TWO: u8 = 126;
pub(super) const LENGTH_OF_EIGHT: u8 = 127;

/// What a server appends to a client's `Sec-WebSocket-Key` before it answers with the SHA-1 of
/// both, in Base64 (RFC 6455, section 4.2.2).
pub const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn headers_are_as_short_as_their_lengths_allow() {
        let check = |payload: u64, bytes: &[u8]| {
            let header = Header::new(Kind::Binary, payload, false, None);
            assert_eq!(header.as_bytes(), bytes, "{payload}");
        };
        check(0, &[0x82, 0]);
        check(125, &[0x82, 125]);
        check(126, &[0x82, 126, 0, 126]);
        check(65_535, &[0x82, 126, 0xff, 0xff]);
        check(65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        let masked = Header::new(Kind::Text, 3, true, Some([1, 2, 3, 4]));
        assert_eq!(masked.as_bytes(), [0xc1, 0x83, 1, 2, 3, 4]);
        let longest = Header::new(Kind::Text, u64::MAX, true, Some([1, 2, 3, 4]));
        assert_eq!(longest.as_bytes().len(), Header::BYTES_MAX);
    }

    #[test]
    fn masking_in_pieces_is_masking_at_once() {
        let key = [0x11, 0x22, 0x44, 0x88];
        let plain: Vec<u8> = (0..100).collect();
        let whole: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b).collect();
        for cut in 0..=plain.len() {
            let mut bytes = plain.clone();
            let (front, back) = bytes.split_at_mut(cut);
            mask(front, key, 0);
            mask(back, key, cut);
            assert_eq!(bytes, whole, "cut at {cut}");
        }
    }
}
