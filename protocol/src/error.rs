//! Every `-ERR` text of the protocol, once, with whether it ends the connection.
//!
//! Absent: logging, counting and closing. The texts are nats-server 2.14's, byte for byte, because
//! client libraries match on them.

use alloc::vec::Vec;
use core::fmt;

/// What a client did wrong, as it is told on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The account's credentials have run out.
    AccountAuthenticationExpired,
    /// No CONNECT in time.
    AuthenticationTimeout,
    /// Bad credentials, or a CONNECT that names an account.
    AuthorizationViolation,
    /// The broker could not bind the client to its account.
    FailedAccountRegistration,
    /// CONNECT's `protocol` is neither 0 nor 1.
    InvalidClientProtocol,
    /// Pedantic mode: a publish subject that is not a literal subject. The message still goes out.
    InvalidPublishSubject,
    /// A subscription's filter breaks the grammar of subjects.
    InvalidSubject,
    /// The account has no room for another connection.
    MaxAccountConnections,
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
    /// TLS handshakes arrive faster than they are allowed to.
    ConnectionThrottled,
    /// A subscription that was removed because it is no longer permitted; its queue group is not
    /// told (`processSubsOnConfigReload`).
    SubscriptionRevoked {
        /// The filter.
        filter: Vec<u8>,
        /// The client's own name for the subscription.
        sid: Vec<u8>,
    },
    /// A subscription that is not permitted, with its queue group if it had one.
    SubscriptionViolation {
        /// The filter.
        filter: Vec<u8>,
        /// The queue group.
        queue: Option<Vec<u8>>,
    },
    /// The client did not complete its TLS handshake; sent in clear.
    TlsRequired,
    /// A filter with more tokens than `max_sub_tokens`.
    TooManyTokens(Vec<u8>),
    /// Bytes that are no operation.
    UnknownOperation,
    /// The client's credentials have run out.
    UserAuthenticationExpired,
    /// The client's credentials were withdrawn.
    UserAuthenticationRevoked,
    /// A client connected to a port that is not for clients.
    WrongPort(Port),
}

/// A port that is for other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Gateways of other clusters.
    Gateway,
    /// Leaf nodes.
    LeafNode,
    /// Other servers of the cluster.
    Route,
}

impl ProtocolError {
    /// Whether the connection ends after the error was sent.
    pub fn closes(&self) -> bool {
        match self {
            Self::FailedAccountRegistration
            | Self::InvalidPublishSubject
            | Self::InvalidSubject
            | Self::MaxSubscriptions
            | Self::PublishViolation(_)
            | Self::PublishReplyViolation(_)
            | Self::SubscriptionRevoked { .. }
            | Self::SubscriptionViolation { .. }
            | Self::TooManyTokens(_) => false,
            Self::AccountAuthenticationExpired
            | Self::AuthenticationTimeout
            | Self::AuthorizationViolation
            | Self::ConnectionThrottled
            | Self::InvalidClientProtocol
            | Self::MaxAccountConnections
            | Self::MaxControlLine
            | Self::MaxConnections
            | Self::MaxPayload
            | Self::NoRespondersNeedsHeaders
            | Self::StaleConnection
            | Self::TlsRequired
            | Self::UnknownOperation
            | Self::UserAuthenticationExpired
            | Self::UserAuthenticationRevoked
            | Self::WrongPort(_) => true,
        }
    }
}

