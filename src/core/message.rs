//! One message on its way: the text around the receiver's sid, and the body.
//!
//! Absent: who receives it. The head is rendered once, on the publisher's shard; every receiver's
//! bytes are this head with its sid in the gap.

use bytes::Bytes;
use fanfare_protocol::encode;

/// The body of a message: copied into the spool, or shared because copying would cost more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Bytes to copy, with the CR LF behind them.
    Copied(&'a [u8]),
    /// Bytes to share, with the CR LF behind them.
    Shared(&'a Bytes),
}

impl<'a> Body<'a> {
    /// The bytes themselves.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Names a rendered head on one shard, so that it is stored once for a run of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeadId(u64);

impl HeadId {
    /// The name of heads that are never met again.
    pub(crate) const NONE: Self = Self(0);

    /// The name `ahead` places behind this one.
    pub(crate) fn ahead(self, ahead: u64) -> Self {
        Self(self.0 + ahead)
    }
}

/// A message ready to be delivered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// Names the head: messages with the same name on one shard have the same head.
    pub(crate) head: HeadId,
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

/// A message that is kept for later turns.
#[derive(Debug)]
pub(crate) struct Kept {
    head: HeadId,
    prefix: Box<[u8]>,
    suffix: Box<[u8]>,
    body: Bytes,
    header_len: Option<u32>,
    reply_len: u32,
}

impl Kept {
    pub(crate) fn new(message: &Message<'_>) -> Self {
        Self {
            head: message.head,
            prefix: message.prefix.into(),
            suffix: message.suffix.into(),
            body: match message.body {
                Body::Copied(bytes) => Bytes::copy_from_slice(bytes),
                Body::Shared(bytes) => bytes.clone(),
            },
            header_len: message.header_len,
            reply_len: message.reply_len,
        }
    }

    /// The bytes that a message would need to be kept, beside those that it shares.
    pub(crate) fn bytes_of(message: &Message<'_>) -> u64 {
        let body = if let Body::Copied(bytes) = message.body { bytes.len() } else { 0 };
        (message.prefix.len() + message.suffix.len() + body) as u64
    }

    /// The message.
    pub(crate) fn message(&self) -> Message<'_> {
        Message {
            head: self.head,
            prefix: &self.prefix,
            suffix: &self.suffix,
            body: Body::Shared(&self.body),
            header_len: self.header_len,
            reply_len: self.reply_len,
        }
    }
}

/// Room for one rendered head, kept while messages repeat it.
#[derive(Debug)]
pub(crate) struct Head {
    id: HeadId,
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    header_len: Option<u32>,
    total_len: u32,
    reply_len: u32,
}

impl Head {
    pub(crate) fn new() -> Self {
        Self {
            id: HeadId::NONE,
            prefix: Vec::new(),
            suffix: Vec::new(),
            header_len: None,
            total_len: 0,
            reply_len: 0,
        }
    }

    /// Whether the head of such a message is the one that was rendered last.
    #[inline]
    pub(crate) fn is_for(
        &self,
        subject: &[u8],
        reply: &[u8],
        header_len: Option<u32>,
        total_len: u32,
    ) -> bool {
        if self.id == HeadId::NONE || self.total_len != total_len || self.header_len != header_len {
            return false;
        }
        let message = self.message(Body::Copied(&[]));
        message.subject() == subject && message.reply() == reply
    }

    /// Renders the head of a message whose body is `total_len` bytes, headers included.
    pub(crate) fn render(
        &mut self,
        id: HeadId,
        subject: &[u8],
        reply: &[u8],
        header_len: Option<u32>,
        total_len: u32,
    ) {
        self.id = id;
        self.header_len = header_len;
        self.total_len = total_len;
        // INVARIANT: a reply is part of a control line, at most `CONTROL_LINE_CEILING` bytes.
        self.reply_len = u32::try_from(reply.len()).unwrap_or(0);
        self.prefix.clear();
        self.suffix.clear();
        encode::message_prefix(&mut self.prefix, subject, header_len.is_some());
        encode::message_suffix(&mut self.suffix, reply, header_len, total_len);
    }

    /// The rendered head around a body.
    #[inline]
    pub(crate) fn message<'a>(&'a self, body: Body<'a>) -> Message<'a> {
        Message {
            head: self.id,
            prefix: &self.prefix,
            suffix: &self.suffix,
            body,
            header_len: self.header_len,
            reply_len: self.reply_len,
        }
    }
}
