//! What a client has sent of an operation that is not whole yet.
//!
//! Absent: parsing. A short rest stays as it came and is put in front of the next read; a large
//! payload is collected in a buffer of its own, which becomes the shared message without a copy.
//! Nothing is allocated for bytes that have not come.

use bytes::Bytes;
use fanfare_protocol::op::PublishLine;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// The beginning of an operation, or the commands of a parked client.
    pub(crate) rest: Box<[u8]>,
    /// A large message, of which everything but the end has come.
    pub(crate) assembly: Option<Box<Assembly>>,
}

impl Inbox {
    /// Keeps unconsumed bytes, in a buffer no larger than they are.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() || !self.rest.is_empty() {
            self.rest = bytes.into();
        }
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.rest.len() + self.assembly.as_ref().map_or(0, |assembly| assembly.body.capacity())
    }
}

/// A message whose payload is still coming in.
#[derive(Debug)]
pub(crate) struct Assembly {
    subject: Box<[u8]>,
    reply: Box<[u8]>,
    header_len: Option<u32>,
    total_len: u32,
    body: Vec<u8>,
}

impl Assembly {
    pub(crate) fn new(line: &PublishLine<'_>) -> Self {
        Self {
            subject: line.subject.into(),
            reply: line.reply.into(),
            header_len: line.header_len,
            total_len: line.total_len,
            body: Vec::new(),
        }
    }

    /// What has come of a message, its line in front.
    pub(crate) fn parts(&self) -> (PublishLine<'_>, &[u8]) {
        (self.line(), &self.body)
    }

    /// The inverse of [`Assembly::parts`]; `None` for more than a message has.
    pub(crate) fn restore(line: &PublishLine<'_>, body: &[u8]) -> Option<Self> {
        let mut assembly = Self::new(line);
        (assembly.take(body) == body.len()).then_some(assembly)
    }

    /// Takes what belongs to the message off the front of `bytes`; says how much that was.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        let wanted = self.framed_len() - self.body.len();
        let taken = wanted.min(bytes.len());
        if self.body.capacity() - self.body.len() < taken {
            // Twice what has come, and never more than the message needs.
            let target = (2 * (self.body.len() + taken)).min(self.framed_len());
            self.body.reserve_exact(target - self.body.len());
        }
        self.body.extend_from_slice(&bytes[..taken]);
        taken
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.body.len() == self.framed_len()
    }

    /// Whether the first byte behind the message has come and is wrong already.
    pub(crate) fn breaks_frame(&self) -> bool {
        self.body.get(self.total_len as usize).is_some_and(|byte| *byte != b'\r')
    }

    /// The two bytes behind the message; only of a whole one.
    pub(crate) fn frame_end(&self) -> [u8; 2] {
        let end = self.body.len();
        match self.body.get(end.saturating_sub(2)..) {
            Some([cr, lf]) => [*cr, *lf],
            _ => [0, 0],
        }
    }

    /// The control line again.
    pub(crate) fn line(&self) -> PublishLine<'_> {
        PublishLine {
            subject: &self.subject,
            reply: &self.reply,
            header_len: self.header_len,
            total_len: self.total_len,
        }
    }

    /// The body for sharing, without a copy; may be asked once.
    pub(crate) fn take_body(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.body))
    }

    /// Gives the body back when its message has to wait.
    pub(crate) fn restore_body(&mut self, body: Bytes) {
        self.body = Vec::from(body);
    }

    fn framed_len(&self) -> usize {
        self.total_len as usize + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_collected_from_any_pieces() {
        let line = PublishLine { subject: b"a", reply: b"", header_len: None, total_len: 100_000 };
        for piece in [1, 999, 65_536, 200_000] {
            let mut assembly = Assembly::new(&line);
            let input = [vec![b'x'; 100_000], b"\r\nPING".to_vec()].concat();
            let mut rest = &input[..];
            while !assembly.is_whole() {
                let taken = assembly.take(&rest[..piece.min(rest.len())]);
                rest = &rest[taken..];
                assert!(assembly.body.capacity() <= 2 * assembly.body.len().max(1));
            }
            assert_eq!(assembly.frame_end(), *b"\r\n");
            assert_eq!(rest, b"PING");
            assert_eq!(assembly.take_body().len(), 100_002);
        }
    }
}
