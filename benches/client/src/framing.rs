//! WebSocket on a connection: the request, then frames around what is written and off what is read.
//!
//! Absent: the socket (`channel`), and packed messages, which are never offered: what is measured
//! is a server's framing, not anybody's compression.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;

use data_encoding::BASE64;
use fanfare_protocol::websocket::{
    ACCEPT_SUFFIX, Header, Kind, Masking, Reader, Step, Terms, mask,
};
use sha1::{Digest, Sha1};

/// See the module's head.
#[derive(Debug)]
pub struct Framing {
    /// The answer as far as it has come; nothing once it was taken.
    answer: Option<Vec<u8>>,
    accept: String,
    reader: Reader,
    /// Drawn once; each frame's mask is the next one.
    key: u32,
    /// What is ready to go; the first `sent` bytes have gone.
    outgoing: Vec<u8>,
    sent: usize,
    is_closed: bool,
}

impl Framing {
    /// Begins with a request to this host.
    pub fn new(host: &str) -> Self {
        let mut nonce = [0; 16];
        for half in nonce.chunks_mut(8) {
            half.copy_from_slice(&random().to_ne_bytes());
        }
        let nonce = BASE64.encode(&nonce);
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        // INVARIANT: half of a random number is as random as the whole.
        #[expect(clippy::cast_possible_truncation)]
        let key = random() as u32;
        Self {
            answer: Some(Vec::new()),
            accept: accept_key(&nonce),
            reader: Reader::new(Terms { masking: Masking::Optional, compression: false }),
            key,
            outgoing: request.into_bytes(),
            sent: 0,
            is_closed: false,
        }
    }

    /// Whether frames may be sent.
    pub fn is_open(&self) -> bool {
        self.answer.is_none()
    }

    /// Whether the server has said goodbye.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What waits to be sent.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.get(self.sent..).unwrap_or_default()
    }

    /// So many bytes of that have gone.
    pub fn note_sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
    }

    /// Puts a frame around bytes.
    pub fn wrap(&mut self, bytes: &[u8]) {
        self.push(Kind::Binary, bytes);
    }

    fn push(&mut self, kind: Kind, bytes: &[u8]) {
        self.key = self.key.wrapping_mul(0x9e37_79b1).wrapping_add(1);
        let key = self.key.to_ne_bytes();
        let header = Header::new(kind, bytes.len() as u64, false, Some(key));
        self.outgoing.extend_from_slice(header.as_bytes());
        let start = self.outgoing.len();
        self.outgoing.extend_from_slice(bytes);
        mask(self.outgoing.get_mut(start..).unwrap_or_default(), key, 0);
    }

    /// Takes the frames off bytes that came, in place; says how many bytes are left.
    pub fn unwrap_frames(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(mut at) = self.take_answer(bytes)? else { return Ok(0) };
        let mut length = 0;
        loop {
            match self.reader.next(bytes, &mut at).map_err(io::Error::other)? {
                Step::More => return Ok(length),
                Step::Data(piece) => {
                    let count = piece.range.len();
                    bytes.copy_within(piece.range, length);
                    length += count;
                }
                Step::Ping(payload) => self.push(Kind::Pong, payload.as_bytes()),
                Step::Pong => {}
                Step::Close(_) => {
                    self.is_closed = true;
                    return Ok(length);
                }
            }
        }
    }

    /// Takes what has come of the answer; says where frames begin, once it is whole.
    fn take_answer(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let Some(answer) = &mut self.answer else { return Ok(Some(0)) };
        let before = answer.len();
        answer.extend_from_slice(bytes);
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            if answer.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other("what answers does not speak WebSocket"));
            }
            return Ok(None);
        };
        let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        if !status.starts_with("HTTP/1.1 101 ") {
            let why = format!("the server refuses to speak WebSocket: {status}");
            return Err(io::Error::other(why));
        }
        let mut fields = lines.filter_map(|line| line.split_once(':'));
        let is_ours = fields.any(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == self.accept
        });
        if !is_ours {
            return Err(io::Error::other("the server's answer is to somebody else's request"));
        }
        self.answer = None;
        Ok(Some(end + 4 - before))
    }
}

/// Something that the other side cannot guess.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Bytes of an answer's head.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// What a server answers to a client's `Sec-WebSocket-Key`.
fn accept_key(key: &str) -> String {
    BASE64.encode(&Sha1::new().chain_update(key).chain_update(ACCEPT_SUFFIX).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455, section 1.3.
    #[test]
    fn a_key_is_accepted_as_the_standard_says() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    fn answer(framing: &Framing) -> String {
        format!("HTTP/1.1 101 Switching\r\nsec-websocket-accept: {}\r\n\r\n", framing.accept)
    }

    #[test]
    fn frames_begin_behind_the_answer() {
        for cut in [0, 1, 10, 40] {
            let mut framing = Framing::new("a.example");
            assert!(framing.outgoing().starts_with(b"GET / HTTP/1.1\r\nHost: a.example\r\n"));
            framing.note_sent(framing.outgoing().len());
            let mut bytes = answer(&framing).into_bytes();
            bytes.extend_from_slice(b"\x82\x02hi\x89\x01x\x82\x03 ho\x88\x00");
            let (front, back) = bytes.split_at_mut(cut);
            assert_eq!(framing.unwrap_frames(front).expect("no end of the head"), 0);
            assert!(!framing.is_open());
            let length = framing.unwrap_frames(back).expect("good frames");
            assert_eq!(back.get(..length), Some(&b"hi ho"[..]), "cut at {cut}");
            assert!(framing.is_open() && framing.is_closed());
            assert_eq!(framing.outgoing().len(), 2 + 4 + 1, "the ping is answered");
        }
    }

    #[test]
    fn an_answer_may_be_a_refusal() {
        let mut framing = Framing::new("a");
        let refused = framing.unwrap_frames(&mut b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec());
        assert!(refused.expect_err("refused").to_string().contains("403 Forbidden"));
        let mut framing = Framing::new("a");
        let other = Framing::new("a");
        let stranger = framing.unwrap_frames(&mut answer(&other).into_bytes());
        assert!(stranger.is_err(), "another request's answer");
        let mut framing = Framing::new("a");
        let endless = framing.unwrap_frames(&mut vec![b'x'; 2 * ANSWER_BYTES_MAX]);
        assert!(endless.is_err());
    }

    #[test]
    fn what_is_wrapped_is_masked() {
        let mut framing = Framing::new("a");
        framing.note_sent(framing.outgoing().len());
        framing.wrap(b"PING\r\n");
        let terms = Terms { masking: Masking::Required, compression: false };
        let mut bytes = framing.outgoing().to_vec();
        let step = Reader::new(terms).next(&mut bytes, &mut 0).expect("a good frame");
        let Step::Data(piece) = step else { panic!("{step:?}") };
        assert_eq!(&bytes[piece.range], b"PING\r\n");
    }
}
