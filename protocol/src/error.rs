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

impl ProtocolError {
    /// Whether the connection ends after the error was sent.
    pub fn closes(&self) -> bool {
        match self {
            Self::InvalidPublishSubject
            | Self::InvalidSubject
            | Self::MaxSubscriptions
            | Self::PublishViolation(_)
            | Self::PublishReplyViolation(_)
            | Self::SubscriptionViolation { .. }
            | Self::TooManyTokens(_) => false,
            Self::AuthenticationTimeout
            | Self::AuthorizationViolation
            | Self::InvalidClientProtocol
            | Self::MaxControlLine
            | Self::MaxConnections
            | Self::MaxPayload
            | Self::NoRespondersNeedsHeaders
            | Self::StaleConnection
            | Self::UnknownOperation => true,
        }
    }
}

/// The text between the quotes of `-ERR '…'`.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SUBSCRIPTION: &str = "Permissions Violation for Subscription to";
        f.write_str(match self {
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::AuthorizationViolation => "Authorization Violation",
            Self::InvalidClientProtocol => "invalid client protocol",
            Self::InvalidPublishSubject => "Invalid Publish Subject",
            Self::InvalidSubject => "Invalid Subject",
            Self::MaxControlLine => "maximum control line exceeded",
            Self::MaxConnections => "maximum connections exceeded",
            Self::MaxPayload => "Maximum Payload Violation",
            Self::MaxSubscriptions => "maximum subscriptions exceeded",
            Self::NoRespondersNeedsHeaders => "no responders requires headers support",
            Self::StaleConnection => "Stale Connection",
            Self::UnknownOperation => "Unknown Protocol Operation",
            Self::PublishViolation(subject) => {
                return write!(f, "Permissions Violation for Publish to {}", Quoted(subject));
            }
            Self::PublishReplyViolation(reply) => {
                let reply = Quoted(reply);
                return write!(f, "Permissions Violation for Publish with Reply of {reply}");
            }
            Self::SubscriptionViolation { filter, queue: None } => {
                return write!(f, "{SUBSCRIPTION} {}", Quoted(filter));
            }
            Self::SubscriptionViolation { filter, queue: Some(queue) } => {
                return write!(
                    f,
                    "{SUBSCRIPTION} {} using queue {}",
                    Quoted(filter),
                    Quoted(queue)
                );
            }
            Self::TooManyTokens(filter) => {
                return write!(f, "{SUBSCRIPTION} {}, too many tokens", Quoted(filter));
            }
        })
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
/// alone. A combining mark is only left alone behind another letter, so one is put before it.
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
