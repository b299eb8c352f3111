//! What a shard's thread must know of a listener to let its connections in.
//!
//! Absent: what the core knows of it (`core::arrival`), and the listening socket (`accept`). A gate
//! never changes: a reload makes another one, and connections that come after it meet that.

use super::tls::Acceptor;
use super::websocket::Reception;
use crate::config::listen::HandshakeFirst;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// TLS, when it is spoken here.
    pub(crate) tls: Option<Acceptor>,
    /// A PROXY header may come first.
    pub(crate) proxy_protocol: bool,
    /// Clients speak WebSocket.
    pub(crate) websocket: Option<Reception>,
}

impl Gate {
    /// Whether a connection can become a client as it is.
    pub(super) fn is_open(&self) -> bool {
        self.tls.is_none() && !self.proxy_protocol && self.websocket.is_none()
    }

    /// When the handshake begins, seen from the greeting.
    pub(super) fn handshake_first(&self) -> HandshakeFirst {
        if self.websocket.is_some() {
            return HandshakeFirst::Yes;
        }
        self.tls.as_ref().map_or(HandshakeFirst::No, |tls| tls.handshake_first)
    }
}
