//! TLS towards a server that the broker itself asks something, on a thread that may wait.
//!
//! Absent: clients (`session`). The server's certificate is always checked, against the system's
//! authorities or those that are named.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::TlsError;
use super::certificates::{Certificates, authorities};
use crate::config::listen::Tls;

/// How the broker speaks TLS as somebody's client.
#[derive(Debug)]
pub(crate) struct Outgoing(Arc<ClientConfig>);

impl Outgoing {
    /// Takes over what a configuration says; nothing said is the system's authorities and no
    /// certificate of one's own.
    pub(crate) fn new(written: Option<&Tls>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = authorities(written.and_then(|tls| tls.ca_file.as_deref()))?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Choice(error.to_string()))?
            .with_root_certificates(roots);
        let own = written.map_or(&[][..], |tls| &tls.certificates);
        let config = if own.is_empty() {
            builder.with_no_client_auth()
        } else {
            let own = Certificates::load(own, &provider)?;
            builder.with_client_cert_resolver(Arc::new(own))
        };
        Ok(Self(Arc::new(config)))
    }

    /// Begins TLS on a socket; the handshake happens with the first write.
    pub(crate) fn open<S: Read + Write>(
        &self,
        host: &str,
        socket: S,
    ) -> std::io::Result<StreamOwned<ClientConnection, S>> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(&self.0), name);
        Ok(StreamOwned::new(session.map_err(std::io::Error::other)?, socket))
    }
}
