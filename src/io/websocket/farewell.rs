//! From the reason why a client is closed to the code that its close frame gives.
//!
//! Absent: reasons that lie in the frames themselves, which have codes of their own (`session`).

use fanfare_protocol::websocket::CloseCode;

use crate::core::close::CloseReason;

/// What a client is told when the core closes it (the codes are nats-server's).
pub(super) fn code_of(reason: CloseReason) -> CloseCode {
    match reason {
        CloseReason::ClientClosed => CloseCode::Normal,
        CloseReason::AuthenticationExpired
        | CloseReason::AuthenticationTimeout
        | CloseReason::AuthorizationViolation
        | CloseReason::CredentialsRevoked
        | CloseReason::MaxAccountConnectionsExceeded
        | CloseReason::MaxConnectionsExceeded
        | CloseReason::MaxControlLineExceeded
        | CloseReason::ProxyNotTrusted
        | CloseReason::ProxyRequired
        | CloseReason::SlowConsumerPendingBytes
        | CloseReason::SlowConsumerShed
        | CloseReason::SlowConsumerWriteDeadline => CloseCode::Policy,
        CloseReason::ProtocolViolation | CloseReason::TlsHandshakeError => CloseCode::Protocol,
        CloseReason::MaxPayloadExceeded => CloseCode::TooBig,
        CloseReason::ReadError
        | CloseReason::Kicked
        | CloseReason::MovedAway
        | CloseReason::ServerShutdown
        | CloseReason::StaleConnection
        | CloseReason::WriteError => CloseCode::GoingAway,
        CloseReason::NoRespondersRequiresHeaders => CloseCode::Internal,
    }
}