impl ProtocolError {
    /// The text of an error that quotes nothing; of the others, their common beginning.
    fn fixed_text(&self) -> &'static str {
        match self {
            Self::AccountAuthenticationExpired => "Account Authentication Expired",
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::AuthorizationViolation => "Authorization Violation",
            Self::ConnectionThrottled => "Connection throttling is active. Please try again later.",
            Self::FailedAccountRegistration => "Failed Account Registration",
            Self::InvalidClientProtocol => "invalid client protocol",
            Self::InvalidPublishSubject => "Invalid Publish Subject",
            Self::InvalidSubject => "Invalid Subject",
            Self::MaxAccountConnections => "maximum account active connections exceeded",
            Self::MaxControlLine => "maximum control line exceeded",
            Self::MaxConnections => "maximum connections exceeded",
            Self::MaxPayload => "Maximum Payload Violation",
            Self::MaxSubscriptions => "maximum subscriptions exceeded",
            Self::NoRespondersNeedsHeaders => "no responders requires headers support",
            Self::PublishViolation(_)
            | Self::PublishReplyViolation(_)
            | Self::SubscriptionRevoked { .. }
            | Self::SubscriptionViolation { .. }
            | Self::TooManyTokens(_) => "Permissions Violation",
            Self::StaleConnection => "Stale Connection",
            Self::TlsRequired => "Secure Connection - TLS Required",
            Self::UnknownOperation => "Unknown Protocol Operation",
            Self::UserAuthenticationExpired => "User Authentication Expired",
            Self::UserAuthenticationRevoked => "User Authentication Revoked",
            Self::WrongPort(Port::Gateway) => "attempted to connect to gateway port",
            Self::WrongPort(Port::LeafNode) => "attempted to connect to leaf node port",
            Self::WrongPort(Port::Route) => "attempted to connect to route port",
        }
    }
}

/// The text between the quotes of `-ERR '…'`.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublishViolation(subject) => {
                write!(f, "Permissions Violation for Publish to {}", Quoted(subject))
            }
            Self::PublishReplyViolation(reply) => {
                write!(f, "Permissions Violation for Publish with Reply of {}", Quoted(reply))
            }
            Self::SubscriptionViolation { filter, queue } => {
                write_subscription(f, filter, queue.as_deref())
            }
            Self::SubscriptionRevoked { filter, sid } => {
                write_subscription(f, filter, None)?;
                write!(f, " (sid {})", Quoted(sid))
            }
            Self::TooManyTokens(filter) => {
                write_subscription(f, filter, None)?;
                f.write_str(", too many tokens")
            }
            fixed => f.write_str(fixed.fixed_text()),
        }
    }
}

fn write_subscription(
    f: &mut fmt::Formatter<'_>,
    filter: &[u8],
    queue: Option<&[u8]>,
) -> fmt::Result {
    write!(f, "Permissions Violation for Subscription to {}", Quoted(filter))?;
    match queue {
        Some(queue) => write!(f, " using queue {}", Quoted(queue)),
        None => Ok(()),
    }
}

impl core::error::Error for ProtocolError {}

/// Bytes in double quotes, escaped as Go's `%q` escapes them.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                write_quoted(f, letter)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_str("\"")
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, letter: char) -> fmt::Result {
    match letter {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\x0c' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\x0b' => f.write_str("\\v"),
        '\0'..' ' | '\x7f' => write!(f, "\\x{:02x}", u32::from(letter)),
        _ if is_printable(letter) => write!(f, "{letter}"),
        '\u{80}'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(letter)),
        _ => write!(f, "\\U{:08x}", u32::from(letter)),
    }
}

/// Letters, marks, numbers, punctuation and symbols, which is also what Rust's own escaping leaves
/// alone; the two differ only in characters that are newer than Go's tables (Unicode 15). A
/// combining mark is only left alone behind another letter, so one is put before it.
fn is_printable(letter: char) -> bool {
    let mut bytes = [b'a'; 5];
    let mut encoded = [0; 4];
    let text = letter.encode_utf8(&mut encoded);
    let len = 1 + text.len();
    if let Some(slot) = bytes.get_mut(1..len) {
        slot.copy_from_slice(text.as_bytes());
    }
    let pair = bytes.get(..len).and_then(|bytes| core::str::from_utf8(bytes).ok());
    letter == '\'' || pair.is_some_and(|pair| pair.escape_debug().eq(pair.chars()))
}
