//! Every `-ERR` text of the protocol, once, with whether it ends the connection.
//!
//! Absent: logging, counting and closing. The texts are nats-server 2.14's, byte for byte, because
//! client libraries match on them.

use core::fmt;

/// What a client did wrong, as it is told on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// No CONNECT in time.
    AuthenticationTimeout,
    /// Bad credentials, or a CONNECT that names an account.
    AuthorizationViolation,
    /// CONNECT's `protocol` is neither 0 nor 1.
    InvalidClientProtocol,
    /// Pedantic mode: a publish subject that is not a literal subject. The message still goes out.
    InvalidPublishSubject,
    /// A subscription's filter breaks the grammar of subjects.
    InvalidSubject,
    /// A control line longer than the limit.
    MaxControlLine,
    /// The broker's table of connections is full.
    MaxConnections,
    /// A message larger than `max_payload`, judged on its control line.
    MaxPayload,
    /// The client's table of subscriptions is full.
    MaxSubscriptions,
    /// CONNECT asked for no-responders without headers.
    NoRespondersNeedsHeaders,
    /// A publish to a reserved subject.
    PublishViolation(Vec<u8>),
    /// A publish with a reserved reply subject.
    PublishReplyViolation(Vec<u8>),
    /// The client left too many PINGs unanswered.
    StaleConnection,
    /// A subscription that is not permitted, with its queue group if it had one.
    SubscriptionViolation {
        /// The filter.
        filter: Vec<u8>,
        /// The queue group.
        queue: Option<Vec<u8>>,
    },
    /// A filter with more tokens than `max_sub_tokens`.
    TooManyTokens(Vec<u8>),
    /// Bytes that are no operation.
    UnknownOperation,
}
