//! One client connection of a scenario, plain or with TLS.
//!
//! Absent: the protocol. Whoever uses a link says when TLS begins.

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::certificates::Certificates;
use crate::wire::{DEADLINE, shown};

/// A socket, and what came from it.
pub(crate) struct Link {
    socket: Option<Socket>,
    pending: Vec<u8>,
    ended: bool,
}

/// How bytes travel.
enum Socket {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl fmt::Debug for Link {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Link").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a positive timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a positive timeout");
        Self { socket: Some(Socket::Plain(stream)), pending: Vec::new(), ended: false }
    }

    /// Goes on with TLS, asking for a host and showing the certificate of that name if there is
    /// one. Returns the name of the server's certificate, or why there is none.
    pub(crate) fn secure(
        &mut self,
        host: &str,
        certificate: Option<&str>,
    ) -> Result<&'static str, String> {
        let Some(Socket::Plain(stream)) = self.socket.take() else {
            return Err("there is TLS already".to_owned());
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|why| why.to_string())?;
        let config = Arc::new(config(certificate));
        let session = ClientConnection::new(config, name).map_err(|why| why.to_string())?;
        let mut secure = Box::new(StreamOwned::new(session, stream));
        while secure.conn.is_handshaking() {
            if let Err(error) = secure.conn.complete_io(&mut secure.sock) {
                assert!(error.kind() != ErrorKind::WouldBlock, "the handshake does not end");
                self.ended = true;
                return Err(error.to_string());
            }
        }
        let shown = secure.conn.peer_certificates().and_then(<[_]>::first).cloned();
        self.socket = Some(Socket::Secure(secure));
        let known = ["server", "second"].into_iter().find(|name| {
            let known = CertificateDer::from_pem_file(pem(name)).expect("a certificate of ours");
            Some(known) == shown
        });
        known.ok_or_else(|| "an unknown certificate".to_owned())
    }

    /// Sends bytes; that the peer has closed meanwhile is for the reader to find out.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let sent = match &mut self.socket {
            None => Ok(()),
            Some(Socket::Plain(stream)) => stream.write_all(bytes),
            Some(Socket::Secure(stream)) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        if let Err(error) = sent {
            assert!(error.kind() != ErrorKind::WouldBlock, "cannot send: {error}");
        }
    }

    /// What came and was not consumed.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Removes the first bytes that came.
    pub(crate) fn consume(&mut self, count: usize) {
        self.pending.drain(..count);
    }

    /// Waits for more bytes; false when the peer has closed, in whatever way.
    pub(crate) fn fill(&mut self) -> Result<bool, String> {
        let mut chunk = [0; 16384];
        let came = match &mut self.socket {
            None => Ok(0),
            Some(Socket::Plain(stream)) => stream.read(&mut chunk),
            Some(Socket::Secure(stream)) => stream.read(&mut chunk),
        };
        match came {
            Ok(0) => self.ended = true,
            Ok(count) => self.pending.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(format!("nothing arrives; unread: {}", shown(&self.pending)));
            }
            Err(_) => self.ended = true,
        }
        Ok(!self.ended)
    }

    /// Whether the peer has closed.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }
}

/// Where a file of a certificate is.
fn pem(name: &str) -> std::path::PathBuf {
    Certificates::get().file(&format!("{name}.pem"))
}

/// What a client trusts and shows.
fn config(certificate: Option<&str>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(pem("ca")).expect("an authority");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let Some(name) = certificate else { return builder.with_no_client_auth() };
    let chain = vec![CertificateDer::from_pem_file(pem(name)).expect("a certificate")];
    let key = fs::read(Certificates::get().file(&format!("{name}.key"))).expect("a key");
    let key = PrivateKeyDer::from_pem_slice(&key).expect("a key");
    builder.with_client_auth_cert(chain, key).expect("a pair")
}
