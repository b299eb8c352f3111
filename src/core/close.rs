//! Why a connection ended: the log's words for it and whether its pending output is still written.
//!
//! Absent: the `-ERR` texts, which are the protocol's (`fanfare_protocol::error`).

use std::fmt;

/// Every reason to close a connection. The texts are those that operators of NATS know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The credentials of a client that was in have run out.
    AuthenticationExpired,
    /// No operation in time.
    AuthenticationTimeout,
    /// CONNECT was refused.
    AuthorizationViolation,
    /// The client closed, or half-closed, its side.
    ClientClosed,
    /// The credentials of a client that was in were withdrawn.
    CredentialsRevoked,
    /// Somebody in the system account asked for it.
    Kicked,
    /// The client's account had no room for it.
    MaxAccountConnectionsExceeded,
    /// The broker had no room for the connection.
    MaxConnectionsExceeded,
    /// A control line above the limit.
    MaxControlLineExceeded,
    /// A message above the limit.
    MaxPayloadExceeded,
    /// The connection lives on in another process.
    MovedAway,
    /// CONNECT asked for no-responders without headers.
    NoRespondersRequiresHeaders,
    /// A proxy that nobody trusts vouched for the client.
    ProxyNotTrusted,
    /// No proxy vouched for a user that needs one.
    ProxyRequired,
    /// Bytes that are not the protocol.
    ProtocolViolation,
    /// The socket failed while it was read.
    ReadError,
    /// The broker stops.
    ServerShutdown,
    /// More unsent bytes than a client may have.
    SlowConsumerPendingBytes,
    /// The largest debtor when a shard's memory for unsent messages ran out.
    SlowConsumerShed,
    /// The client took no byte for too long.
    SlowConsumerWriteDeadline,
    /// Too many unanswered PINGs.
    StaleConnection,
    /// The TLS handshake failed or took too long.
    TlsHandshakeError,
    /// The socket failed while it was written.
    WriteError,
}

impl CloseReason {
    /// Whether what waits for the client is written before the socket is closed.
    pub fn flushes(self) -> bool {
        match self {
            Self::AuthenticationExpired
            | Self::AuthenticationTimeout
            | Self::AuthorizationViolation
            | Self::ClientClosed
            | Self::CredentialsRevoked
            | Self::Kicked
            | Self::MaxAccountConnectionsExceeded
            | Self::MaxConnectionsExceeded
            | Self::MaxControlLineExceeded
            | Self::MaxPayloadExceeded
            | Self::NoRespondersRequiresHeaders
            | Self::ProtocolViolation
            | Self::ProxyNotTrusted
            | Self::ProxyRequired
            | Self::ServerShutdown
            | Self::StaleConnection
            | Self::TlsHandshakeError => true,
            Self::MovedAway
            | Self::ReadError
            | Self::SlowConsumerPendingBytes
            | Self::SlowConsumerShed
            | Self::SlowConsumerWriteDeadline
            | Self::WriteError => false,
        }
    }

    /// Whether the client was closed for being slow.
    pub fn is_slow_consumer(self) -> bool {
        matches!(
            self,
            Self::SlowConsumerPendingBytes
                | Self::SlowConsumerShed
                | Self::SlowConsumerWriteDeadline
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthenticationExpired => "Authentication Expired",
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::AuthorizationViolation => "Authentication Failure",
            Self::ClientClosed => "Client Closed",
            Self::CredentialsRevoked => "Credentials Revoked",
            Self::Kicked => "Kicked",
            Self::MaxAccountConnectionsExceeded => "Maximum Account Connections Exceeded",
            Self::MaxConnectionsExceeded => "Maximum Connections Exceeded",
            Self::MaxControlLineExceeded => "Maximum Control Line Exceeded",
            Self::MaxPayloadExceeded => "Maximum Message Payload Exceeded",
            Self::MovedAway => "Moved to Another Process",
            Self::NoRespondersRequiresHeaders => "No Responders Requires Headers",
            Self::ProtocolViolation => "Protocol Violation",
            Self::ProxyNotTrusted => "Proxy Not Trusted",
            Self::ProxyRequired => "Proxy Required",
            Self::ReadError => "Read Error",
            Self::ServerShutdown => "Server Shutdown",
            Self::SlowConsumerPendingBytes => "Slow Consumer (Pending Bytes)",
            Self::SlowConsumerShed => "Slow Consumer (Memory Budget)",
            Self::SlowConsumerWriteDeadline => "Slow Consumer (Write Deadline)",
            Self::StaleConnection => "Stale Connection",
            Self::TlsHandshakeError => "TLS Handshake Failure",
            Self::WriteError => "Write Error",
        })
    }
}
