//! One message on its way: the text around the receiver's sid, and the body.
//!
//! Absent: who receives it. The head is rendered once, on the publisher's shard; every receiver's
//! bytes are this head with its sid in the gap.

use fanfare_protocol::encode;

use super::spool::Body;

/// A message ready to be delivered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// `MSG subject ` or `HMSG subject `.
    pub(crate) prefix: &'a [u8],
    /// ` [reply] [header size] size␍␊`, what stands between the sid and the body.
    pub(crate) suffix: &'a [u8],
    /// Header block and payload with the CR LF behind them.
    pub(crate) body: Body<'a>,
    /// Bytes of the header block; `None` for a message without one.
    pub(crate) header_len: Option<u32>,
    /// Bytes of the reply subject.
    pub(crate) reply_len: u32,
}

impl<'a> Message<'a> {
    pub(crate) fn subject(&self) -> &'a [u8] {
        let start = if self.header_len.is_some() { b"HMSG ".len() } else { b"MSG ".len() };
        self.prefix.get(start..self.prefix.len().saturating_sub(1)).unwrap_or(&[])
    }

    pub(crate) fn reply(&self) -> &'a [u8] {
        self.suffix.get(1..=self.reply_len as usize).filter(|_| self.reply_len > 0).unwrap_or(&[])
    }

    /// Bytes on the wire without the sid.
    pub(crate) fn len(&self) -> usize {
        self.prefix.len() + self.suffix.len() + self.body.bytes().len()
    }

    /// Bytes of headers and payload, as statistics count them.
    pub(crate) fn body_len(&self) -> usize {
        self.body.bytes().len().saturating_sub(2)
    }
}

/// Room for one rendered head, reused from message to message.
#[derive(Debug, Default)]
pub(crate) struct Head {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
}

impl Head {
    /// Renders the head of a message whose body is `total_len` bytes, headers included.
    pub(crate) fn render(
        &mut self,
        subject: &[u8],
        reply: &[u8],
        header_len: Option<u32>,
        total_len: u32,
    ) {
        self.prefix.clear();
        self.suffix.clear();
        encode::message_prefix(&mut self.prefix, subject, header_len.is_some());
        encode::message_suffix(&mut self.suffix, reply, header_len, total_len);
    }

    /// The rendered head around a body.
    pub(crate) fn message<'a>(
        &'a self,
        body: Body<'a>,
        header_len: Option<u32>,
        reply_len: usize,
    ) -> Message<'a> {
        // INVARIANT: a reply is part of a control line, at most `CONTROL_LINE_CEILING` bytes.
        let reply_len = u32::try_from(reply_len).unwrap_or(0);
        Message { prefix: &self.prefix, suffix: &self.suffix, body, header_len, reply_len }
    }
}
