//! Why a connection ended before it was ready, and who is told what about it.
//!
//! Absent: ending it (`lobby`).

use std::fmt;
use std::io;

use fanfare_protocol::error::ProtocolError;
use fanfare_protocol::proxy::ProxyError;

use super::tls::ShakeError;
use super::websocket::Refused;
use crate::core::close::CloseReason;

/// Why a connection ended before it was ready.
#[derive(Debug)]
pub(super) enum Fault {
    /// The peer went away.
    Ended,
    Socket(io::Error),
    Proxy(ProxyError),
    Shake(ShakeError),
    /// More handshakes than may begin.
    Throttled,
    /// Nothing came in time.
    Late,
    /// The handshake was not through in time.
    LateShake,
    /// The request is not granted, and its peer knows why.
    Request(Refused),
    /// The request was not there in time.
    LateRequest,
}

impl Fault {
    pub(super) fn reason(&self) -> CloseReason {
        match self {
            Self::Ended => CloseReason::ClientClosed,
            Self::Socket(_) => CloseReason::ReadError,
            Self::Proxy(_) | Self::Late | Self::Request(_) | Self::LateRequest => {
                CloseReason::ProtocolViolation
            }
            Self::Shake(_) | Self::LateShake => CloseReason::TlsHandshakeError,
            Self::Throttled => CloseReason::MaxConnectionsExceeded,
        }
    }

    /// What the client is told, in clear.
    pub(super) fn answer(&self) -> Option<ProtocolError> {
        match self {
            Self::LateShake => Some(ProtocolError::TlsRequired),
            Self::Throttled => Some(ProtocolError::ConnectionThrottled),
            Self::Ended
            | Self::Socket(_)
            | Self::Proxy(_)
            | Self::Shake(_)
            | Self::Late
            | Self::Request(_)
            | Self::LateRequest => None,
        }
    }

    /// Whether an operator should see it without asking.
    pub(super) fn is_error(&self) -> bool {
        match self {
            Self::Proxy(_)
            | Self::Shake(ShakeError::Tls(_) | ShakeError::NotPinned)
            | Self::Request(_) => true,
            Self::Shake(ShakeError::Ended | ShakeError::NotTls | ShakeError::Socket(_))
            | Self::Ended
            | Self::Socket(_)
            | Self::Throttled
            | Self::Late
            | Self::LateShake
            | Self::LateRequest => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("the peer closed before it was let in"),
            Self::Socket(error) => write!(f, "socket error before it was let in: {error}"),
            Self::Proxy(error) => write!(f, "Error reading PROXY protocol header: {error}"),
            Self::Shake(error) => write!(f, "TLS handshake error: {error}"),
            Self::Throttled => f.write_str("rejected due to TLS rate limiting"),
            Self::Late => f.write_str("timeout reading PROXY protocol header"),
            Self::LateShake => f.write_str("TLS handshake timeout"),
            Self::Request(refused) => refused.fmt(f),
            Self::LateRequest => f.write_str("websocket handshake timeout"),
        }
    }
}
