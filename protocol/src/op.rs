//! The operations of the protocol as values that borrow the bytes they were read from.
//!
//! Absent: how they are found in a stream (`decode`) and what they cause (the broker).

/// One operation that a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// `CONNECT {json}`; the text is not parsed yet, see [`crate::connect::ConnectOptions`].
    Connect(&'a [u8]),
    /// `PUB` or `HPUB` with its whole message.
    Publish(Publish<'a>),
    /// `SUB subject [queue] sid`.
    Subscribe {
        /// The filter as the client wrote it, not validated.
        filter: &'a [u8],
        /// The queue group's name.
        queue: Option<&'a [u8]>,
        /// The client's own name for the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB sid [max]`; a missing, zero or malformed maximum is `None`: unsubscribe at once.
    Unsubscribe {
        /// The subscription.
        sid: &'a [u8],
        /// Deliveries, counted from `SUB`, after which the subscription ends.
        max: Option<u64>,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `INFO {json}` or `+OK`: legal from a client and without effect.
    Ignored,
}

/// The arguments of a `PUB` or `HPUB` control line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishLine<'a> {
    /// The subject, not validated.
    pub subject: &'a [u8],
    /// The reply subject, empty when there is none.
    pub reply: &'a [u8],
    /// `Some` for `HPUB`: how many bytes of the message are its header block (may be 0).
    pub header_len: Option<u32>,
    /// Bytes of the message: header block and payload.
    pub total_len: u32,
}

/// One whole published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The control line.
    pub line: PublishLine<'a>,
    /// Header block, payload and the CR LF behind them: `line.total_len + 2` bytes.
    pub framed: &'a [u8],
}
